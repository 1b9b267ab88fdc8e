"""Composite, batch and tree: several requests in one."""

import json
from typing import Any

from tests.sandbox.vendors.salesforce.conftest import API, Org

ACME = "001QW0000000001YAA"
ORDERS = f"{API}/sobjects/Quoteway_Order__c"


def _sub(reference_id: str, method: str, url: str, body: Any = None, **more: Any) -> dict[str, Any]:
    request = {"referenceId": reference_id, "method": method, "url": url, **more}
    return request if body is None else {**request, "body": body}


async def _run(org: Org, *requests: dict[str, Any], all_or_none: bool = False) -> dict[str, dict[str, Any]]:
    answer = await org.call("POST", "/composite", {"allOrNone": all_or_none, "compositeRequest": list(requests)})
    assert answer.status_code == 200, answer.text
    results = answer.json()["compositeResponse"]
    assert [one["referenceId"] for one in results] == [one["referenceId"] for one in requests]
    return {one["referenceId"]: one for one in results}


async def test_later_subrequests_use_what_earlier_ones_answered(org: Org) -> None:
    soql = f"{API}/query?q=SELECT+Id,(SELECT+Quantity+FROM+QuoteLineItems)+FROM+Quote+WHERE+Id='0Q0QW0000000001'"
    results = await _run(
        org,
        _sub("account", "POST", f"{API}/sobjects/Account", {"Name": "Made & here"}),
        _sub("quote", "GET", soql),
        _sub(
            "order",
            "PATCH",
            f"{ORDERS}/Order_Id__c/c-1",
            {
                "Account__c": "@{account.id}",
                "Quote__c": "@{quote.records[0].Id}",
                "Version__c": "@{quote.records[0].QuoteLineItems.records[1].Quantity}",
                "Status__c": "of @{account.id}",
            },
        ),
        _sub("read", "GET", f"{ORDERS}/@{{order.id}}?fields=Version__c,Status__c"),
        _sub("encoded", "GET", f"{API}/sobjects/Account/@%7Baccount.id%7D?fields=Name"),
        _sub("delete", "DELETE", f"{ORDERS}/@{{order.id}}"),
    )
    statuses = [one["httpStatusCode"] for one in results.values()]
    assert statuses == [201, 200, 201, 200, 200, 204]
    account_id = results["account"]["body"]["id"]
    assert results["account"]["httpHeaders"] == {"Location": f"{API}/sobjects/Account/{account_id}"}
    assert results["read"]["body"]["Version__c"] == 20.0
    assert results["read"]["body"]["Status__c"] == f"of {account_id}"
    assert results["encoded"]["body"]["Name"] == "Made & here"
    assert results["delete"]["body"] is None


async def test_without_all_or_none_only_dependants_fail(org: Org) -> None:
    results = await _run(
        org,
        _sub("bad", "POST", f"{API}/sobjects/Account", {}),
        _sub("dependant", "PATCH", f"{ORDERS}/Order_Id__c/x", {"Account__c": "@{bad.id}"}),
        _sub("dependant2", "GET", f"{API}/sobjects/Account/@{{bad.id}}"),
        _sub("wrongcase", "GET", f"{API}/sobjects/Account/@{{good.Id}}"),
        _sub("good", "POST", ORDERS, {"Order_Id__c": "kept"}),
    )
    assert results["bad"]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    for name in ("dependant", "dependant2", "wrongcase"):
        assert results[name]["httpStatusCode"] == 400
        assert results[name]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert "No value for bad.id found in bad" in results["dependant"]["body"][0]["message"]
    assert results["good"]["httpStatusCode"] == 201
    assert [entry["external_id"] for entry in await org.journal("Quoteway_Order__c")] == ["kept"]


async def test_a_null_field_is_a_value(org: Org) -> None:
    results = await _run(
        org,
        _sub("read", "GET", f"{API}/sobjects/Account/{ACME}?fields=Phone"),
        _sub("made", "POST", ORDERS, {"Order_Id__c": "n", "ERP_Order__c": "@{read.Phone}"}),
    )
    assert results["made"]["httpStatusCode"] == 201


