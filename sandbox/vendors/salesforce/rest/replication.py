"""Which records of an object were deleted or changed within a span of time: getDeleted and getUpdated.

Source: REST API Developer Guide, "sObject Get Deleted" and "sObject Get Updated": deletions are told for 15 days,
changes for 30; `start` must lie before `end`, and the answer says up to when it covers them.
"""

from datetime import UTC, datetime, timedelta

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records.field_values import parse_datetime, render
from sandbox.vendors.salesforce.rest.calls import Answer, Call, Resource

_DELETIONS_TOLD = timedelta(days=15)
_CHANGES_TOLD = timedelta(days=30)


def deleted(call: Call, object_name: str) -> Answer:
    """Merged records are deleted ones too."""
    sobject = call.org.object_named(object_name)
    start, end = _span(call, _DELETIONS_TOLD)
    records = [
        {"id": record["Id"], "deletedDate": render(record["SystemModstamp"])}
        for record in call.org.store.records(sobject, with_deleted=True)
        if record["IsDeleted"] and _within(record["SystemModstamp"], start, end)
    ]
    earliest = render(call.org.store.now() - _DELETIONS_TOLD)
    return Answer(200, {"deletedRecords": records, "earliestDateAvailable": earliest, "latestDateCovered": render(end)})


def updated(call: Call, object_name: str) -> Answer:
    """New records are updated ones too."""
    sobject = call.org.object_named(object_name)
    start, end = _span(call, _CHANGES_TOLD)
    found = [
        record["Id"] for record in call.org.store.records(sobject) if _within(record["SystemModstamp"], start, end)
    ]
    return Answer(200, {"ids": found, "latestDateCovered": render(end)})


def _span(call: Call, told: timedelta) -> tuple[datetime, datetime]:
    start, end = (_moment(call, name) for name in ("start", "end"))
    if start >= end:
        raise SalesforceError("INVALID_REPLICATION_DATE", "startDate must be before endDate")
    if start < call.org.store.now() - told:
        message = f"startDate cannot be more than {told.days} days ago"
        raise SalesforceError("INVALID_REPLICATION_DATE", message)
    return start, min(end, call.org.store.now())


def _moment(call: Call, name: str) -> datetime:
    moment = parse_datetime(call.query.get(name, ""))
    if moment is None:
        raise SalesforceError("INVALID_REPLICATION_DATE", f"the parameter {name} is not a date and time")
    return moment


def _within(moment: object, start: datetime, end: datetime) -> bool:
    return isinstance(moment, datetime) and start <= moment.astimezone(UTC) <= end


RESOURCES = (
    Resource("GET", "sobjects/{object_name}/deleted", deleted),
    Resource("GET", "sobjects/{object_name}/updated", updated),
)
