"""Quoteway_Order__c, the object of Quoteway's Salesforce package in which a seller sees where an order is."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import field

from shared.canonical import ReportedOrderStatus

FAILURE_REASON_CHARS_MAX = 1000
SUBSCRIPTIONS_CHARS_MAX = 100
_CENT = Decimal("0.01")


class OrderRecord(msgspec.Struct, frozen=True):
    """A Quoteway_Order__c, as far as a report needs it."""

    id: str = field(name="Id")
    version: Decimal | None = field(name="Version__c", default=None)
    status: str | None = field(name="Status__c", default=None)
    total: Decimal | None = field(name="Order_Total__c", default=None)


class UpsertAnswer(msgspec.Struct, frozen=True):
    """What an upsert answers."""

    id: str


def order_fields(report: ReportedOrderStatus) -> dict[str, Any]:
    """The report as fields of Quoteway_Order__c. What the report does not have is emptied: it is the whole truth."""
    return {
        "Account__c": report.account_id,
        "Quote__c": report.quote_id,
        "Status__c": report.status.value,
        "Version__c": report.version,
        "CurrencyIsoCode": report.currency,
        "Order_Total__c": report.total.value if report.total else None,
        "ERP_Order__c": report.erp_order_id,
        "ERP_Order_Number__c": report.erp_order_number,
        "Subscription__c": _joined(report.subscription_ids) or None,
        "Failure_Reason__c": _cut(report.failure_reason) or None,
    }


def differing_fields(held: OrderRecord, report: ReportedOrderStatus) -> list[str]:
    """In which fields a record that was read back differs from what was reported under the version that it holds."""
    differing = ["Status__c"] if held.status != report.status.value else []
    total = report.total.value if report.total else None
    # The org keeps two digits after the point, whatever the currency has.
    if (held.total is None) != (total is None) or (held.total and total and abs(held.total - total) >= _CENT):
        differing.append("Order_Total__c")
    return differing


def _joined(subscription_ids: list[str]) -> str:
    """As many whole ids as the field holds."""
    joined = ",".join(subscription_ids)
    if len(joined) <= SUBSCRIPTIONS_CHARS_MAX:
        return joined
    return joined[: joined.rindex(",", 0, SUBSCRIPTIONS_CHARS_MAX + 1)]


def _cut(text: str | None) -> str:
    if text is None or len(text) <= FAILURE_REASON_CHARS_MAX:
        return text or ""
    return text[: FAILURE_REASON_CHARS_MAX - 1] + "…"
