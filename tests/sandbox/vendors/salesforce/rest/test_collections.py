"""sObject collections."""

from typing import Any

from tests.sandbox.vendors.salesforce.conftest import API, Org

ACME = "001QW0000000001YAA"
COLLECTION = "/composite/sobjects"
ROLLED_BACK = "ALL_OR_NONE_OPERATION_ROLLED_BACK"


def _order(order_id: str, **fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Quoteway_Order__c"}, "Order_Id__c": order_id, **fields}


def _codes(results: list[dict[str, Any]]) -> list[str | None]:
    return [one["errors"][0]["statusCode"] if not one["success"] else None for one in results]


async def _send(org: Org, method: str, path: str, *records: dict[str, Any], all_or_none: bool = False) -> Any:
    answer = await org.call(method, path, {"allOrNone": all_or_none, "records": list(records)})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_create(org: Org) -> None:
    account = {"attributes": {"type": "Account"}, "Name": "Collected"}
    nameless = {"attributes": {"type": "Account"}}
    results = await _send(org, "POST", COLLECTION, account, _order("one"), _order("ONE"), nameless, {"Name": "x"})
    assert _codes(results) == [None, None, "DUPLICATE_VALUE", "REQUIRED_FIELD_MISSING", "INVALID_TYPE"]
    assert results[3]["errors"][0]["fields"] == ["Name"]
    assert results[0] == {"id": results[0]["id"], "success": True, "errors": []}
    assert len((await org.http.get("/_sandbox/journal")).json()["entries"]) == 2


async def test_create_all_or_none(org: Org) -> None:
    results = await _send(org, "POST", COLLECTION, _order("a"), _order("a"), _order("b"), all_or_none=True)
    assert _codes(results) == [ROLLED_BACK, "DUPLICATE_VALUE", ROLLED_BACK]
    assert (await org.query("SELECT COUNT() FROM Quoteway_Order__c"))["totalSize"] == 0
    assert await org.journal("Quoteway_Order__c") == []


async def test_update(org: Org) -> None:
    first, second = [await org.new_order(name) for name in ("first", "second")]
    kind = {"attributes": {"type": "Quoteway_Order__c"}}
    results = await _send(
        org,
        "PATCH",
        COLLECTION,
        {**kind, "id": first, "Status__c": "booked"},
        {**kind, "Id": second[:15], "Order_Id__c": "first"},
        {**kind, "Id": ACME, "Status__c": "booked"},
        {**kind, "Id": "a00QW0000999999", "Status__c": "booked"},
        {**kind, "Status__c": "booked"},
    )
    assert _codes(results) == [None, "DUPLICATE_VALUE", "MALFORMED_ID", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"]
    records = await org.records("SELECT Status__c FROM Quoteway_Order__c ORDER BY Order_Id__c")
    assert [one["Status__c"] for one in records] == ["booked", None]


async def test_upsert(org: Org) -> None:
    path = f"{COLLECTION}/Quoteway_Order__c/Order_Id__c"
    existing = await org.new_order("existing")
    await org.new_order("x", ERP_Order_Number__c="SO")
    await org.new_order("y", ERP_Order_Number__c="SO")
    results = await _send(
        org,
        "PATCH",
        path,
        _order("existing", Status__c="booked"),
        _order("new", Account__c=ACME),
        _order("twice"),
        _order("Twice"),
        {"attributes": {"type": "Quoteway_Order__c"}},
        {"attributes": {"type": "Account"}, "Order_Id__c": "other"},
    )
    codes = [None, None, "DUPLICATE_VALUE", "DUPLICATE_VALUE", "MISSING_ARGUMENT", "INVALID_TYPE"]
    assert _codes(results) == codes
    assert [one["created"] for one in results] == [False, True, False, False, False, False]
    assert results[0]["id"] == existing
    several = {"attributes": {"type": "Quoteway_Order__c"}, "ERP_Order_Number__c": "SO"}
    [result] = await _send(org, "PATCH", path.replace("Order_Id__c", "ERP_Order_Number__c"), several)
    assert _codes([result]) == ["DUPLICATE_EXTERNAL_ID"]


async def test_upsert_200_twice(org: Org) -> None:
    path = f"{COLLECTION}/Quoteway_Order__c/Order_Id__c"
    for created in (True, False):
        results = await _send(org, "PATCH", path, *(_order(f"u{n}") for n in range(200)), all_or_none=True)
        assert {(one["success"], one["created"]) for one in results} == {(True, created)}
    assert (await org.query("SELECT COUNT() FROM Quoteway_Order__c"))["totalSize"] == 200


async def test_delete(org: Org) -> None:
    ids = [await org.new_order(name) for name in ("a", "b")]
    parameters = {"ids": f"{ids[0]},a00QW0000999999,{ids[1]}", "allOrNone": "true"}
    results = (await org.call("DELETE", COLLECTION, params=parameters)).json()
    assert _codes(results) == [ROLLED_BACK, "INVALID_CROSS_REFERENCE_KEY", ROLLED_BACK]
    results = (await org.call("DELETE", COLLECTION, params={**parameters, "allOrNone": "false"})).json()
    assert _codes(results) == [None, "INVALID_CROSS_REFERENCE_KEY", None]
    assert (await org.query("SELECT COUNT() FROM Quoteway_Order__c"))["totalSize"] == 0
    assert await org.error("DELETE", COLLECTION) == (400, "MISSING_ARGUMENT")


async def test_retrieve(org: Org) -> None:
    parameters = {"ids": f"{ACME},001QW0000000999", "fields": "Name,BillingCity"}
    by_get = (await org.call("GET", f"{COLLECTION}/Account", params=parameters)).json()
    body = {"ids": [ACME, "001QW0000000999"], "fields": ["Name", "BillingCity"]}
    by_post = (await org.call("POST", f"{COLLECTION}/Account", body)).json()
    assert by_get == by_post
    assert by_get[1] is None
    url = f"{API}/sobjects/Account/{ACME}"
    assert by_get[0] == {
        "attributes": {"type": "Account", "url": url},
        "Name": "Acme Industriewerke GmbH",
        "BillingCity": "Stuttgart",
        "Id": ACME,
    }
    wrong = {**parameters, "ids": "0Q0QW0000000001"}
    assert await org.error("GET", f"{COLLECTION}/Account", params=wrong) == (400, "MALFORMED_ID")
    assert await org.error("GET", f"{COLLECTION}/Account", params={"ids": ACME}) == (400, "MISSING_ARGUMENT")


async def test_limits(org: Org) -> None:
    mixed = [_order(f"o{n}") if n % 2 else {"attributes": {"type": "Account"}, "Name": "x"} for n in range(11)]
    for records in ([_order(f"o{n}") for n in range(201)], mixed):
        assert await org.error("POST", COLLECTION, {"records": records}) == (400, "LIMIT_EXCEEDED")
    ids = ",".join([ACME] * 201)
    assert await org.error("DELETE", COLLECTION, params={"ids": ids}) == (400, "LIMIT_EXCEEDED")
    assert await org.error("POST", COLLECTION, {"records": "all"}) == (400, "INVALID_INPUT")
    assert (await org.http.get("/_sandbox/journal")).json()["entries"] == []
