"""Pricing preview: a quote's prices in every system, before anyone orders it."""

import uuid
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from process_api.pricing.discount_policy import DiscountPolicy
from process_api.pricing.pricing_preview import assemble_preview
from shared.canonical import ListPrice, Money, PriceList, QuoteLine, Recurrence, TaxCalculation, TaxedLine
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import Fault, euros, line, mixed_quote


async def ask(process: Process, quote_id: str | None = None) -> httpx.Response:
    """Ask for the preview of the test's quote, or of another."""
    return await process.client.post(
        f"/v1/quotes/{quote_id or process.system.quote_id}/pricing-preview", headers=process.headers
    )


async def preview(process: Process) -> dict[str, Any]:
    """The preview of the test's quote, which must answer."""
    answer = await ask(process)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def quote_of(process: Process, *lines: QuoteLine) -> None:
    """Let the test's quote consist of these lines."""
    process.system.quote = msgspec.structs.replace(mixed_quote(), lines=list(lines))


async def test_each_line_shows_its_price_in_every_system_its_tax_and_its_difference(process: Process) -> None:
    found = await preview(process)

    assert (found["quoteId"], found["quoteRevision"], found["currency"]) == (process.system.quote_id, 1, "EUR")
    assert found["orderable"] is True
    hardware, monitoring, support = found["lines"]
    assert hardware == {
        "lineId": "l1",
        "sku": "GATEWAY-EDGE",
        "description": "GATEWAY-EDGE",
        "quantity": "2",
        "recurrence": "none",
        "quotedUnitPrice": {"amount": "1490.00", "currency": "EUR"},
        "netUnitPrice": {"amount": "1415.5000", "currency": "EUR"},
        "net": {"amount": "2831.00", "currency": "EUR"},
        "erpPrice": {"amount": "1490.00", "currency": "EUR"},
        "billingPrice": {"amount": "1490.00", "currency": "EUR"},
        "tax": {"amount": "537.89", "currency": "EUR"},
        "differencePercent": "-5.00",
        "withinPolicy": True,
        "problem": None,
    }
    assert (monitoring["net"]["amount"], monitoring["tax"]["amount"]) == ("98.00", "18.62")
    assert (monitoring["differencePercent"], support["differencePercent"]) == ("0.00", "0.00")
    assert (found["net"]["amount"], found["tax"]["amount"], found["total"]["amount"]) == (
        "4129.00",
        "784.51",
        "4913.51",
    )
    assert (found["taxJurisdiction"], found["taxProblem"]) == ("VAT 19 %", None)


async def test_a_preview_changes_nothing_anywhere(process: Process) -> None:
    await preview(process)
    assert process.system.journal == []
    assert sorted(process.system.calls) == ["calculate_tax", "find_account", "find_quote", "look_up_prices"]


async def test_a_quote_that_is_not_accepted_yet_can_be_previewed(process: Process) -> None:
    quote = mixed_quote()
    process.system.quote = msgspec.structs.replace(quote, status=type(quote.status).draft)
    assert (await preview(process))["orderable"] is True


async def test_a_product_that_no_system_sells_makes_the_quote_not_orderable(process: Process) -> None:
    quote_of(
        process, line("l1", "MON-STD", "1", "4.90", Recurrence.month), line("l2", "GONE", "1", "1", Recurrence.none)
    )

    found = await preview(process)

    sold, gone = found["lines"]
    assert (sold["withinPolicy"], sold["problem"]) == (True, None)
    assert (gone["erpPrice"], gone["billingPrice"], gone["differencePercent"]) == (None, None, None)
    assert (gone["withinPolicy"], gone["problem"]) == (False, "GONE is not sold by the ERP in EUR.")
    assert gone["tax"]["amount"] == "0.19"
    assert found["orderable"] is False


async def test_a_line_outside_the_policy_says_how_far_and_makes_the_quote_not_orderable(process: Process) -> None:
    quote_of(
        process,
        line("l1", "GATEWAY-EDGE", "1", "1490.00", Recurrence.none, "45"),
        line("l2", "GATEWAY-EDGE", "1", "1490.00", Recurrence.none, "20"),
        line("l3", "GATEWAY-EDGE", "1", "1600.00", Recurrence.none),
    )

    found = await preview(process)

    assert [each["differencePercent"] for each in found["lines"]] == ["-45.00", "-20.00", "7.39"]
    assert [each["withinPolicy"] for each in found["lines"]] == [False, True, False]
    assert "45.00 % below the list price of 1490.00 EUR" in found["lines"][0]["problem"]
    assert "7.39 % above the list price" in found["lines"][2]["problem"]
    assert found["orderable"] is False


