"""Quota and rate, refusals and locks: how a test makes the org difficult."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.vendors.salesforce.app import create_app
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings
from tests.sandbox.vendors.salesforce.conftest import API, INSTANCE_URL, SEED_DIR, Org

ACME = "001QW0000000001YAA"
ORDERS = "/sobjects/Quoteway_Order__c"


async def test_every_rest_answer_tells_the_quota(org: Org) -> None:
    answers = [
        await org.call("GET", "/limits"),
        await org.call("PATCH", f"{ORDERS}/Order_Id__c/x", {}),
        await org.call("GET", "/nothing"),
        await org.call("POST", "/sobjects/Account", {}),
        await org.call("POST", "/composite", {"compositeRequest": []}),
    ]
    used = [answer.headers["sforce-limit-info"] for answer in answers]
    assert used == [f"api-usage={number}/100000" for number in range(1, 6)]
    limits = (await org.call("GET", "/limits")).json()
    assert limits["DailyApiRequests"] == {"Max": 100_000, "Remaining": 99_994}


async def test_a_used_up_quota_refuses_everything(org: Org) -> None:
    assert (await org.http.put("/_sandbox/quota", json={"max": 2})).json() == {"max": 2, "used": 0}
    await org.call("GET", "/limits")
    await org.call("GET", "/limits")
    for method, path in (("GET", "/limits"), ("PATCH", f"{ORDERS}/Order_Id__c/x")):
        answer = await org.call(method, path, {})
        assert answer.status_code == 403
        message = "TotalRequests Limit exceeded."
        assert answer.json() == [{"message": message, "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
        assert answer.headers["sforce-limit-info"] == "api-usage=2/2"
    assert await org.journal("Quoteway_Order__c") == []
    await org.http.put("/_sandbox/quota", json={"used": 0})
    assert (await org.call("GET", "/limits")).status_code == 200


async def test_too_many_requests_at_once(settings: SalesforceSandboxSettings) -> None:
    transport = httpx.ASGITransport(create_app(replace(settings, requests_per_second_max=5)))
    async with httpx.AsyncClient(transport=transport, base_url=INSTANCE_URL) as http:
        form = {"grant_type": "client_credentials"}
        answer = await http.post("/services/oauth2/token", data=form, auth=("the-client", "the-secret"))
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        # Two windows of a second are enough for 11 requests to pass the limit of 5 at least once.
        answers = [await http.get(f"{API}/{path}") for path in ["limits", "sobjects"] * 5 + ["limits"]]
        refused = [one for one in answers if one.status_code == 403]
        assert 5 <= len(answers) - len(refused) <= 10
        assert refused[0].json()[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
        assert refused[0].headers["sforce-limit-info"].startswith("api-usage=")
        assert "ConcurrentRequests" in refused[0].json()[0]["message"]


async def _refuse(org: Org, **refusal: Any) -> int:
    return (await org.http.post("/_sandbox/refuse", json=refusal)).status_code


async def test_refusals_count_down_and_leave_no_trace(org: Org) -> None:
    refusal = {"status": 503, "errorCode": "SERVER_UNAVAILABLE", "message": "Server is busy"}
    assert await _refuse(org, method="PATCH", path=ORDERS, times=2, **refusal) == 204
    assert (await org.call("GET", "/sobjects/Account")).status_code == 200
    for _ in range(2):
        answer = await org.call("PATCH", f"{ORDERS}/Order_Id__c/x", {})
        assert answer.status_code == 503
        assert answer.json() == [{"message": "Server is busy", "errorCode": "SERVER_UNAVAILABLE", "fields": []}]
        assert "sforce-limit-info" in answer.headers
    assert await org.journal("Quoteway_Order__c") == []
    assert (await org.call("PATCH", f"{ORDERS}/Order_Id__c/x", {})).status_code == 201


async def test_refusals_reach_subrequests_other_versions_and_logins(org: Org) -> None:
    await _refuse(org, path="/sobjects/Account", status=400, errorCode="UNABLE_TO_LOCK_ROW", times=2)
    request = {"referenceId": "a", "method": "POST", "url": f"{API}/sobjects/Account", "body": {"Name": "x"}}
    answer = (await org.call("POST", "/composite", {"compositeRequest": [request]})).json()
    assert answer["compositeResponse"][0]["body"][0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    assert (await org.http.get("/services/data/v55.0/sobjects/Account")).status_code == 400
    await _refuse(org, path=f"{API}/limits", status=401, errorCode="INVALID_SESSION_ID")
    assert (await org.http.get("/services/data/v55.0/limits")).status_code == 200
    assert await org.error("GET", "/limits") == (401, "INVALID_SESSION_ID")
    await _refuse(org, method="POST", path="/services/", status=503, errorCode="SERVER_UNAVAILABLE", times=2)
    form = {"grant_type": "client_credentials"}
    assert (await org.http.post("/services/oauth2/token", data=form)).status_code == 503
    assert "SERVER_UNAVAILABLE" in (await org.http.post("/services/Soap/u/59.0", content=b"<a/>")).text


async def test_refusals_can_be_called_off(org: Org) -> None:
    await _refuse(org, path="/limits", errorCode="X", times=100)
    assert (await org.call("GET", "/limits")).status_code == 400
    assert (await org.http.delete("/_sandbox/refuse")).status_code == 204
    assert (await org.call("GET", "/limits")).status_code == 200


async def test_a_locked_account_stops_its_orders(org: Org) -> None:
    order = {"Order_Id__c": "locked", "Account__c": ACME}
    assert (await org.http.post("/_sandbox/lock", json={"record_id": ACME[:15], "times": 3})).status_code == 204
    answer = await org.call("POST", ORDERS, order)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "UNABLE_TO_LOCK_ROW")
    assert ACME in answer.json()[0]["message"]
    assert await org.error("PATCH", f"/sobjects/Account/{ACME}", {"Phone": "1"}) == (400, "UNABLE_TO_LOCK_ROW")
    records = [{"attributes": {"type": "Quoteway_Order__c"}, **order, "Order_Id__c": name} for name in ("a", "b")]
    results = (await org.call("POST", "/composite/sobjects", {"records": records})).json()
    assert [one["success"] for one in results] == [False, True]
    assert [entry["external_id"] for entry in await org.journal("Quoteway_Order__c")] == ["b"]
    await org.http.post("/_sandbox/lock", json={"record_id": ACME, "times": 100})
    assert await org.error("DELETE", f"/sobjects/Account/{ACME}") == (400, "UNABLE_TO_LOCK_ROW")
    await org.http.post("/_sandbox/lock", json={"record_id": ACME, "times": 0})
    assert (await org.call("POST", ORDERS, order)).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/_sandbox/refuse", [], 400),
        ("POST", "/_sandbox/refuse", {"errorCode": "X"}, 400),
        ("POST", "/_sandbox/refuse", {"path": "/x"}, 400),
        ("POST", "/_sandbox/refuse", {"path": "/x", "errorCode": "X", "times": 0}, 400),
        ("POST", "/_sandbox/refuse", {"path": "/x", "errorCode": "X", "status": 200}, 400),
        ("POST", "/_sandbox/lock", {"record_id": "x"}, 400),
        ("POST", "/_sandbox/lock", {"record_id": ACME, "times": True}, 400),
        ("PUT", "/_sandbox/access", {"user_id": "005QW0000000001", "account_id": ACME}, 400),
        ("PUT", "/_sandbox/access", {"user_id": "005QW0000000777", "account_id": ACME, "read": True}, 404),
        ("PUT", "/_sandbox/access", {"user_id": "005QW0000000001", "account_id": "001QW0000000777", "read": True}, 404),
        ("PUT", "/_sandbox/quota", {"max": -1}, 400),
        ("GET", "/_sandbox/refuse", None, 405),
        ("GET", "/_sandbox/nothing", None, 404),
    ],
)
async def test_wrong_controls_say_so(org: Org, method: str, path: str, body: Any, status: int) -> None:
    answer = await org.http.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()[0]["message"]


async def test_the_request_id_is_in_the_journal(org: Org) -> None:
    await org.call("POST", ORDERS, {"Order_Id__c": "x"}, headers={"X-Request-Id": "request-7"})
    [entry] = await org.journal("Quoteway_Order__c")
    assert entry["request_id"] == "request-7"


def test_a_missing_seed_is_reported(credentials_file: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"company\.toml"):
        create_app(SalesforceSandboxSettings(INSTANCE_URL, tmp_path, credentials_file))
    assert (SEED_DIR / "company.toml").exists()
