"""The order in billing: a subscription for each period of recurring lines, started, looked up, and cancelled."""

from process_api.steps import Found
from process_api.workflows.booked_as_ordered import require_subscription
from process_api.workflows.customers import link_billing_customer
from process_api.workflows.order_checks import PERIODS, OrderSubmission
from shared.canonical import (
    Quote,
    Recurrence,
    Subscription,
    SubscriptionDraft,
    SubscriptionItem,
    SubscriptionStatus,
)


async def start_billing(context: OrderSubmission) -> Found:
    """Start one subscription for each period that the quote has recurring lines for."""
    quote = context.quote
    periods = [period for period in PERIODS if quote.recurring_lines(period)]
    if not periods:
        return Found("No line is recurring: there is nothing for billing to charge.", result={"skipped": True})
    customer = await link_billing_customer(context)
    started = [await _start_subscription(context, period, customer.vendor_id) for period in periods]
    return _billing_found(started)


async def find_billing(context: OrderSubmission) -> Found | None:
    """What a lost request may have started: done if every period's subscription runs."""
    quote = context.quote
    found = [
        await context.system.find_subscription(context.tenant, quote.legal_entity, subscription_id(context, period))
        for period in PERIODS
        if quote.recurring_lines(period)
    ]
    running = all(
        subscription.status in {SubscriptionStatus.active, SubscriptionStatus.trialing} for subscription in found
    )
    if not running:
        return None
    for subscription in found:
        require_subscription(subscription, _items(quote, subscription.recurrence))
    return _billing_found(found)


async def cancel_billing(context: OrderSubmission) -> Found:
    """Cancel whatever billing holds under this order's ids."""
    cancelled = 0
    for period in PERIODS:
        if context.quote.recurring_lines(period):
            subscription = await context.system.cancel_subscription(
                context.tenant, context.quote.legal_entity, subscription_id(context, period)
            )
            cancelled += subscription.status is SubscriptionStatus.cancelled
    return Found(f"{cancelled} subscription(s) cancelled.")


def subscription_id(context: OrderSubmission, period: Recurrence) -> str:
    """The external id of an order's subscription for a period."""
    return f"{context.order.order_id}-{period.value}"


async def _start_subscription(context: OrderSubmission, period: Recurrence, customer_id: str) -> Subscription:
    quote = context.quote
    external_id = subscription_id(context, period)
    draft = SubscriptionDraft(
        account_id=quote.account_id,
        order_id=context.order.order_id,
        customer_vendor_id=customer_id,
        currency=quote.currency,
        recurrence=period,
        items=_items(quote, period),
        tax_code=context.results["calculate_tax"]["code"],
        tax_percent=context.results["calculate_tax"]["percent"],
    )
    operation_id = await context.intents.record(
        tenant=context.tenant,
        flow_id=context.flow_id,
        step="start_billing",
        system=f"billing:{quote.legal_entity}",
        external_id=external_id,
        payload=draft,
    )
    subscription = await context.system.create_subscription(context.tenant, quote.legal_entity, external_id, draft)
    require_subscription(subscription, draft.items)
    await context.intents.answer(context.tenant, operation_id, subscription.vendor_id)
    return subscription


def _items(quote: Quote, period: Recurrence | None) -> list[SubscriptionItem]:
    return [
        SubscriptionItem(sku=line.sku, quantity=line.quantity, net_unit_price=line.net_unit_price)
        for line in quote.lines
        if line.recurrence is period
    ]


def _billing_found(subscriptions: list[Subscription]) -> Found:
    ids = [subscription.vendor_id for subscription in subscriptions if subscription.vendor_id is not None]
    amounts = ", ".join(
        f"{subscription.period_amount.amount} {subscription.period_amount.currency} per {subscription.recurrence.value}"
        for subscription in subscriptions
        if subscription.period_amount is not None and subscription.recurrence is not None
    )
    return Found(
        f"{len(ids)} subscription(s) active: {amounts}.",
        result={"vendorIds": ids},
        vendor_ids=[f"billing:{vendor_id}" for vendor_id in ids],
        order={"subscription_ids": ids},
    )
