"""The query resources, the limits resource, and the list of resources of a version."""

import re

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.org.query_cursors import BATCH_SIZE_MAX
from sandbox.vendors.salesforce.rest.calls import Answer, Call, Resource
from sandbox.vendors.salesforce.soql.run import QueryRunner

_BATCH_SIZE = re.compile(r"\bbatchSize\s*=\s*(\d{1,6})\b", re.IGNORECASE)


def run_query(call: Call) -> Answer:
    return _run(call, with_deleted=False)


def run_query_all(call: Call) -> Answer:
    return _run(call, with_deleted=True)


def _run(call: Call, *, with_deleted: bool) -> Answer:
    text = call.query.get("q")
    if not text:
        raise SalesforceError("MALFORMED_QUERY", "the parameter q with a SOQL query is missing")
    runner = QueryRunner(call.org.store, call.org.access, call.user_id, call.version, with_deleted)
    result = runner.run(text)
    # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_queryoptions.htm
    asked = _BATCH_SIZE.search(call.headers.get("sforce-query-options", ""))
    batch_size = int(asked.group(1)) if asked else BATCH_SIZE_MAX
    return Answer(200, call.org.cursors.first_page(call.user_id, result, batch_size, call.base_path))


def next_page(call: Call, locator: str) -> Answer:
    return Answer(200, call.org.cursors.next_page(call.user_id, locator, call.base_path))


def read_limits(call: Call) -> Answer:
    return Answer(200, call.org.quota.describe())


def list_resources(call: Call) -> Answer:
    names = ("sobjects", "query", "queryAll", "composite", "limits")
    return Answer(200, {name: f"{call.base_path}/{name}" for name in names})


RESOURCES = (
    Resource("GET", "", list_resources),
    Resource("GET", "query", run_query),
    Resource("GET", "queryAll", run_query_all),
    Resource("GET", "query/{locator}", next_page),
    Resource("GET", "queryAll/{locator}", next_page),
    Resource("GET", "limits", read_limits),
)
