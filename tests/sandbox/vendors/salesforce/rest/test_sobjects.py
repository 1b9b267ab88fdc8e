"""Single records: create, read, update, delete, upsert, and every refusal."""

from typing import Any

import pytest

from tests.sandbox.vendors.salesforce.conftest import API, Org

ACME = "001QW0000000001YAA"
QUOTE_1 = "0Q0QW00000000010AA"
ORDERS = "/sobjects/Quoteway_Order__c"


async def test_create_read_update_delete(org: Org) -> None:
    body = {"Order_Id__c": "ord-1", "Account__c": ACME[:15], "Order_Total__c": 12.34, "Version__c": 1}
    created = await org.call("POST", ORDERS, body)
    assert created.status_code == 201
    assert created.json() == {"id": created.json()["id"], "success": True, "errors": []}
    path = f"{ORDERS}/{created.json()['id']}"
    assert created.headers["location"] == f"{API}{path}"

    record = (await org.call("GET", path)).json()
    assert record["attributes"] == {"type": "Quoteway_Order__c", "url": f"{API}{path}"}
    assert (record["Account__c"], record["Order_Total__c"], record["Version__c"]) == (ACME, 12.34, 1.0)
    assert (record["Status__c"], record["CurrencyIsoCode"], record["IsDeleted"]) == (None, "EUR", False)
    assert record["Name"] == "QO-00001"
    assert record["OwnerId"] == record["CreatedById"] == record["LastModifiedById"] == "005QW0000000009YAA"
    assert record["CreatedDate"] == record["SystemModstamp"]
    assert record["CreatedDate"].endswith(".000+0000")

    updated = await org.call("PATCH", path, {"Status__c": "booked", "Version__c": "2", "Account__c": None})
    assert (updated.status_code, updated.content) == (204, b"")
    record = (await org.call("GET", path, params={"fields": "Status__c,version__c,Account__c"})).json()
    assert set(record) == {"attributes", "Id", "Status__c", "Version__c", "Account__c"}
    assert (record["Status__c"], record["Version__c"], record["Account__c"]) == ("booked", 2.0, None)

    assert (await org.call("DELETE", path)).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert await org.error(method, path, {"Status__c": "x"}) == (404, "ENTITY_IS_DELETED")
    assert [entry["action"] for entry in await org.journal("Quoteway_Order__c")] == ["created", "updated", "deleted"]


async def test_object_and_field_names_ignore_case(org: Org) -> None:
    record_id = (await org.call("POST", "/sobjects/account", {"name": "Lower"})).json()["id"]
    record = (await org.call("GET", f"/sobjects/ACCOUNT/{record_id}")).json()
    assert (record["Name"], record["attributes"]["type"]) == ("Lower", "Account")


async def test_upsert_by_external_id(org: Org) -> None:
    path = f"{ORDERS}/Order_Id__c/ord%2F7%20%C3%A4"
    first = await org.call("PATCH", path, {"Status__c": "booking"})
    assert first.status_code == 201
    assert first.json() == {"id": first.json()["id"], "success": True, "errors": [], "created": True}
    second = await org.call("PATCH", path, {"Status__c": "booked"})
    assert second.status_code == 200
    assert second.json() == {"id": first.json()["id"], "success": True, "errors": [], "created": False}
    record = (await org.call("GET", path)).json()
    assert (record["Order_Id__c"], record["Status__c"]) == ("ord/7 ä", "booked")
    # External ids are compared without regard to case.
    assert (await org.call("PATCH", path.replace("ord", "ORD"), {"Status__c": "x"})).status_code == 200
    journal = await org.journal("Quoteway_Order__c")
    assert [(entry["action"], entry["external_id"]) for entry in journal] == [
        ("created", "ord/7 ä"),
        ("updated", "ord/7 ä"),
        ("updated", "ord/7 ä"),
    ]
    assert (await org.call("DELETE", path)).status_code == 204
    assert await org.error("GET", path) == (404, "NOT_FOUND")
    assert (await org.call("PATCH", path, {})).status_code == 201  # a deleted record no longer holds its external id


