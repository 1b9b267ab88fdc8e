"""simple-salesforce, a client nobody here wrote, against the running org."""

import os
import signal
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql

from sandbox.processes.process import ProcessError
from tests.patience import HANG_S
from tests.sandbox.vendors.salesforce.conftest import OrgProcess, start_org

ACME = "001QW0000000001YAA"
Login = Callable[..., Salesforce]


class _RewritingAdapter(HTTPAdapter):
    """The client knows https addresses of salesforce.com only; this sends them to the sandbox."""

    def __init__(self, org_url: str) -> None:
        super().__init__()
        self._target = urlsplit(org_url)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.url = urlunsplit((self._target.scheme, self._target.netloc, parts.path, parts.query, ""))
        return super().send(request, *arguments, **options)


def _session(org: OrgProcess) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _RewritingAdapter(org.url))
    return session


def _client(org: OrgProcess, **options: Any) -> Salesforce:
    return Salesforce(session=_session(org), **options)


def _keys(org: OrgProcess) -> dict[str, str]:
    return {"consumer_key": org.credentials["client_id"], "consumer_secret": org.credentials["client_secret"]}


def _user(org: OrgProcess) -> dict[str, str]:
    return {name: org.credentials[name] for name in ("username", "password")}


def _by_client_credentials(org: OrgProcess, **options: Any) -> Salesforce:
    return _client(org, **_keys(org), domain="nordwind.my", **options)


def _by_soap_with_security_token(org: OrgProcess) -> Salesforce:
    return _client(org, **_user(org), security_token=org.credentials["security_token"])


def _by_soap_from_a_trusted_address(org: OrgProcess) -> Salesforce:
    return _client(org, **_user(org), organizationId="00DQW0000000001")


def _by_password(org: OrgProcess) -> Salesforce:
    return _client(org, **_user(org), **_keys(org))


def _by_jwt_bearer(org: OrgProcess) -> Salesforce:
    known = org.credentials
    key = known["client_private_key_pem"]
    return _client(org, username=known["username"], consumer_key=known["client_id"], privatekey=key)


def _by_session_id(org: OrgProcess) -> Salesforce:
    return _client(org, session_id=_by_client_credentials(org).session_id, instance_url=org.url)


def _records(salesforce: Salesforce, name: str) -> Any:
    """The client's interface to one object; its own annotation names two others that this is not."""
    return getattr(salesforce, name)


def _error_code(caught: pytest.ExceptionInfo[SalesforceError]) -> str:
    content: Any = caught.value.content
    return str(content[0]["errorCode"])


@pytest.fixture(scope="module")
def salesforce(org_process: OrgProcess) -> Salesforce:
    return _by_client_credentials(org_process)


def _unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize(
    "log_in",
    [
        _by_client_credentials,
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
        _client(org_process, **changed)
    assert caught.value.code == code


def test_a_wrong_secret_is_refused(org_process: OrgProcess) -> None:
    keys = {**_keys(org_process), "consumer_secret": "wrong"}
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        _client(org_process, **keys, domain="nordwind.my")
    assert caught.value.code == "invalid_client"


def test_the_client_logs_in_again_when_its_session_ends(org_process: OrgProcess) -> None:
    salesforce = _by_client_credentials(org_process)
    requests.delete(f"{org_process.url}/_sandbox/sessions", timeout=5)
    assert salesforce.query("SELECT COUNT() FROM Account WHERE Name LIKE 'Acme%'")["totalSize"] == 1
    requests.delete(f"{org_process.url}/_sandbox/sessions", timeout=5)
    assert _records(salesforce, "Account").get(ACME)["BillingCity"] == "Stuttgart"


def test_records(salesforce: Salesforce) -> None:
    order_id = _unique("record")
    created = _records(salesforce, "Quoteway_Order__c").create(
        {"Order_Id__c": order_id, "Account__c": ACME, "Order_Total__c": 12.34}
    )
    assert created["success"] is True
    assert _records(salesforce, "Quoteway_Order__c").update(created["id"], {"Status__c": "booked"}) == 204
    record = _records(salesforce, "Quoteway_Order__c").get(created["id"])
    assert (record["Order_Id__c"], record["Status__c"], record["Order_Total__c"]) == (order_id, "booked", 12.34)
    assert _records(salesforce, "Quoteway_Order__c").get_by_custom_id("Order_Id__c", order_id)["Id"] == created["id"]
    assert _records(salesforce, "Quoteway_Order__c").upsert(f"Order_Id__c/{order_id}", {"Status__c": "parked"}) == 200
    assert (
        _records(salesforce, "Quoteway_Order__c").upsert(f"Order_Id__c/{_unique('upsert')}", {"Status__c": "new"})
        == 201
    )
    assert _records(salesforce, "Quoteway_Order__c").delete(created["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        _records(salesforce, "Quoteway_Order__c").get(created["id"])


def test_errors_reach_the_client_as_its_own(salesforce: Salesforce, org_process: OrgProcess) -> None:
    with pytest.raises(SalesforceMalformedRequest) as malformed:
        salesforce.query("SELECT Id FORM Account")
    assert _error_code(malformed) == "MALFORMED_QUERY"
    with pytest.raises(SalesforceResourceNotFound):
        _records(salesforce, "Nothing").get(ACME)
    number = _unique("SO")
    for name in ("a", "b"):
        _records(salesforce, "Quoteway_Order__c").create({"Order_Id__c": _unique(name), "ERP_Order_Number__c": number})
    with pytest.raises(SalesforceMoreThanOneRecord):
        _records(salesforce, "Quoteway_Order__c").upsert(f"ERP_Order_Number__c/{number}", {"Status__c": "x"})
    refusal: dict[str, str | int] = {"path": "/limits", "status": 403, "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    requests.post(f"{org_process.url}/_sandbox/refuse", json=refusal, timeout=5)
    with pytest.raises(SalesforceRefusedRequest):
        salesforce.limits()


def test_queries_with_any_text_and_exact_decimals(org_process: OrgProcess) -> None:
    salesforce = _by_client_credentials(org_process, parse_float=Decimal)
    text = 'it\'s 100% "quoted" \\ and_so\ton'
    order_id = _unique("text")
    _records(salesforce, "Quoteway_Order__c").create(
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
    assert _records(salesforce, "Quote").describe()["keyPrefix"] == "0Q0"
    assert _records(salesforce, "Quote").metadata()["objectDescribe"]["name"] == "Quote"
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
