"""The table of jurisdictions passes the contract suite of a tax engine; a broken engine fails its test."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.canonical import Money, TaxRequest
from shared.problem import Rejected, Unavailable
from system_api.tax.jurisdictions import Jurisdictions
from system_api.vendor.findings import Findings
from tests.system_api.planted import BROKEN_PROMISE, Planted, ids, promises
from tests.system_api.tax.contract import TaxContract, sale
from tests.system_api.tax.tables import connection


def jurisdictions() -> Jurisdictions:
    return Jurisdictions(connection(Path("sandbox/data/taxes.toml")))


class TestJurisdictions(TaxContract):
    """Each test of the suite, on the sandbox's table."""

    @pytest.fixture
    def tax(self) -> Jurisdictions:
        return jurisdictions()


class TaxesEverythingAtHome(Planted):
    async def calculate(self, request: TaxRequest) -> Any:
        return await self.kept.calculate(sale(*(line.net.amount for line in request.lines)))


class RoundsTheSum(Planted):
    async def calculate(self, request: TaxRequest) -> Any:
        found = await self.kept.calculate(request)
        net = sum(line.net.value for line in found.lines)
        total = Money.of(net * 19 / 100, found.total.currency)
        return msgspec.structs.replace(found, total=total)


class ForgetsTheLinesWithoutTax(Planted):
    async def calculate(self, request: TaxRequest) -> Any:
        found = await self.kept.calculate(request)
        return msgspec.structs.replace(found, lines=[line for line in found.lines if line.net.value])


class CountsItsCalculations(Planted):
    calls = 0

    async def calculate(self, request: TaxRequest) -> Any:
        self.calls += 1
        found = await self.kept.calculate(request)
        return msgspec.structs.replace(found, jurisdiction=f"{found.jurisdiction} ({self.calls})")


class KnowsOneCode(Planted):
    def tax_codes(self, legal_entity: str) -> Any:
        return self.kept.tax_codes(legal_entity)[:1]


class FindsNoTaxWhereNoRuleIs(Planted):
    async def calculate(self, request: TaxRequest) -> Any:
        try:
            return await self.kept.calculate(request)
        except Rejected:
            return await self.kept.calculate(sale("0.00"))


class TakesItsSetUpForTheSales(Planted):
    async def calculate(self, request: TaxRequest) -> Any:
        try:
            return await self.kept.calculate(request)
        except Unavailable as error:
            raise Rejected(error.detail, reason_code="no_tax_jurisdiction") from error


class FindsAFault(Planted):
    async def check(self) -> Any:
        findings = Findings()
        findings.lacks("The table has no row.")
        return findings.found


PLANTS: list[tuple[type[Planted], str]] = [
    (TaxesEverythingAtHome, "test_a_sale_at_home_bears_the_tax_of_the_place"),
    (TaxesEverythingAtHome, "test_a_sale_to_another_member_state_is_the_buyers_to_tax"),
    (ForgetsTheLinesWithoutTax, "test_each_line_is_answered_in_its_place_and_rounded_half_up_on_its_own"),
    (RoundsTheSum, "test_the_total_is_what_the_lines_come_to"),
    (CountsItsCalculations, "test_a_calculation_records_nothing_and_comes_out_the_same_again"),
    (KnowsOneCode, "test_a_tax_that_is_owed_is_among_the_codes_that_the_erp_has_to_know"),
    (FindsNoTaxWhereNoRuleIs, "test_a_sale_that_no_rule_covers_is_refused"),
    (FindsNoTaxWhereNoRuleIs, "test_lines_of_two_currencies_are_refused"),
    (TakesItsSetUpForTheSales, "test_a_legal_entity_that_the_engine_does_not_know_is_the_set_ups"),
    (FindsAFault, "test_an_engine_that_is_set_up_lacks_nothing"),
]
# What the tests of several cases are given, and those of a property: their function within.
CASES: dict[str, dict[str, Any]] = {
    "test_a_sale_that_no_rule_covers_is_refused": {"uncovered": sale("1.00", country="CH")},
    "test_the_total_is_what_the_lines_come_to": {"nets": ["0.50", "0.50", "0.50"]},
}


@pytest.mark.parametrize(("broken", "promise"), PLANTS, ids=ids(PLANTS))
async def test_broken_engine_fails_its_contract_test(broken: type[Planted], promise: str) -> None:
    test = getattr(TaxContract, promise)
    test = test.hypothesis.inner_test if hasattr(test, "hypothesis") else test

    with pytest.raises(BROKEN_PROMISE):
        await test(TaxContract(), broken(jurisdictions(), None), **CASES.get(promise, {}))


def test_every_contract_test_has_a_broken_engine() -> None:
    assert {name for _, name in PLANTS} == promises(TaxContract)