async def test_upsert_may_be_told_not_to_create(org: Org) -> None:
    path = f"{ORDERS}/Order_Id__c/absent"
    assert await org.error("PATCH", path, {}, params={"updateOnly": "true"}) == (404, "NOT_FOUND")
    await org.new_order("absent")
    assert (await org.call("PATCH", path, {}, params={"updateOnly": "true"})).status_code == 200


async def test_an_external_id_of_several_records_answers_300(org: Org) -> None:
    ids = [await org.new_order(name, ERP_Order_Number__c="SO-9") for name in ("a", "b")]
    path = f"{ORDERS}/ERP_Order_Number__c/SO-9"
    for method, body in (("PATCH", {"Status__c": "x"}), ("GET", None), ("DELETE", None)):
        answer = await org.call(method, path, body)
        assert (answer.status_code, answer.json()) == (300, [f"{API}{ORDERS}/{one}" for one in ids])


async def test_upsert_by_id_updates(org: Org) -> None:
    record_id = await org.new_order("x")
    answer = await org.call("PATCH", f"{ORDERS}/Id/{record_id}", {"Status__c": "booked"})
    assert (answer.status_code, answer.json()["created"]) == (200, False)


async def test_clients_without_patch_may_ask_for_it(org: Org) -> None:
    path = f"{ORDERS}/Order_Id__c/posted"
    answer = await org.call("POST", path, {"Status__c": "booked"}, params={"_HttpMethod": "PATCH"})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "code", "fields"),
    [
        ({}, 400, "REQUIRED_FIELD_MISSING", ["Order_Id__c"]),
        ({"Order_Id__c": ""}, 400, "REQUIRED_FIELD_MISSING", ["Order_Id__c"]),
        ({"Order_Id__c": "taken"}, 400, "DUPLICATE_VALUE", []),
        ({"Order_Id__c": "TAKEN"}, 400, "DUPLICATE_VALUE", []),
        ({"Order_Id__c": "x" * 65}, 400, "STRING_TOO_LONG", ["Order_Id__c"]),
        ({"Order_Id__c": "n", "Nothing__c": 1}, 400, "INVALID_FIELD", None),
        ({"Order_Id__c": "n", "Id": "a00QW0000000001"}, 400, "INVALID_FIELD", None),
        ({"Order_Id__c": "n", "Name": "mine"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"]),
        ({"Order_Id__c": "n", "CreatedDate": "2026-01-01T00:00:00Z"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", None),
        ({"Order_Id__c": "n", "Account__c": "nonsense"}, 400, "MALFORMED_ID", ["Account__c"]),
        ({"Order_Id__c": "n", "Account__c": QUOTE_1}, 400, "MALFORMED_ID", ["Account__c"]),
        ({"Order_Id__c": "n", "Account__c": "001QW0000000999"}, 400, "INVALID_CROSS_REFERENCE_KEY", ["Account__c"]),
        ({"Order_Id__c": "n", "Version__c": "many"}, 400, "JSON_PARSER_ERROR", None),
        ({"Order_Id__c": "n", "Version__c": True}, 400, "JSON_PARSER_ERROR", None),
        ({"Order_Id__c": "n", "Version__c": {"a": 1}}, 400, "JSON_PARSER_ERROR", None),
        ({"Order_Id__c": "n", "Version__c": 10**18}, 400, "NUMBER_OUTSIDE_VALID_RANGE", ["Version__c"]),
        ({"Order_Id__c": "n", "Order_Total__c": "1e16"}, 400, "NUMBER_OUTSIDE_VALID_RANGE", ["Order_Total__c"]),
        ({"Order_Id__c": "n", "Order_Total__c": "NaN"}, 400, "NUMBER_OUTSIDE_VALID_RANGE", ["Order_Total__c"]),
        ({"Order_Id__c": 5}, 400, "JSON_PARSER_ERROR", None),
        (
            {"Order_Id__c": "n", "CurrencyIsoCode": "XXX"},
            400,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            ["CurrencyIsoCode"],
        ),
    ],
)
async def test_a_record_that_breaks_a_rule_is_refused(
    org: Org, body: dict[str, Any], status: int, code: str, fields: list[str] | None
) -> None:
    await org.new_order("taken")
    answer = await org.call("POST", ORDERS, body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, code)
    if fields is not None:
        assert answer.json()[0]["fields"] == fields
    assert len(await org.journal("Quoteway_Order__c")) == 1
    assert (await org.query("SELECT COUNT() FROM Quoteway_Order__c"))["totalSize"] == 1


async def test_a_reference_to_a_deleted_record_is_refused(org: Org) -> None:
    account_id = (await org.call("POST", "/sobjects/Account", {"Name": "Gone"})).json()["id"]
    await org.call("DELETE", f"/sobjects/Account/{account_id}")
    body = {"Order_Id__c": "n", "Account__c": account_id}
    assert await org.error("POST", ORDERS, body) == (400, "ENTITY_IS_DELETED")


async def test_an_update_obeys_the_same_rules(org: Org) -> None:
    await org.new_order("other")
    path = f"{ORDERS}/{await org.new_order('mine')}"
    assert await org.error("PATCH", path, {"Order_Id__c": "other"}) == (400, "DUPLICATE_VALUE")
    assert await org.error("PATCH", path, {"Order_Id__c": None}) == (400, "REQUIRED_FIELD_MISSING")
    assert await org.error("PATCH", path, {"Id": "a00QW0000000001"}) == (400, "INVALID_FIELD")
    assert (await org.call("PATCH", path, {"Order_Id__c": "MINE"})).status_code == 204
    upsert_path = f"{ORDERS}/Order_Id__c/mine"
    assert await org.error("PATCH", upsert_path, {"Order_Id__c": "mine"}) == (400, "INVALID_FIELD")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/sobjects/Nothing", 404, "NOT_FOUND"),
        ("POST", "/sobjects/Nothing", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/001QW0000000999", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/nonsense", 404, "NOT_FOUND"),
        ("GET", f"/sobjects/Account/{QUOTE_1}", 404, "NOT_FOUND"),
        ("PATCH", "/sobjects/Account/001QW0000000999", 404, "NOT_FOUND"),
        ("DELETE", "/sobjects/Account/001QW0000000999", 404, "NOT_FOUND"),
        ("PATCH", f"{ORDERS}/Status__c/booked", 404, "NOT_FOUND"),
        ("PATCH", f"{ORDERS}/Nothing__c/1", 404, "NOT_FOUND"),
        ("GET", f"{ORDERS}/Order_Id__c/nothing", 404, "NOT_FOUND"),
        ("GET", f"/sobjects/Account/{ACME}?fields=Nothing", 400, "INVALID_FIELD"),
        ("PUT", f"/sobjects/Account/{ACME}", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/sobjects//Account", 404, "NOT_FOUND"),
        ("POST", "/sobjects/User", 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
    ],
)
async def test_an_address_that_leads_nowhere(org: Org, method: str, path: str, status: int, code: str) -> None:
    assert await org.error(method, path, {} if method in ("POST", "PATCH") else None) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"",
        b'{"Name": NaN}',
        b'{"Name": "\xff"}',
        b'{"a":' * 100_000,
        b"1" * 5000,
        b"1e" + b"9" * 30,
    ],
)
async def test_a_body_that_is_no_json_object(org: Org, body: bytes) -> None:
    answer = await org.http.post(f"{API}/sobjects/Account", content=body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")


async def test_every_version_from_31_to_67(org: Org) -> None:
    listed = (await org.http.get("/services/data", headers={"Authorization": ""})).json()
    assert [one["version"] for one in listed] == [f"{number}.0" for number in range(31, 68)]
    for version in ("v31.0", "v67.0"):
        resources = (await org.http.get(f"/services/data/{version}/")).json()
        assert resources["query"] == f"/services/data/{version}/query"
        record = (await org.http.get(f"/services/data/{version}/sobjects/Account/{ACME}/")).json()
        assert record["attributes"]["url"] == f"/services/data/{version}/sobjects/Account/{ACME}"
    for version in ("v68.0", "67.0", "v67", "v67.1", "vX.0"):
        answer = await org.http.get(f"/services/data/{version}/sobjects")
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    answer = await org.http.get("/services/data/v30.0/sobjects")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (410, "UNSUPPORTED_API_VERSION")


async def test_describe(org: Org) -> None:
    overview = (await org.call("GET", "/sobjects")).json()
    described = {one["name"]: one for one in overview["sobjects"]}
    assert described["Quoteway_Order__c"]["keyPrefix"] == "a00"
    assert described["Quoteway_Order_Status__e"]["queryable"] is False
    assert (await org.call("GET", "/sobjects/Quote")).json()["objectDescribe"] == described["Quote"]
    order = (await org.call("GET", f"{ORDERS}/describe")).json()
    fields = {field["name"]: field for field in order["fields"]}
    assert (fields["Order_Id__c"]["externalId"], fields["Order_Id__c"]["unique"]) == (True, True)
    assert fields["Account__c"]["referenceTo"] == ["Account"]
    assert fields["Account__c"]["relationshipName"] == "Account__r"
    assert (fields["Order_Total__c"]["type"], fields["Order_Total__c"]["scale"]) == ("currency", 2)
    quote = (await org.call("GET", "/sobjects/Quote/describe")).json()
    assert "QuoteLineItems" in [one["relationshipName"] for one in quote["childRelationships"]]


async def test_totals_follow_the_lines(org: Org) -> None:
    quote = {"Name": "New", "OpportunityId": "006QW0000000001"}
    quote_id = (await org.call("POST", "/sobjects/Quote", quote)).json()["id"]
    [product] = await org.records("SELECT Id FROM Product2 WHERE ProductCode = 'SENSOR-TEMP'")
    line = {"QuoteId": quote_id, "Product2Id": product["Id"], "Quantity": 3, "UnitPrice": 0.335, "Discount": 12.5}
    line_id = (await org.call("POST", "/sobjects/QuoteLineItem", line)).json()["id"]
    path = f"/sobjects/Quote/{quote_id}?fields=QuoteNumber,AccountId,Subtotal,GrandTotal,LineItemCount,Status"
    record = (await org.call("GET", path)).json()
    # The price is stored with two places, rounded half up: 0.34. 3 x 0.34 = 1.02, less 12.5 % is 0.8925.
    assert (record["Subtotal"], record["GrandTotal"], record["LineItemCount"]) == (1.02, 0.89, 1)
    assert (record["QuoteNumber"], record["AccountId"], record["Status"]) == ("00001016", ACME, "Draft")
    await org.call("DELETE", f"/sobjects/QuoteLineItem/{line_id}")
    record = (await org.call("GET", path)).json()
    assert (record["GrandTotal"], record["LineItemCount"]) == (0.0, 0)


async def test_deleting_a_master_deletes_its_details(org: Org) -> None:
    await org.call("DELETE", "/sobjects/Opportunity/006QW0000000001")
    assert await org.error("GET", f"/sobjects/Quote/{QUOTE_1}") == (404, "ENTITY_IS_DELETED")
    assert (await org.query(f"SELECT COUNT() FROM QuoteLineItem WHERE QuoteId = '{QUOTE_1}'"))["totalSize"] == 0
    assert len(await org.journal("QuoteLineItem")) == 4
    assert (await org.call("GET", f"/sobjects/Account/{ACME}")).status_code == 200


async def test_a_validation_rule_keeps_the_version_from_falling(org: Org) -> None:
    path = f"{ORDERS}/Order_Id__c/ord-rule"
    assert (await org.call("PATCH", path, {"Version__c": 2})).status_code == 201
    assert (await org.call("PATCH", path, {"Version__c": 2})).status_code == 200
    assert await org.error("PATCH", path, {"Version__c": 1}) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert (await org.call("GET", path)).json()["Version__c"] == 2
