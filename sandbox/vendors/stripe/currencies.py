"""Currencies as Stripe counts them, which is not ISO 4217 everywhere.

Source: Stripe's page "Supported currencies" (docs.stripe.com/currencies), its sections "Zero-decimal currencies",
"Three-decimal currencies", "Special cases" and "Minimum and maximum charge amounts". This table is the sandbox's own:
it is not the adapters', so that a mistake in one of the two is found out.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

SUPPORTED = frozenset(
    """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp
    cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk
    jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn
    nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std
    szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw
    """.split()  # noqa: SIM905 -- a list of 137 literals is not easier to read
)
_ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())  # noqa: SIM905 -- words are easier to read
_THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# They have no decimals any more; Stripe still counts them in hundredths, which must be 00.
_HUNDREDTHS_ZERO = frozenset({"isk", "ugx"})
# Charged in hundredths, and paid out in whole units only.
_PAID_OUT_WHOLE = frozenset({"huf", "twd", "isk", "ugx"})
# Twelve digits for IDR, eight for all others ("Minimum and maximum charge amounts").
_AMOUNT_MAX = {"idr": 999_999_999_999}
_AMOUNT_MAX_DEFAULT = 99_999_999
# The least that can be charged, of those that the page lists.
_AMOUNT_MIN = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17_500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200,
    "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
}  # fmt: skip


def minor_units(amount: Decimal, currency: str) -> Decimal:
    """Return an amount in major units ("4.90") in minor ones (490), exactly."""
    return amount.scaleb(digits(currency))


def major_text(unit_amount_decimal: str, currency: str) -> str:
    """Return a unit amount in minor units ("490") as a person reads it ("4.90 EUR")."""
    places = digits(currency)
    major = Decimal(unit_amount_decimal).scaleb(-places)
    return f"{major:f} {currency.upper()}" if places else f"{major.normalize():f} {currency.upper()}"


def digits(currency: str) -> int:
    """Return how many decimals Stripe counts: 100 units of ISK and UGX are one krona and one shilling."""
    lower = currency.lower()
    return 0 if lower in _ZERO_DECIMAL else 3 if lower in _THREE_DECIMAL else 2


def step(currency: str) -> int:
    """Return what every amount that is charged in a currency is a multiple of."""
    lower = currency.lower()
    return 100 if lower in _HUNDREDTHS_ZERO else 10 if lower in _THREE_DECIMAL else 1


def payout_step(currency: str) -> int:
    """Return what every amount that is paid out in a currency is a multiple of."""
    return 100 if currency.lower() in _PAID_OUT_WHOLE else step(currency)


def amount_max(currency: str) -> int:
    """Return the largest amount that can be charged."""
    return _AMOUNT_MAX.get(currency.lower(), _AMOUNT_MAX_DEFAULT)


def amount_min(currency: str) -> int:
    """Return the smallest amount that can be charged; 1 where Stripe's page names none."""
    return _AMOUNT_MIN.get(currency.lower(), 1)


def rounded(amount: Decimal, coin: int = 1) -> int:
    """A whole multiple of `coin` minor units, half away from zero; `coin` is the step of the currency."""
    return int((amount / coin).quantize(Decimal(1), ROUND_HALF_UP)) * coin
