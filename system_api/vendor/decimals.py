"""Decimals as vendors give them, as the canonical model writes them."""

from decimal import Decimal

from shared.canonical import Money
from shared.canonical.money import minor_units


def plain(value: Decimal) -> str:
    """Without exponent and without zeros at the end: 20.0 and 2E+1 are both "20"."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_price(value: Decimal, currency: str) -> Money:
    """An exact price with at least the currency's own digits: 4.9 EUR is "4.90", 4.655 EUR stays "4.655"."""
    text = plain(value)
    digits = len(text.partition(".")[2])
    return Money(amount=f"{Decimal(text):.{max(digits, minor_units(currency))}f}", currency=currency)
