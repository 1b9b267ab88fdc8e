"""Minor units of currencies (ISO 4217)."""

from __future__ import annotations

from decimal import Decimal

_DIGITS = {"jpy": 0, "krw": 0, "vnd": 0, "bhd": 3, "jod": 3, "kwd": 3, "omr": 3, "tnd": 3}


def minor_units(amount: Decimal, currency: str) -> Decimal:
    """An amount in major units ("4.90") in minor ones (490), exactly."""
    return amount.scaleb(_digits(currency))


def major_text(unit_amount_decimal: str, currency: str) -> str:
    """A unit amount in minor units ("490") as a person reads it ("4.90 EUR")."""
    digits = _digits(currency)
    major = Decimal(unit_amount_decimal).scaleb(-digits)
    return f"{major:f} {currency.upper()}" if digits else f"{major.normalize():f} {currency.upper()}"


def _digits(currency: str) -> int:
    return _DIGITS.get(currency.lower(), 2)
