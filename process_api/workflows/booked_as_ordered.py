"""Whether a vendor holds what was ordered: line count and net total, after every write and every look-up.

The adapters compare what they have just made. This holds whatever they then answer against the order once more, also
what an earlier request made and a later look found: a 200 is no proof (FAILURES.md, row 24).
"""

from decimal import Decimal

from shared.canonical import ErpOrder, ErpOrderDraft, Subscription, SubscriptionItem, round_money
from shared.problem import Rejected


def require_erp_order(order: ErpOrder, draft: ErpOrderDraft) -> None:
    """Raise Rejected (`read_back_mismatch`) unless the ERP's order has these lines and comes to their net total."""
    differing = []
    if order.line_count != len(draft.lines):
        differing.append(f"it has {order.line_count} lines, not {len(draft.lines)}")
    expected = draft.expected_total.value - draft.expected_tax.value
    if order.total is None or order.tax is None or order.total.currency != draft.currency:
        differing.append(f"it does not come to an amount in {draft.currency}")
    elif order.total.value - order.tax.value != expected:
        differing.append(f"it comes to {order.total.value - order.tax.value:f} before tax, not to {expected:f}")
    _refuse(f"ERP order {order.number or order.vendor_id}", differing)


def require_subscription(subscription: Subscription, items: list[SubscriptionItem]) -> None:
    """Raise Rejected (`read_back_mismatch`) unless the subscription charges exactly these items."""
    differing = []
    if _sold(subscription.items) != _sold(items):
        differing.append("its items are others")
    expected = sum((round_money(_amount(item), item.net_unit_price.currency) for item in items), Decimal(0))
    held = subscription.period_amount
    if held is None or held.value != expected:
        differing.append(f"it charges {held.amount if held else 'nothing'} a period, not {expected:f}")
    _refuse(f"Subscription {subscription.vendor_id}", differing)


def _sold(items: list[SubscriptionItem]) -> list[tuple[str, Decimal, Decimal]]:
    return sorted((item.sku, Decimal(item.quantity), item.net_unit_price.value) for item in items)


def _amount(item: SubscriptionItem) -> Decimal:
    return Decimal(item.quantity) * item.net_unit_price.value


def _refuse(what: str, differing: list[str]) -> None:
    if differing:
        raise Rejected(f"{what} is not what was ordered: {', '.join(differing)}.", reason_code="read_back_mismatch")
