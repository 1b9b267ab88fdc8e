"""simple-salesforce, a client nobody here wrote, against the running org."""

import os
import signal
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql

from sandbox.processes.process import ProcessError
from tests.patience import HANG_S
from tests.sandbox.vendors.salesforce.conftest import OrgProcess, start_org
from tests.sandbox.vendors.salesforce.simple_client import (
    by_client_credentials,
    consumer_keys,
    error_code,
    records_of,
    simple_client,
)

ACME = "001QW0000000001YAA"
Login = Callable[..., Salesforce]


@pytest.fixture(scope="module")
def salesforce(org_process: OrgProcess) -> Salesforce:
    return by_client_credentials(org_process)


def _user(org: OrgProcess) -> dict[str, str]:
    return {name: org.credentials[name] for name in ("username", "password")}


def _by_soap_with_security_token(org: OrgProcess) -> Salesforce:
    return simple_client(org, **_user(org), security_token=org.credentials["security_token"])


def _by_soap_from_a_trusted_address(org: OrgProcess) -> Salesforce:
    return simple_client(org, **_user(org), organizationId="00DQW0000000001")


def _by_password(org: OrgProcess) -> Salesforce:
    return simple_client(org, **_user(org), **consumer_keys(org))


def _by_jwt_bearer(org: OrgProcess) -> Salesforce:
    known = org.credentials
    key = known["client_private_key_pem"]
    return simple_client(org, username=known["username"], consumer_key=known["client_id"], privatekey=key)


def _by_session_id(org: OrgProcess) -> Salesforce:
    return simple_client(org, session_id=by_client_credentials(org).session_id, instance_url=org.url)


def _unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize(
    "log_in",
    [
        by_client_credentials,
        _by_soap_with_security_token,
        _by_soap_from_a_trusted_address,
        _by_password,
        _by_jwt_bearer,
        _by_session_id,
    ],
)
def test_every_login(org_process: OrgProcess, log_in: Login) -> None:
    salesforce = log_in(org_process)
    assert salesforce.sf_instance == urlsplit(org_process.url).netloc
    assert salesforce.query("SELECT COUNT() FROM Account WHERE Name LIKE 'Acme%'")["totalSize"] == 1
    assert salesforce.api_usage["api-usage"].total == 100_000


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"username": "nobody", "password": "wrong", "security_token": "wrong"}, "INVALID_LOGIN"),
        ({"consumer_key": "nobody", "consumer_secret": "wrong", "domain": "nordwind.my"}, "invalid_client_id"),
    ],
)
def test_refused_logins(org_process: OrgProcess, changed: dict[str, str], code: str) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        simple_client(org_process, **changed)
    assert caught.value.code == code


def test_a_wrong_secret_is_refused(org_process: OrgProcess) -> None:
    keys = {**consumer_keys(org_process), "consumer_secret": "wrong"}
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        simple_client(org_process, **keys, domain="nordwind.my")
    assert caught.value.code == "invalid_client"


def test_the_client_logs_in_again_when_its_session_ends(org_process: OrgProcess) -> None:
    salesforce = by_client_credentials(org_process)
    requests.delete(f"{org_process.url}/_sandbox/sessions", timeout=5)
    assert salesforce.query("SELECT COUNT() FROM Account WHERE Name LIKE 'Acme%'")["totalSize"] == 1
    requests.delete(f"{org_process.url}/_sandbox/sessions", timeout=5)
    assert records_of(salesforce, "Account").get(ACME)["BillingCity"] == "Stuttgart"


