"""The adapter of Salesforce as a CRM."""

import asyncio
import re
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

from shared.canonical import Account, OrderStatusReport, Quote, RecordAccess, ReportedOrderStatus
from shared.outbound.http_client import Transport
from shared.problem import InvalidRequest, Rejected, Unavailable
from shared.telemetry.tracing import traced
from system_api.connections import SalesforceConnection
from system_api.crm.salesforce.accounts import ACCESS_FIELDS, AccessPage, AccountPlan, account_of
from system_api.crm.salesforce.api import SalesforceApi
from system_api.crm.salesforce.check import check_org
from system_api.crm.salesforce.errors import RULE_VIOLATED, VENDOR
from system_api.crm.salesforce.merges import Fate, fate_of
from system_api.crm.salesforce.order_events import publish_order_status
from system_api.crm.salesforce.orders import HeldOrder, OrderPlan, UpsertAnswer, differing_fields, order_fields
from system_api.crm.salesforce.org import SalesforceOrg
from system_api.crm.salesforce.quotes import QuotePlan, quote_of
from system_api.crm.salesforce.rows import Page, Record, Row
from system_api.vendor.findings import Finding
from system_api.vendor.replies import after_write, understanding

_SALESFORCE_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# Salesforce's codes for a text that is no record id.
_NO_SUCH_ID = frozenset({"invalid_query_filter_operator", "malformed_id", "invalid_id_field"})
# Its codes for a report that refers to a deleted record.
_GONE = frozenset({"entity_is_deleted", "invalid_cross_reference_key"})
_ONLY_DOTS = re.compile(r"\.+")


