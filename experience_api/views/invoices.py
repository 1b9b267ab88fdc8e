"""An invoice as every version shows it."""

import msgspec

from experience_api import process_answers
from experience_api.views.amounts import AmountText, CurrencyCode
from shared.canonical import InvoiceSource, InvoiceStatus


class InvoiceView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A claim. A draft has neither number nor date: they are empty. Dates are RFC 3339 full dates."""

    invoice_id: str
    source: InvoiceSource
    status: InvoiceStatus
    invoice_number: str
    total_amount: AmountText
    amount_due: AmountText
    currency_iso_code: CurrencyCode
    issued_on: str
    due_on: str
    order_id: str


def invoice_view(invoice: process_answers.Invoice) -> InvoiceView:
    """An invoice as a sales user sees it."""
    return InvoiceView(
        invoice_id=invoice.vendor_id,
        source=invoice.source,
        status=invoice.status,
        invoice_number=invoice.number or "",
        total_amount=invoice.total.amount,
        amount_due=invoice.amount_due.amount,
        currency_iso_code=invoice.total.currency,
        issued_on=invoice.issued_on or "",
        due_on=invoice.due_on or "",
        order_id=invoice.order_id or "",
    )
