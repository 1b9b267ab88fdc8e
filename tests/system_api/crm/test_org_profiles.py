"""Orgs of all profiles: the same quote is read from each, or missing parts are reported in plain words."""

from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest

from shared.canonical import Address, Money, OrderStatus, ReportedOrderStatus
from shared.problem import Rejected, Unavailable
from system_api.crm.salesforce.adapter import Salesforce
from system_api.crm.salesforce.quotes import QuotePlan, plan_quotes
from system_api.vendor.salesforce_map import (
    AccountFields,
    LineFields,
    OrderFields,
    QuoteFields,
    SalesforceFields,
)
from tests.system_api.crm.orgs import ACME, BLUEFIN, Org, org_of, refused, report

DEMO, ACME_QUOTE_TOTAL = "0Q0QW0000000001", Money(amount="5699.00", currency="EUR")


async def test_amounts_of_a_single_currency_org_are_in_the_orgs_currency(tmp_path: Path) -> None:
    async with org_of(tmp_path, "single-currency") as org:
        quote = await org.crm.find_quote(DEMO)
        account = await org.crm.find_account(ACME)
        told = await org.crm.report_order_status("ord-1", report())

    assert quote is not None
    assert (quote.currency, quote.grand_total) == ("EUR", ACME_QUOTE_TOTAL)
    assert account is not None
    assert account.currency == "EUR"
    assert told.applied


async def test_single_currency_falls_back_to_the_connections(tmp_path: Path) -> None:
    async with org_of(tmp_path, "single-currency") as org:
        asked = org.adapter(currency="USD")
        quote = await asked.find_quote(DEMO)

    assert quote is not None
    assert quote.currency == "USD"


async def test_countries_and_states_are_understood_without_picklists(tmp_path: Path) -> None:
    async with org_of(tmp_path, "no-picklists") as org:
        acme, bluefin = await org.crm.find_account(ACME), await org.crm.find_account(BLUEFIN)

    assert acme is not None
    assert acme.billing_address == Address(street="Werkstrasse 5", postal_code="70435", city="Stuttgart", country="DE")
    assert bluefin is not None
    assert bluefin.billing_address is not None
    assert (bluefin.billing_address.country, bluefin.billing_address.region) == ("US", "CA")


@pytest.mark.parametrize(
    ("fields", "said", "pointer"),
    [
        (
            {"BillingCountry": "Grmany"},
            "BillingCountry is 'Grmany', which is not a country that is known here",
            "/billingAddress/country",
        ),
        (
            {"BillingCountry": "USA", "BillingState": "Kalifornia"},
            "'Kalifornia', which is not a state of US",
            "/billingAddress/region",
        ),
    ],
)
async def test_a_place_that_nobody_knows_is_refused_by_name(
    tmp_path: Path, fields: dict[str, str], said: str, pointer: str
) -> None:
    async with org_of(tmp_path, "no-picklists") as org:
        await org.change("Account", ACME, **fields)
        error = await refused(org.crm, "find_account", ACME)

    assert isinstance(error, Rejected)
    assert error.reason_code == "incomplete_record"
    assert said in error.detail
    assert [fault.pointer for fault in error.faults] == [pointer]


@pytest.mark.parametrize(
    ("profiles", "fields", "region"),
    [
        (["no-picklists"], {"BillingCountry": "México", "BillingState": "Nuevo Leon"}, "NLE"),
        (["no-picklists"], {"BillingCountry": "Italy", "BillingState": "Milan"}, "MI"),
        ([], {"BillingCountryCode": "MX", "BillingStateCode": "DF"}, "CMX"),
        ([], {"BillingCountryCode": "CN", "BillingStateCode": "31"}, "SH"),
        ([], {"BillingCountryCode": "IN", "BillingStateCode": "XX"}, "XX"),
    ],
)
async def test_states_of_other_countries_become_iso_codes(
    tmp_path: Path, profiles: list[str], fields: dict[str, str], region: str
) -> None:
    async with org_of(tmp_path, *profiles) as org:
        await org.change("Account", ACME, **fields)
        account = await org.crm.find_account(ACME)

    assert account is not None
    assert account.billing_address is not None
    assert account.billing_address.region == region


async def test_a_german_state_in_free_text_is_not_needed(tmp_path: Path) -> None:
    async with org_of(tmp_path, "no-picklists") as org:
        await org.change("Account", ACME, BillingState="Baden-Württemberg")
        account = await org.crm.find_account(ACME)

    assert account is not None
    assert account.billing_address is not None
    assert account.billing_address.region is None


