"""Money as Stripe counts it: in minor units of its own, which are not those of ISO 4217.

Source: docs.stripe.com/currencies, "Minor units in API amounts", "Zero-decimal currencies", "Special cases" and
"Three-decimal currencies".
"""

from decimal import Decimal

from shared.canonical import Money
from shared.canonical.money import minor_units
from shared.problem import Rejected
from system_api.billing.stripe.api import VENDOR
from system_api.vendor.decimals import plain, unit_price

_DIGITS = {0: "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF", 3: "BHD JOD KWD OMR TND"}
_DIGITS_BY_CODE = {code: digits for digits, codes in _DIGITS.items() for code in codes.split()}
# They have no decimals any more, but are still sent with two, which have to be 00.
_TWO_DECIMALS_OF_NOTHING = frozenset({"ISK", "UGX"})
UNIT_AMOUNT_DIGITS = 12
"""Decimals of a minor unit that `unit_amount_decimal` keeps."""


def stripe_digits(currency: str) -> int:
    """The decimals that Stripe sends amounts of `currency` with. Raises Rejected for one that it does not charge."""
    if currency in _DIGITS_BY_CODE:
        return _DIGITS_BY_CODE[currency]
    if currency not in _TWO_DECIMALS_OF_NOTHING and minor_units(currency) != 2:
        raise Rejected(f"{VENDOR} charges nothing in {currency}.", reason_code="currency_not_charged", vendor=VENDOR)
    return 2


def smallest_charge(currency: str) -> Decimal:
    """The step of the amounts that Stripe charges in `currency`, in major units. Raises as `stripe_digits`."""
    if currency in _TWO_DECIMALS_OF_NOTHING:
        return Decimal(1)
    # Of three decimals the last has to be 0.
    return Decimal(1).scaleb(-min(2, stripe_digits(currency)))


def from_minor_units(amount: Decimal | int, currency: str) -> Money:
    """An amount counted in Stripe's minor units, as money, exact.

    Raises MoneyError for more than 6 decimals, and Rejected as `stripe_digits`.
    """
    return unit_price(Decimal(amount).scaleb(-stripe_digits(currency)), currency)


def shown_unit_price(amount: Decimal, currency: str) -> Money:
    """A unit price counted in Stripe's minor units, as money, rounded to the 6 decimals that money is written with."""
    return unit_price(round(amount.scaleb(-stripe_digits(currency)), 6), currency)


def to_minor_units(money: Money) -> str:
    """A unit price counted in Stripe's minor units, possibly a fraction of one."""
    return plain(money.value.scaleb(stripe_digits(money.currency)))


def charge_in_minor_units(money: Money) -> Decimal:
    """An amount to be charged, in Stripe's minor units. Raises Rejected where Stripe has no such amount."""
    step = smallest_charge(money.currency)
    if money.value % step:
        raise Rejected(
            f"{VENDOR} charges {money.currency} in steps of {step:f}; {money.amount} is none.",
            reason_code="amount_not_chargeable",
            vendor=VENDOR,
        )
    return money.value.scaleb(stripe_digits(money.currency))
