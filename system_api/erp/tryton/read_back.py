"""What a sale holds, compared with what was ordered: customer, products, quantities and every sum."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from shared.canonical import ErpOrderDraft
from system_api.erp.contract import tax_rounding
from system_api.erp.tryton.records import SaleRecord


def differences(sale: SaleRecord, draft: ErpOrderDraft, buyer: str) -> list[str]:
    """Return in words where a sale is not the order; `buyer` is the id of the party that the order is for now."""
    expected_tax = draft.expected_tax.value
    expected_net = draft.expected_total.value - expected_tax
    tax, net = sale.tax_amount.decimal, sale.untaxed_amount.decimal
    differing = []
    if str(sale.party.id) != buyer:
        differing.append(f"its customer is {sale.party.id}, not {buyer}")
    if sale.currency.code != draft.currency:
        differing.append(f"its currency is {sale.currency.code}, not {draft.currency}")
    if sale.line_count != len(draft.lines):
        differing.append(f"it has {sale.line_count} lines, not {len(draft.lines)}")
    if net != expected_net:
        differing.append(f"its net amount is {net:f}, not {expected_net:f}")
    differing += _amounts(sale, draft) + _quantities(sale, draft)
    if abs(tax - expected_tax) > tax_rounding(draft):
        differing.append(f"its tax is {tax:f}, not {expected_tax:f}")
    if sale.total_amount.decimal != net + tax:
        differing.append(f"its total is {sale.total_amount.decimal:f}, not {net + tax:f}")
    return differing


def _amounts(sale: SaleRecord, draft: ErpOrderDraft) -> list[str]:
    """Which of the ordered lines come to another amount, the parts of a split one together."""
    held = sale.ordered_lines
    return [
        f"{line.sku} comes to {held.get(line.line_id, Decimal(0)):f}, not to {line.net.value:f}"
        for line in draft.lines
        if line.line_id is not None and held.get(line.line_id) != line.net.value
    ]


def _quantities(sale: SaleRecord, draft: ErpOrderDraft) -> list[str]:
    """Which products are sold in another quantity; the one that takes what prices cannot express is no quantity."""
    held = _sums((line.product.code if line.product else None, line.quantity) for line in sale.product_lines)
    ordered = _sums((line.sku, Decimal(line.quantity)) for line in draft.lines)
    return [
        f"it sells {held.get(sku, Decimal(0)):f} of {sku or 'no product'}, not {ordered.get(sku, Decimal(0)):f}"
        for sku in sorted({*held, *ordered} - {draft.rounding_sku or ""})
        if held.get(sku) != ordered.get(sku)
    ]


def _sums(quantities: Iterable[tuple[str | None, Decimal | None]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for sku, quantity in quantities:
        sums[sku or ""] += (quantity or Decimal(0)).normalize()
    return dict(sums)