async def test_an_org_with_one_currency_and_no_picklists_is_read_and_written(tmp_path: Path) -> None:
    async with org_of(tmp_path, seed="sandbox/data/suedwind") as org:
        quote = await org.crm.find_quote("0Q0SW0000000001")
        account = await org.crm.find_account("001SW0000000001")
        told = report(account_id="001SW0000000001", quote_id="0Q0SW0000000001")
        answer = await org.crm.report_order_status("ord-1", told)
        fields = await org.rest.get("/data/v67.0/sobjects/Quote/describe")

    assert quote is not None
    assert account is not None
    assert account.billing_address is not None
    assert (quote.currency, account.currency, account.billing_address.country) == ("EUR", "EUR", "DE")
    assert answer.applied
    assert "CurrencyIsoCode" not in [each["name"] for each in fields.json()["fields"]]


async def test_hidden_field_is_named_and_unavailable(tmp_path: Path) -> None:
    async with org_of(tmp_path, "hidden-field") as org:
        error = await refused(org.crm, "find_quote", DEMO)
        fields = SalesforceFields(quote=QuoteFields(start_date=""))
        without = await org.adapter(fields=fields).find_quote(DEMO)

    assert isinstance(error, Unavailable)
    assert error.reason_code == "field_missing"
    first, _, rest = error.detail.partition(". ")
    assert first == "Salesforce does not show Quoteway the field Start_Date__c of Quote"
    assert "administrator" in rest
    assert without is not None


async def test_a_mapped_currency_that_is_hidden_is_missing(tmp_path: Path) -> None:
    """Only the standard field's absence means that the org has one currency."""
    fields = SalesforceFields(account=AccountFields(currency="Trade__c"), quote=QuoteFields(currency="Trade__c"))
    async with org_of(tmp_path, "single-currency", fields=fields) as org:
        quote = await refused(org.crm, "find_quote", DEMO)
        account = await refused(org.crm, "find_account", ACME)
        found = [each.what for each in await org.crm.check()]

    assert (quote.reason_code, account.reason_code) == ("field_missing", "field_missing")
    for name in ("Quote", "Account"):
        assert any(f"Trade__c of {name} is not there" in each for each in found)
    assert not any("has one currency" in each for each in found)


async def test_every_missing_field_is_named_at_once(tmp_path: Path) -> None:
    fields = SalesforceFields(
        account=AccountFields(vat_id="Tax_Number__c"),
        quote=QuoteFields(kind="Deal_Kind__c", revision="Version__c", account_legal_entity="Account.Seller__r.Code__c"),
        line=LineFields(total="Net__c"),
    )
    async with org_of(tmp_path, fields=fields) as org:
        quote = await refused(org.crm, "find_quote", DEMO)
        account = await refused(org.crm, "find_account", ACME)

    for name in ("Deal_Kind__c", "Version__c", "Account.Seller__r.Code__c of Quote", "Net__c of QuoteLineItem"):
        assert name in quote.detail
    assert "Tax_Number__c of Account" in account.detail


async def test_an_org_without_the_package_says_what_to_install(tmp_path: Path) -> None:
    async with org_of(tmp_path, "no-package") as org:
        quote = await refused(org.crm, "find_quote", DEMO)
        order = await refused(org.crm, "report_order_status", "ord-1", report())

    assert (quote.reason_code, order.reason_code) == ("field_missing", "object_missing")
    assert "the object Quoteway_Order__c" in order.detail
    assert "install Quoteway's package" in order.detail


async def test_a_field_that_is_hidden_later_is_noticed(tmp_path: Path) -> None:
    """It was described, so it is queried; Salesforce answers INVALID_FIELD, and the org is described again."""
    async with org_of(tmp_path, "hidden-field") as org:
        adapter = org.adapter(fields=SalesforceFields(quote=QuoteFields(start_date="")))
        assert await adapter.find_quote(DEMO) is not None
        plan = adapter._org._plans[plan_quotes]
        assert isinstance(plan, QuotePlan)
        adapter._org._plans[plan_quotes] = replace(plan, select=f"Start_Date__c, {plan.select}")

        assert await adapter.find_quote(DEMO) is not None


async def test_orgs_own_validation_rule_is_quoted(tmp_path: Path) -> None:
    async with org_of(tmp_path, "validation-rule") as org:
        small = await org.crm.report_order_status("ord-1", report())
        large = report(total=Money(amount="5000.00", currency="EUR"))
        error = await refused(org.crm, "report_order_status", "ord-2", large)

    assert small.applied
    assert isinstance(error, Rejected)
    assert error.reason_code == "field_custom_validation_exception"
    assert "Orders above 1,000 need an approver." in error.detail


