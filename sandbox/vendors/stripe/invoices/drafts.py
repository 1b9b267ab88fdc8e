"""Draft invoices and their lines."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.currencies import major_text, rounded
from sandbox.vendors.stripe.invoices.totals import calculate, line_amount
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid

# Stripe leaves the drafts that it makes itself open to changes for an hour.
DRAFT_S = 3_600


def pricing(price: Mapping[str, Any]) -> Record:
    """Return how a line or an invoice item names its price."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def _line(account: Account, **fields: Any) -> Record:
    return {
        "id": new_id("il"),
        "object": "line_item",
        "discount_amounts": [],
        "livemode": account.settings.livemode,
        "pretax_credit_amounts": [],
        "taxes": [],
    } | fields


def subscription_line(
    account: Account, subscription: Record, item: Record, start: int, end: int, usage: Decimal | None = None
) -> Record:
    """Return the line that charges a subscription item for one period: its quantity, or what was used."""
    quantity = Decimal(item["quantity"] or 0) if usage is None else usage
    price = account.fetch("price", item["price"])
    product = account.fetch("product", price["product"])
    each = f"{major_text(price['unit_amount_decimal'], price['currency'])} / {price['recurring']['interval']}"
    amount = line_amount(price["unit_amount_decimal"], quantity, price["currency"])
    return _line(
        account,
        amount=amount,
        currency=price["currency"],
        description=f"{quantity:f} × {product['name']} (at {each})",
        discountable=True,
        discounts=list(item["discounts"]),
        invoice=None,
        metadata=dict(subscription["metadata"]),
        parent={
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        period={"end": end, "start": start},
        pricing=pricing(price),
        quantity=rounded(quantity),
        quantity_decimal=format(quantity, "f"),
        subscription=subscription["id"],
        subtotal=amount,
        _tax_rates=item["tax_rates"] or None,
    )


def invoice_item_line(account: Account, item: Record, line_id: str | None = None) -> Record:
    """Return the line that an invoice item becomes; `line_id` keeps the identity of a line that is made anew."""
    subscription = (item["parent"] or {}).get("subscription_details") or {}
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None},
        "subscription": subscription.get("subscription"),
    }
    line = _line(
        account,
        amount=item["amount"],
        currency=item["currency"],
        description=item["description"],
        discountable=item["discountable"],
        discounts=list(item["discounts"]),
        invoice=item["invoice"],
        metadata=dict(item["metadata"]),
        parent={"invoice_item_details": details, "subscription_item_details": None, "type": "invoice_item_details"},
        period=dict(item["period"]),
        pricing=item["pricing"],
        quantity=item["quantity"],
        quantity_decimal=str(item["quantity"]),
        subscription=subscription.get("subscription"),
        subtotal=item["amount"],
        _tax_rates=item["tax_rates"] or None,
    )
    return line | ({"id": line_id} if line_id else {})


def draft_invoice(
    account: Account,
    customer: Record,
    *,
    currency: str,
    billing_reason: str,
    lines: list[Record],
    invoice_items: list[Record],
    subscription: Record | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Record:
    """Return a stored draft with these lines, and with these pending invoice items, which it takes up.

    Raises StripeError when an invoice item has another currency.
    """
    at = account.now(customer["test_clock"])
    invoice = account.new("invoice", new_id("in"), on_clock=customer["test_clock"], **_blank(customer, at))
    invoice |= {
        "billing_reason": billing_reason,
        "currency": currency,
        "customer": customer["id"],
        "test_clock": customer["test_clock"],
        "parent": None if subscription is None else _subscription_parent(subscription),
    } | dict(fields or {})
    for item in invoice_items:
        take_up(account, invoice, item)
    invoice["_lines"] = [line | {"invoice": invoice["id"]} for line in lines] + invoice["_lines"]
    if invoice["_days_until_due"] is not None:
        invoice["due_date"] = at + invoice["_days_until_due"] * 86_400
    calculate(account, invoice)
    account.store.put(invoice)
    if customer["currency"] is None:
        account.store.put(account.fetch_live("customer", customer["id"]) | {"currency": currency})
    account.emit("invoice.created", invoice)
    return invoice


def take_up(account: Account, invoice: Record, item: Record) -> None:
    """Make an invoice item a line of a draft, which is neither recalculated nor stored here."""
    if item["currency"] != invoice["currency"]:
        raise invalid(
            f"The currency of the invoice item ({item['currency']}) must match the invoice's ({invoice['currency']}).",
            param="currency",
        )
    item["invoice"] = invoice["id"]
    account.store.put(item)
    invoice["_lines"].append(invoice_item_line(account, item))


def redraw(account: Account, invoice: Record, item: Record | None, item_id: str) -> None:
    """Make the line of an invoice item anew after a change, or drop it when the item is gone; stores the draft."""
    before = account.shown(account.fetch("invoice", invoice["id"]))
    lines = []
    for line in invoice["_lines"]:
        details = line["parent"]["invoice_item_details"] or {}
        if details.get("invoice_item") != item_id:
            lines.append(line)
        elif item is not None:
            lines.append(invoice_item_line(account, item, line["id"]))
    invoice["_lines"] = lines
    calculate(account, invoice)
    account.store.put(invoice)
    account.emit_update("invoice.updated", before, invoice)


def pending_items(account: Account, customer_id: str, currency: str, subscription_id: str | None) -> list[Record]:
    """Return the invoice items that the customer's next invoice takes up, oldest first.

    An item that belongs to a subscription waits for an invoice of that subscription.
    """
    found = []
    waiting = account.store.scan("invoiceitem", customer=customer_id, invoice=None, currency=currency)
    for item in reversed(waiting):
        details = (item["parent"] or {}).get("subscription_details") or {}
        if details.get("subscription") in {None, subscription_id}:
            found.append(account.fetch("invoiceitem", item["id"]))
    return found


def _subscription_parent(subscription: Record) -> Record:
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
            "subscription_proration_date": None,
        },
        "type": "subscription_details",
    }


def subscription_of(invoice: Mapping[str, Any]) -> str | None:
    """Return the id of the subscription that an invoice belongs to."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return details.get("subscription")


def _blank(customer: Record, at: int) -> Record:
    return {
        "account_country": "DE",
        "account_name": "Quoteway sandbox",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None,
        },
        "automatically_finalizes_at": None,
        "collection_method": "charge_automatically",
        "custom_fields": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": customer["invoice_settings"]["footer"],
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": at,
        "period_start": at,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None,
        },
        "threshold_reason": None,
        "total_pretax_credit_amounts": [],
        "webhooks_delivered_at": None,
        "_days_until_due": None,
        "_lines": [],
        "_overdue_told": False,
    }  # fmt: skip