async def test_a_product_asked_for_on_many_lines_is_looked_up_once(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    look_up = process.system._look_up_prices

    def noted(body: bytes, legal_entity: str) -> PriceList:
        asked.append(msgspec.json.decode(body)["skus"])
        return look_up(body, legal_entity)

    monkeypatch.setattr(process.system, "_look_up_prices", noted)
    quote_of(process, *(line(f"l{number}", "MON-STD", "1", "4.90", Recurrence.month) for number in range(3)))
    assert len((await preview(process))["lines"]) == 3
    assert asked == [["MON-STD"]]


@pytest.mark.parametrize("missing", ["account", "address"])
async def test_without_an_address_there_are_prices_but_no_tax(process: Process, missing: str) -> None:
    account = process.system.account
    assert account is not None
    process.system.account = None if missing == "account" else msgspec.structs.replace(account, billing_address=None)

    found = await preview(process)

    assert (found["tax"], found["total"], found["taxJurisdiction"]) == (None, None, None)
    assert found["taxProblem"] == "The account has no billing address, so no tax can be calculated."
    assert found["net"]["amount"] == "4129.00"
    assert {each["tax"] for each in found["lines"]} == {None}
    assert all(each["withinPolicy"] for each in found["lines"])
    assert found["orderable"] is False


async def test_a_tax_that_is_refused_is_told_and_the_prices_are_shown(process: Process) -> None:
    process.system.fail("calculate_tax", "rejected")
    found = await preview(process)
    assert found["taxProblem"] == "calculate tax was refused by the vendor"
    assert (found["total"], found["orderable"]) == (None, False)
    assert found["lines"][0]["differencePercent"] == "-5.00"


@pytest.mark.parametrize("operation", ["find_quote", "look_up_prices", "find_account", "calculate_tax"])
@pytest.mark.parametrize("fault", ["unavailable", "garbage"])
async def test_a_price_that_is_not_known_is_never_made_up(process: Process, operation: str, fault: Fault) -> None:
    process.system.fail(operation, fault)
    answer = await ask(process)
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"] == "urn:quoteway:problem:unavailable"


async def test_an_unknown_quote_is_not_found(process: Process) -> None:
    nowhere = f"0Q0{uuid.uuid4().hex[:15]}"
    answer = await ask(process, nowhere)
    assert answer.status_code == 404
    assert nowhere in answer.json()["detail"]
    assert process.system.calls == ["find_quote"]


@pytest.mark.parametrize("quote_id", ["0Q0", "0Q0QW0000000001AAAB", "0Q0QW000000001'OR"])
async def test_an_id_that_can_be_none_is_refused_before_anyone_is_asked(process: Process, quote_id: str) -> None:
    assert (await ask(process, quote_id)).status_code == 400
    assert process.system.calls == []


@pytest.mark.parametrize(
    "lines",
    [
        [line("l1", "GATEWAY-EDGE", "999999999999", "1490.00", Recurrence.none)],
        [line(f"l{number}", "GATEWAY-EDGE", "600000000", "1490.00", Recurrence.none) for number in (1, 2)],
    ],
    ids=["one line", "all lines"],
)
async def test_amounts_that_are_too_large_are_refused_in_plain_words(process: Process, lines: list[QuoteLine]) -> None:
    quote_of(process, *lines)
    answer = await ask(process)
    assert answer.status_code == 422, answer.text
    assert (answer.json()["type"], answer.json()["reasonCode"]) == (
        "urn:quoteway:problem:rejected",
        "amounts_too_large",
    )
    assert "too large" in answer.json()["detail"]


async def test_the_largest_amount_that_fits_is_previewed(process: Process) -> None:
    quote_of(process, line("l1", "GATEWAY-EDGE", "335570469", "1490.00", Recurrence.none))
    assert (await preview(process))["net"]["amount"] == "499999998810.00"


def test_a_line_that_the_tax_does_not_name_has_none_and_the_total_is_the_tax_systems() -> None:
    quote = mixed_quote()
    tax = TaxCalculation(
        tax_code="DE",
        jurisdiction="VAT 19 %",
        percent="19",
        lines=[TaxedLine(line_id="l1", net=euros("2831.00"), tax=euros("537.89"))],
        total=euros("784.52"),
    )
    listed = PriceList(currency="EUR", prices=[ListPrice(sku="GATEWAY-EDGE", erp=euros("1490.00"))])

    found = assemble_preview(quote, listed, tax, None, DiscountPolicy(Decimal(20), Decimal("0.5")))

    assert [each.tax for each in found.lines] == [euros("537.89"), None, None]
    assert found.total == Money.of(Decimal("4913.52"), "EUR")
    assert found.orderable is False, "two of its products are on no list"


async def test_a_total_that_only_its_tax_makes_too_large_is_refused_too(process: Process) -> None:
    quote_of(process, line("l1", "GATEWAY-EDGE", "671000000", "1490.00", Recurrence.none))
    answer = await ask(process)
    assert answer.status_code == 422, answer.text
    assert "too large" in answer.json()["detail"]
