"""The lines of a credit note: parts of invoice lines, or lines of their own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES, usable_tax_rates
from sandbox.vendors.stripe.currencies import rounded, step
from sandbox.vendors.stripe.invoices.totals import tax_entries
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import Choice, Hash, Integer, Items, Metadata, Number, Text, merge_metadata

LINES = Items(
    of=Hash(
        fields={
            "amount": Integer(minimum=1),
            "description": Text(),
            "invoice_line_item": Text(),
            "metadata": Metadata(),
            "quantity": Integer(minimum=1),
            "tax_rates": TAX_RATES,
            "type": Choice(words=("custom_line_item", "invoice_line_item"), required=True),
            "unit_amount": Integer(minimum=0),
            "unit_amount_decimal": Number(minimum=Decimal(0)),
        }
    )
)


def credit_lines(
    account: Account, invoice: Record, lines: list[Mapping[str, Any]] | None, amount: int | None
) -> list[Record]:
    """Return the lines that a request asks for; an `amount` becomes one line of its own, tax included.

    Raises StripeError for a line that names no line of the invoice, or credits more than it.
    """
    if lines is None:
        return [_line(account, amount=amount, description="Credit", type="custom_line_item")]
    made = []
    for index, wanted in enumerate(lines):
        param = f"lines[{index}]"
        if wanted["type"] == "invoice_line_item":
            made.append(_part_of_invoice_line(account, invoice, wanted, param))
        else:
            made.append(_custom_line(account, invoice["currency"], wanted, param))
    return made


def _part_of_invoice_line(account: Account, invoice: Record, wanted: Mapping[str, Any], param: str) -> Record:
    line_id = wanted.get("invoice_line_item", "")
    line = next((line for line in invoice["_lines"] if line["id"] == line_id), None)
    if line is None:
        raise no_such("line item", line_id, param=f"{param}[invoice_line_item]")
    if ("amount" in wanted) == ("quantity" in wanted):
        raise invalid("You must specify exactly one of `amount` and `quantity`.", param=f"{param}[quantity]")
    if "quantity" in wanted:
        share = Decimal(wanted["quantity"]) / line["quantity"]
    else:
        share = Decimal(wanted["amount"]) / line["amount"]
    if share > 1:
        raise invalid("A line of a credit note can't credit more than the line of the invoice.", param=param)
    coin = step(invoice["currency"])
    discounts = [
        {"amount": rounded(entry["amount"] * share, coin), "discount": entry["discount"]}
        for entry in line["discount_amounts"]
    ]
    taxes = [
        tax
        | {
            "amount": rounded(tax["amount"] * share, coin),
            "taxable_amount": rounded(tax["taxable_amount"] * share, coin),
        }
        for tax in line["taxes"]
    ]
    return _line(
        account,
        amount=rounded(line["amount"] * share, coin),
        description=wanted.get("description", line["description"]),
        discount_amount=sum(entry["amount"] for entry in discounts),
        discount_amounts=discounts,
        invoice_line_item=line["id"],
        metadata=merge_metadata({}, wanted.get("metadata")),
        quantity=wanted.get("quantity"),
        taxes=taxes,
        tax_rates=[tax["tax_rate_details"]["tax_rate"] for tax in taxes],
        type="invoice_line_item",
        unit_amount_decimal=line["pricing"]["unit_amount_decimal"] if "quantity" in wanted else None,
    )


def _custom_line(account: Account, currency: str, wanted: Mapping[str, Any], param: str) -> Record:
    if ("unit_amount" in wanted) == ("unit_amount_decimal" in wanted):
        raise invalid(
            "A custom line has exactly one of `unit_amount` and `unit_amount_decimal`.", param=f"{param}[unit_amount]"
        )
    unit = Decimal(wanted.get("unit_amount", wanted.get("unit_amount_decimal")))
    quantity = wanted.get("quantity", 1)
    amount = rounded(unit * quantity, step(currency))
    tax_rates = usable_tax_rates(account, wanted.get("tax_rates"), param=f"{param}[tax_rates]")
    return _line(
        account,
        amount=amount,
        description=wanted.get("description"),
        metadata=merge_metadata({}, wanted.get("metadata")),
        quantity=quantity,
        taxes=tax_entries(account, amount, tax_rates, currency),
        tax_rates=tax_rates,
        type="custom_line_item",
        unit_amount=int(unit) if unit == unit.to_integral_value() else None,
        unit_amount_decimal=str(unit),
    )


def _line(account: Account, **fields: Any) -> Record:
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "description": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": None,
        "livemode": account.settings.livemode,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": [],
        "unit_amount": None,
        "unit_amount_decimal": None,
    } | fields