async def test_all_or_none_takes_everything_back(org: Org) -> None:
    existing = await org.new_order("existing", Status__c="before")
    results = await _run(
        org,
        _sub("a", "POST", ORDERS, {"Order_Id__c": "new"}),
        _sub("b", "PATCH", f"{ORDERS}/{existing}", {"Status__c": "after", "Order_Id__c": "renamed"}),
        _sub("c", "POST", f"{API}/sobjects/Quoteway_Order_Status__e", {"Order_Id__c": "existing"}),
        _sub("d", "DELETE", f"{API}/sobjects/Opportunity/006QW0000000001"),
        _sub("e", "POST", f"{API}/sobjects/Account", {"Name": ""}),
        _sub("f", "POST", ORDERS, {"Order_Id__c": "never"}),
        all_or_none=True,
    )
    assert results["e"]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    for name in "abcdf":
        assert results[name]["httpStatusCode"] == 400
        assert results[name]["body"][0]["errorCode"] == "PROCESSING_HALTED"
        assert results[name]["httpHeaders"] == {}
    records = await org.records("SELECT Order_Id__c, Status__c FROM Quoteway_Order__c")
    assert [(one["Order_Id__c"], one["Status__c"]) for one in records] == [("existing", "before")]
    assert (await org.query("SELECT COUNT() FROM QuoteLineItem"))["totalSize"] == 14
    assert len((await org.http.get("/_sandbox/journal")).json()["entries"]) == 1
    assert (await org.http.get("/_sandbox/events")).json() == {"events": []}
    # The indexes are back in step too: the old external id is found, the names tried are free.
    assert (await org.call("PATCH", "/sobjects/Quoteway_Order__c/Order_Id__c/existing", {})).status_code == 200
    for name in ("new", "renamed"):
        assert (await org.call("PATCH", f"/sobjects/Quoteway_Order__c/Order_Id__c/{name}", {})).status_code == 201


async def test_all_or_none_that_succeeds_is_kept(org: Org) -> None:
    await _run(org, *(_sub(f"r{n}", "POST", ORDERS, {"Order_Id__c": f"r{n}"}) for n in range(25)), all_or_none=True)
    assert len(await org.journal("Quoteway_Order__c")) == 25


async def test_collections_in_a_composite(org: Org) -> None:
    record = {"attributes": {"type": "Quoteway_Order__c"}, "Order_Id__c": "same"}
    results = await _run(
        org,
        _sub("first", "POST", f"{API}/composite/sobjects", {"allOrNone": True, "records": [record]}),
        _sub("partly", "POST", f"{API}/composite/sobjects", {"allOrNone": True, "records": [record, record]}),
        all_or_none=True,
    )
    assert results["first"]["body"][0]["success"] is True
    assert [one["success"] for one in results["partly"]["body"]] == [False, False]
    assert len(await org.journal("Quoteway_Order__c")) == 1


async def test_a_malformed_composite_runs_nothing(org: Org) -> None:
    good = _sub("good", "POST", ORDERS, {"Order_Id__c": "no"})
    query = f"{API}/query?q=SELECT+Id+FROM+Account"
    for requests, code in (
        (None, "INVALID_INPUT"),
        (["text"], "INVALID_INPUT"),
        ([good, {**good, "referenceId": "bad[1]"}], "INVALID_INPUT"),
        ([good, {"method": "GET", "url": query}], "INVALID_INPUT"),
        ([good, good], "INVALID_INPUT"),
        ([good, _sub("x", "get", query)], "INVALID_INPUT"),
        ([good, _sub("x", "GET", "/other")], "INVALID_INPUT"),
        ([good, _sub("x", "GET", query, httpHeaders={"Authorization": "Bearer x"})], "INVALID_INPUT"),
        ([good, *(_sub(f"r{n}", "DELETE", f"{ORDERS}/{n}") for n in range(25))], "LIMIT_EXCEEDED"),
        ([good, *(_sub(f"r{n}", "GET", query) for n in range(6))], "LIMIT_EXCEEDED"),
    ):
        assert await org.error("POST", "/composite", {"compositeRequest": requests}) == (400, code)
    assert await org.journal("Quoteway_Order__c") == []


async def test_a_body_nested_too_deeply_is_refused(org: Org) -> None:
    # Around the depth at which parsing still works and walking through the body no longer does.
    for depth in (100, 900, 950, 980, 5000):
        body = json.dumps({"compositeRequest": [_sub("deep", "POST", f"{API}/sobjects/Account", "DEEP")]})
        body = body.replace('"DEEP"', "[" * depth + "]" * depth)
        answer = await org.http.post(f"{API}/composite", content=body)
        refused = answer.json()[0] if answer.status_code == 400 else answer.json()["compositeResponse"][0]["body"][0]
        assert refused["errorCode"] == "JSON_PARSER_ERROR"


