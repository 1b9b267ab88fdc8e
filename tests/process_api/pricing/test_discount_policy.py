"""The discount policy, to the cent: what is within it, what is not, and what it says of a line that is not."""

from decimal import ROUND_HALF_UP, Decimal

import pytest

from process_api.pricing.discount_policy import DiscountPolicy
from shared.canonical import ListPrice, Money, PriceList, QuoteLine, Recurrence
from system_api.erp.contract import SoldProduct
from system_api.pricing.list_prices import prices_of

POLICY = DiscountPolicy(discount_max_percent=Decimal(20), tolerance_percent=Decimal("0.5"))
STEP = Decimal("0.0001")
# Every way in which the four digits that a price has can be rounded. Not drawn at random: Hypothesis takes the worker
# that other tests of this folder keep running, and that asks for random numbers in its threads, for a faulty strategy.
LIST_PRICES = [number * STEP for number in range(12_340_001, 12_350_001)]


def euros(amount: Decimal | str) -> Money:
    """That many euros."""
    return Money(amount=f"{amount:f}" if isinstance(amount, Decimal) else amount, currency="EUR")


def quoted(price: Decimal | str, discount: str = "0", recurrence: Recurrence = Recurrence.none) -> QuoteLine:
    """A line at that unit price."""
    return QuoteLine(
        line_id="l1",
        sku="SENSOR-TEMP",
        description="Temperature sensor",
        quantity="3",
        unit_price=euros(price),
        discount_percent=discount,
        recurrence=recurrence,
    )


def listed(
    erp: Decimal | str | None, billing: Decimal | str | None = None, recurrence: Recurrence | None = None
) -> ListPrice:
    """The product's price in each system."""
    return ListPrice(
        sku="SENSOR-TEMP",
        erp=euros(erp) if erp is not None else None,
        billing=euros(billing) if billing is not None else None,
        billing_recurrence=recurrence,
    )


def problem_of(price: Decimal | str, list_price: Decimal | str, discount: str = "0") -> str | None:
    """What is wrong with a one-off line at that price."""
    return POLICY.judge(quoted(price, discount), listed(list_price))[1]


# -- how far below the list ---------------------------------------------------------------------------------------


def test_a_price_on_the_list_differs_by_nothing() -> None:
    assert POLICY.judge(quoted("89.50"), listed("89.50")) == (Decimal(0), None)


@pytest.mark.parametrize(
    ("price", "discount", "difference"),
    [("1490.00", "5", "-5"), ("1490.00", "20", "-20"), ("1192.00", "0", "-20"), ("1400.60", "10", "-15.4")],
)
def test_a_discount_counts_whether_it_is_in_the_price_or_beside_it(price: str, discount: str, difference: str) -> None:
    assert POLICY.judge(quoted(price, discount), listed("1490.00")) == (Decimal(difference), None)


@pytest.mark.parametrize("discount", ["20.01", "20.1", "20.5", "20.51", "45", "100"])
def test_the_highest_discount_is_not_widened_by_the_tolerance(discount: str) -> None:
    problem = problem_of("1490.00", "1490.00", discount)
    assert problem is not None
    assert "below the list price of 1490.00 EUR" in problem
    assert "at most 20 % is allowed" in problem


def test_the_smallest_unit_below_the_highest_discount_is_outside() -> None:
    assert problem_of("1192.0000", "1490.00") is None
    assert problem_of("1191.9999", "1490.00") is not None


def test_half_a_unit_that_rounding_took_is_forgiven() -> None:
    # 20 % off 4.9999 is 3.99992, of which a line keeps 3.9999: a little less than the policy's lowest price
    assert problem_of("4.9999", "4.9999", "20") is None
    assert problem_of("3.9999", "4.9999") is None
    assert problem_of("3.9998", "4.9999") is not None


def test_the_highest_discount_is_always_within() -> None:
    assert [price for price in LIST_PRICES if problem_of(price, price, "20") is not None] == []


def test_a_unit_below_the_lowest_price_is_always_outside() -> None:
    def below(list_price: Decimal) -> Decimal:
        # The lowest price that a line can have may be half a unit under the policy's; the one below that may not.
        return (list_price * Decimal("0.8")).quantize(STEP, rounding=ROUND_HALF_UP) - STEP

    assert [price for price in LIST_PRICES if problem_of(below(price), price) is None] == []


def test_no_discount_at_all_means_the_list_price() -> None:
    strict = DiscountPolicy(discount_max_percent=Decimal(0), tolerance_percent=Decimal("0.5"))
    assert strict.judge(quoted("100.00"), listed("100.00"))[1] is None
    problem = strict.judge(quoted("99.99"), listed("100.00"))[1]
    assert problem is not None
    assert "at most 0 % is allowed" in problem


# -- how far above the list ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["100.00", "100.01", "100.50"])
def test_a_price_a_little_above_the_list_is_within_the_tolerance(price: str) -> None:
    assert problem_of(price, "100.00") is None


@pytest.mark.parametrize("price", ["100.51", "101.00", "250.00"])
def test_a_price_further_above_the_list_is_outside(price: str) -> None:
    problem = problem_of(price, "100.00")
    assert problem is not None
    assert "above the list price of 100.00 EUR" in problem


