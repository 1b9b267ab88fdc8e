"""The contract of a CRM adapter."""

from typing import Protocol

from shared.canonical import Account, OrderStatusReport, Quote, RecordAccess, ReportedOrderStatus
from system_api.vendor.findings import Finding


class Crm(Protocol):
    """The CRM where deals start. Errors as in the ERP's contract."""

    async def ready(self) -> str | None:
        """Return None if the CRM answers with our credentials, else one sentence about what is missing."""

    async def check(self) -> list[Finding]:
        """Return what the CRM lacks for Quoteway, in plain sentences for the person who sets the connection up."""

    async def find_quote(self, quote_id: str) -> Quote | None:
        """Return the quote with its lines, or None."""

    async def find_account(self, account_id: str) -> Account | None:
        """Return the account, or None."""

    async def record_access(self, user_id: str, record_id: str) -> RecordAccess:
        """Return what one of the CRM's users may do with a record; no access if either does not exist."""

    async def report_order_status(self, order_id: str, report: ReportedOrderStatus) -> OrderStatusReport:
        """Report an order's status to the CRM, by external id. A version older than the CRM's changes nothing."""
