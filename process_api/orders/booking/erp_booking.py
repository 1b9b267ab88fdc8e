"""The order in the ERP: its one-off lines quoted and confirmed, looked up, and cancelled."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from process_api.engine.steps import Found
from process_api.orders.booking.booked_as_ordered import require_erp_order
from process_api.orders.carried_terms import kept_terms
from process_api.orders.checks import OrderSubmission
from process_api.orders.dates import PERIODS, delivery_date
from process_api.pricing.charged_tax import TAX_DIFFERENCE, order_taxed
from process_api.quotes.amounts import SHIPPING_LINE_ID, erp_net, has_erp_lines, shipping_of
from shared.canonical import ErpOrder, ErpOrderDraft, ErpOrderLine, ErpOrderState, Money, Quote, QuoteLine
from shared.shortened import shortened

# The longest text in the contract with the system tier (shared.canonical.wire.LongText).
_COMMENT_CHARS_MAX = 2000


async def book_erp_order(context: OrderSubmission) -> Found:
    """Quote and confirm the one-off lines in the ERP."""
    quote = context.quote
    if not has_erp_lines(quote):
        return Found("Every line is recurring: there is nothing for the ERP to invoice.", result={"skipped": True})
    draft = _erp_draft(context)
    external_id = context.order.order_id
    operation_id = await context.intents.record(
        tenant=context.tenant,
        flow_id=context.flow_id,
        step="book_erp_order",
        system=f"erp:{quote.legal_entity}",
        entity="order",
        external_id=external_id,
        payload=draft,
    )
    await context.system.create_order(context.tenant, quote.legal_entity, external_id, draft)
    booked = await context.system.confirm_order(context.tenant, quote.legal_entity, external_id)
    require_erp_order(booked, draft)
    return replace(_erp_found(context, booked), answered={operation_id: booked.vendor_id})


async def find_erp_order(context: OrderSubmission) -> Found | None:
    """Return what a lost request may have booked: done if it is confirmed, else to be continued."""
    order = await context.system.find_order(context.tenant, context.quote.legal_entity, context.order.order_id)
    if order.state is not ErpOrderState.confirmed:
        return None
    require_erp_order(order, _erp_draft(context))
    return _erp_found(context, order)


async def cancel_erp_order(context: OrderSubmission) -> Found:
    """Cancel everything that the ERP has under this order's id."""
    if not has_erp_lines(context.quote):
        return Found("The ERP holds nothing of this order.")
    order = await context.system.cancel_order(context.tenant, context.quote.legal_entity, context.order.order_id)
    if order.state is ErpOrderState.absent:
        return Found("The ERP holds nothing of this order.")
    return Found(f"ERP order {order.number or order.vendor_id} cancelled.")


def _erp_found(context: OrderSubmission, booked: ErpOrder) -> Found:
    total = f"{booked.total.amount} {booked.total.currency}" if booked.total else "unknown"
    columns: dict[str, Any] = {"erp_order_id": booked.vendor_id, "erp_order_number": booked.number}
    difference = Decimal(0)
    if booked.tax is not None:
        # The ERP may round its tax differently; the customer pays what the ERP invoices.
        difference = booked.tax.value - _erp_draft(context).expected_tax.value
        columns |= order_taxed(context, "book_erp_order", difference)
    return Found(
        f"ERP order {booked.number} confirmed over {total}.",
        result={"vendorId": booked.vendor_id, "number": booked.number, TAX_DIFFERENCE: f"{difference:f}"},
        vendor_ids=[f"erp:{booked.vendor_id}"],
        changes=columns,
    )


def _erp_draft(context: OrderSubmission) -> ErpOrderDraft:
    quote, terms = context.quote, kept_terms(context)
    lines = [one_off_line(line) for line in quote.one_off_lines()]
    if shipping_of(quote).value and terms.shipping_sku is not None:
        lines.append(_shipping_line(quote, terms.shipping_sku))
    taxes: dict[str, str] = context.results["calculate_tax"]["lines"]
    tax = Money.of(sum((Decimal(taxes[str(line.line_id)]) for line in lines), Decimal(0)), quote.currency)
    return ErpOrderDraft(
        account_id=quote.account_id,
        customer_vendor_id=context.results["validate_customer"]["vendorId"],
        currency=quote.currency,
        tax_code=context.results["calculate_tax"]["code"],
        lines=lines,
        expected_tax=tax,
        expected_total=erp_net(quote) + tax,
        comment=_erp_comment(quote),
        payment_terms=terms.erp_payment_terms,
        purchase_order_number=quote.purchase_order_number,
        requested_on=delivery_date(quote),
        bill_to=quote.bill_to,
        rounding_sku=terms.rounding_sku,
    )


def one_off_line(line: QuoteLine) -> ErpOrderLine:
    """Return a line for the ERP, at the accepted amount."""
    return ErpOrderLine(
        sku=line.sku,
        description=line.description,
        quantity=line.quantity,
        net_unit_price=line.net_unit_price,
        line_id=line.line_id,
        net_amount=line.net_amount,
    )


def _shipping_line(quote: Quote, sku: str) -> ErpOrderLine:
    price = shipping_of(quote)
    return ErpOrderLine(
        sku=sku,
        description="Shipping",
        quantity="1",
        net_unit_price=price,
        line_id=SHIPPING_LINE_ID,
        net_amount=price,
    )


def _erp_comment(quote: Quote) -> str:
    recurring = [
        f"{line.quantity} x {line.sku} per {line.recurrence.value}"
        for period in PERIODS
        for line in quote.recurring_lines(period)
    ]
    charged = f" Charged by billing, not here: {', '.join(recurring)}." if recurring else ""
    return shortened(f"Quote {quote.number} revision {quote.revision}.{charged}", _COMMENT_CHARS_MAX)