# -- which system's price governs ---------------------------------------------------------------------------------


def test_the_system_that_invoices_the_line_sets_its_price() -> None:
    both = listed("100.00", "200.00", Recurrence.month)
    assert POLICY.judge(quoted("100.00"), both) == (Decimal(0), None)
    difference, problem = POLICY.judge(quoted("100.00", recurrence=Recurrence.month), both)
    assert (difference, problem is None) == (Decimal(-50), False)


@pytest.mark.parametrize("billing", ["4.9245", "4.90", "4.8755"])
def test_systems_that_differ_by_rounding_agree(billing: str) -> None:
    line = quoted(billing, recurrence=Recurrence.month)
    assert POLICY.judge(line, listed("4.90", billing, Recurrence.month))[1] is None


@pytest.mark.parametrize("billing", ["4.9246", "4.8754", "9.80"])
def test_systems_that_differ_by_more_are_a_problem_of_the_line(billing: str) -> None:
    line = quoted(billing, recurrence=Recurrence.month)
    problem = POLICY.judge(line, listed("4.90", billing, Recurrence.month))[1]
    assert problem == f"SENSOR-TEMP costs 4.90 in the ERP but {billing} in billing."


def test_a_one_off_line_does_not_mind_what_billing_would_charge() -> None:
    assert POLICY.judge(quoted("4.90"), listed("4.90", "9.80", Recurrence.month))[1] is None


def test_a_recurring_product_need_not_be_in_the_erp() -> None:
    line = quoted("4.90", recurrence=Recurrence.month)
    assert POLICY.judge(line, listed(None, "4.90", Recurrence.month)) == (Decimal(0), None)


# -- what is not sold ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recurrence", "prices", "system"),
    [
        (Recurrence.none, None, "the ERP"),
        (Recurrence.none, listed(None), "the ERP"),
        (Recurrence.none, listed(None, "89.50", Recurrence.month), "the ERP"),
        (Recurrence.month, None, "billing"),
        (Recurrence.month, listed("89.50"), "billing"),
    ],
)
def test_what_the_invoicing_system_does_not_sell_has_no_difference(
    recurrence: Recurrence, prices: ListPrice | None, system: str
) -> None:
    assert POLICY.judge(quoted("89.50", recurrence=recurrence), prices) == (
        None,
        f"SENSOR-TEMP is not sold by {system} in EUR.",
    )


def test_a_line_charged_for_another_period_than_billing_charges_is_a_problem() -> None:
    line = quoted("4.90", recurrence=Recurrence.month)
    difference, problem = POLICY.judge(line, listed("4.90", "4.90", Recurrence.year))
    assert difference is None
    assert problem == "SENSOR-TEMP is quoted per month, but billing charges it otherwise."


def test_what_is_free_on_the_list_must_be_free_on_the_quote() -> None:
    assert POLICY.judge(quoted("0"), listed("0.00")) == (Decimal(0), None)
    assert POLICY.judge(quoted("10.00", "100"), listed("0.00")) == (Decimal(0), None)
    assert problem_of("0.01", "0.00") == "SENSOR-TEMP is free of charge on the list."


def test_the_tolerance_above_the_list_is_exact() -> None:
    assert problem_of("1497.45", "1490.00") is None
    assert problem_of("1497.46", "1490.00") is not None


def by_the_month_and_by_the_year(erp: str) -> PriceList:
    """A product that billing sells at 4.90 a month and 49.00 a year, as list prices stand side by side."""
    billing = {("MON-STD", Recurrence.month): euros("4.90"), ("MON-STD", Recurrence.year): euros("49.00")}
    return PriceList(currency="EUR", prices=prices_of("MON-STD", SoldProduct(euros(erp)), billing))


@pytest.mark.parametrize(
    ("recurrence", "price", "problem"),
    [
        (Recurrence.month, "4.90", None),
        (Recurrence.year, "49.00", None),
        (Recurrence.year, "4.90", "90.00 % below the list price of 49.00 EUR"),
        (Recurrence.month, "49.00", "above the list price of 4.90 EUR"),
        (Recurrence.none, "4.90", None),
    ],
)
def test_a_product_sold_by_the_month_and_by_the_year_has_a_price_for_each(
    recurrence: Recurrence, price: str, problem: str | None
) -> None:
    line = quoted(price, recurrence=recurrence)
    listed = by_the_month_and_by_the_year(erp="4.90").price_for("MON-STD", recurrence)
    found = POLICY.judge(line, listed)[1]
    assert (problem is None and found is None) or (problem is not None and problem in (found or ""))


def test_an_erp_price_that_is_neither_the_months_nor_the_years_is_a_disagreement() -> None:
    for recurrence, price in ((Recurrence.month, "4.90"), (Recurrence.year, "49.00")):
        listed = by_the_month_and_by_the_year(erp="7.00").price_for("MON-STD", recurrence)
        line = quoted(price, recurrence=recurrence)
        assert "7.00 in the ERP" in (POLICY.judge(line, listed)[1] or "")


def test_a_product_that_is_on_no_list_has_no_price() -> None:
    assert by_the_month_and_by_the_year(erp="4.90").price_for("OTHER", Recurrence.month) is None
