"""The catalogue that a sandbox begins with, made by the API's own operations."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.vendors.stripe.account import Account, Origin
from sandbox.vendors.stripe.catalogue import prices, products
from sandbox.vendors.stripe.currencies import minor_units
from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.store import new_id


def lookup_key(sku: str, currency: str, recurrence: str) -> str:
    """Return how a seeded price is found: `MON-STD-EUR-month`."""
    return f"{sku}-{currency}-{recurrence}"


def seed(account: Account, directory: Path) -> None:
    """Make the products of `products.toml` that billing knows, with a price for each currency.

    Raises OSError or tomllib.TOMLDecodeError when the file can't be read, KeyError for a product that lacks a field.
    """
    catalogue = tomllib.loads((directory / "products.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    with account.transaction(Origin(new_id("req", 14), seeding=True)):
        for product in catalogue["product"]:
            if "stripe" in product.get("systems", ["stripe"]):
                _seed_product(account, product)


def _seed_product(account: Account, product: Mapping[str, Any]) -> None:
    sku, recurrence = product["sku"], product["recurrence"]
    fields = {"id": sku, "name": product["name"], "active": True, "metadata": {"sku": sku}}
    products.create(Call(account, fields))
    for currency, amount in product["price"].items():
        price: dict[str, Any] = {
            "currency": currency.lower(),
            "lookup_key": lookup_key(sku, currency, recurrence),
            "metadata": {"sku": sku},
            "product": sku,
            "unit_amount_decimal": minor_units(Decimal(amount), currency),
        }
        if recurrence != "none":
            price["recurring"] = {"interval": recurrence}
        prices.create(Call(account, price))
