"""The refusals of amounts that Stripe can't charge."""

from __future__ import annotations

from decimal import Decimal

from sandbox.vendors.stripe.currencies import amount_max, amount_min, major_text, step
from sandbox.vendors.stripe.wire.errors import StripeError, invalid


def check_step(amount: int | Decimal, currency: str, *, param: str) -> None:
    """Raise StripeError for an amount that has smaller coins than the currency.

    The rule is that of Stripe's page "Supported currencies"; the words are assumed.
    """
    if amount % step(currency):
        raise invalid(
            f"Invalid amount: {amount}. Amounts in {currency.upper()} must be evenly divisible by {step(currency)}.",
            code="invalid_charge_amount",
            param=param,
        )


def check_chargeable(amount: int, currency: str, *, param: str | None = "amount") -> None:
    """Raise StripeError for an amount that no charge can have: too large, too small, or in too small coins."""
    if param is not None:
        check_step(amount, currency, param=param)
    check_not_too_large(amount, currency, param=param)
    if amount < amount_min(currency):
        raise invalid(
            f"Amount must be at least {_shown(amount_min(currency), currency)}", code="amount_too_small", param=param
        )


def check_not_too_large(amount: int, currency: str, *, param: str | None) -> None:
    """Raise StripeError for an amount with more digits than Stripe charges."""
    if amount > amount_max(currency):
        raise too_large(currency, param=param)


def too_large(currency: str, *, param: str | None) -> StripeError:
    """400 `amount_too_large`."""
    shown = _shown(amount_max(currency), currency)
    return invalid(f"Amount must be no more than {shown}", code="amount_too_large", param=param)


def _shown(amount: int, currency: str) -> str:
    return major_text(str(amount), currency).lower()
