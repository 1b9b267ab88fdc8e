"""Money: a decimal string and an ISO 4217 code, never a float."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from shared.canonical.wire import Canonical, CurrencyCode, DecimalText

# ISO 4217 minor units that are not two (the currencies of the vendors' own lists that Quoteway's users bill in).
_MINOR_UNITS = {"BHD": 3, "CLP": 0, "ISK": 0, "JPY": 0, "JOD": 3, "KRW": 0, "KWD": 3, "OMR": 3, "TND": 3, "VND": 0}
_DIGITS_MAX = 18
_SCALE_MAX = 6


class MoneyError(ValueError):
    """An amount that is not finite, has too many digits, or is added to another currency."""


def minor_units(currency: str) -> int:
    """Digits after the decimal point in which `currency` is paid (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def round_money(value: Decimal, currency: str) -> Decimal:
    """`value` rounded half up to what can be paid in `currency`."""
    return value.quantize(Decimal(1).scaleb(-minor_units(currency)), rounding=ROUND_HALF_UP)


class Money(Canonical, frozen=True, kw_only=True):
    """An amount of one currency. Finite, at most 18 digits, at most 6 of them after the point.

    Raises MoneyError where the text is not such a number.
    """

    amount: DecimalText
    currency: CurrencyCode

    def __post_init__(self) -> None:
        # The pattern is checked when decoding; this also guards amounts made in code, and a trailing newline, which
        # `$` lets through.
        if not self.amount[-1:].isdigit():
            raise MoneyError(f"{self.amount!r} is not a decimal amount")
        try:
            value = Decimal(self.amount)
        except InvalidOperation as error:
            raise MoneyError(f"{self.amount!r} is not a decimal amount") from error
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or not -_SCALE_MAX <= exponent <= 0 or len(digits) > _DIGITS_MAX:
            raise MoneyError(f"{self.amount!r} has more than {_DIGITS_MAX} digits or a scale above {_SCALE_MAX}")

    @classmethod
    def of(cls, value: Decimal, currency: str) -> "Money":
        """`value`, rounded to what can be paid in `currency`."""
        return cls(amount=f"{round_money(value, currency):f}", currency=currency)

    @classmethod
    def exact(cls, value: Decimal, currency: str) -> "Money":
        """`value` as it is: for unit prices, which may be finer than the currency's smallest coin."""
        return cls(amount=f"{value:f}", currency=currency)

    @property
    def value(self) -> Decimal:
        """The amount as a Decimal, in major units."""
        return Decimal(self.amount)

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise MoneyError(f"{self.currency} and {other.currency} cannot be added")
        return Money.exact(self.value + other.value, self.currency)
