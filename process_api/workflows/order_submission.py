"""Order submission: from an accepted quote to an order that the ERP books, billing charges and Salesforce knows.

    step                what it does                                              undo
    load_quote          read the quote and keep it with the order                 -
    check_quote         is it accepted, and still what was submitted?             -
    validate_customer   link the account to the ERP's customer, or create it      - (a customer is a fact of its own)
    check_credit        ask the ERP whether the customer may owe the one-off sum  -
    align_prices        hold every line against the list, within the policy       -
    calculate_tax       find the jurisdiction and the tax of every line           -
    book_erp_order      quote and confirm the one-off lines in the ERP            cancel the ERP's order
    start_billing       start a subscription for each period of recurring lines   cancel them, void their invoices
    report_to_crm       tell Salesforce the status and the ids                    -
    (booked)            the state and the event order.booked, in one transaction

One-off lines are invoiced by the ERP, recurring ones by billing: nothing is invoiced twice. Neither invoices nor
payments are written from here; what is (customers, orders, subscriptions) has its intent first (process_api.intents).
"""

from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.cross_reference import link
from process_api.orders import change_order, order_status
from process_api.steps import Direction, Found, Step
from process_api.workflows.booked_as_ordered import require_erp_order, require_subscription
from process_api.workflows.order_checks import (
    OrderSubmission,
    align_prices,
    calculate_tax,
    check_credit,
    check_quote,
    customer_draft,
    load_quote,
    sum_of,
    validate_customer,
)
from shared.canonical import (
    BillingCustomer,
    ErpOrder,
    ErpOrderDraft,
    ErpOrderLine,
    ErpOrderState,
    Money,
    OrderStatus,
    Quote,
    Recurrence,
    ReportedOrderStatus,
    Subscription,
    SubscriptionDraft,
    SubscriptionItem,
    SubscriptionStatus,
)

PERIODS = (Recurrence.month, Recurrence.year)
# What may leave something at a vendor that an undo, or a second look, has to take away.
VENDOR_WRITES = ("book_erp_order", "start_billing")


# -- booking in the ERP -------------------------------------------------------------------------------------------


async def book_erp_order(context: OrderSubmission) -> Found:
    """Quote and confirm the one-off lines in the ERP."""
    quote = context.quote
    if not quote.one_off_lines():
        return Found("Every line is recurring: there is nothing for the ERP to invoice.", result={"skipped": True})
    draft = _erp_draft(context)
    external_id = context.order.order_id
    operation_id = await context.intents.record(
        tenant=context.tenant,
        flow_id=context.flow_id,
        step="book_erp_order",
        system=f"erp:{quote.legal_entity}",
        external_id=external_id,
        payload=draft,
    )
    await context.system.create_order(context.tenant, quote.legal_entity, external_id, draft)
    booked = await context.system.confirm_order(context.tenant, quote.legal_entity, external_id)
    require_erp_order(booked, draft)
    await context.intents.answer(context.tenant, operation_id, booked.vendor_id)
    return _erp_found(context, booked)


async def find_erp_order(context: OrderSubmission) -> Found | None:
    """What a lost request may have booked: done if it is confirmed, else to be gone on with."""
    order = await context.system.find_order(context.tenant, context.quote.legal_entity, context.order.order_id)
    if order.state is not ErpOrderState.confirmed:
        return None
    require_erp_order(order, _erp_draft(context))
    return _erp_found(context, order)


async def cancel_erp_order(context: OrderSubmission) -> Found:
    """Cancel whatever the ERP holds under this order's id."""
    if not context.quote.one_off_lines():
        return Found("The ERP holds nothing of this order.")
    order = await context.system.cancel_order(context.tenant, context.quote.legal_entity, context.order.order_id)
    if order.state is ErpOrderState.absent:
        return Found("The ERP holds nothing of this order.")
    return Found(f"ERP order {order.number or order.vendor_id} cancelled.")


def _erp_found(context: OrderSubmission, booked: ErpOrder) -> Found:
    total = f"{booked.total.amount} {booked.total.currency}" if booked.total else "unknown"
    order = context.order
    columns: dict[str, Any] = {"erp_order_id": booked.vendor_id, "erp_order_number": booked.number}
    if booked.tax is not None and order.tax is not None and order.total is not None:
        # The ERP may round its tax otherwise than we do; the customer will pay what the ERP invoices.
        difference = booked.tax.value - _erp_draft(context).expected_tax.value
        columns |= {"tax": order.tax.value + difference, "total": order.total.value + difference}
    return Found(
        f"ERP order {booked.number} confirmed over {total}.",
        result={"vendorId": booked.vendor_id, "number": booked.number},
        vendor_ids=[f"erp:{booked.vendor_id}"],
        order=columns,
    )


def _erp_draft(context: OrderSubmission) -> ErpOrderDraft:
    quote = context.quote
    lines = quote.one_off_lines()
    taxes: dict[str, str] = context.results["calculate_tax"]["lines"]
    tax = Money.of(sum((Decimal(taxes[line.line_id]) for line in lines), Decimal(0)), quote.currency)
    return ErpOrderDraft(
        account_id=quote.account_id,
        customer_vendor_id=context.results["validate_customer"]["vendorId"],
        currency=quote.currency,
        tax_code=context.results["calculate_tax"]["code"],
        lines=[
            ErpOrderLine(
                sku=line.sku,
                description=line.description,
                quantity=line.quantity,
                net_unit_price=line.net_unit_price,
            )
            for line in lines
        ],
        expected_tax=tax,
        expected_total=sum_of(lines, quote.currency) + tax,
        comment=_erp_comment(quote),
    )


