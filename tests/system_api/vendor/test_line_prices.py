"""Prices that make a vendor compute the accepted net amount, checked with vendors' rounding rules."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system_api.vendor.line_prices import LinePart, LineRule, price_line

COINS = {"JPY": Decimal(1), "EUR": Decimal("0.01"), "KWD": Decimal("0.001")}
PRICES = st.decimals(min_value=0, max_value=100_000, places=4)
QUANTITIES = st.one_of(
    st.integers(min_value=1, max_value=100_000).map(Decimal),
    st.decimals(min_value=Decimal("0.001"), max_value=100_000, places=3),
)
DISCOUNTS = st.decimals(min_value=0, max_value=100, places=2)


def accepted(price: Decimal, quantity: Decimal, discount: Decimal, coin: Decimal) -> Decimal:
    """Return what a CRM shows for the line: rounded once, half up."""
    return (price * quantity * (1 - discount / 100) / coin).quantize(Decimal(1), ROUND_HALF_UP) * coin


@given(PRICES, QUANTITIES, DISCOUNTS, st.sampled_from(sorted(COINS)), st.sampled_from([ROUND_HALF_EVEN, ROUND_HALF_UP]))
def test_parts_add_up_to_the_net_amount_at_adjacent_prices(
    price: Decimal, quantity: Decimal, discount: Decimal, currency: str, rounding: str
) -> None:
    rule = LineRule(digits=4, coin=COINS[currency], rounding=rounding)
    net = accepted(price, quantity, discount, rule.coin)
    quoted = price * (1 - discount / 100)

    parts = price_line(net, quantity, rule, quoted)

    assert parts is not None
    assert len(parts) <= 2
    assert sum(part.quantity for part in parts) == quantity
    assert all(part.quantity > 0 for part in parts)
    vendors = [(part.quantity * part.unit_price).quantize(rule.coin, rounding) for part in parts]
    assert sum(vendors) == net
    for part in parts:
        assert part.unit_price == part.unit_price.quantize(rule.price_step)
        near = min(abs(part.unit_price - net / quantity), abs(part.unit_price - quoted))
        assert near <= rule.price_step or (part.quantity == 1 and near <= rule.coin)
        # A split keeps whole units: an ERP that counts them accepts both parts.
        assert part.quantity == quantity or any(each.quantity % 1 == 0 for each in parts)


@given(PRICES, st.integers(min_value=1, max_value=999_999_999).map(Decimal), DISCOUNTS)
def test_twelve_digits_of_a_minor_unit_need_no_second_price(
    price: Decimal, quantity: Decimal, discount: Decimal
) -> None:
    rule = LineRule(digits=12, coin=Decimal(1), rounding=ROUND_HALF_UP)
    net = accepted(price, quantity, discount, rule.coin)

    parts = price_line(net, quantity, rule)

    assert parts is not None
    assert [part.quantity for part in parts] == [quantity]


@pytest.mark.parametrize(
    ("net", "quantity", "quoted", "parts"),
    [
        # One sensor at 89.50, 5 % off: 85.025, which Tryton rounds to 85.02, half to even.
        ("85.03", "1", "85.025", [("1", "85.03")]),
        ("13320.67", "2000", "6.660333", [("1300", "6.6603"), ("700", "6.6604")]),
        ("93.10", "20", "4.655", [("20", "4.655")]),
        ("0.00", "3", "0.00", [("3", "0.00")]),
        ("-25.00", "3", "-8.333333", [("3", "-8.3333")]),
        ("-85.03", "1", "-85.025", [("1", "-85.03")]),
        ("0.00", "0", "4.90", [("0", "4.90")]),
        ("1000000.01", "3000000.5", None, None),
    ],
)
def test_a_line_of_the_books_is_priced(
    net: str, quantity: str, quoted: str | None, parts: list[tuple[str, str]] | None
) -> None:
    rule = LineRule(digits=4, coin=Decimal("0.01"))

    found = price_line(Decimal(net), Decimal(quantity), rule, Decimal(quoted) if quoted else None)

    assert found is not None
    assert rule.amount_of(found) == Decimal(net)
    if parts is not None:
        assert found == [LinePart(Decimal(number), Decimal(price)) for number, price in parts]


@pytest.mark.parametrize(
    ("net", "quantity", "digits"),
    [("1.00", "0", 4), ("1.005", "1", 2), ("0.001", "7", 2)],
)
def test_amount_that_no_price_yields_is_none(net: str, quantity: str, digits: int) -> None:
    assert price_line(Decimal(net), Decimal(quantity), LineRule(digits=digits, coin=Decimal("0.001"))) is None
