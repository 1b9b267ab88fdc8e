"""Orgs as they are: what a profile takes away, hides or forbids, and that describe says so."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from sandbox.vendors.salesforce.app import create_app
from sandbox.vendors.salesforce.profiles import PROFILES
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings
from tests.sandbox.vendors.salesforce.conftest import INSTANCE_URL, SEED_DIR, Org, _log_in

ACME, BLUEFIN = "001QW0000000001YAA", "001QW0000000002YAA"
Orgs = Callable[..., AbstractAsyncContextManager[Org]]


@pytest.fixture
def org_with(credentials_file: Path, tmp_path: Path) -> Orgs:
    known = json.loads(credentials_file.read_text())
    own = tmp_path / "salesforce.json"

    def app_of(user: str, seed: Path, profiles: tuple[str, ...]) -> Starlette:
        own.write_text(json.dumps({**known, "username": user}))
        return create_app(SalesforceSandboxSettings(INSTANCE_URL, seed, own, profiles=profiles))

    @asynccontextmanager
    async def running(
        *profiles: str, seed: Path = SEED_DIR, user: str = "integration@nordwind.example"
    ) -> AsyncIterator[Org]:
        network = httpx.ASGITransport(app_of(user, seed, profiles))
        async with httpx.AsyncClient(transport=network, base_url=INSTANCE_URL) as http:
            await _log_in(http)
            yield Org(http)

    return running


async def described(org: Org, name: str) -> dict[str, dict[str, Any]]:
    answer = await org.call("GET", f"/sobjects/{name}/describe")
    assert answer.status_code == 200, answer.text
    return {field["name"]: field for field in answer.json()["fields"]}


async def error_of_query(org: Org, soql: str) -> tuple[int, str]:
    return await org.error("GET", "/query", params={"q": soql})


async def test_a_single_currency_org_has_no_currency_field_anywhere(org_with: Orgs) -> None:
    async with org_with("single-currency") as org:
        objects = (await org.call("GET", "/sobjects")).json()["sobjects"]
        for name in (each["name"] for each in objects):
            assert "CurrencyIsoCode" not in await described(org, name)
        assert await error_of_query(org, "SELECT CurrencyIsoCode FROM Account") == (400, "INVALID_FIELD")
        assert await error_of_query(org, "SELECT Id FROM Quote WHERE CurrencyIsoCode = 'EUR'") == (400, "INVALID_FIELD")
        body = {"Name": "A", "CurrencyIsoCode": "EUR"}
        assert await org.error("POST", "/sobjects/Account", body) == (400, "INVALID_FIELD")
        [organization] = await org.records("SELECT DefaultCurrencyIsoCode FROM Organization")
        assert organization["DefaultCurrencyIsoCode"] == "EUR"


async def test_without_picklists_places_are_free_text(org_with: Orgs) -> None:
    async with org_with("no-picklists") as org:
        assert await error_of_query(org, "SELECT BillingCountryCode FROM Account") == (400, "INVALID_FIELD")
        assert await error_of_query(org, "SELECT BillingStateCode FROM Account") == (400, "INVALID_FIELD")
        rows = await org.records("SELECT BillingCountry, BillingState FROM Account ORDER BY Name")
        assert ["USA", "California"] in [[row["BillingCountry"], row["BillingState"]] for row in rows]


async def test_a_hidden_field_is_as_good_as_none_and_formulas_still_see_it(org_with: Orgs) -> None:
    async with org_with("hidden-field") as org:
        assert "Start_Date__c" not in await described(org, "Quote")
        assert await error_of_query(org, "SELECT Start_Date__c FROM Quote") == (400, "INVALID_FIELD")
        assert "Start_Date__c" not in (await org.records("SELECT FIELDS(ALL) FROM Quote LIMIT 1"))[0]
        body = {"Start_Date__c": "2027-01-01"}
        assert await org.error("PATCH", "/sobjects/Quote/0Q0QW0000000001", body) == (400, "INVALID_FIELD")


async def test_a_read_only_field_can_be_read_and_not_written(org_with: Orgs) -> None:
    async with org_with("read-only-field") as org:
        field = (await described(org, "Quoteway_Order__c"))["ERP_Order__c"]
        assert (field["createable"], field["updateable"]) == (False, False)
        body = {"Order_Id__c": "o", "ERP_Order__c": "1"}
        refusal = (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
        assert await org.error("POST", "/sobjects/Quoteway_Order__c", body) == refusal


async def test_a_rule_refuses_new_and_changed_records(org_with: Orgs) -> None:
    async with org_with("validation-rule") as org:
        refusal = (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
        large = {"Order_Id__c": "o", "Order_Total__c": 5000}
        assert await org.error("POST", "/sobjects/Quoteway_Order__c", large) == refusal
        record_id = await org.new_order("o", Order_Total__c=10)
        path = f"/sobjects/Quoteway_Order__c/{record_id}"
        assert await org.error("PATCH", path, {"Order_Total__c": 5000}) == refusal
        approved = await org.call("PATCH", path, {"Order_Total__c": 5000, "Approved_By__c": "Ada"})
        assert approved.status_code == 204


async def test_a_required_field_is_required_of_everybody(org_with: Orgs) -> None:
    async with org_with("required-field") as org:
        assert (await described(org, "Quoteway_Order__c"))["Region__c"]["nillable"] is False
        answer = await org.call("POST", "/sobjects/Quoteway_Order__c", {"Order_Id__c": "o"})
        assert (answer.json()[0]["errorCode"], answer.json()[0]["fields"]) == ("REQUIRED_FIELD_MISSING", ["Region__c"])


async def test_without_the_package_there_is_nothing_of_it(org_with: Orgs) -> None:
    async with org_with("no-package") as org:
        assert await org.error("GET", "/sobjects/Quoteway_Order__c/describe") == (404, "NOT_FOUND")
        assert await error_of_query(org, "SELECT Id FROM Quoteway_Order__c") == (400, "INVALID_TYPE")
        for name in ("Account", "Quote", "QuoteLineItem", "Product2"):
            assert not any(field.endswith("__c") for field in await described(org, name))
        assert len(await org.records("SELECT Id FROM Quote")) == 8


async def test_cpq_has_the_same_quotes_on_its_own_objects(org_with: Orgs) -> None:
    async with org_with("cpq") as org:
        [quote] = await org.records(
            "SELECT Name, SBQQ__NetAmount__c, SBQQ__Account__r.Name, (SELECT SBQQ__NetTotal__c, SBQQ__ProductCode__c "
            "FROM SBQQ__LineItems__r ORDER BY SBQQ__Number__c) FROM SBQQ__Quote__c WHERE Id = 'a0QQW0000000001'"
        )
        [standard] = await org.records("SELECT GrandTotal FROM Quote WHERE Id = '0Q0QW0000000001'")
        assert quote["SBQQ__NetAmount__c"] == standard["GrandTotal"]
        assert [line["SBQQ__NetTotal__c"] for line in quote["SBQQ__LineItems__r"]["records"]] == [2831, 1790, 980, 98]
        line_count = "SELECT COUNT() FROM SBQQ__QuoteLine__c"
        assert (await org.query(line_count))["totalSize"] == (await org.query("SELECT COUNT() FROM QuoteLineItem"))[
            "totalSize"
        ]


async def test_another_org_says_so_in_its_tokens_and_about_itself(org_with: Orgs) -> None:
    async with org_with("other-org") as org:
        form = {"grant_type": "client_credentials"}
        token = (await org.http.post("/services/oauth2/token", data=form, auth=("the-client", "the-secret"))).json()
        info = (await org.http.get("/services/oauth2/userinfo")).json()
        [organization] = await org.records("SELECT Id FROM Organization")
        assert organization["Id"].startswith("00DQW0000000002")
        assert organization["Id"] == info["organization_id"] == token["id"].split("/")[-2]


@pytest.mark.parametrize("profile", list(PROFILES))
async def test_every_profile_describes_what_it_answers(org_with: Orgs, profile: str) -> None:
    async with org_with(profile) as org:
        objects = (await org.call("GET", "/sobjects")).json()["sobjects"]
        for one in objects:
            if not one["queryable"]:
                continue
            names = list(await described(org, one["name"]))
            found = await org.records(f"SELECT {', '.join(names)} FROM {one['name']} LIMIT 1")
            assert all(set(record) == {"attributes", *names} for record in found)


async def test_profiles_can_be_combined_and_named_in_the_seed(org_with: Orgs) -> None:
    seed, user = SEED_DIR / "suedwind", "integration@suedwind.example"
    async with org_with("hidden-field", seed=seed, user=user) as org:
        assert not {"CurrencyIsoCode", "Start_Date__c"} & set(await described(org, "Quote"))
        [organization] = await org.records("SELECT Id, Name FROM Organization")
        assert (organization["Id"][:15], organization["Name"]) == ("00DSW0000000001", "Suedwind")


def test_a_profile_that_there_is_not_is_refused(credentials_file: Path) -> None:
    with pytest.raises(ValueError, match="there is no profile none-such"):
        create_app(SalesforceSandboxSettings(INSTANCE_URL, SEED_DIR, credentials_file, profiles=("none-such",)))


async def test_the_grand_total_is_lines_tax_and_shipping(org: Org) -> None:
    path = "/sobjects/Quote/0Q0QW0000000001"
    await org.call("PATCH", path, {"ShippingHandling": 25, "Tax": 1.5})
    record = (await org.call("GET", path)).json()
    assert (record["Subtotal"], record["TotalPrice"], record["GrandTotal"]) == (5848.0, 5699.0, 5725.5)
    assert record["Discount"] == 2.55  # 149 of 5,848
    for name in ("Subtotal", "TotalPrice", "GrandTotal", "Discount"):
        assert await org.error("PATCH", path, {name: 1}) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")


async def test_a_merged_account_names_its_master_and_what_it_had_moves(org: Org) -> None:
    body = {"master_id": BLUEFIN, "merged_id": ACME}
    assert (await org.http.post("/_sandbox/merge", json=body)).status_code == 204

    assert await org.records(f"SELECT Id FROM Account WHERE Id = '{ACME}'") == []
    every = await org.call(
        "GET", "/queryAll", params={"q": f"SELECT IsDeleted, MasterRecordId FROM Account WHERE Id = '{ACME}'"}
    )
    [merged] = every.json()["records"]
    assert (merged["IsDeleted"], merged["MasterRecordId"]) == (True, BLUEFIN)
    [quote] = await org.records("SELECT AccountId FROM Quote WHERE Id = '0Q0QW0000000001'")
    assert quote["AccountId"] == BLUEFIN
    assert await org.error("GET", f"/sobjects/Account/{ACME}") == (404, "ENTITY_IS_DELETED")


@pytest.mark.parametrize(
    "body", [{"master_id": ACME, "merged_id": "0Q0QW0000000001"}, {"master_id": "0Q0QW0000000001", "merged_id": ACME}]
)
async def test_only_two_of_a_kind_can_be_merged(org: Org, body: dict[str, str]) -> None:
    answer = await org.http.post("/_sandbox/merge", json=body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_INPUT")


async def test_deleted_and_updated_records_of_a_span(org: Org) -> None:
    start = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    end = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    record_id = await org.new_order("one")
    other_id = await org.new_order("two")
    await org.call("DELETE", f"/sobjects/Quoteway_Order__c/{record_id}")

    deleted = (await org.call("GET", f"/sobjects/Quoteway_Order__c/deleted/?{_span(start, end)}")).json()
    updated = (await org.call("GET", f"/sobjects/Quoteway_Order__c/updated?{_span(start, end)}")).json()

    assert [each["id"] for each in deleted["deletedRecords"]] == [record_id]
    assert {"earliestDateAvailable", "latestDateCovered"} < set(deleted)
    assert updated["ids"] == [other_id]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (1, 2), (-16, 0), (None, 0), (-1, None)])
async def test_a_span_that_is_none_is_refused(org: Org, start: int | None, end: int | None) -> None:
    now = datetime.now(UTC)
    moments = ["" if days is None else (now + timedelta(days=days)).isoformat() for days in (start, end)]
    if (start, end) == (1, 2):
        moments.reverse()
    error = await org.error("GET", f"/sobjects/Account/deleted?{_span(*moments)}")
    assert error == (400, "INVALID_REPLICATION_DATE")


async def test_versions_retire_and_come(org: Org) -> None:
    assert (await org.http.put("/_sandbox/api-versions", json={"oldest": 41, "newest": 70})).json()["oldest"] == 41
    listed = (await org.http.get("/services/data")).json()
    assert (listed[0]["version"], listed[-1]["version"]) == ("41.0", "70.0")
    old = await org.http.get("/services/data/v40.0/limits")
    assert (old.status_code, old.json()[0]["errorCode"]) == (410, "UNSUPPORTED_API_VERSION")
    assert (await org.http.get("/services/data/v70.0/limits")).status_code == 200


def _span(start: str, end: str) -> httpx.QueryParams:
    return httpx.QueryParams({"start": start, "end": end})
