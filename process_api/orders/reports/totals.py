"""What an order is worth, as people are told it."""

from process_api.orders.readiness.quote_state import total_of
from process_api.orders.record import OrderRecord
from shared.canonical import Money, MoneyError


def order_total(order: OrderRecord) -> Money | None:
    """Return the order's total; before its tax is known, what the customer accepted. None where no quote was read."""
    if order.total is not None or order.quote is None:
        return order.total
    try:
        return total_of(order.quote)
    except MoneyError:  # more than money can hold: the order is refused for it
        return None
