"""aiosalesforce, a client nobody here wrote, against the running org."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiosalesforce import Salesforce
from aiosalesforce.auth import Auth, ClientCredentialsFlow, JwtBearerFlow, SoapLogin
from aiosalesforce.exceptions import (
    AuthenticationError,
    MoreThanOneRecordError,
    NotFoundError,
    RequestLimitExceededError,
    SalesforceError,
)

from tests.sandbox.vendors.salesforce.async_client import BASE_URL, RewritingTransport, client_credentials
from tests.sandbox.vendors.salesforce.conftest import OrgProcess

ACME = "001QW0000000001YAA"


def _jwt_bearer(org: OrgProcess, folder: Path) -> Auth:
    key_file = folder / "client.pem"
    key_file.write_text(org.credentials["client_private_key_pem"])
    return JwtBearerFlow(org.credentials["client_id"], org.credentials["username"], key_file)


def _soap(org: OrgProcess, _: Path) -> Auth:
    return SoapLogin(*(org.credentials[name] for name in ("username", "password", "security_token")))


@pytest_asyncio.fixture
async def http(org_process: OrgProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=RewritingTransport(org_process.url)) as client:
        yield client


@pytest_asyncio.fixture
async def salesforce(org_process: OrgProcess, http: httpx.AsyncClient, tmp_path: Path) -> Salesforce:
    return Salesforce(http, BASE_URL, client_credentials(org_process, tmp_path), version="67.0", retry_policy=None)


def _unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


async def _refuse(org: OrgProcess, **refusal: Any) -> None:
    async with httpx.AsyncClient() as control:
        assert (await control.post(f"{org.url}/_sandbox/refuse", json=refusal)).status_code == 204


@pytest.mark.parametrize("auth", [client_credentials, _jwt_bearer, _soap])
async def test_every_login(
    org_process: OrgProcess, http: httpx.AsyncClient, tmp_path: Path, auth: Callable[[OrgProcess, Path], Auth]
) -> None:
    salesforce = Salesforce(http, BASE_URL, auth(org_process, tmp_path))
    assert (await salesforce.get_limits())["DailyApiRequests"]["Max"] == 100_000


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        (ClientCredentialsFlow("nobody", "wrong"), "invalid_client_id"),
        (SoapLogin("nobody", "wrong", "wrong"), "INVALID_LOGIN"),
    ],
)
async def test_refused_logins(http: httpx.AsyncClient, auth: Auth, code: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        await Salesforce(http, BASE_URL, auth).get_limits()
    assert caught.value.error_code == code


async def test_records(salesforce: Salesforce) -> None:
    order_id = _unique("record")
    record_id = await salesforce.sobject.create("Quoteway_Order__c", {"Order_Id__c": order_id, "Account__c": ACME})
    await salesforce.sobject.update("Quoteway_Order__c", record_id, {"Status__c": "booked"})
    record = await salesforce.sobject.get("Quoteway_Order__c", record_id, fields=["Status__c", "Order_Id__c"])
    assert (record["Status__c"], record["Order_Id__c"]) == ("booked", order_id)
    by_key = await salesforce.sobject.get("Quoteway_Order__c", order_id, external_id_field="Order_Id__c")
    assert by_key["Id"] == record_id
    for created, key in ((False, order_id), (True, _unique("upsert"))):
        saved = await salesforce.sobject.upsert("Quoteway_Order__c", key, "Order_Id__c", {"Status__c": "parked"})
        assert saved.created is created
    await salesforce.sobject.delete("Quoteway_Order__c", order_id, external_id_field="Order_Id__c")
    with pytest.raises(NotFoundError):
        await salesforce.sobject.get("Quoteway_Order__c", record_id)


async def test_errors_reach_the_client_as_its_own(salesforce: Salesforce, org_process: OrgProcess) -> None:
    with pytest.raises(SalesforceError) as caught:
        await salesforce.sobject.create("Account", {})
    assert caught.value.error_code == "REQUIRED_FIELD_MISSING"
    number = _unique("SO")
    for name in ("a", "b"):
        body = {"Order_Id__c": _unique(name), "ERP_Order_Number__c": number}
        await salesforce.sobject.create("Quoteway_Order__c", body)
    with pytest.raises(MoreThanOneRecordError):
        await salesforce.sobject.upsert("Quoteway_Order__c", number, "ERP_Order_Number__c", {"Status__c": "x"})
    await _refuse(org_process, path="/limits", status=403, errorCode="REQUEST_LIMIT_EXCEEDED")
    with pytest.raises(RequestLimitExceededError):
        await salesforce.get_limits()


async def test_the_clients_own_retries_get_through(
    org_process: OrgProcess, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Its default policy retries what the org calls temporary, and renews its token once on 401."""
    salesforce = Salesforce(http, BASE_URL, client_credentials(org_process, tmp_path))
    path = "/sobjects/Quoteway_Order__c"
    await _refuse(org_process, path=path, status=400, errorCode="UNABLE_TO_LOCK_ROW", times=1)
    await salesforce.sobject.create("Quoteway_Order__c", {"Order_Id__c": _unique("retried")})
    async with httpx.AsyncClient() as control:
        await control.delete(f"{org_process.url}/_sandbox/sessions")
    await salesforce.sobject.create("Quoteway_Order__c", {"Order_Id__c": _unique("renewed")})


