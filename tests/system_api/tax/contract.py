"""The contract suite of a tax engine, as tests that it inherits.

    class TestNewTax(TaxContract):
        @pytest.fixture
        def tax(self) -> NewTax: ...

The adapter's own tests define the fixture `tax`: an engine for the demo's legal entities, NW-DE in Germany and NW-US in
the United States. A broken engine shows that each of these tests can fail (tests/system_api/tax/test_contract.py).
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.canonical import Address, Money, TaxedLine, TaxRequest
from shared.problem import Rejected, Unavailable
from system_api.tax.contract import Tax

CENTS = st.integers(min_value=-(10**9), max_value=10**9).map(lambda cents: f"{Decimal(cents).scaleb(-2):f}")


def sale(
    *nets: str, seller: str = "NW-DE", currency: str = "EUR", vat_id: str | None = None, **place: Any
) -> TaxRequest:
    """Return a sale of these net amounts, at home in Germany where no place is given."""
    return TaxRequest(
        legal_entity=seller,
        buyer=Address(**{"street": "s", "postal_code": "1", "city": "c", "country": "DE", **place}),
        buyer_vat_id=vat_id,
        lines=[
            TaxedLine(line_id=str(number), net=Money(amount=net, currency=currency)) for number, net in enumerate(nets)
        ],
    )


class TaxContract:
    """The tests of `system_api.tax.contract.Tax`. An adapter's test class adds the fixture `tax`."""

    async def test_a_sale_at_home_bears_the_tax_of_the_place(self, tax: Tax) -> None:
        german = await tax.calculate(sale("100.00"))
        american = await tax.calculate(sale("1590.00", seller="NW-US", currency="USD", country="US", region="CA"))

        assert (german.percent, german.total) == ("19", Money(amount="19.00", currency="EUR"))
        assert (american.percent, american.total) == ("7.25", Money(amount="115.28", currency="USD"))
        assert german.jurisdiction != american.jurisdiction

    async def test_a_sale_to_another_member_state_is_the_buyers_to_tax(self, tax: Tax) -> None:
        abroad = await tax.calculate(sale("100.00", country="AT", vat_id="ATU13585627"))

        assert (abroad.percent, abroad.total) == ("0", Money(amount="0.00", currency="EUR"))

    async def test_each_line_is_answered_in_its_place_and_rounded_half_up_on_its_own(self, tax: Tax) -> None:
        calculation = await tax.calculate(sale("0.50", "0.50", "0.50", "0.00"))

        assert [(line.line_id, line.net.amount, line.tax and line.tax.amount) for line in calculation.lines] == [
            ("0", "0.50", "0.10"),
            ("1", "0.50", "0.10"),
            ("2", "0.50", "0.10"),
            ("3", "0.00", "0.00"),
        ]

    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(nets=st.lists(CENTS, min_size=1, max_size=5))
    async def test_the_total_is_what_the_lines_come_to(self, tax: Tax, nets: list[str]) -> None:
        calculation = await tax.calculate(sale(*nets))

        assert calculation.total.value == sum((line.tax.value for line in calculation.lines if line.tax), Decimal(0))

    async def test_a_calculation_records_nothing_and_comes_out_the_same_again(self, tax: Tax) -> None:
        first = await tax.calculate(sale("100.00", "0.50"))

        assert [await tax.calculate(sale("100.00", "0.50")) for _ in range(3)] == [first] * 3

    async def test_a_tax_that_is_owed_is_among_the_codes_that_the_erp_has_to_know(self, tax: Tax) -> None:
        owed = [
            await tax.calculate(sale("100.00")),
            await tax.calculate(sale("100.00", country="AT", vat_id="ATU13585627")),
        ]

        assert {each.tax_code for each in owed} <= set(tax.tax_codes("NW-DE"))

    @pytest.mark.parametrize(
        "uncovered",
        [
            sale("1.00", country="CH", vat_id="CHE123456789"),
            sale("1.00", country="AT"),
            sale("1.00", country="AT", vat_id="12345"),
        ],
        ids=["another country", "no VAT id", "no VAT id's form"],
    )
    async def test_a_sale_that_no_rule_covers_is_refused(self, tax: Tax, uncovered: TaxRequest) -> None:
        with pytest.raises(Rejected) as raised:
            await tax.calculate(uncovered)

        assert raised.value.reason_code == "no_tax_jurisdiction"

    async def test_lines_of_two_currencies_are_refused(self, tax: Tax) -> None:
        mixed = sale("1.00")
        mixed.lines.append(TaxedLine(line_id="2", net=Money(amount="1.00", currency="USD")))

        with pytest.raises(Rejected) as raised:
            await tax.calculate(mixed)

        assert raised.value.reason_code == "mixed_currencies"

    async def test_a_legal_entity_that_the_engine_does_not_know_is_the_set_ups(self, tax: Tax) -> None:
        with pytest.raises(Unavailable) as raised:
            await tax.calculate(sale("1.00", seller="NW-FR"))

        assert raised.value.what_to_do
        assert tax.tax_codes("NW-FR") == []

    async def test_an_engine_that_is_set_up_lacks_nothing(self, tax: Tax) -> None:
        assert await tax.check() == []
