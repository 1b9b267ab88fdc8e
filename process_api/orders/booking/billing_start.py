"""The order in billing: one subscription per period and start of recurring lines, started, looked up, cancelled."""

from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from process_api.customers.ensure import link_billing_customer
from process_api.engine.steps import Found
from process_api.orders.booking.booked_as_ordered import require_subscription
from process_api.orders.carried_terms import kept_terms
from process_api.orders.checks import OrderSubmission
from process_api.orders.dates import SubscriptionGroup, first_moment, subscription_groups
from process_api.pricing.charged_tax import TAX_DIFFERENCE, order_taxed
from process_api.quotes.amounts import invoiced_at_once
from shared.canonical import (
    Money,
    Quote,
    QuoteLine,
    Subscription,
    SubscriptionDraft,
    SubscriptionLine,
    SubscriptionStatus,
)

_RUNNING = {SubscriptionStatus.active, SubscriptionStatus.trialing}


async def start_billing(context: OrderSubmission) -> Found:
    """Start a subscription for each period and start of the quote's recurring lines."""
    groups = subscription_groups(context.quote)
    if not groups:
        return Found("No line is recurring: there is nothing for billing to charge.", result={"skipped": True})
    customer, answered = await link_billing_customer(context)
    started = []
    for group in groups:
        operation_id, subscription = await _start_subscription(context, group, customer.vendor_id)
        started.append(subscription)
        answered[operation_id] = subscription.vendor_id
    return replace(_billing_found(context, groups, started), answered=answered)


async def find_billing(context: OrderSubmission) -> Found | None:
    """Return what a lost request may have started: done if every subscription is active."""
    quote, groups = context.quote, subscription_groups(context.quote)
    order_id = context.order.order_id
    found = [
        await context.system.find_subscription(context.tenant, quote.legal_entity, group.external_id(order_id))
        for group in groups
    ]
    if not all(subscription.status in _RUNNING for subscription in found):
        return None
    for group, subscription in zip(groups, found, strict=True):
        require_subscription(subscription, _lines(context, group), _invoiced_tax(context, group))
    return _billing_found(context, groups, found)


async def cancel_billing(context: OrderSubmission) -> Found:
    """Cancel everything that billing has under this order's ids."""
    cancelled = 0
    for group in subscription_groups(context.quote):
        subscription = await context.system.cancel_subscription(
            context.tenant, context.quote.legal_entity, group.external_id(context.order.order_id)
        )
        cancelled += subscription.status is SubscriptionStatus.cancelled
    return Found(f"{cancelled} subscription(s) cancelled.")


async def _start_subscription(
    context: OrderSubmission, group: SubscriptionGroup, customer_id: str
) -> tuple[str, Subscription]:
    """Start it. Returns the operation id of its intent, and the subscription."""
    quote = context.quote
    external_id = group.external_id(context.order.order_id)
    draft = _draft(context, group, customer_id)
    operation_id = await context.intents.record(
        tenant=context.tenant,
        flow_id=context.flow_id,
        step="start_billing",
        system=f"billing:{quote.legal_entity}",
        entity="subscription",
        external_id=external_id,
        payload=draft,
    )
    subscription = await context.system.create_subscription(context.tenant, quote.legal_entity, external_id, draft)
    require_subscription(subscription, draft.items, _invoiced_tax(context, group))
    return operation_id, subscription


def _draft(context: OrderSubmission, group: SubscriptionGroup, customer_id: str) -> SubscriptionDraft:
    quote, terms = context.quote, kept_terms(context)
    starts_at = None if group.starts_on is None else first_moment(group.starts_on, ZoneInfo(terms.timezone))
    return SubscriptionDraft(
        account_id=quote.account_id,
        order_id=context.order.order_id,
        customer_vendor_id=customer_id,
        currency=quote.currency,
        recurrence=group.recurrence,
        items=_lines(context, group),
        tax_code=context.results["calculate_tax"]["code"],
        tax_percent=context.results["calculate_tax"]["percent"],
        billing_frequency=quote.billing_frequency,
        starts_on=group.starts_on,
        starts_at=starts_at,
        timezone=terms.timezone if group.starts_on is None else None,
        term_months=quote.term_months,
        days_until_due=terms.days_until_due,
        collection=terms.collection,
        purchase_order_number=quote.purchase_order_number,
    )


def _lines(context: OrderSubmission, group: SubscriptionGroup) -> list[SubscriptionLine]:
    return [recurring_line(context.quote, line) for line in group.lines]


def recurring_line(quote: Quote, line: QuoteLine) -> SubscriptionLine:
    """Return a line for billing, at the accepted amount times the periods per invoice."""
    return SubscriptionLine(
        sku=line.sku,
        quantity=line.quantity,
        net_unit_price=line.net_unit_price,
        line_id=line.line_id,
        net_amount=invoiced_at_once(line, quote.billing_frequency),
    )


def _expected_tax(context: OrderSubmission, group: SubscriptionGroup) -> Decimal | None:
    """Return the lines' calculated tax; None if an invoice covers another time than their prices."""
    if any(invoiced_at_once(line, context.quote.billing_frequency) != line.net_amount for line in group.lines):
        return None
    taxes: dict[str, str] = context.results["calculate_tax"]["lines"]
    return sum((Decimal(taxes[line.line_id]) for line in group.lines), Decimal(0))


def _invoiced_tax(context: OrderSubmission, group: SubscriptionGroup) -> Decimal:
    """The tax that an invoice is held to; one for another time than the lines' prices are for has its own."""
    expected = _expected_tax(context, group)
    if expected is not None:
        return expected
    rate = Decimal(context.results["calculate_tax"]["percent"]) / 100
    invoiced = (line.net for line in _lines(context, group))
    return sum((Money.of(net.value * rate, net.currency).value for net in invoiced), Decimal(0))


def _billing_found(
    context: OrderSubmission, groups: list[SubscriptionGroup], subscriptions: list[Subscription]
) -> Found:
    ids = [subscription.vendor_id for subscription in subscriptions if subscription.vendor_id is not None]
    difference = _tax_difference(context, groups, subscriptions)
    return Found(
        f"{len(ids)} subscription(s) active: {', '.join(_told(each) for each in subscriptions)}.",
        result={"vendorIds": ids, TAX_DIFFERENCE: f"{difference:f}"},
        vendor_ids=[f"billing:{vendor_id}" for vendor_id in ids],
        changes={"subscription_ids": ids, **order_taxed(context, "start_billing", difference)},
    )


def _told(subscription: Subscription) -> str:
    amount, rhythm = subscription.period_amount, subscription.billing_frequency or subscription.recurrence
    charged = f"{amount.amount} {amount.currency}" if amount is not None else "an unknown amount"
    from_then = f" from {subscription.starts_on}" if subscription.starts_on is not None else ""
    return f"{charged} per {rhythm.value if rhythm is not None else 'period'}{from_then}"


def _tax_difference(
    context: OrderSubmission, groups: list[SubscriptionGroup], subscriptions: list[Subscription]
) -> Decimal:
    """Return how far billing's actual tax differs from the calculated one by rounding."""
    difference = Decimal(0)
    for group, subscription in zip(groups, subscriptions, strict=True):
        expected = _expected_tax(context, group)
        if subscription.tax is not None and expected is not None:
            difference += subscription.tax.value - expected
    return difference
