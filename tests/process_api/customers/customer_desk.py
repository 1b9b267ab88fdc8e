"""Vendors that hold invoices and credit, and a customer desk that reads them."""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from shared.canonical import (
    CreditDecision,
    CreditStatus,
    Invoice,
    InvoicePage,
    InvoiceSource,
    InvoiceStatus,
    Money,
)
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import SystemStandIn, euros, mixed_quote

ERP, BILLING = InvoiceSource.erp, InvoiceSource.billing
CREDIT = CreditStatus(
    account_id="001",
    decision=CreditDecision.approved,
    reason="43115.62 EUR are left of 50000.00 EUR.",
    exposure=euros("6884.38"),
    limit=euros("50000.00"),
    available=euros("43115.62"),
)
_INVOICES = re.compile(r"/v1/(erp|billing)/NW-DE/customers/[^/]+/invoices")


def invoice(source: InvoiceSource, number: str, due: str, currency: str = "EUR", *, paid: bool = False) -> Invoice:
    """An invoice over 1000, of which that much is due."""
    return Invoice(
        source=source,
        vendor_id=f"{source.value}-{number}",
        status=InvoiceStatus.paid if paid else InvoiceStatus.open,
        total=Money(amount="1000.00", currency=currency),
        amount_due=Money(amount=due, currency=currency),
    )


@dataclass
class Ledgers(SystemStandIn):
    """Vendors that hold invoices. `fail` takes `erp_invoices` and `billing_invoices` as operations too."""

    invoices: list[Invoice] = field(default_factory=list)
    credit: CreditStatus | None = CREDIT
    requests: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request for invoices from what is held, and any other as the stand-in does."""
        self.requests.append(request)
        matched = _INVOICES.fullmatch(request.url.path)
        if matched is None:
            return super().answer(request)
        self.calls.append(f"{matched[1]}_invoices")
        return self._perform(f"{matched[1]}_invoices", request)

    def asked(self, path_part: str) -> dict[str, str]:
        """The parameters of the last request whose path contains this."""
        return dict([each for each in self.requests if path_part in each.url.path][-1].url.params)

    def _check_credit(self, _body: bytes, _account_id: str) -> CreditStatus:
        return self.credit  # type: ignore[return-value]  # nothing held is answered as 404

    def _erp_invoices(self, _body: bytes) -> InvoicePage:
        return self._page(ERP)

    def _billing_invoices(self, _body: bytes) -> InvoicePage:
        return self._page(BILLING)

    def _page(self, source: InvoiceSource) -> InvoicePage:
        params = self.requests[-1].url.params
        held = [each for each in self.invoices if each.source is source]
        if params["openOnly"] == "true":
            held = [each for each in held if each.status is InvoiceStatus.open]
        ids = [each.vendor_id for each in held]
        begin = ids.index(params["cursor"]) + 1 if "cursor" in params else 0
        shown = held[begin : begin + int(params["limit"])]
        more = begin + len(shown) < len(held)
        return InvoicePage(invoices=shown, next_cursor=shown[-1].vendor_id if more else None)


@dataclass
class Desk:
    """A customer desk's view of one account that nobody else's tests use."""

    process: Process
    system: Ledgers
    account_id: str

    async def get(self, what: str, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        """Read something of the account."""
        return await self.process.client.get(
            f"/v1/accounts/{self.account_id}/{what}", params=params, headers=headers or self.process.headers
        )

    async def overview(self) -> dict[str, Any]:
        """The account's overview, which must answer."""
        answer = await self.get("overview")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def walk(self, **params: Any) -> list[list[str]]:
        """The ids on every page of invoices, until there is no cursor."""
        pages: list[list[str]] = []
        cursor: dict[str, Any] = {}
        while len(pages) < 20:
            answer = await self.get("invoices", **params, **cursor)
            assert answer.status_code == 200, answer.text
            pages.append([each["vendorId"] for each in answer.json()["invoices"]])
            if answer.json()["nextCursor"] is None:
                return pages
            cursor = {"cursor": answer.json()["nextCursor"]}
        raise AssertionError(f"the pages do not end: {pages}")


def desk_at(process: Process) -> Desk:
    """Vendors with nothing in their ledgers, and an account of this test's own."""
    system = Ledgers()
    account_id = f"001{uuid.uuid4().hex[:15]}"
    assert system.account is not None
    system.account = msgspec.structs.replace(system.account, account_id=account_id)
    system.quote = msgspec.structs.replace(mixed_quote(), account_id=account_id)
    process.switch.system = system
    return Desk(process, system, account_id)
