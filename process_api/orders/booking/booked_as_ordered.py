"""Checks that a vendor holds what was ordered: each line's net amount, and the total, after every write and look-up.

The adapters compare what they have just created. This compares their answer with the order once more, including records
that an earlier request created and a look-up found: a 200 is no proof (docs/failures.md, row 24). Net amounts must be
equal to the cent; only tax may differ, by a vendor's rounding, and then the vendor's counts.
"""

from collections.abc import Sequence
from decimal import Decimal

from shared.canonical import BookedLine, ErpOrder, ErpOrderDraft, ErpOrderLine, Subscription, SubscriptionLine
from shared.canonical.money import minor_units
from shared.problem import Refused


def require_erp_order(order: ErpOrder, draft: ErpOrderDraft) -> None:
    """Raise Rejected (`read_back_mismatch`) unless the ERP's order has these lines and this net total."""
    differing = []
    if order.line_count != len(draft.lines):
        differing.append(f"it has {order.line_count} lines, not {len(draft.lines)}")
    expected = draft.expected_total.value - draft.expected_tax.value
    if order.total is None or order.tax is None or order.total.currency != draft.currency:
        differing.append(f"it does not come to an amount in {draft.currency}")
    else:
        net = order.total.value - order.tax.value
        if net != expected:
            differing.append(f"it comes to {net:f} before tax, not to {expected:f}")
        differing += _other_tax(order.tax.value, draft.expected_tax.value, len(draft.lines), draft.currency)
    differing += _other_lines(order.lines, draft.lines)
    _refuse(f"ERP order {order.number or order.vendor_id}", differing)


def require_subscription(
    subscription: Subscription, lines: list[SubscriptionLine], expected_tax: Decimal | None = None
) -> None:
    """Raise Rejected (`read_back_mismatch`) unless the subscription charges exactly these lines, and about this tax."""
    differing = _other_lines(subscription.lines, lines)
    held_items = sorted((item.sku, Decimal(item.quantity)) for item in subscription.items)
    if held_items != sorted((line.sku, Decimal(line.quantity)) for line in lines):
        differing.append("its items are others")
    expected = sum((line.net.value for line in lines), Decimal(0))
    held = subscription.period_amount
    if held is None or held.value != expected:
        differing.append(f"it charges {held.amount if held else 'nothing'} a period, not {expected:f}")
    if subscription.tax is not None and expected_tax is not None:
        tax = subscription.tax
        differing += _other_tax(tax.value, expected_tax, len(lines), tax.currency)
    _refuse(f"Subscription {subscription.vendor_id}", differing)


def _other_lines(held: list[BookedLine], ordered: Sequence[ErpOrderLine | SubscriptionLine]) -> list[str]:
    """Return the lines for which a vendor has another amount.

    Orders from before their lines had ids have none to compare.
    """
    if not held:
        return []
    amounts = {line.line_id: line.net_amount.value for line in held}
    return [
        f"{line.sku} comes to {amounts.get(line.line_id, Decimal(0)):f}, not to {line.net.value:f}"
        for line in ordered
        if line.line_id is not None and amounts.get(line.line_id) != line.net.value
    ]


def _other_tax(held: Decimal, expected: Decimal, lines: int, currency: str) -> list[str]:
    """Return a tax difference that is larger than rounding: one minor unit per line."""
    if abs(held - expected) <= Decimal(lines).scaleb(-minor_units(currency)):
        return []
    return [f"its tax is {held:f}, not {expected:f}"]


def _refuse(what: str, differing: list[str]) -> None:
    if differing:
        raise Refused(f"{what} is not what was ordered: {', '.join(differing)}.", reason_code="read_back_mismatch")
