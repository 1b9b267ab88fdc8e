"""Invoice items that are only previewed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.prices import ONE_TIME_DATA
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES
from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.invoices import items as invoice_items
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Boolean, Currency, Fields, Hash, Integer, Metadata, Number, Text

INVOICE_ITEMS: Fields = {
    "amount": Integer(),
    "currency": Currency(),
    "description": Text(),
    "discountable": Boolean(),
    "invoiceitem": Text(),
    "metadata": Metadata(),
    "period": Hash(fields={"end": Integer(required=True), "start": Integer(required=True)}),
    "price": Text(),
    "price_data": Hash(fields=ONE_TIME_DATA),
    "quantity": Integer(minimum=0),
    "tax_rates": TAX_RATES,
    "unit_amount": Integer(),
    "unit_amount_decimal": Number(),
}


def add_invoice_items(
    account: Account,
    wanted: list[Mapping[str, Any]],
    customer: Record,
    currency: str,
    subscription: Record | None,
) -> None:
    """Make or change pending invoice items for the rest of the dry run."""
    for index, entry in enumerate(wanted):
        params = dict(entry)
        item_id = params.pop("invoiceitem", None)
        if "price" in params:
            params["pricing"] = {"price": params.pop("price")}
        if "unit_amount" in params:
            params["unit_amount_decimal"] = params.pop("unit_amount")
        if item_id is not None:
            account.fetch("invoiceitem", item_id, param=f"invoice_items[{index}][invoiceitem]")
            params.pop("currency", None)
            invoice_items.update(Call(account, params, {"id": item_id}))
            continue
        if params.get("currency", currency) != currency:
            raise invalid(
                f"The currency of the invoice item must be that of the invoice, {currency}.",
                param=f"invoice_items[{index}][currency]",
            )
        params |= {"currency": currency, "customer": customer["id"]}
        if subscription is not None:
            params["subscription"] = subscription["id"]
        invoice_items.create(Call(account, params))