def test_records(salesforce: Salesforce) -> None:
    order_id = _unique("record")
    created = records_of(salesforce, "Quoteway_Order__c").create(
        {"Order_Id__c": order_id, "Account__c": ACME, "Order_Total__c": 12.34}
    )
    assert created["success"] is True
    assert records_of(salesforce, "Quoteway_Order__c").update(created["id"], {"Status__c": "booked"}) == 204
    record = records_of(salesforce, "Quoteway_Order__c").get(created["id"])
    assert (record["Order_Id__c"], record["Status__c"], record["Order_Total__c"]) == (order_id, "booked", 12.34)
    assert records_of(salesforce, "Quoteway_Order__c").get_by_custom_id("Order_Id__c", order_id)["Id"] == created["id"]
    assert records_of(salesforce, "Quoteway_Order__c").upsert(f"Order_Id__c/{order_id}", {"Status__c": "parked"}) == 200
    assert (
        records_of(salesforce, "Quoteway_Order__c").upsert(f"Order_Id__c/{_unique('upsert')}", {"Status__c": "new"})
        == 201
    )
    assert records_of(salesforce, "Quoteway_Order__c").delete(created["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        records_of(salesforce, "Quoteway_Order__c").get(created["id"])


def test_errors_reach_the_client_as_its_own(salesforce: Salesforce, org_process: OrgProcess) -> None:
    with pytest.raises(SalesforceMalformedRequest) as malformed:
        salesforce.query("SELECT Id FORM Account")
    assert error_code(malformed) == "MALFORMED_QUERY"
    with pytest.raises(SalesforceResourceNotFound):
        records_of(salesforce, "Nothing").get(ACME)
    number = _unique("SO")
    for name in ("a", "b"):
        records_of(salesforce, "Quoteway_Order__c").create(
            {"Order_Id__c": _unique(name), "ERP_Order_Number__c": number}
        )
    with pytest.raises(SalesforceMoreThanOneRecord):
        records_of(salesforce, "Quoteway_Order__c").upsert(f"ERP_Order_Number__c/{number}", {"Status__c": "x"})
    refusal: dict[str, str | int] = {"path": "/limits", "status": 403, "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    requests.post(f"{org_process.url}/_sandbox/refuse", json=refusal, timeout=5)
    with pytest.raises(SalesforceRefusedRequest):
        salesforce.limits()


def test_queries_with_any_text_and_exact_decimals(org_process: OrgProcess) -> None:
    salesforce = by_client_credentials(org_process, parse_float=Decimal)
    text = 'it\'s 100% "quoted" \\ and_so\ton'
    order_id = _unique("text")
    records_of(salesforce, "Quoteway_Order__c").create(
        {"Order_Id__c": order_id, "ERP_Order__c": text, "Order_Total__c": "0.10"}
    )
    soql = format_soql("SELECT ERP_Order__c FROM Quoteway_Order__c WHERE ERP_Order__c = {}", text)
    assert [one["ERP_Order__c"] for one in salesforce.query(soql)["records"]] == [text]
    like = format_soql("SELECT Id FROM Quoteway_Order__c WHERE ERP_Order__c LIKE '%{:like}%'", '100% "quoted')
    assert salesforce.query(like)["totalSize"] == 1
    soql = format_soql("SELECT Order_Total__c FROM Quoteway_Order__c WHERE Order_Id__c IN {}", [order_id, "other"])
    [record] = salesforce.query(soql)["records"]
    assert record["Order_Total__c"] == Decimal("0.1")


def test_all_pages_of_a_query(salesforce: Salesforce) -> None:
    prefix = _unique("page")
    for begin in range(0, 600, 200):
        records = [
            {"attributes": {"type": "Quoteway_Order__c"}, "Order_Id__c": f"{prefix}-{number:03d}"}
            for number in range(begin, begin + 200)
        ]
        results = salesforce.restful("composite/sobjects", method="POST", json={"records": records})
        assert results is not None
        assert all(result["success"] for result in results)
    soql = f"SELECT Order_Id__c FROM Quoteway_Order__c WHERE Order_Id__c LIKE '{prefix}%' ORDER BY Order_Id__c"
    small_pages = {"Sforce-Query-Options": "batchSize=250"}
    assert salesforce.query(soql, headers=small_pages)["done"] is False
    found = salesforce.query_all(soql, headers=small_pages)
    assert [one["Order_Id__c"] for one in found["records"]] == [f"{prefix}-{number:03d}" for number in range(600)]


def test_composite_and_describe(salesforce: Salesforce) -> None:
    request = {"method": "GET", "url": f"/services/data/v59.0/sobjects/Account/{ACME}", "referenceId": "acme"}
    answer = salesforce.restful("composite", method="POST", json={"compositeRequest": [request]})
    assert answer is not None
    assert answer["compositeResponse"][0]["body"]["Name"] == "Acme Industriewerke GmbH"
    described = salesforce.describe()
    assert described is not None
    assert "Quoteway_Order__c" in [one["name"] for one in described["sobjects"]]
    assert records_of(salesforce, "Quote").describe()["keyPrefix"] == "0Q0"
    assert records_of(salesforce, "Quote").metadata()["objectDescribe"]["name"] == "Quote"
    assert salesforce.limits()["DailyApiRequests"]["Max"] == 100_000
    assert salesforce.is_sandbox() is True
    user_info = salesforce.oauth2("userinfo")
    assert user_info is not None
    assert user_info["user_id"] == "005QW0000000009YAA"


def test_the_process_ends_in_order_and_says_when_it_cannot_start(tmp_path: Path) -> None:
    org = start_org(tmp_path)
    port = str(urlsplit(org.url).port)
    with pytest.raises(ProcessError, match="cannot start"):
        start_org(tmp_path, "--port", port)
    with requests.Session() as idle_connection:
        assert idle_connection.get(f"{org.url}/services/data", timeout=5).status_code == 200
        os.kill(org.process.pid, signal.SIGTERM)
        assert org.process.wait(HANG_S) == 0
