"""Converts vendors' decimals to those of the canonical model."""

from decimal import Decimal

from shared.canonical import Money
from shared.canonical.money import minor_units


def plain(value: Decimal) -> str:
    """Return the number without exponent and without trailing zeros: 20.0 and 2E+1 are both "20"."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_price(value: Decimal, currency: str) -> Money:
    """Return an exact price with at least the currency's own decimals: 4.9 EUR is "4.90", 4.655 EUR stays "4.655"."""
    text = plain(value)
    digits = len(text.partition(".")[2])
    return Money(amount=f"{Decimal(text):.{max(digits, minor_units(currency))}f}", currency=currency)
