"""Two clients nobody here wrote, against an org with one currency, no picklists and CPQ's objects."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosalesforce import Salesforce as AioSalesforce
from aiosalesforce.exceptions import SalesforceError as AioSalesforceError
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from tests.sandbox.vendors.salesforce.async_client import BASE_URL, RewritingTransport, client_credentials
from tests.sandbox.vendors.salesforce.conftest import OrgProcess, start_org
from tests.sandbox.vendors.salesforce.simple_client import consumer_keys, error_code, records_of, simple_client

ACME = "001QW0000000001YAA"
PROFILES = ("single-currency", "no-picklists", "cpq", "hidden-field", "other-org")


@pytest.fixture(scope="module")
def small_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgProcess]:
    options = [word for profile in PROFILES for word in ("--profile", profile)]
    org = start_org(tmp_path_factory.mktemp("small-org"), *options)
    with org.process:
        yield org


@pytest.fixture(scope="module")
def salesforce(small_org: OrgProcess) -> Salesforce:
    return simple_client(small_org, domain="nordwind.my", version="67.0", **consumer_keys(small_org))


def test_what_the_org_lacks_is_the_clients_malformed_request(salesforce: Salesforce) -> None:
    for soql in ("SELECT CurrencyIsoCode FROM Account", "SELECT Start_Date__c FROM Quote"):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            salesforce.query(soql)
        assert error_code(caught) == "INVALID_FIELD"


def test_the_client_describes_and_reads_cpq(salesforce: Salesforce) -> None:
    described = records_of(salesforce, "SBQQ__Quote__c").describe()
    relationships = {each["relationshipName"]: each["childSObject"] for each in described["childRelationships"]}
    assert relationships["SBQQ__LineItems__r"] == "SBQQ__QuoteLine__c"
    found = _query(salesforce, "SELECT Name, (SELECT Id FROM SBQQ__LineItems__r) FROM SBQQ__Quote__c ORDER BY Name")
    assert found["totalSize"] == 8
    assert found["records"][0]["SBQQ__LineItems__r"]["totalSize"] == 4


def test_the_client_is_told_of_deletions_and_changes(salesforce: Salesforce) -> None:
    created = records_of(salesforce, "Quoteway_Order__c").create({"Order_Id__c": "gone"})
    records_of(salesforce, "Quoteway_Order__c").delete(created["id"])
    span = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(minutes=5))
    deleted = records_of(salesforce, "Quoteway_Order__c").deleted(*span)
    assert created["id"] in [each["id"] for each in deleted["deletedRecords"]]
    assert isinstance(records_of(salesforce, "Account").updated(*span)["ids"], list)


def test_the_client_does_not_find_a_merged_account(small_org: OrgProcess, salesforce: Salesforce) -> None:
    twin = records_of(salesforce, "Account").create({"Name": "Acme again", "BillingCountry": "Germany"})["id"]
    merge = {"master_id": ACME, "merged_id": twin}
    httpx.post(f"{small_org.url}/_sandbox/merge", json=merge).raise_for_status()
    with pytest.raises(SalesforceResourceNotFound):
        records_of(salesforce, "Account").get(twin)
    query = f"SELECT MasterRecordId FROM Account WHERE Id = '{twin}'"
    assert _query(salesforce, query, include_deleted=True)["records"][0]["MasterRecordId"] == ACME


async def test_the_other_client_reads_the_same_org(small_org: OrgProcess, tmp_path: Path) -> None:
    async with httpx.AsyncClient(transport=RewritingTransport(small_org.url)) as http:
        login = client_credentials(small_org, tmp_path)
        other = AioSalesforce(http, BASE_URL, login, version="67.0", retry_policy=None)
        [organization] = [record async for record in other.query("SELECT Id, DefaultCurrencyIsoCode FROM Organization")]
        assert organization["Id"].startswith("00DQW0000000002")
        assert organization["DefaultCurrencyIsoCode"] == "EUR"
        with pytest.raises(AioSalesforceError) as caught:
            [record async for record in other.query("SELECT BillingCountryCode FROM Account")]
        assert caught.value.error_code == "INVALID_FIELD"


def _query(salesforce: Salesforce, soql: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = salesforce.query(soql, **options)
    return found