async def test_a_required_field_that_quoteway_does_not_know_is_named(tmp_path: Path) -> None:
    async with org_of(tmp_path, "required-field") as org:
        error = await refused(org.crm, "report_order_status", "ord-1", report())

    assert isinstance(error, Unavailable)
    assert error.reason_code == "required_field_missing"
    assert "(Region__c)" in error.detail


async def test_a_field_that_may_not_be_written_is_left_out(tmp_path: Path) -> None:
    async with org_of(tmp_path, "read-only-field") as org:
        first = await org.crm.report_order_status("ord-1", report())
        second = await org.crm.report_order_status("ord-1", report(2))
        (order,) = await org.records("SELECT ERP_Order__c, ERP_Order_Number__c, Version__c FROM Quoteway_Order__c")

    assert first.applied
    assert second.applied
    assert (order["ERP_Order__c"], order["ERP_Order_Number__c"], order["Version__c"]) == (None, "NW-DE-17", 2.0)


async def test_an_orders_key_must_be_an_external_id(tmp_path: Path) -> None:
    fields = SalesforceFields(order=OrderFields(order_id="Subscription__c", subscription_ids=""))
    async with org_of(tmp_path, fields=fields) as org:
        error = await refused(org.crm, "report_order_status", "ord-1", report())

    assert "not marked as an external id" in error.detail


@pytest.mark.parametrize("pinned", ["00DQW0000000001", "00DQW0000000001YAA"])
async def test_the_pinned_org_is_let_in(tmp_path: Path, pinned: str) -> None:
    async with org_of(tmp_path, org_id=pinned) as org:
        assert await org.crm.find_quote(DEMO) is not None


@pytest.mark.parametrize("token_names_the_org", [True, False])
async def test_another_org_is_unavailable_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token_names_the_org: bool
) -> None:
    if not token_names_the_org:
        monkeypatch.setattr("system_api.crm.salesforce.api._org_of", lambda _: "")
    async with org_of(tmp_path, "other-org", org_id="00DQW0000000001") as org:
        errors = [
            await refused(org.crm, "find_quote", DEMO),
            await refused(org.crm, "find_account", ACME),
            await refused(org.crm, "record_access", "005QW0000000001", ACME),
            await refused(org.crm, "report_order_status", "ord-1", report()),
            await refused(org.crm, "ready"),
        ]
        orders = await org.records("SELECT Id FROM Quoteway_Order__c")

    assert {type(error) for error in errors} == {Unavailable}
    assert {error.reason_code for error in errors} == {"wrong_org"}
    assert "00DQW0000000002" in errors[0].detail
    assert orders == []


@pytest.mark.parametrize(("version", "oldest"), [("v30.0", 31), ("v41.0", 42), ("v68.0", 31)])
async def test_unsupported_api_version_is_unavailable(tmp_path: Path, version: str, oldest: int) -> None:
    async with org_of(tmp_path, api_version=version) as org:
        await org.control("PUT", "api-versions", oldest=oldest)
        error = await refused(org.crm, "find_quote", DEMO)

    assert isinstance(error, Unavailable)
    assert error.reason_code == "api_version_retired"
    assert version in error.detail


async def test_retired_api_version_is_unavailable_until_it_is_changed(tmp_path: Path) -> None:
    async with org_of(tmp_path, api_version="v41.0") as org:
        assert await org.crm.find_quote(DEMO) is not None
        await org.control("PUT", "api-versions", oldest=42)
        errors = [await refused(org.crm, "find_quote", DEMO) for _ in range(2)]
        writing = await refused(org.crm, "report_order_status", "ord-1", report())
        await org.control("PUT", "api-versions", oldest=31)
        again = await org.crm.find_quote(DEMO)

    assert {error.reason_code for error in (*errors, writing)} == {"api_version_retired"}
    assert {type(error) for error in (*errors, writing)} == {Unavailable}
    assert again is not None


async def test_merged_account_resolves_to_its_master(tmp_path: Path) -> None:
    async with org_of(tmp_path) as org:
        third = await org.create("Account", Name="Acme Holding", Legal_Entity__c="NW-DE", BillingCountryCode="DE")
        await org.control("POST", "merge", master_id=BLUEFIN, merged_id=ACME)
        await org.control("POST", "merge", master_id=third, merged_id=BLUEFIN)
        account = await org.crm.find_account(ACME)
        quote = await org.crm.find_quote(DEMO)
        told = await org.crm.report_order_status("ord-1", report())
        (order,) = await org.records("SELECT Account__c FROM Quoteway_Order__c")

    assert account is not None
    assert (account.account_id, account.name) == (third, "Acme Holding")
    assert quote is not None
    assert quote.account_id == third
    assert told.applied
    assert order["Account__c"] == third


