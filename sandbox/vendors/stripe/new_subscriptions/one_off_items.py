"""What a subscription's first invoice charges once (`add_invoice_items`)."""

from __future__ import annotations

from sandbox.vendors.stripe.catalogue.prices import ONE_TIME_DATA, inline_price, usable_price
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES, usable_tax_rates
from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.invoices.drafts import pricing
from sandbox.vendors.stripe.invoices.items import make_invoice_item
from sandbox.vendors.stripe.invoices.totals import line_amount
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Hash, Integer, Items, Metadata, Text, merge_metadata

ONE_OFF_ITEMS = Items(
    of=Hash(
        fields={
            "metadata": Metadata(),
            "price": Text(),
            "price_data": Hash(fields=ONE_TIME_DATA),
            "quantity": Integer(minimum=0),
            "tax_rates": TAX_RATES,
        }
    ),
    count_max=20,
)


def add_one_off_items(call: Call, subscription: Record, customer: Record) -> None:
    """Make pending invoice items for the subscription's next invoice."""
    account = call.account
    for index, wanted in enumerate(call.params.get("add_invoice_items", [])):
        where = f"add_invoice_items[{index}]"
        if ("price" in wanted) == ("price_data" in wanted):
            raise invalid("You must specify exactly one of price and price_data.", param=f"{where}[price]")
        price = (
            usable_price(account, wanted["price"], recurring=False, param=f"{where}[price]")
            if "price" in wanted
            else inline_price(account, wanted["price_data"])
        )
        if price["currency"] != subscription["currency"]:
            raise invalid(
                f"The price is in {price['currency']}, and the subscription in {subscription['currency']}.",
                param=f"{where}[price]",
            )
        quantity = wanted.get("quantity", 1)
        item = make_invoice_item(
            account,
            customer,
            amount=line_amount(price["unit_amount_decimal"], quantity, price["currency"]),
            currency=price["currency"],
            description=account.fetch("product", price["product"])["name"],
            metadata=merge_metadata({}, wanted.get("metadata")),
            parent={
                "subscription_details": {"subscription": subscription["id"], "subscription_item": None},
                "type": "subscription_details",
            },
            pricing=pricing(price),
            quantity=quantity,
            tax_rates=usable_tax_rates(account, wanted.get("tax_rates"), param=f"{where}[tax_rates]"),
        )
        account.emit("invoiceitem.created", item)
