"""Money for External Services: a decimal string beside its currency, empty if there is none."""

from typing import Annotated

from msgspec import Meta

from experience_api.process_answers import Amount
from shared.canonical.wire import DECIMAL_PATTERN, END, CurrencyCode, DecimalText

__all__ = ["AmountText", "CurrencyCode", "CurrencyTextOrEmpty", "DecimalText", "DecimalTextOrEmpty", "amount_text"]

AmountText = DecimalText
DecimalTextOrEmpty = Annotated[
    str,
    Meta(
        pattern="^(" + DECIMAL_PATTERN.removeprefix("^").removesuffix(END) + ")?" + END,
        max_length=20,
        description="A decimal number as a string; empty where there is none.",
        examples=["1859.00"],
    ),
]
CurrencyTextOrEmpty = Annotated[
    str,
    Meta(pattern="^([A-Z]{3})?" + END, description="ISO 4217 code; empty where there is no amount.", examples=["EUR"]),
]


def amount_text(amount: Amount | None) -> str:
    """Return the amount's decimal string; empty where there is none."""
    return amount.amount if amount is not None else ""
