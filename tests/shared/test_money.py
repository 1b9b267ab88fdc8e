"""Money: exact, bounded, and the same on both sides of the wire."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical import Money, MoneyError, QuoteLine, Recurrence, round_money
from shared.canonical.money import minor_units
from shared.canonical.wire import CurrencyCode, LegalEntityCode, Percent, Quantity, RecordId, TenantCode
from tests.shared.iso_4217 import ISO_4217

AMOUNTS = st.decimals(min_value="-999999999999", max_value="999999999999", places=6)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD"])


@given(AMOUNTS, CURRENCIES)
def test_an_exact_amount_survives_the_wire_unchanged(value: Decimal, currency: str) -> None:
    money = Money.exact(value, currency)

    assert msgspec.json.decode(msgspec.json.encode(money), type=Money) == money
    assert money.value == value


@given(AMOUNTS, CURRENCIES)
def test_rounding_is_to_the_smallest_coin_and_at_most_half_of_it_off(value: Decimal, currency: str) -> None:
    money = Money.of(value, currency)

    coin = Decimal(1).scaleb(-minor_units(currency))
    assert money.value % coin == 0
    assert abs(money.value - value) <= coin / 2
    assert len(money.amount.partition(".")[2]) == minor_units(currency)


@given(AMOUNTS)
def test_rounding_twice_is_rounding_once(value: Decimal) -> None:
    once = round_money(value, "EUR")

    assert round_money(once, "EUR") == once


@given(st.lists(st.decimals(min_value="-999999", max_value="999999", places=6), min_size=1, max_size=20))
def test_sums_are_exact(values: list[Decimal]) -> None:
    total = Money.exact(Decimal(0), "EUR")
    for value in values:
        total = total + Money.exact(value, "EUR")

    assert total.value == sum(values)


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        ("0.005", "EUR", "0.01"),
        ("-0.005", "EUR", "-0.01"),
        ("0.004999", "EUR", "0.00"),
        ("-0.001", "EUR", "0.00"),
        ("1.5", "JPY", "2"),
        ("1.0005", "KWD", "1.001"),
        ("1859", "EUR", "1859.00"),
    ],
)
def test_half_a_minor_unit_rounds_away_from_zero_and_never_to_minus_zero(
    value: str, currency: str, amount: str
) -> None:
    assert Money.of(Decimal(value), currency).amount == amount


NO_AMOUNTS = [
    "", " ", "-", ".", "1.", ".5", "+1", "01", "-01", "1,5", "1 000", "1_000", "1e5", "1E+1000000", "NaN", "sNaN",
    "Infinity", "-Infinity", "1.00\n", "\n1", "٣", "１", "1²", "0x10", "1234567890123", "0.1234567", "--1", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize("amount", NO_AMOUNTS)
def test_invalid_amount_is_refused_in_code_and_on_the_wire(amount: str) -> None:
    with pytest.raises(MoneyError):
        Money(amount=amount, currency="EUR")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"amount": amount, "currency": "EUR"}, Money)


@pytest.mark.parametrize("amount", ["0", "-0.5", "999999999999.999999", "-999999999999.999999", "1859.00"])
def test_valid_amount_is_accepted_in_code_and_on_the_wire(amount: str) -> None:
    assert Money(amount=amount, currency="EUR") == msgspec.convert({"amount": amount, "currency": "EUR"}, Money)


@pytest.mark.parametrize("value", [1859.0, 1859, None, True])
def test_a_number_is_no_amount(value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"amount": value, "currency": "EUR"}, Money)


@pytest.mark.parametrize("value", ["1e12", "1e30", "NaN", "Infinity"])
def test_too_large_amount_is_a_money_error(value: str) -> None:
    with pytest.raises(MoneyError):
        Money.of(Decimal(value), "EUR")


def test_two_currencies_are_not_added() -> None:
    with pytest.raises(MoneyError, match="EUR and USD"):
        Money(amount="1", currency="EUR") + Money(amount="1", currency="USD")


@pytest.mark.parametrize("code", ISO_4217)
def test_every_currency_has_the_digits_of_iso_4217(code: str) -> None:
    assert minor_units(code) == ISO_4217[code]
    assert len(Money.of(Decimal(1), code).amount.partition(".")[2]) == ISO_4217[code]


def quote_line(price: Decimal | str, quantity: Decimal | str, discount: Decimal | str = "0", **more: Any) -> QuoteLine:
    return QuoteLine(
        line_id="1",
        sku="S",
        description="",
        quantity=str(quantity),
        unit_price=Money.exact(Decimal(price), "EUR"),
        discount_percent=str(discount),
        recurrence=Recurrence.none,
        **more,
    )


@given(
    st.decimals(min_value=-99999, max_value=99999, places=4),
    st.decimals(min_value=0, max_value=100, places=2),
    st.decimals(min_value=0, max_value=1000, places=3),
)
def test_a_line_costs_its_quantity_times_its_price_rounded_once(
    price: Decimal, discount: Decimal, quantity: Decimal
) -> None:
    line = quote_line(price, quantity, discount)

    unit = price * (1 - discount / 100)
    assert line.net_amount == Money.of(quantity * unit, "EUR")
    assert line.net_unit_price.value == unit.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("price", "quantity", "discount", "net"),
    [
        ("89.50", "1", "5", "85.03"),
        # With the unit price rounded to four digits first: 13,320.60.
        ("9.99", "2000", "33.33", "13320.67"),
        ("89.50", "500", "7.77", "41272.93"),
        ("4.90", "1000", "7.77", "4519.27"),
        ("1490.00", "3", "100", "0.00"),
        ("0.01", "1", "100", "0.00"),
        ("-89.50", "1", "100", "0.00"),
        ("-89.50", "1", "5", "-85.03"),
        ("999999.999999", "999999.999999", "0.0001", "999998999998.00"),
    ],
)
def test_a_line_of_a_quote_costs_what_was_signed(price: str, quantity: str, discount: str, net: str) -> None:
    assert quote_line(price, quantity, discount).net_amount.amount == net


def test_the_accepted_total_of_a_line_is_what_it_costs() -> None:
    line = quote_line("89.50", "1", "5", total=Money(amount="85.02", currency="EUR"))

    assert line.net_amount.amount == "85.02"
    assert line.net_unit_price.amount == "85.0250"  # a cent apart is rounding


def test_a_total_at_another_price_is_a_price_of_its_own() -> None:
    line = quote_line("10.00", "3", total=Money(amount="25.00", currency="EUR"))

    assert line.net_amount.amount == "25.00"
    assert line.net_unit_price.amount == "8.3333"


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (CurrencyCode, "EUR", ["eur", "EURO", "EU", "E1R"]),
        (RecordId, "ord_1.a:b-c", ["", "a b", "a/b", "x" * 65, "ä"]),
        (LegalEntityCode, "NW-DE", ["nw-de", "-NW", "NW_DE"]),
        (TenantCode, "nordwind-2", ["Nordwind", "a.b", "x" * 41, ""]),
        (Quantity, "20.5", ["-1", "1e3", "NaN", "1234567890123"]),
        (Percent, "99.5", ["101", "-1", "100.1", "1e1"]),
    ],
)
def test_scalars_are_bounded_and_take_no_trailing_newline(kind: object, right: str, wrong: list[str]) -> None:
    assert msgspec.convert(right, kind) == right
    for text in [*wrong, f"{right}\n", f"{right}\x00"]:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, kind)
