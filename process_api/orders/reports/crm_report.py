"""Reports an order's status to Salesforce."""

from typing import Protocol

from process_api.engine.steps import Found
from process_api.orders.record import OrderRecord
from process_api.orders.reports.totals import order_total
from process_api.system_client import SystemClient
from shared.canonical import OrderStatus, ReportedOrderStatus


class ReportedContext(Protocol):
    """A flow that changes where an order is."""

    @property
    def tenant(self) -> str:
        """The tenant whose flow this is."""

    @property
    def order(self) -> OrderRecord:
        """The order."""

    @property
    def system(self) -> SystemClient:
        """The way to the systems."""


async def report_to_crm(context: ReportedContext) -> Found:
    """Tell Salesforce that the order is booked, with the ids a sales user can look for."""
    return await _report(context, OrderStatus.booked)


async def report_ending(context: ReportedContext) -> Found:
    """Tell Salesforce that the order is not booked, and why.

    Also if the quote could not be used: its id is known from the submission, so its seller sees the result.
    """
    if context.order.quote is None and context.order.reason_code == "quote_not_found":
        return Found("Salesforce has no quote that this could be reported on.")
    return await _report(context, context.order.status)


async def _report(context: ReportedContext, status: OrderStatus) -> Found:
    order = context.order
    report = ReportedOrderStatus(
        account_id=order.account_id,
        quote_id=order.quote_id,
        status=status,
        version=order.version + 1,  # the order's version after this report is on its timeline
        currency=order.currency,
        total=order_total(order),
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
