"""Decimals between the vendors' notations and ours."""

from decimal import Decimal

import pytest

from shared.canonical import MoneyError
from system_api.vendor.decimals import plain, unit_price


@pytest.mark.parametrize(
    ("number", "text"),
    [("20.0", "20"), ("2E+1", "20"), ("0", "0"), ("0.00", "0"), ("4.900", "4.9"), ("100", "100"), ("-1.50", "-1.5")],
)
def test_number_is_written_without_exponent_and_trailing_zeros(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


@pytest.mark.parametrize(
    ("number", "currency", "text"),
    [
        ("4.9", "EUR", "4.90"),
        ("4.655", "EUR", "4.655"),
        ("5", "JPY", "5"),
        ("5", "KWD", "5.000"),
        ("1E+2", "USD", "100.00"),
    ],
)
def test_a_price_has_at_least_its_currencys_digits(number: str, currency: str, text: str) -> None:
    assert unit_price(Decimal(number), currency).amount == text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1E+30", "0.1234567"])
def test_invalid_amount_is_refused(number: str) -> None:
    with pytest.raises(MoneyError):
        unit_price(Decimal(number), "EUR")
