"""Builds a sale in Tryton: lines whose prices yield the accepted amounts, terms and dates.

Tryton rounds quantity times unit price to the currency, half to even, line by line, and keeps four decimals of a unit
price unless its configuration says otherwise. Source: read from Tryton 8.2, and checked by the contract tests.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from shared.canonical import ErpOrderDraft, ErpOrderLine
from shared.canonical.money import minor_units
from shared.problem import Rejected
from shared.shortened import shortened
from system_api.erp.tryton.records import CompanyRecord, ProductRecord, date_object, decimal_object, line_note
from system_api.erp.tryton.rest import VENDOR
from system_api.vendor.line_prices import LinePart, LineRule, price_line

COMMENT_CHARS_MAX = 2000
_PURCHASE_ORDER = "PO {}"


def line_rule(company: CompanyRecord, unit_price_digits: int) -> LineRule:
    """Return how the company's books compute an amount from a quantity and a price."""
    currency = company.currency
    coin = currency.rounding.decimal if currency.rounding else Decimal(1).scaleb(-minor_units(currency.code))
    return LineRule(digits=unit_price_digits, coin=coin, rounding=ROUND_HALF_EVEN)


def sale_lines(
    draft: ErpOrderDraft, products: Mapping[str, ProductRecord], taxes: list[int], rule: LineRule
) -> list[dict[str, Any]]:
    """Return the sale's lines. Raises Rejected (`net_not_bookable`) for a line whose amount no prices yield."""
    return [
        _sale_line(draft, line, part, products[sku], taxes)
        for line in draft.lines
        for sku, part in _parts(line, rule, draft.rounding_sku)
    ]


def dates_and_terms(
    draft: ErpOrderDraft, lines: list[dict[str, Any]], products: Mapping[str, ProductRecord], company: CompanyRecord
) -> dict[str, Any]:
    """Return the sale's fields for its purchase order, its comment and its date.

    `lines` are the result of `sale_lines`.

    Later deliveries must not be invoiced before. Goods are invoiced when they are sent. Tryton would invoice services
    at once, so for those somebody has to press the button on the day.
    """
    fields: dict[str, Any] = {"comment": _comment(draft) or None}
    if draft.purchase_order_number:
        fields["description"] = _PURCHASE_ORDER.format(draft.purchase_order_number)
    requested_on = date.fromisoformat(draft.requested_on) if draft.requested_on else None
    # Tryton refuses a shipping date before the sale's own, which is the day in the company's time zone.
    if requested_on is not None and requested_on > company.today:
        sold = {line["product"] for line in lines}  # what rounding has added too
        only_goods = all(product.type == "goods" for product in products.values() if product.id in sold)
        fields["shipping_date"] = date_object(requested_on)
        fields["invoice_method"] = "fulfillment" if only_goods else "manual"
    return fields


def skus_of(draft: ErpOrderDraft) -> list[str]:
    """Return every product that the sale may need."""
    return [*(line.sku for line in draft.lines), *([draft.rounding_sku] if draft.rounding_sku else [])]


def _parts(line: ErpOrderLine, rule: LineRule, rounding_sku: str | None) -> list[tuple[str, LinePart]]:
    net, quantity = line.net.value, Decimal(line.quantity)
    parts = price_line(net, quantity, rule, line.net_unit_price.value)
    if parts is not None:
        return [(line.sku, part) for part in parts]
    price = net / quantity if quantity else Decimal(0)
    nearest = LinePart(quantity, price.quantize(rule.price_step))
    if rounding_sku is not None:
        rest = net - rule.amount(nearest)
        taken_up = price_line(rest, Decimal(1), rule)
        if taken_up is not None:
            return [(line.sku, nearest), *((rounding_sku, part) for part in taken_up)]
    raise Rejected(
        f"{line.description or line.sku}: {line.quantity} for {net:f} {line.net.currency} cannot be booked in the ERP, "
        f"which makes {rule.amount(nearest):f} of it.",
        reason_code="net_not_bookable",
        vendor=VENDOR,
    )


def _sale_line(
    draft: ErpOrderDraft, line: ErpOrderLine, part: LinePart, product: ProductRecord, taxes: list[int]
) -> dict[str, Any]:
    return {
        "product": product.id,
        "unit": product.sale_uom.id if product.sale_uom else None,
        "description": _description(draft, line) or None,
        "quantity": part.quantity,
        "unit_price": decimal_object(part.unit_price),
        # REST runs no on_change: a line without taxes is accepted, and fails when the invoice is posted.
        "taxes": [["add", taxes]],
        "note": line_note(line.line_id) if line.line_id else None,
    }


def _description(draft: ErpOrderDraft, line: ErpOrderLine) -> str:
    """Return the text that documents print for the line, with the customer's purchase order below it.

    Tryton copies neither description nor reference nor comment of a sale to its invoices, only each line's description;
    and an invoice need not have all lines of the sale. So each line names its order.
    """
    number = draft.purchase_order_number
    return "\n".join(each for each in (line.description, _PURCHASE_ORDER.format(number) if number else "") if each)


def _comment(draft: ErpOrderDraft) -> str:
    contact = draft.bill_to
    named = ", ".join(each for each in (contact.name, contact.email) if each) if contact else ""
    lines = [draft.comment]
    if named:
        lines.append(f"Invoice to: {named}")
    if draft.requested_on:
        lines.append(f"Requested for {draft.requested_on}; not to be invoiced before.")
    return shortened("\n".join(line for line in lines if line), COMMENT_CHARS_MAX)
