"""Everything about one customer on one page (account 360), as the latest version shows it."""

from enum import StrEnum

import msgspec

from experience_api import process_answers
from experience_api.order_words import STATUS_TEXTS
from experience_api.process_answers import PartStatus
from experience_api.views.amounts import AmountText, CurrencyCode, CurrencyTextOrEmpty, DecimalTextOrEmpty, amount_text
from experience_api.views.invoices import InvoiceView, invoice_view
from shared.canonical import CreditDecision, OrderStatus, SubscriptionStatus
from shared.canonical.wire import Quantity

_NAME_NOT_READ = "Salesforce could not be asked for the account: its name is left out."


class CreditAvailability(StrEnum):
    """Whether the credit is known. `unknown_customer`: the ERP has no such customer yet; its first order creates it."""

    available = "available"
    unavailable = "unavailable"
    unknown_customer = "unknown_customer"


class CreditSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The credit. `explanation`: why it was decided so, or why it is not known; the decision is then `unknown`."""

    availability: CreditAvailability
    explanation: str
    decision: CreditDecision
    limited: bool
    limit_amount: DecimalTextOrEmpty
    exposure_amount: DecimalTextOrEmpty
    available_amount: DecimalTextOrEmpty
    currency_iso_code: CurrencyTextOrEmpty


class OpenOrderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order that is not finished, or waits for a person."""

    order_id: str
    quote_id: str
    status: OrderStatus
    status_text: str
    total_amount: DecimalTextOrEmpty
    currency_iso_code: CurrencyTextOrEmpty
    created_at: str


class OpenOrdersPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The orders under way."""

    availability: PartStatus
    unavailable_reason: str
    orders: list[OpenOrderView]


class CurrencyTotal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is due in one currency."""

    currency_iso_code: CurrencyCode
    amount_due: AmountText


class UnpaidInvoicesPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The unpaid invoices and what they come to. Unless `complete`, there are more, or not all could be read."""

    availability: PartStatus
    unavailable_reason: str
    complete: bool
    totals: list[CurrencyTotal]
    invoices: list[InvoiceView]


class SubscriptionItemView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One recurring product; the price is per unit and period, before tax."""

    sku: str
    quantity: Quantity
    net_unit_price: AmountText
    currency_iso_code: CurrencyCode


class SubscriptionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subscription. `billingPeriod` is month or year; `periodAmount` is what one costs, before tax."""

    subscription_id: str
    status: SubscriptionStatus
    billing_period: str
    period_amount: DecimalTextOrEmpty
    currency_iso_code: CurrencyTextOrEmpty
    current_period_ends_at: str
    order_id: str
    items: list[SubscriptionItemView]


class SubscriptionsPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The running subscriptions."""

    availability: PartStatus
    unavailable_reason: str
    subscriptions: list[SubscriptionView]


class AccountSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One customer across Salesforce, the ERP and billing. A part that cannot be read says so; the others answer.

    `complete`: every part was read, and nothing of it left out.
    """

    account_id: str
    account_name: str
    legal_entity: str
    complete: bool
    credit: CreditSummary
    open_orders: OpenOrdersPart
    unpaid_invoices: UnpaidInvoicesPart
    subscriptions: SubscriptionsPart
    warnings: list[str]


def account_summary(overview: process_answers.Overview, warnings: list[str]) -> AccountSummary:
    """An overview as a sales user sees it."""
    orders, invoices, subscriptions = overview.open_orders, overview.unpaid_invoices, overview.subscriptions
    account = overview.account
    parts = (account.status, overview.credit.status, orders.status, invoices.status, subscriptions.status)
    if account.status is PartStatus.unavailable:
        warnings = [*warnings, f"{_NAME_NOT_READ} {account.reason or ''}".strip()]
    return AccountSummary(
        account_id=overview.account_id,
        account_name=overview.name,
        legal_entity=overview.legal_entity,
        complete=invoices.complete and all(part is PartStatus.available for part in parts),
        credit=_credit_summary(overview.credit),
        open_orders=OpenOrdersPart(
            availability=orders.status,
            unavailable_reason=orders.reason or "",
            orders=[_open_order_view(order) for order in orders.orders],
        ),
        unpaid_invoices=UnpaidInvoicesPart(
            availability=invoices.status,
            unavailable_reason=invoices.reason or "",
            complete=invoices.complete,
            totals=[
                CurrencyTotal(currency_iso_code=total.currency, amount_due=total.amount) for total in invoices.totals
            ],
            invoices=[invoice_view(invoice) for invoice in invoices.invoices],
        ),
        subscriptions=SubscriptionsPart(
            availability=subscriptions.status,
            unavailable_reason=subscriptions.reason or "",
            subscriptions=[_subscription_view(subscription) for subscription in subscriptions.subscriptions],
        ),
        warnings=warnings,
    )


def _credit_summary(part: process_answers.CreditPart) -> CreditSummary:
    credit = part.credit
    if credit is None:
        unknown = part.status is PartStatus.available
        return CreditSummary(
            availability=CreditAvailability.unknown_customer if unknown else CreditAvailability.unavailable,
            explanation=part.reason or "",
            decision=CreditDecision.unknown,
            limited=False,
            limit_amount="",
            exposure_amount="",
            available_amount="",
            currency_iso_code="",
        )
    return CreditSummary(
        availability=CreditAvailability.available,
        explanation=credit.reason,
        decision=credit.decision,
        limited=credit.limit is not None,
        limit_amount=amount_text(credit.limit),
        exposure_amount=amount_text(credit.exposure),
        available_amount=amount_text(credit.available),
        currency_iso_code=credit.exposure.currency,
    )


def _open_order_view(order: process_answers.OpenOrder) -> OpenOrderView:
    return OpenOrderView(
        order_id=order.order_id,
        quote_id=order.quote_id,
        status=order.status,
        status_text=STATUS_TEXTS[order.status],
        total_amount=amount_text(order.total),
        currency_iso_code=order.total.currency if order.total else "",
        created_at=order.created_at,
    )


def _subscription_view(subscription: process_answers.Subscription) -> SubscriptionView:
    period = subscription.period_amount
    return SubscriptionView(
        subscription_id=subscription.vendor_id or subscription.external_id,
        status=subscription.status,
        billing_period=subscription.recurrence.value if subscription.recurrence else "",
        period_amount=amount_text(period),
        currency_iso_code=period.currency if period else "",
        current_period_ends_at=subscription.current_period_ends_at or "",
        order_id=subscription.order_id or "",
        items=[
            SubscriptionItemView(
                sku=item.sku,
                quantity=item.quantity,
                net_unit_price=item.net_unit_price.amount,
                currency_iso_code=item.net_unit_price.currency,
            )
            for item in subscription.items
        ],
    )
