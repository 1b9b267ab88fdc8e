"""Money in Stripe's minor units, which differ from those of ISO 4217.

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
# They have no decimals any more, but are still sent with two, which must be 00.
_TWO_DECIMALS_OF_NOTHING = frozenset({"ISK", "UGX"})
UNIT_AMOUNT_DIGITS = 12
"""Decimals of a minor unit that Stripe keeps in `unit_amount_decimal`."""


def stripe_digits(currency: str) -> int:
    """Return the number of decimals with which Stripe counts amounts of `currency`.

    Raises Rejected for a currency that it does not charge.
    """
    if currency in _DIGITS_BY_CODE:
        return _DIGITS_BY_CODE[currency]
    if currency not in _TWO_DECIMALS_OF_NOTHING and minor_units(currency) != 2:
        raise Rejected(f"{VENDOR} charges nothing in {currency}.", reason_code="currency_not_charged", vendor=VENDOR)
    return 2


def smallest_charge(currency: str) -> Decimal:
    """Return the step of the amounts that Stripe charges in `currency`, in major units. Raises as `stripe_digits`."""
    if currency in _TWO_DECIMALS_OF_NOTHING:
        return Decimal(1)
    # The last of three decimals must be 0.
    return Decimal(1).scaleb(-min(2, stripe_digits(currency)))


def from_minor_units(amount: Decimal | int, currency: str) -> Money:
    """Convert an exact amount from Stripe's minor units to money.

    Raises MoneyError for more than 6 decimals, and Rejected as `stripe_digits`.
    """
    return unit_price(Decimal(amount).scaleb(-stripe_digits(currency)), currency)


def shown_unit_price(amount: Decimal, currency: str) -> Money:
    """Convert a unit price from Stripe's minor units to money, rounded to money's 6 decimals."""
    return unit_price(round(amount.scaleb(-stripe_digits(currency)), 6), currency)


def to_minor_units(money: Money) -> str:
    """Convert a unit price to Stripe's minor units, possibly with a fraction."""
    return plain(money.value.scaleb(stripe_digits(money.currency)))


def charge_in_minor_units(money: Money) -> Decimal:
    """Convert an amount to be charged to Stripe's minor units. Raises Rejected if Stripe has no such amount."""
    step = smallest_charge(money.currency)
    if money.value % step:
        raise Rejected(
            f"{VENDOR} charges {money.currency} in steps of {step:f}; {money.amount} is none.",
            reason_code="amount_not_chargeable",
            vendor=VENDOR,
        )
    return money.value.scaleb(stripe_digits(money.currency))