async def test_a_composite_cannot_nest(org: Org) -> None:
    inner: dict[str, Any] = {"compositeRequest": []}
    results = await _run(org, _sub("inner", "POST", f"{API}/composite", inner))
    assert results["inner"]["body"][0]["errorCode"] == "INVALID_INPUT"


async def test_batch(org: Org) -> None:
    def requests() -> list[dict[str, Any]]:
        return [
            {"method": "POST", "url": "v67.0/sobjects/Quoteway_Order__c", "richInput": {"Order_Id__c": "b"}},
            {"method": "GET", "url": "v67.0/sobjects/Account/nothing"},
            {"method": "GET", "url": f"{API}/query?q=SELECT+COUNT()+FROM+Quoteway_Order__c"},
        ]

    going_on = (await org.call("POST", "/composite/batch", {"batchRequests": requests()})).json()
    assert going_on["hasErrors"] is True
    assert [one["statusCode"] for one in going_on["results"]] == [201, 404, 200]
    assert going_on["results"][2]["result"]["totalSize"] == 1
    body = {"batchRequests": requests()[1:], "haltOnError": True}
    halting = (await org.call("POST", "/composite/batch", body)).json()
    assert [one["statusCode"] for one in halting["results"]] == [404, 412]
    assert halting["results"][1]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"
    too_many = {"batchRequests": [{"method": "GET", "url": "v67.0/limits"}] * 26}
    assert await org.error("POST", "/composite/batch", too_many) == (400, "LIMIT_EXCEEDED")
    assert await org.error("POST", "/composite/batch", {}) == (400, "INVALID_INPUT")


class TestTree:
    @staticmethod
    def _tree(**account: Any) -> dict[str, Any]:
        quote = {"attributes": {"type": "Quote", "referenceId": "q"}, "Name": "Tree quote"}
        opportunity = {
            "attributes": {"type": "Opportunity", "referenceId": "o"},
            "Name": "Tree opportunity",
            "StageName": "Prospecting",
            "CloseDate": "2026-12-31",
            "Quotes": {"records": [quote]},
        }
        attributes = {"type": "Account", "referenceId": "a"}
        record = {"attributes": attributes, "Name": "Tree", "Opportunities": {"records": [opportunity]}, **account}
        return {"records": [record]}

    async def test_records_are_created_with_their_children(self, org: Org) -> None:
        answer = await org.call("POST", "/composite/tree/Account", self._tree())
        assert answer.status_code == 201
        assert answer.json()["hasErrors"] is False
        made = {one["referenceId"]: one["id"] for one in answer.json()["results"]}
        [quote] = await org.records(f"SELECT Opportunity.Name, AccountId FROM Quote WHERE Id = '{made['q']}'")
        assert (quote["Opportunity"]["Name"], quote["AccountId"]) == ("Tree opportunity", made["a"])

    async def test_one_fault_takes_everything_back(self, org: Org) -> None:
        tree = self._tree()
        tree["records"][0]["Opportunities"]["records"][0]["Quotes"]["records"][0]["Status"] = "Nonsense"
        answer = await org.call("POST", "/composite/tree/Account", tree)
        assert answer.status_code == 400
        [result] = answer.json()["results"]
        assert (answer.json()["hasErrors"], result["referenceId"]) == (True, "q")
        assert result["errors"][0]["statusCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        assert (await org.query("SELECT COUNT() FROM Account WHERE Name = 'Tree'"))["totalSize"] == 0

    async def test_a_tree_must_be_well_formed(self, org: Org) -> None:
        unnamed = {"records": [{"attributes": {"type": "Account"}, "Name": "x"}]}
        other = {"records": [{"attributes": {"type": "Quote", "referenceId": "a"}, "Name": "x"}]}
        large = {
            "records": [{"attributes": {"type": "Account", "referenceId": f"a{n}"}, "Name": "x"} for n in range(201)]
        }
        for body, code in (
            (unnamed, "INVALID_INPUT"),
            (other, "INVALID_INPUT"),
            ({}, "INVALID_INPUT"),
            (large, "LIMIT_EXCEEDED"),
        ):
            assert await org.error("POST", "/composite/tree/Account", body) == (400, code)
        assert await org.journal("Account") == []
