"""What a quote's lines come to."""

from decimal import Decimal

from shared.canonical import Money, MoneyError, Quote, QuoteLine
from shared.problem import Rejected


def check_amounts(quote: Quote) -> None:
    """Raise Rejected where the lines come to more than money can hold here (18 digits)."""
    try:
        sum_of(quote.lines, quote.currency)
    except MoneyError as error:
        raise Rejected(
            f"The amounts of quote {quote.number} are too large.", reason_code="amounts_too_large"
        ) from error


def sum_of(lines: list[QuoteLine], currency: str) -> Money:
    """The lines' net amounts in all."""
    return Money.of(sum((line.net_amount.value for line in lines), Decimal(0)), currency)
