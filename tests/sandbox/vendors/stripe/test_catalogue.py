"""Products, prices, plans, coupons and tax rates; and the seed."""

from __future__ import annotations

import tomllib
from decimal import Decimal

import pytest
import stripe

from tests.sandbox.vendors.stripe.running_sandbox import SEED, RunningSandbox


def test_the_seed_is_what_the_file_says(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    products = tomllib.loads((SEED / "products.toml").read_text())["product"]
    sold = [product for product in products if "stripe" in product.get("systems", ["stripe"])]
    assert len(sold) < len(products), "the file leaves a product out of billing on purpose"
    for product in sold:
        known = client.v1.products.retrieve(product["sku"])
        assert (known.name, known.active, known.metadata["sku"]) == (product["name"], True, product["sku"])
        for currency, amount in product["price"].items():
            key = f"{product['sku']}-{currency}-{product['recurrence']}"
            (price,) = client.v1.prices.list({"lookup_keys": [key]}).data
            assert price.unit_amount_decimal == Decimal(amount) * 100
            assert price.currency == currency.lower()
            assert price.product == product["sku"]
            interval = price.recurring.interval if price.recurring else "none"
            assert interval == product["recurrence"]
    absent = {product["sku"] for product in products} - {product["sku"] for product in sold}
    for sku in absent:
        with pytest.raises(stripe.InvalidRequestError, match="No such product"):
            client.v1.products.retrieve(sku)
    seeded = [entry for entry in sandbox.journal("product") if entry["action"] == "seeded"]
    assert {entry["object_id"] for entry in seeded} == {product["sku"] for product in sold}


def test_products_are_found_changed_and_deleted(client: stripe.StripeClient) -> None:
    made = client.v1.products.create({"id": "PROBE-1", "name": "Probe", "active": False})
    assert made.id == "PROBE-1"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.products.create({"id": "PROBE-1", "name": "Probe again"})
    assert refused.value.code == "resource_already_exists"
    assert client.v1.products.update("PROBE-1", {"active": True, "description": "x"}).description == "x"
    assert [p.id for p in client.v1.products.list({"ids": ["PROBE-1", "MON-STD"]}).data] == ["PROBE-1", "MON-STD"]
    client.v1.prices.create({"product": "PROBE-1", "currency": "eur", "unit_amount": 1})
    with pytest.raises(stripe.InvalidRequestError, match="one or more user-created prices"):
        client.v1.products.delete("PROBE-1")
    unused = client.v1.products.create({"name": "unused"})
    assert client.v1.products.delete(unused.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.products.retrieve(unused.id)
    assert gone.value.http_status == 404


def test_unit_amounts_are_exact_decimals(client: stripe.StripeClient) -> None:
    fine = client.v1.prices.create(
        {"product": "MON-STD", "currency": "EUR", "unit_amount_decimal": Decimal("0.050000000001")}
    )
    assert (fine.unit_amount, fine.unit_amount_decimal) == (None, Decimal("0.050000000001"))
    whole = client.v1.prices.create({"product": "MON-STD", "currency": "eur", "unit_amount_decimal": Decimal("490.00")})
    assert (whole.unit_amount, whole.unit_amount_decimal) == (490, Decimal(490))
    with pytest.raises(stripe.InvalidRequestError, match="twelve decimal places"):
        client.v1.prices.create(
            {"product": "MON-STD", "currency": "eur", "unit_amount_decimal": Decimal("0.0500000000001")}
        )
    with pytest.raises(stripe.InvalidRequestError, match="exactly one"):
        client.v1.prices.create({"product": "MON-STD", "currency": "eur"})


def test_lookup_keys_are_unique_and_can_be_transferred(client: stripe.StripeClient) -> None:
    wanted: stripe.params.PriceCreateParams = {
        "product": "MON-STD",
        "currency": "eur",
        "unit_amount": 500,
        "lookup_key": "transferable",
    }
    first = client.v1.prices.create(wanted)
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        client.v1.prices.create(wanted)
    second = client.v1.prices.create({**wanted, "transfer_lookup_key": True})
    assert client.v1.prices.retrieve(first.id).lookup_key is None
    assert [price.id for price in client.v1.prices.list({"lookup_keys": ["transferable"]}).data] == [second.id]


def test_prices_are_filtered_by_type_product_and_recurrence(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "filtered"}).id
    once = client.v1.prices.create({"product": product, "currency": "eur", "unit_amount": 1})
    yearly = client.v1.prices.create(
        {"product": product, "currency": "usd", "unit_amount": 2, "recurring": {"interval": "year"}}
    )
    client.v1.prices.update(yearly.id, {"active": False})

    def ids(**filters: object) -> set[str]:
        found = client.v1.prices.list({"product": product, **filters})  # type: ignore[arg-type] # any filter
        return {price.id for price in found.data}

    assert ids() == {once.id, yearly.id}
    assert ids(type="one_time") == {once.id}
    assert ids(recurring={"interval": "year"}) == {yearly.id}
    assert ids(recurring={"interval": "month"}) == set()
    assert ids(active=True) == {once.id}
    assert ids(currency="usd") == {yearly.id}


def test_a_plan_is_a_recurring_price(client: stripe.StripeClient) -> None:
    plan = client.v1.plans.create(
        {"id": "pro-yearly", "currency": "eur", "interval": "year", "amount": 9900, "product": {"name": "Pro"}}
    )
    assert (plan.id, plan.amount, plan.interval) == ("pro-yearly", 9900, "year")
    price = client.v1.prices.retrieve("pro-yearly")
    assert price.recurring is not None
    assert (price.unit_amount, price.recurring.interval) == (9900, "year")
    assert client.v1.plans.retrieve("pro-yearly").product == price.product
    assert client.v1.plans.delete("pro-yearly").deleted is True


def test_coupons(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 12.5, "duration": "forever", "name": "Launch"})
    assert coupon.percent_off == 12.5
    assert client.v1.coupons.update(coupon.id, {"name": "Start"}).name == "Start"
    with pytest.raises(stripe.InvalidRequestError, match="exactly one of percent_off and amount_off"):
        client.v1.coupons.create({"percent_off": 5, "amount_off": 5, "currency": "eur"})
    assert client.v1.coupons.delete(coupon.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        client.v1.coupons.retrieve(coupon.id)


def test_tax_rates(client: stripe.StripeClient) -> None:
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 7.25, "inclusive": False, "country": "US"})
    assert (rate.percentage, rate.inclusive, rate.country) == (7.25, False, "US")
    assert client.v1.tax_rates.update(rate.id, {"active": False}).active is False
    with pytest.raises(stripe.InvalidRequestError, match="inclusive"):
        client.v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": True})