@traced()
class Salesforce:
    """One org. Implements `system_api.crm.contract.Crm`."""

    def __init__(self, connection: SalesforceConnection, transport: Transport | None = None) -> None:
        self._api = SalesforceApi(connection, transport)
        self._org = SalesforceOrg(connection, self._api)
        self._connection = connection
        self._objects = connection.objects
        self._account_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def ready(self) -> str | None:
        """Return None if the org answers with our credentials."""
        await self._api.get("/limits", dict)
        return None

    async def check(self) -> list[Finding]:
        """Return what the org lacks for Quoteway."""
        return await check_org(self._connection, self._api, self._org)

    async def find_quote(self, quote_id: str) -> Quote | None:
        """Return the quote with all of its lines, or None.

        Raises Rejected (`incomplete_record`) if something is missing.
        """
        if not _SALESFORCE_ID.fullmatch(quote_id):
            return None

        async def read(plan: QuotePlan) -> Quote | None:
            record = await self._only(plan.select, self._objects.quote, quote_id)
            if record is None:
                return None
            with understanding(VENDOR, writes=False):
                first = plan.lines_of(record)
            lines = await self._all_lines(first)
            currency = None if "currency" in plan.quote_paths else await self._org.currency()
            with understanding(VENDOR, writes=False):
                return quote_of(plan, record, lines, currency)

        return await self._org.with_quotes(read)

    async def find_account(self, account_id: str) -> Account | None:
        """Return the account, or None; for a merged one, the account that it was merged into.

        Raises Rejected if something is missing (`incomplete_record`) or it was deleted (`account_deleted`).
        """
        if not _SALESFORCE_ID.fullmatch(account_id):
            return None

        async def read(plan: AccountPlan) -> Account | None:
            record = await self._only(plan.select, self._objects.account, account_id)
            if record is None:
                fate = await self._fate(self._objects.account, account_id)
                if fate is None:
                    return None
                record = await self._only(plan.select, self._objects.account, fate.living_or_refuse("account"))
                if record is None:
                    return None
            currency = None if "currency" in plan.paths else await self._org.currency()
            with understanding(VENDOR, writes=False):
                return account_of(plan, record, currency)

        return await self._org.with_accounts(read)

    async def record_access(self, user_id: str, record_id: str) -> RecordAccess:
        """Return the access in UserRecordAccess: sharing rules, territories, role hierarchy and profiles together.

        It has no row for a record that does not exist, nor for one that our integration user may not see.
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
        """Upsert the org's order by its external id, unless it holds a newer version, read it back, and publish that.

        Two processes that report at once may both have read the older version. The package's validation rule
        Version_Only_Grows decides in the transaction of the write: it refuses the older report.

        Reports about one account run one at a time: Salesforce locks the account of a record that it writes, and
        answers UNABLE_TO_LOCK_ROW to the second of two. Between processes that answer is Unavailable with a jittered
        wait.
        """
        if not _EXTERNAL_ID.fullmatch(order_id) or _ONLY_DOTS.fullmatch(order_id):
            raise InvalidRequest(f"{order_id!r} is no order id.")
        lock = self._account_locks.setdefault(report.account_id or report.quote_id, asyncio.Lock())
        async with lock:
            return await self._org.with_orders(lambda plan: self._report(plan, order_id, report))

    async def _report(self, plan: OrderPlan, order_id: str, report: ReportedOrderStatus) -> OrderStatusReport:
        path = plan.path + quote(order_id, safe="")
        held = await self._held(plan, path)
        if held is None or held.version <= report.version:
            try:
                await self._upsert(plan, path, report, new=held is None)
            except Rejected as error:
                if error.reason_code != RULE_VIOLATED:
                    raise
                held = await self._held(plan, path)
                if held is None or held.version <= report.version:
                    raise  # refused by another rule of the org's
            else:
                held = await self._read_back(plan, path)
                _require_reported(plan, held, report)
                await publish_order_status(self._api, self._org.schema, self._objects.order_event, order_id, report)
        return OrderStatusReport(
            order_id=order_id, vendor_id=held.id, version=held.version, applied=held.version == report.version
        )

    async def _upsert(self, plan: OrderPlan, path: str, report: ReportedOrderStatus, *, new: bool) -> None:
        """Write the report. If a record that it refers to was merged or deleted meanwhile, the link is changed or
        left out.
        """
        links = await self._links(report)
        try:
            await self._api.upsert(path, UpsertAnswer, order_fields(plan, report, new=new, links=links))
        except Rejected as error:
            if error.reason_code not in _GONE:
                raise
            links = await self._living(links)
            await self._api.upsert(path, UpsertAnswer, order_fields(plan, report, new=new, links=links))

    async def _links(self, report: ReportedOrderStatus) -> dict[str, str]:
        """Return the account and the quote, if they can be linked. A quote that could not be used has an account in
        the org.
        """
        account = report.account_id or await self._account_of_quote(report.quote_id)
        return {"quote": report.quote_id} | ({"account": account} if account else {})

    async def _account_of_quote(self, quote_id: str) -> str | None:
        if not _SALESFORCE_ID.fullmatch(quote_id):
            return None
        found = await self._org.schema.find(self._objects.quote, self._connection.fields.quote.account)
        record = await self._only(f"Id, {found.path}", self._objects.quote, quote_id) if found else None
        return Row(record, {"account": found.path}).text("account") if found and record else None

    async def _living(self, links: dict[str, str]) -> dict[str, str]:
        """Return the links, with merged records replaced and deleted ones left out."""
        objects = {"account": self._objects.account, "quote": self._objects.quote}
        living: dict[str, str] = {}
        for name, record_id in links.items():
            fate = await self._fate(objects[name], record_id)
            if fate is not None and fate.living_id is not None:
                living[name] = fate.living_id
        return living

    async def _held(self, plan: OrderPlan, path: str) -> HeldOrder | None:
        record = await self._api.record(path)
        if record is None:
            return None
        with understanding(VENDOR, writes=False):
            return plan.held(record)

    async def _read_back(self, plan: OrderPlan, path: str) -> HeldOrder:
        with after_write(VENDOR, "a report"):
            held = await self._held(plan, path)
            if held is None:
                raise Unavailable("there is no such record", vendor=VENDOR)
            return held

    async def _only(self, select: str, object_name: str, record_id: str) -> dict[str, Any] | None:
        try:
            page = await self._api.rows(f"SELECT {select} FROM {object_name} WHERE Id = '{record_id}'")  # noqa: S608 callers let only letters and digits in
        except Rejected as error:
            if error.reason_code in _NO_SUCH_ID:
                return None
            raise
        return page.records[0] if page.records else None

    async def _fate(self, object_name: str, record_id: str) -> Fate | None:
        described = await self._org.schema.describe(object_name)
        return await fate_of(self._api, described, record_id) if described else None

    async def _all_lines(self, page: Page | None) -> list[Record]:
        """Return every line.

        Raises Unavailable if Salesforce's count differs from the lines it sends: a quote must not lose one.
        """
        if page is None:
            return []
        lines: list[Record] = list(page.records)
        expected = page.total_size
        while page.next_address:
            page = await self._api.next_page(page.next_address)
            lines += page.records
        if len(lines) != expected:
            raise Unavailable(f"{VENDOR} counts {expected} lines of the quote, but sent {len(lines)}.", vendor=VENDOR)
        return lines


def _require_reported(plan: OrderPlan, held: HeldOrder, report: ReportedOrderStatus) -> None:
    """Raise Rejected (`read_back_mismatch`) if the record is not what was reported, nor newer."""
    differing = differing_fields(plan, held, report) if held.version == report.version else []
    if held.version < report.version:
        differing = [plan.paths["version"]]
    if differing:
        raise Rejected(
            f"{VENDOR} holds {held.id} otherwise than it was reported: {', '.join(differing)} differ.",
            reason_code="read_back_mismatch",
            vendor=VENDOR,
        )
