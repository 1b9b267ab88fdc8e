"""The account overview: one customer's records in every system, read in parallel.

A part that fails is marked unavailable with its reason, and the rest is answered: a credit clerk can work while billing
is down.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from process_api.orders.record import OrderRecord, Orders
from process_api.system_client import SystemClient
from shared.canonical import (
    Account,
    CreditStatus,
    Invoice,
    InvoicePage,
    InvoiceSource,
    Money,
    MoneyError,
    OrderStatus,
    Subscription,
)
from shared.problem import Fault, InvalidRequest, NotFound, QuotewayError, Unavailable, VendorError
from shared.seller_words import in_sellers_words

T = TypeVar("T")
_UNPAID_SHOWN_MAX = 100
# A caller gets the parts that answer, well within Apex's limit of 10 s.
PART_DEADLINE_S = 4.5
# The account is read before the parts, which need time too.
CRM_DEADLINE_S = 2.5


class PartStatus(StrEnum):
    """Whether a part of an overview could be read."""

    available = "available"
    unavailable = "unavailable"


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    status: PartStatus = PartStatus.available
    reason: str | None = None


class AccountPart(_Part, frozen=True, kw_only=True):
    """Whether the CRM could be read. If not, the name is empty, and the legal entity is that of the last order."""


class CreditPart(_Part, frozen=True, kw_only=True):
    """The customer's credit; None if the ERP does not know the customer yet."""

    credit: CreditStatus | None = None


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order that has not ended, or waits for a person."""

    order_id: str
    quote_id: str
    status: OrderStatus
    created_at: str
    total: Money | None = None


class OrdersPart(_Part, frozen=True, kw_only=True):
    """The open orders."""

    orders: list[OpenOrder] = msgspec.field(default_factory=list)


class InvoicesPart(_Part, frozen=True, kw_only=True):
    """The unpaid invoices of both systems, and their totals per currency.

    `complete` is false if only the newest are shown; the totals then cover only those.
    """

    invoices: list[Invoice] = msgspec.field(default_factory=list)
    totals: list[Money] = msgspec.field(default_factory=list)
    complete: bool = True


class SubscriptionsPart(_Part, frozen=True, kw_only=True):
    """The running subscriptions."""

    subscriptions: list[Subscription] = msgspec.field(default_factory=list)


class Overview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every system knows of an account."""

    account_id: str
    name: str
    legal_entity: str
    credit: CreditPart
    open_orders: OrdersPart
    unpaid_invoices: InvoicesPart
    subscriptions: SubscriptionsPart
    account: AccountPart = msgspec.field(default_factory=AccountPart)

    @property
    def is_whole(self) -> bool:
        """Whether every part could be read."""
        parts: tuple[_Part, ...] = (
            self.account,
            self.credit,
            self.open_orders,
            self.unpaid_invoices,
            self.subscriptions,
        )
        return all(part.status is PartStatus.available for part in parts)


