"""What Quoteway needs of a CRM."""

from typing import Protocol

from shared.canonical import Account, OrderStatusReport, Quote, RecordAccess, ReportedOrderStatus
from system_api.vendor.findings import Finding


class Crm(Protocol):
    """The CRM in which deals start. Errors as in the ERP's contract."""

    async def ready(self) -> str | None:
        """None if the CRM answers with our credentials, else one sentence about what is missing."""

    async def check(self) -> list[Finding]:
        """What the CRM lacks for Quoteway, in plain sentences: for whoever sets the connection up."""

    async def find_quote(self, quote_id: str) -> Quote | None:
        """The quote with its lines, or None."""

    async def find_account(self, account_id: str) -> Account | None:
        """The account, or None."""

    async def record_access(self, user_id: str, record_id: str) -> RecordAccess:
        """What one of the CRM's users may do with a record; nothing where either does not exist."""

    async def report_order_status(self, order_id: str, report: ReportedOrderStatus) -> OrderStatusReport:
        """Tell the CRM where an order is, by external id. An older version than the CRM holds changes nothing."""
