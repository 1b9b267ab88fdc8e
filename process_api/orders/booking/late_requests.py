"""The second look: cancels what a request created that arrived after its order's end (docs/failures.md, row 8).

A request whose answer was lost gets time to arrive before it is looked up (`settle_s`). One that takes longer may still
arrive: at an ERP without idempotency keys it then creates a second order, or one for a rejected order. So some minutes
after the end the vendors are asked again, and everything that does not belong to the order is cancelled.
"""

from process_api.engine.steps import Found
from process_api.orders.checks import OrderSubmission
from process_api.orders.dates import subscription_groups
from process_api.quotes.amounts import has_erp_lines
from shared.canonical import OrderStatus


async def look_again(context: OrderSubmission) -> Found:
    """Cancel everything that the vendors hold under this order's ids besides its result."""
    if context.order.quote is None:
        return Found("Nothing was sent anywhere.")
    cancelled = [*await _stray_erp_orders(context), *await _stray_subscriptions(context)]
    if not cancelled:
        return Found("Looked again: no request has arrived late.")
    return Found(f"A request had arrived late; cancelled what it left: {', '.join(cancelled)}.", vendor_ids=cancelled)


async def _stray_erp_orders(context: OrderSubmission) -> list[str]:
    if not has_erp_lines(context.quote):
        return []
    order = context.order
    kept = order.erp_order_id if order.status is OrderStatus.booked else None
    found = await context.system.cancel_order(context.tenant, context.quote.legal_entity, order.order_id, keep=kept)
    return [f"erp:{vendor_id}" for vendor_id in found.cancelled_vendor_ids]


async def _stray_subscriptions(context: OrderSubmission) -> list[str]:
    """Cancel stray subscriptions, too: billing keeps idempotency keys for a day only, and one for each request."""
    quote, booked = context.quote, context.order.status is OrderStatus.booked
    groups = subscription_groups(quote)
    # The order lists its subscriptions in the order of the groups (`start_billing`).
    kept = context.order.subscription_ids if booked else [None] * len(groups)
    cancelled = []
    for group, keep in zip(groups, kept, strict=True):
        place = context.tenant, quote.legal_entity, group.external_id(context.order.order_id)
        found = await context.system.cancel_subscription(*place, keep=keep)
        cancelled += [f"billing:{vendor_id}" for vendor_id in found.cancelled_vendor_ids]
    return cancelled
