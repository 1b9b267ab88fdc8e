"""Sales over REST, as a client with a key makes them."""

from decimal import Decimal
from typing import Any

from sandbox.vendors.tryton.rest import RestClient

ACME, BLUEFIN, TIDEWATER = "SF:001QW0000000001YAA", "SF:001QW0000000002YAA", "SF:001QW0000000003YAA"


def find(client: RestClient, model: str, field: str, value: str, *fields: str) -> dict[str, Any]:
    [found] = client.search(model, [[field, "=", value]], fields or ("id",))
    return dict(found)


def create_sale(
    client: RestClient, customer: str, currency: str, tax: str, lines: dict[str, tuple[float, str]], reference: str
) -> int:
    """A draft sale of products by SKU: quantity and unit price."""
    party = find(client, "party.party", "identifiers.code", customer, "addresses.id", "customer_payment_term.id")
    address = party["addresses"][0]["id"]
    tax_id = find(client, "account.tax", "name", tax)["id"]
    records = []
    for sku, (quantity, price) in lines.items():
        product = find(client, "product.product", "code", sku, "sale_uom.id")
        line = {"product": product["id"], "unit": product["sale_uom"]["id"], "quantity": quantity}
        records.append({**line, "unit_price": Decimal(price), "taxes": [["add", [tax_id]]]})
    created = client.create(
        "sale.sale",
        {
            "party": party["id"],
            "invoice_address": address,
            "shipment_address": address,
            "currency": find(client, "currency.currency", "code", currency)["id"],
            "payment_term": party["customer_payment_term"]["id"],
            "reference": reference,
            "lines": [["create", records]],
        },
    )
    return int(created["id"])


def confirm(client: RestClient, sale: int) -> None:
    client.act("sale.sale", sale, "quote")
    client.act("sale.sale", sale, "confirm")
