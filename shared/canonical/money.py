"""Money: a decimal string and an ISO 4217 code, never a float."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from shared.canonical.wire import DECIMAL_PATTERN, Canonical, CurrencyCode, DecimalText

# Every active code of ISO 4217 whose minor unit is not two digits (list one of its maintenance agency, SIX). Some have
# changed: UGX had two digits, and CLF none. A vendor that differs has a table of its own, in its adapter.
_ISO_4217_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_MINOR_UNITS = {code: digits for digits, codes in _ISO_4217_DIGITS.items() for code in codes.split()}
_AMOUNT = re.compile(DECIMAL_PATTERN)


# What is sold at once comes to less than this before tax, so that the total has at most 12 digits before the point
# whatever the tax is. A vendor would book more, and its answer could not be read.
NET_MAX = Decimal(5 * 10**11)


class MoneyError(ValueError):
    """An amount that is not finite, has too many digits, or is added to another currency."""


def minor_units(currency: str) -> int:
    """Return the number of decimals of `currency` (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def round_money(value: Decimal, currency: str) -> Decimal:
    """Return `value` rounded half up to the minor unit of `currency`. Raises MoneyError if it is far too large."""
    try:
        rounded = value.quantize(Decimal(1).scaleb(-minor_units(currency)), rounding=ROUND_HALF_UP)
    except InvalidOperation as error:
        raise MoneyError(f"{value} is not an amount of {currency}") from error
    return rounded or abs(rounded)  # never -0.00


class Money(Canonical, frozen=True, kw_only=True):
    """An amount of one currency. Finite, at most 12 digits before the point and 6 after it.

    Raises MoneyError for a text that is no such number.
    """

    amount: DecimalText
    currency: CurrencyCode

    def __post_init__(self) -> None:
        # The pattern is checked when decoding. This also checks amounts made in code, which the next tier would refuse,
        # and a trailing newline, which `$` accepts.
        if not _AMOUNT.fullmatch(self.amount):
            raise MoneyError(
                f"{self.amount[:40]!r} is not a decimal amount with at most 12 digits before and 6 after the point"
            )

    @classmethod
    def of(cls, value: Decimal, currency: str) -> "Money":
        """Return `value` as money, rounded to the minor unit of `currency`."""
        return cls(amount=f"{round_money(value, currency):f}", currency=currency)

    @classmethod
    def exact(cls, value: Decimal, currency: str) -> "Money":
        """Return `value` as it is: for unit prices, which may be finer than the minor unit."""
        return cls(amount=f"{value or abs(value):f}", currency=currency)

    @property
    def value(self) -> Decimal:
        """The amount as a Decimal, in major units."""
        return Decimal(self.amount)

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise MoneyError(f"{self.currency} and {other.currency} cannot be added")
        return Money.exact(self.value + other.value, self.currency)