async def test_a_deleted_account_is_refused_by_its_id(tmp_path: Path) -> None:
    async with org_of(tmp_path) as org:
        await org.rest.delete(f"/data/v67.0/sobjects/Account/{ACME}")
        error = await refused(org.crm, "find_account", ACME)
        never_there = await org.crm.find_account("001QW0000000099")

    assert isinstance(error, Rejected)
    assert error.reason_code == "account_deleted"
    assert ACME in error.detail
    assert never_there is None


async def test_order_is_reported_after_its_quote_and_account_were_deleted(tmp_path: Path) -> None:
    async with org_of(tmp_path) as org:
        await org.rest.delete("/data/v67.0/sobjects/Quote/0Q0QW0000000001")
        await org.rest.delete(f"/data/v67.0/sobjects/Account/{ACME}")
        told = await org.crm.report_order_status("ord-1", report(status=OrderStatus.rejected, total=None))
        (order,) = await org.records("SELECT Account__c, Quote__c, Status__c FROM Quoteway_Order__c")

    assert told.applied
    assert (order["Account__c"], order["Quote__c"], order["Status__c"]) == (None, None, "rejected")


@pytest.mark.parametrize("profiles", [(), ("single-currency",)])
async def test_order_is_reported_if_its_quote_was_unusable(tmp_path: Path, profiles: tuple[str, ...]) -> None:
    """Neither account nor currency are known then: the org knows the account, by the quote."""
    async with org_of(tmp_path, *profiles) as org:
        told = msgspec.structs.replace(report(status=OrderStatus.rejected, total=None), account_id=None, currency=None)
        answer = await org.crm.report_order_status("ord-1", told)
        (order,) = await org.records("SELECT Account__c, Quote__c, Status__c FROM Quoteway_Order__c")

    assert answer.applied
    assert (order["Account__c"], order["Quote__c"]) == (ACME, "0Q0QW00000000010AA")


async def test_an_org_is_described_once(tmp_path: Path) -> None:
    async with org_of(tmp_path) as org:
        counted = Counting(org)
        adapter = Salesforce(org.connection, counted)
        for _ in range(3):
            await adapter.find_quote(DEMO)
            await adapter.find_account(ACME)
            await adapter.report_order_status("ord-1", report())

    described = [path for path in counted.paths if path.endswith("/describe")]
    assert len(described) == len(set(described))
    assert len([path for path in counted.paths if path == "/services/data"]) == 1


class Counting(httpx.AsyncBaseTransport):
    """The org's network, which records the requests."""

    def __init__(self, org: Org) -> None:
        self.paths: list[str] = []
        self._network = org.network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        return await self._network.handle_async_request(request)


async def test_a_report_fits_the_fields_that_the_map_names(tmp_path: Path) -> None:
    """The org keeps our texts in fields of its own, which are shorter than our package's."""
    fields = SalesforceFields(
        order=OrderFields(
            failure_reason="ERP_Order_Number__c",
            erp_order_number="Subscription__c",
            subscription_ids="ERP_Order__c",
            erp_order_id="Failure_Reason__c",
        )
    )
    async with org_of(tmp_path, fields=fields) as org:
        quote_id = await org.quote({"sku": "MON-STD", "Quantity": 1, "UnitPrice": 4.9})
        ids = [f"sub_{'x' * 60}{place}" for place in range(3)]
        long = ReportedOrderStatus(
            quote_id=quote_id,
            status=OrderStatus.rejected,
            version=2,
            erp_order_id="7",
            erp_order_number="SO " * 80,
            subscription_ids=ids,
            failure_reason="No. " * 100,
        )
        await org.crm.report_order_status("ord_long", long)
        (held,) = await org.records(
            "SELECT ERP_Order_Number__c, Subscription__c, ERP_Order__c, Failure_Reason__c "
            "FROM Quoteway_Order__c WHERE Order_Id__c = 'ord_long'"
        )

    assert 90 < len(held["ERP_Order_Number__c"]) <= 100
    assert held["ERP_Order_Number__c"].endswith("…")
    assert 90 < len(held["Subscription__c"]) <= 100
    assert (held["ERP_Order__c"], held["Failure_Reason__c"]) == (ids[0], "7")
