"""Invoices: the claims of the ERP (one-off lines) and of billing (recurring lines)."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from experience_api import process_answers
from experience_api.process_client import Caller, ProcessClient
from experience_api.v1.amounts import AmountText, CurrencyCode
from experience_api.v1.credit import ACCOUNT_CACHE, AccountIdParameter
from shared.canonical import InvoiceSource, InvoiceStatus
from shared.canonical.wire import CURSOR_PATTERN
from shared.identity.auth import Principal
from shared.inbound.operation import operation
from shared.inbound.versions import warnings_for

PageSizeParameter = Annotated[
    int, QueryParameter(name="pageSize", ge=1, le=100, description="How many invoices at most.")
]
CursorParameter = Annotated[
    str,
    QueryParameter(
        name="cursor",
        pattern=CURSOR_PATTERN,
        max_length=200,
        description="`nextCursor` of the page before; empty for the first page.",
    ),
]
OpenOnlyParameter = Annotated[bool, QueryParameter(name="openOnly", description="Only invoices not yet paid in full.")]


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


class InvoicePageView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some invoices. `nextCursor` asks for those after them; it is empty on the last page. A page may be empty."""

    account_id: str
    invoices: list[InvoiceView]
    next_cursor: str
    warnings: list[str]


@get(
    "/v1/accounts/{accountId:str}/invoices",
    operation_id="listInvoices",
    tags=["accounts"],
    opt=operation(
        owner="salesforce-experience", capability="account-360", scopes=["accounts:read"], cache=ACCOUNT_CACHE
    ),
)
async def list_invoices(
    request: Request[Principal, Any, Any],
    account_id: AccountIdParameter,
    open_only: OpenOnlyParameter = False,
    page_size: PageSizeParameter = 20,
    cursor: CursorParameter = "",
) -> InvoicePageView:
    """The customer's invoices: the ERP's first, then billing's, each newest first."""
    process: ProcessClient = request.app.state.process
    page = await process.list_invoices(
        Caller.of(request), account_id, open_only=open_only, page_size=page_size, cursor=cursor
    )
    return InvoicePageView(
        account_id=account_id,
        invoices=[invoice_view(invoice) for invoice in page.invoices],
        next_cursor=page.next_cursor or "",
        warnings=warnings_for(request),
    )


def invoice_view(invoice: process_answers.Invoice) -> InvoiceView:
    """Return an invoice as a sales user sees it."""
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
