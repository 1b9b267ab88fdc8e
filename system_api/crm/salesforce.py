"""Salesforce as a CRM."""

import asyncio
import re
from urllib.parse import quote
from weakref import WeakValueDictionary

from shared.canonical import Account, OrderStatusReport, Quote, RecordAccess, ReportedOrderStatus
from shared.http_client import Transport
from shared.problem import InvalidRequest, Rejected, Unavailable
from shared.tracing import traced
from system_api.connections import SalesforceConnection
from system_api.crm.salesforce_accounts import ACCESS_FIELDS, ACCOUNT_FIELDS, AccessPage, AccountPage, account_of
from system_api.crm.salesforce_api import VENDOR, SalesforceApi
from system_api.crm.salesforce_orders import OrderRecord, UpsertAnswer, differing_fields, order_fields
from system_api.crm.salesforce_quotes import QUOTE_FIELDS, LinePage, LineRecord, QuotePage, quote_of
from system_api.vendor_reply import after_write, understanding

_SALESFORCE_ID = re.compile(r"[A-Za-z0-9]{15,18}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# What Salesforce says of letters and digits that are no record's id.
_NO_SUCH_ID = frozenset({"invalid_query_filter_operator", "malformed_id", "invalid_id_field"})
# Salesforce's code for a validation rule, in our spelling of reason codes.
_RULE_VIOLATED = "field_custom_validation_exception"
_ONLY_DOTS = re.compile(r"\.+")


@traced()
class Salesforce:
    """One org. Implements `system_api.crm.contract.Crm`."""

    def __init__(self, connection: SalesforceConnection, transport: Transport | None = None) -> None:
        self._api = SalesforceApi(connection, transport)
        self._account_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def ready(self) -> str | None:
        """None if the org answers with our credentials."""
        await self._api.get("/limits", dict)
        return None

    async def find_quote(self, quote_id: str) -> Quote | None:
        """The quote with all of its lines, or None. Raises Rejected (`incomplete_record`) where it lacks something."""
        if not _SALESFORCE_ID.fullmatch(quote_id):
            return None
        page = await self._api.query(_select(QUOTE_FIELDS, "Quote", quote_id), QuotePage)
        if not page.records:
            return None
        record = page.records[0]
        lines = await self._all_lines(record.lines)
        with understanding(VENDOR, writes=False):
            return quote_of(record, lines)

    async def find_account(self, account_id: str) -> Account | None:
        """The account, or None. Raises Rejected (`incomplete_record`) where it lacks something."""
        if not _SALESFORCE_ID.fullmatch(account_id):
            return None
        page = await self._api.query(_select(ACCOUNT_FIELDS, "Account", account_id), AccountPage)
        return account_of(page.records[0]) if page.records else None

    async def record_access(self, user_id: str, record_id: str) -> RecordAccess:
        """What UserRecordAccess says: sharing rules, territories, role hierarchy and profiles together.

        It has no row for a record that does not exist, nor for one that our integration user does not see.
        """
        nothing = RecordAccess(readable=False, editable=False)
        if not _SALESFORCE_ID.fullmatch(user_id) or not _SALESFORCE_ID.fullmatch(record_id):
            return nothing
        soql = f"SELECT {ACCESS_FIELDS} FROM UserRecordAccess WHERE UserId = '{user_id}' AND RecordId = '{record_id}'"  # noqa: S608 letters and digits only
        try:
            page = await self._api.query(soql, AccessPage)
        except Rejected as error:
            if error.reason_code in _NO_SUCH_ID:
                return nothing
            raise
        for row in page.records:
            return RecordAccess(readable=row.readable, editable=row.editable)
        return nothing

    async def report_order_status(self, order_id: str, report: ReportedOrderStatus) -> OrderStatusReport:
        """Upsert Quoteway_Order__c by its external id, unless it holds a newer version, and read it back.

        Two processes that report at once may both have read the older version. The package's validation rule
        Version_Only_Grows decides between them, in the transaction of the write: the older report is refused there.

        Reports about one account wait for each other: Salesforce locks the account of a record it writes, and answers
        UNABLE_TO_LOCK_ROW to the second of two. Between processes the same answer is Unavailable with a jittered wait.
        """
        if not _EXTERNAL_ID.fullmatch(order_id) or _ONLY_DOTS.fullmatch(order_id):
            raise InvalidRequest(f"{order_id!r} is no order id.")
        lock = self._account_locks.setdefault(report.account_id, asyncio.Lock())
        async with lock:
            return await self._report(order_id, report)

    async def _report(self, order_id: str, report: ReportedOrderStatus) -> OrderStatusReport:
        path = f"/sobjects/Quoteway_Order__c/Order_Id__c/{quote(order_id, safe='')}"
        held = await self._api.get(path, OrderRecord)
        if held is None or _version(held) <= report.version:
            try:
                await self._api.upsert(path, UpsertAnswer, order_fields(report))
            except Rejected as error:
                if error.reason_code != _RULE_VIOLATED:
                    raise
                held = await self._api.get(path, OrderRecord)
                if held is None or _version(held) <= report.version:
                    raise  # another rule of the org's refused it
            else:
                held = await self._read_back(path)
                _require_reported(held, report)
        version = _version(held)
        return OrderStatusReport(
            order_id=order_id, vendor_id=held.id, version=version, applied=version == report.version
        )

    async def _read_back(self, path: str) -> OrderRecord:
        with after_write(VENDOR, "a report"):
            record = await self._api.get(path, OrderRecord)
            if record is None:
                raise Unavailable("there is no such record", vendor=VENDOR)
            return record

    async def _all_lines(self, page: LinePage | None) -> list[LineRecord]:
        """Every line. Raises Unavailable where Salesforce counts others than it sends: a quote must not lose one."""
        if page is None:
            return []
        lines, expected = list(page.records), page.total_size
        while page.next_address:
            page = await self._api.next_page(page.next_address, LinePage)
            lines += page.records
        if len(lines) != expected:
            raise Unavailable(f"{VENDOR} counts {expected} lines of the quote, but sent {len(lines)}", vendor=VENDOR)
        return lines


def _version(record: OrderRecord) -> int:
    return int(record.version) if record.version is not None else 0


def _require_reported(held: OrderRecord, report: ReportedOrderStatus) -> None:
    """Raise Rejected (`read_back_mismatch`) where the record does not say what was reported. A newer one may differ."""
    differing = differing_fields(held, report) if _version(held) == report.version else []
    if _version(held) < report.version:
        differing = ["Version__c"]
    if differing:
        raise Rejected(
            f"{VENDOR} holds {held.id} otherwise than it was reported: {', '.join(differing)} differ.",
            reason_code="read_back_mismatch",
            vendor=VENDOR,
        )


def _select(fields: str, record_type: str, record_id: str) -> str:
    return f"SELECT {fields} FROM {record_type} WHERE Id = '{record_id}'"  # noqa: S608 callers let only letters and digits in