@dataclass(frozen=True)
class AccountOverviews:
    """Reads accounts across the systems."""

    system: SystemClient
    orders: Orders

    async def overview(self, tenant: str, account_id: str) -> Overview:
        """Return the overview.

        Raises NotFound; Unavailable if the CRM does not answer and no order has the legal entity.
        """
        account, crm_away = await self._account_or_known(tenant, account_id)
        credit, orders, erp_invoices, billing_invoices, subscriptions = await asyncio.gather(
            _attempt(self._credit(tenant, account), "The ERP"),
            _attempt(self.orders.open_for_account(tenant, account.account_id), "Quoteway"),
            _attempt(self._unpaid(tenant, account, InvoiceSource.erp), "The ERP"),
            _attempt(self._unpaid(tenant, account, InvoiceSource.billing), "Billing"),
            _attempt(self.system.list_subscriptions(tenant, account.legal_entity, account.account_id), "Billing"),
        )
        return Overview(
            account_id=account.account_id,
            name=account.name,
            legal_entity=account.legal_entity,
            credit=CreditPart(credit=credit.value, status=credit.status, reason=credit.reason),
            open_orders=OrdersPart(
                orders=[_open_order(order) for order in orders.value or []], status=orders.status, reason=orders.reason
            ),
            unpaid_invoices=_unpaid_part(erp_invoices, billing_invoices),
            subscriptions=SubscriptionsPart(
                subscriptions=subscriptions.value or [], status=subscriptions.status, reason=subscriptions.reason
            ),
            account=AccountPart() if crm_away is None else AccountPart(status=PartStatus.unavailable, reason=crm_away),
        )

    async def credit_status(self, tenant: str, account_id: str) -> CreditStatus:
        """Return the customer's credit. Raises NotFound if neither the CRM nor the ERP knows it."""
        account = await self._account(tenant, account_id)
        credit = await self._credit(tenant, account)
        if credit is None:
            raise NotFound(f"The ERP of {account.legal_entity} does not know {account.name} yet; its first order will.")
        return credit

    async def invoices(
        self, tenant: str, account_id: str, *, open_only: bool, limit: int, cursor: str | None
    ) -> InvoicePage:
        """Return a page of invoices: the ERP's first, then billing's. A page may be short; the last has no cursor."""
        account = await self._account(tenant, account_id)
        source, inner = _parse_cursor(cursor)
        page = await self.system.list_invoices(
            tenant, account.legal_entity, account.account_id, source, open_only=open_only, limit=limit, cursor=inner
        )
        if page.next_cursor is not None:
            following: str | None = f"{source.value}:{page.next_cursor}"
        else:
            following = f"{InvoiceSource.billing.value}:" if source is InvoiceSource.erp else None
        return InvoicePage(invoices=page.invoices, next_cursor=following, not_shown=page.not_shown)

    async def _account(self, tenant: str, account_id: str) -> Account:
        account = await self.system.find_account(tenant, account_id)
        if account is None:
            raise NotFound(f"There is no account {account_id}.")
        return account

    async def _account_or_known(self, tenant: str, account_id: str) -> tuple[Account, str | None]:
        """Return the account or, while the CRM is down, what the last order says of it, with the reason.

        The order has the legal entity whose books to read; the account's name is stored only in the CRM.
        """
        try:
            async with asyncio.timeout(CRM_DEADLINE_S):
                return await self._account(tenant, account_id), None
        except TimeoutError:
            away = Unavailable("Salesforce does not answer at the moment.", vendor="Salesforce")
        except Unavailable as error:
            away = error
        last = await self.orders.last_for_account(tenant, account_id)
        if last is None or last.quote is None:
            raise away
        known = Account(
            account_id=account_id, name="", legal_entity=last.quote.legal_entity, currency=last.quote.currency
        )
        return known, away.detail

    async def _credit(self, tenant: str, account: Account) -> CreditStatus | None:
        return await self.system.check_credit(
            tenant, account.legal_entity, account.account_id, Money(amount="0", currency=account.currency)
        )

    async def _unpaid(self, tenant: str, account: Account, source: InvoiceSource) -> InvoicePage:
        return await self.system.list_invoices(
            tenant,
            account.legal_entity,
            account.account_id,
            source,
            open_only=True,
            limit=_UNPAID_SHOWN_MAX,
            cursor=None,
        )


@dataclass(frozen=True)
class _Outcome(Generic[T]):
    value: T | None
    reason: str | None = None

    @property
    def status(self) -> PartStatus:
        return PartStatus.unavailable if self.reason else PartStatus.available


async def _attempt(reading: Awaitable[T], asked: str) -> "_Outcome[T]":
    """What was read, or why it was not, in a seller's words."""
    try:
        async with asyncio.timeout(PART_DEADLINE_S):
            return _Outcome(await reading)
    except TimeoutError:
        return _Outcome(None, f"{asked} does not answer at the moment.")
    except VendorError as error:
        return _Outcome(None, in_sellers_words(error))
    except QuotewayError as error:
        return _Outcome(None, error.detail)


def _open_order(order: OrderRecord) -> OpenOrder:
    return OpenOrder(
        order_id=order.order_id,
        quote_id=order.quote_id,
        status=order.status,
        created_at=order.created_at,
        total=order.total,
    )


def _unpaid_part(erp: "_Outcome[InvoicePage]", billing: "_Outcome[InvoicePage]") -> InvoicesPart:
    pages = [page for page in (erp.value, billing.value) if page is not None]
    invoices = [invoice for page in pages for invoice in page.invoices]
    reasons = [reason for reason in (erp.reason, billing.reason) if reason]
    try:
        totals = total_per_currency(invoices)
    except MoneyError:
        totals = []  # more than 18 digits: the invoices themselves are still worth showing
        reasons.append("The invoices come to more than can be added up here.")
    return InvoicesPart(
        status=PartStatus.unavailable if reasons else PartStatus.available,
        reason="; ".join(reasons) or None,
        invoices=invoices,
        totals=totals,
        complete=not reasons and all(page.next_cursor is None for page in pages),
    )


def total_per_currency(invoices: list[Invoice]) -> list[Money]:
    """Return the sum due per currency, in the order of the currency codes.

    Raises MoneyError beyond 18 digits.
    """
    sums: dict[str, Decimal] = {}
    for invoice in invoices:
        due = invoice.amount_due
        sums[due.currency] = sums.get(due.currency, Decimal(0)) + due.value
    return [Money.of(amount, currency) for currency, amount in sorted(sums.items())]


def _parse_cursor(cursor: str | None) -> tuple[InvoiceSource, str | None]:
    if cursor is None:
        return InvoiceSource.erp, None
    source, found, inner = cursor.partition(":")
    if not found or source not in InvoiceSource.__members__:
        raise InvalidRequest(
            "The cursor is not one of ours.",
            [Fault(pointer="query/cursor", detail="Send `nextCursor` of the page before, unchanged.")],
        )
    return InvoiceSource(source), inner or None
