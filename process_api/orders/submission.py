"""Order submission: from an accepted quote to an order that the ERP books, billing charges and Salesforce knows.

    step                what it does                                              undo
    load_quote          read the quote and keep it with the order                 -
    check_quote         check that every system would accept the submitted quote -
    validate_customer   link the account to the ERP's customer, or create it      - (a customer is a fact of its own)
    check_terms         ask the ERP whether the customer may owe the one-off sum, -
                        compare every line with the list, and find its tax
    book_erp_order      quote and confirm the one-off lines in the ERP            cancel the ERP's order
    start_billing       start a subscription for each period of recurring lines   cancel them, void their invoices
    report_to_crm       tell Salesforce the status and the ids                    -
    (booked)            the state and the event order.booked, in one transaction

One-off lines are invoiced by the ERP, recurring ones by billing: nothing is invoiced twice. Nothing here writes
invoices or payments; every write (customers, orders, subscriptions) is preceded by its intent (engine/intents.py).
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.customers.ensure import check_credit, validate_customer
from process_api.engine.flow_kind import Advice, FlowKind
from process_api.engine.steps import Found, Step
from process_api.orders.booking.billing_start import cancel_billing, find_billing, start_billing
from process_api.orders.booking.erp_booking import book_erp_order, cancel_erp_order, find_erp_order
from process_api.orders.booking.late_requests import look_again
from process_api.orders.checks import OrderSubmission, check_quote, load_quote
from process_api.orders.corrections import order_corrections
from process_api.orders.record import find_order
from process_api.orders.record_port import OrderRecordPort
from process_api.orders.reports.crm_report import report_ending, report_to_crm
from process_api.orders.tax import calculate_tax
from process_api.pricing.prices_and_tax import align_prices
from process_api.resources import Resources
from shared.canonical import OrderStatus

_VALIDATING, _BOOKING, _PROVISIONING = OrderStatus.validating, OrderStatus.booking, OrderStatus.provisioning


async def load_submission(resources: Resources, connection: AsyncConnection, flow: Row[Any]) -> OrderSubmission:
    """Load the context of an order flow's steps."""
    order = await find_order(connection, flow.tenant, flow.subject)
    if order is None:
        raise AssertionError(f"flow {flow.flow_id} has no order, though both are written in one transaction")
    return OrderSubmission(
        flow_id=flow.flow_id,
        correlation_id=flow.correlation_id,
        order=order,
        results=flow.results,
        system=resources.system,
        store=resources.store,
        intents=resources.intents,
        policy=resources.policy,
        legal_entities=resources.legal_entities,
        edits=flow.edits,
    )


async def check_terms(context: OrderSubmission) -> Found:
    """Check credit, prices and tax: reads that change nothing, so they are one step."""
    credit, prices, tax = await check_credit(context), await align_prices(context), await calculate_tax(context)
    return replace(tax, message=" ".join(found.message for found in (credit, prices, tax)))


_CHECKED: tuple[Step[OrderSubmission], ...] = (
    Step("load_quote", "read", load_quote, phase=_VALIDATING),
    Step("check_quote", "read", check_quote),
    Step("validate_customer", "forward-only", validate_customer),
)
_BOOKED: tuple[Step[OrderSubmission], ...] = (
    Step("book_erp_order", "undoable", book_erp_order, find=find_erp_order, undo=cancel_erp_order, phase=_BOOKING),
    Step("start_billing", "pivot", start_billing, find=find_billing, undo=cancel_billing, phase=_PROVISIONING),
    Step("report_to_crm", "forward-only", report_to_crm),
)

ORDER_SUBMISSION: FlowKind[OrderSubmission] = FlowKind(
    name="order_submission",
    noun="order",
    steps=(
        *_CHECKED,
        # Downstream steps find the tax under the name that it had before the three were one.
        Step(
            "check_terms",
            "read",
            check_terms,
            keeps_as="calculate_tax",
            formerly=("check_credit", "align_prices", "calculate_tax"),
        ),
        *_BOOKED,
    ),
    load=load_submission,
    record=OrderRecordPort(),
    advice=Advice(
        unreported="Salesforce does not know of this end",
        unswept="Look at ERP and billing for more than this order stands for",
        tell="tell the seller",
    ),
    connection_known_after="load_quote",
    report_ending=Step("report_ending", "forward-only", report_ending),
    late_request_sweep=Step("second_look", "forward-only", look_again),
    corrections=order_corrections,
    version=2,
    earlier={
        1: (
            *_CHECKED,
            Step("check_credit", "read", check_credit),
            Step("align_prices", "read", align_prices),
            Step("calculate_tax", "read", calculate_tax),
            *_BOOKED,
        )
    },
)