def _erp_comment(quote: Quote) -> str:
    recurring = [
        f"{line.quantity} x {line.sku} per {line.recurrence.value}"
        for period in PERIODS
        for line in quote.recurring_lines(period)
    ]
    charged = f" Charged by billing, not here: {', '.join(recurring)}." if recurring else ""
    return f"Quote {quote.number} revision {quote.revision}.{charged}"[:2000]


# -- starting billing ---------------------------------------------------------------------------------------------


async def start_billing(context: OrderSubmission) -> Found:
    """Start one subscription for each period that the quote has recurring lines for."""
    quote = context.quote
    periods = [period for period in PERIODS if quote.recurring_lines(period)]
    if not periods:
        return Found("No line is recurring: there is nothing for billing to charge.", result={"skipped": True})
    customer = await _billing_customer(context)
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


async def _billing_customer(context: OrderSubmission) -> BillingCustomer:
    """Link the account to billing's customer, creating it where billing has none."""
    quote, system = context.quote, f"billing:{context.quote.legal_entity}"
    draft = customer_draft(await context.account(), quote)
    operation_id = await context.intents.record_customer(
        tenant=context.tenant,
        flow_id=context.flow_id,
        step="start_billing",
        system=system,
        account_id=draft.account_id,
        payload=draft,
    )
    customer = await context.system.ensure_billing_customer(context.tenant, quote.legal_entity, draft)
    async with context.store.transaction(context.tenant) as connection:
        await link(
            connection,
            tenant=context.tenant,
            entity="customer",
            canonical_id=draft.account_id,
            system=system,
            system_id=customer.vendor_id,
        )
    await context.intents.answer(context.tenant, operation_id, customer.vendor_id)
    return customer


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


# -- telling Salesforce -------------------------------------------------------------------------------------------


async def report_to_crm(context: OrderSubmission) -> Found:
    """Tell Salesforce that the order is booked, with the ids a sales user can look for."""
    return await _report(context, OrderStatus.booked)


async def report_ending(context: OrderSubmission) -> Found:
    """Tell Salesforce that the order is not booked, and why."""
    if context.order.quote is None:
        return Found("Salesforce has no quote that this could be reported on.")
    return await _report(context, context.order.status)


async def _report(context: OrderSubmission, status: OrderStatus) -> Found:
    order = context.order
    report = ReportedOrderStatus(
        account_id=context.quote.account_id,
        quote_id=order.quote_id,
        status=status,
        version=order.version + 1,  # the version that the order has once this report is on its timeline
        currency=context.quote.currency,
        total=order.total,
        erp_order_id=order.erp_order_id,
        erp_order_number=order.erp_order_number,
        subscription_ids=order.subscription_ids,
        failure_reason=order.reason,
    )
    told = await context.system.report_order_status(context.tenant, order.order_id, report)
    return Found(
        f"Salesforce knows that the order is {status.value}.",
        result={"vendorId": told.vendor_id},
        vendor_ids=[f"crm:{told.vendor_id}"],
    )


# -- the table ----------------------------------------------------------------------------------------------------

STEPS: tuple[Step[OrderSubmission], ...] = (
    Step("load_quote", "read", load_quote),
    Step("check_quote", "read", check_quote),
    Step("validate_customer", "forward-only", validate_customer, in_turn=True),
    Step("check_credit", "read", check_credit),
    Step("align_prices", "read", align_prices),
    Step("calculate_tax", "read", calculate_tax),
    Step("book_erp_order", "undoable", book_erp_order, find=find_erp_order, undo=cancel_erp_order, in_turn=True),
    Step("start_billing", "pivot", start_billing, find=find_billing, undo=cancel_billing, in_turn=True),
    Step("report_to_crm", "forward-only", report_to_crm, in_turn=True),
)
REPORT_ENDING: Step[OrderSubmission] = Step("report_ending", "forward-only", report_ending, in_turn=True)
STATUS_DURING = {
    "load_quote": OrderStatus.validating,
    "book_erp_order": OrderStatus.booking,
    "start_billing": OrderStatus.provisioning,
}


async def step_begun(
    connection: AsyncConnection, context: OrderSubmission, step: Step[OrderSubmission], direction: Direction
) -> None:
    """Move the order on to the status that this step stands for."""
    status = OrderStatus.compensating if direction == "undo" else STATUS_DURING.get(step.name)
    if status is not None and context.order.status is not status:
        await change_order(
            connection, context.order.order_id, status=status, step=step.name, message=f"Now {status.value}."
        )


async def step_settled(
    connection: AsyncConnection, context: OrderSubmission, step: Step[OrderSubmission], found: Found
) -> None:
    """Put what a step found on the order and its timeline."""
    # `begun` may have moved the order on since the context was loaded.
    status = await order_status(connection, context.order.order_id)
    await change_order(
        connection, context.order.order_id, status=status, step=step.name, message=found.message, **found.order
    )