async def test_query_with_pages(salesforce: Any) -> None:
    prefix = _unique("page")
    kind = {"type": "Quoteway_Order__c"}
    for begin in range(0, 2200, 200):
        records = [{"attributes": kind, "Order_Id__c": f"{prefix}-{n:04d}"} for n in range(begin, begin + 200)]
        url = f"{BASE_URL}/services/data/v67.0/composite/sobjects"
        answer = await salesforce.request("POST", url, json={"allOrNone": True, "records": records})
        assert len(answer.json()) == 200
    soql = f"SELECT Order_Id__c FROM Quoteway_Order__c WHERE Order_Id__c LIKE '{prefix}%' ORDER BY Order_Id__c"
    found = [record["Order_Id__c"] async for record in salesforce.query(soql)]
    assert found == [f"{prefix}-{number:04d}" for number in range(2200)]
    deleted = [record async for record in salesforce.query(soql, include_all_records=True)]
    assert len(deleted) == 2200


async def test_composite(salesforce: Salesforce) -> None:
    order_id = _unique("composite")
    async with salesforce.composite(all_or_none=True, autoraise=True) as composite:
        query = composite.query(f"SELECT Id, Name FROM Account WHERE Id = '{ACME}'")
        create = composite.sobject.create("Account", {"Name": "Made"})
        upsert = composite.sobject.upsert(
            "Quoteway_Order__c", order_id, "Order_Id__c", {"Account__c": f"@{{{create.reference_id}.id}}"}
        )
        read = composite.sobject.get("Quoteway_Order__c", f"@{{{upsert.reference_id}.id}}", fields=["Account__c"])
        delete = composite.sobject.delete("Quoteway_Order__c", f"@{{{upsert.reference_id}.id}}")
    assert query.records[0]["Name"] == "Acme Industriewerke GmbH"
    assert upsert.created is True
    assert read.record["Account__c"] == create.id
    assert delete.status_code == 204
    refused = salesforce.composite(all_or_none=True, autoraise=True)
    refused.sobject.create("Account", {"Name": order_id})
    refused.sobject.create("Account", {})
    with pytest.raises(ExceptionGroup) as caught:
        await refused.execute()
    assert {getattr(error, "error_code", None) for error in caught.value.exceptions} == {
        "PROCESSING_HALTED",
        "REQUIRED_FIELD_MISSING",
    }
    assert [record async for record in salesforce.query(f"SELECT Id FROM Account WHERE Name = '{order_id}'")] == []


async def test_batch(salesforce: Salesforce) -> None:
    async with salesforce.composite.batch(halt_on_error=True) as batch:
        read = batch.sobject.get("Account", ACME, fields=["Name"])
        missing = batch.sobject.get("Account", "001QW0000000999")
        halted = batch.query("SELECT Id FROM Account")
    assert read.record["Name"] == "Acme Industriewerke GmbH"
    assert (missing.status_code, halted.status_code) == (404, 412)
