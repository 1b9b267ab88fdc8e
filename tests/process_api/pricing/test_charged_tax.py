"""The one tolerance for tax counts from what the customer accepted, a coin for each tax line."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_api.orders.readiness.prices import tax_faults
from process_api.pricing.charged_tax import accepted_taxes
from shared.canonical import Quote, TaxCalculation, TaxedLine
from tests.process_api.system_stand_in import euros, mixed_quote

CENT = Decimal("0.01")


def calculated(*taxes: str, percent: str = "19") -> TaxCalculation:
    lines = [TaxedLine(line_id=f"l{n}", net=euros("1.00"), tax=euros(tax)) for n, tax in enumerate(taxes)]
    total = sum((Decimal(tax) for tax in taxes), Decimal(0))
    return TaxCalculation(
        tax_code="DE", jurisdiction="VAT 19 %", percent=percent, lines=lines, total=euros(f"{total:f}")
    )


def accepted(tax: str | None) -> Quote:
    return msgspec.structs.replace(mixed_quote(), tax=None if tax is None else euros(tax))


@pytest.mark.parametrize(
    ("tax", "shares"),
    [
        (None, ["1.00", "2.00", "3.00"]),
        ("0.00", ["1.00", "2.00", "3.00"]),
        ("6.00", ["1.00", "2.00", "3.00"]),
        ("6.01", ["1.01", "2.00", "3.00"]),
        ("5.98", ["0.99", "1.99", "3.00"]),
        ("6.03", ["1.01", "2.01", "3.01"]),
    ],
)
def test_what_the_systems_are_held_to_comes_to_the_accepted_tax(tax: str | None, shares: list[str]) -> None:
    found = accepted_taxes(accepted(tax), calculated("1.00", "2.00", "3.00"))

    assert list(found.values()) == [Decimal(share) for share in shares]


@given(st.lists(st.integers(0, 500), min_size=1, max_size=8), st.integers(-8, 8))
def test_no_line_is_further_than_a_coin_from_what_was_calculated(taxes: list[int], coins: int) -> None:
    tax = calculated(*(f"{Decimal(each) * CENT:.2f}" for each in taxes))
    wanted = tax.total.value + coins * CENT
    quote = accepted(f"{wanted:.2f}")
    if wanted <= 0 or tax_faults(quote, tax):
        return

    found = accepted_taxes(quote, tax)

    assert sum(found.values()) == wanted
    reckoned = {line.line_id: line.tax.value for line in tax.lines if line.tax is not None}
    assert all(abs(found[line_id] - reckoned[line_id]) <= CENT for line_id in reckoned)


def test_nothing_is_rounded_where_nothing_is_taxed() -> None:
    exempt = calculated("0.00", percent="0")

    assert [fault.code for fault in tax_faults(accepted("0.01"), exempt)] == ["tax_differs"]
