"""Order submission: from an accepted quote to an order that the ERP books, billing charges and Salesforce knows.

    step                what it does                                              undo
    load_quote          read the quote and keep it with the order                 -
    check_quote         is it what was submitted, and would every system take it? -
    validate_customer   link the account to the ERP's customer, or create it      - (a customer is a fact of its own)
    check_credit        ask the ERP whether the customer may owe the one-off sum  -
    align_prices        hold every line against the list, within the policy       -
    calculate_tax       find the jurisdiction and the tax of every line           -
    book_erp_order      quote and confirm the one-off lines in the ERP            cancel the ERP's order
    start_billing       start a subscription for each period of recurring lines   cancel them, void their invoices
    report_to_crm       tell Salesforce the status and the ids                    -
    (booked)            the state and the event order.booked, in one transaction

One-off lines are invoiced by the ERP, recurring ones by billing: nothing is invoiced twice. Neither invoices nor
payments are written from here; what is (customers, orders, subscriptions) has its intent first (engine/intents.py).
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine.steps import Direction, Found, Step
from process_api.orders.crm_report import report_ending, report_to_crm
from process_api.orders.record import change_order, keep_faults, order_status
from process_api.workflows.billing_start import cancel_billing, find_billing, start_billing
from process_api.workflows.customers import check_credit, validate_customer
from process_api.workflows.erp_booking import book_erp_order, cancel_erp_order, find_erp_order
from process_api.workflows.order_checks import OrderSubmission, check_quote, load_quote
from process_api.workflows.prices_and_tax import align_prices, calculate_tax
from process_api.workflows.readiness.faults import NotReady
from shared.canonical import OrderStatus
from shared.problem import QuotewayError

# What may leave something at a vendor that an undo, or a second look, has to take away.
VENDOR_WRITES = ("book_erp_order", "start_billing")

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


async def step_refused(connection: AsyncConnection, flow_id: str, error: QuotewayError) -> None:
    """Keep every fault of a quote that is not ready with its order."""
    if isinstance(error, NotReady):
        await keep_faults(connection, flow_id, error.readiness_faults)


async def step_settled(
    connection: AsyncConnection, context: OrderSubmission, step: Step[OrderSubmission], found: Found
) -> None:
    """Put what a step found on the order and its timeline."""
    # `begun` may have moved the order on since the context was loaded.
    status = await order_status(connection, context.order.order_id)
    await change_order(
        connection, context.order.order_id, status=status, step=step.name, message=found.message, **found.order
    )
