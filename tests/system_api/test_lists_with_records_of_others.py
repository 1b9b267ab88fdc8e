"""Other programs' records in the same account or company never hide the rest of a list.

Tiers, packages, usage, another currency's price, a status of a later version, texts that we would refuse: each is shown
as far as possible, or left out and counted.
"""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.canonical import Recurrence, SubscriptionStatus
from shared.problem import Rejected
from system_api.billing.stripe.adapter import Stripe
from system_api.erp.tryton.adapter import Tryton
from tests.system_api.billing.drafts import monthly
from tests.system_api.conftest import stripe_connection
from tests.system_api.erp.conftest import tryton_connection
from tests.system_api.transports import Scripted, said

ACCOUNT = "001QW0000000001YAA"
MONTH: dict[str, Any] = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
PRICE: dict[str, Any] = {
    "id": "price_1",
    "currency": "eur",
    "product": "prod_1",
    "unit_amount_decimal": "490",
    "recurring": MONTH,
}
OTHERS: dict[str, dict[str, Any]] = {
    "tiered": {**PRICE, "billing_scheme": "tiered", "unit_amount": None, "unit_amount_decimal": None},
    "metered": {**PRICE, "recurring": {**MONTH, "usage_type": "metered", "meter": "mtr_1"}},
    "package": {**PRICE, "transform_quantity": {"divide_by": 10, "round": "up"}},
    "custom amount": {**PRICE, "unit_amount_decimal": None, "custom_unit_amount": {"minimum": 100}},
    "another currency": {**PRICE, "currency": "usd"},
}


def item(price: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"id": "si_1", "price": price, "quantity": 2, "metadata": {}, **changes}


def subscription(id_: str, *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    listed = {"object": "list", "data": list(items), "has_more": False}
    known = {"id": id_, "status": "active", "customer": "cus_1", "currency": "eur", "metadata": {}, "items": listed}
    return {**known, **changes}


def account(*subscriptions: dict[str, Any], invoices: list[dict[str, Any]] | None = None) -> Scripted:
    customer = {"id": "cus_1", "metadata": {"quoteway_account_id": ACCOUNT}}
    vendor = Scripted().on("GET", "/v1/customers/search", said(200, {"data": [customer]}))
    vendor.on("GET", "/v1/customers", said(200, {"data": []}))
    vendor.on("GET", "/v1/subscriptions", said(200, {"data": list(subscriptions)}))
    return vendor.on("GET", "/v1/invoices", said(200, {"data": invoices or [], "has_more": bool(invoices)}))


def billing_of(vendor: Scripted) -> Stripe:
    return Stripe(stripe_connection("http://stripe.test"), vendor)


@pytest.mark.parametrize("price", OTHERS.values(), ids=OTHERS)
async def test_a_price_that_is_not_by_the_unit_hides_no_other_subscription(price: dict[str, Any]) -> None:
    ours = item(PRICE, metadata={"quoteway_line_id": "1", "quoteway_sku": "MON-STD"})
    strange = item(price, **({"quantity": None} if "meter" in price["recurring"] else {}))
    billing = billing_of(account(subscription("sub_1", ours), subscription("sub_2", ours, strange)))

    first, second = await billing.list_subscriptions(ACCOUNT)

    assert first.period_amount is not None
    assert (first.period_amount.amount, first.items_not_shown) == ("9.80", 0)
    assert [each.sku for each in second.items] == ["MON-STD"]
    assert [each.net_amount.amount for each in second.lines] == ["9.80"]
    assert (second.period_amount, second.items_not_shown) == (None, 1)
    await billing.close()


@pytest.mark.parametrize(
    "strange",
    [
        {"currency": "usdc"},
        {"items": {"data": [{"id": "si_1", "price": None}]}},
        {"metadata": {"quoteway_order_id": "an order, says somebody"}},
        {"items": {"data": [item({**PRICE, "product": "p" * 80})]}},
    ],
    ids=["currency", "no price", "metadata of others", "a long name"],
)
async def test_unreadable_subscription_is_listed_with_its_basic_fields(strange: dict[str, Any]) -> None:
    ended = subscription("sub_3", **{**strange, "status": "canceled"})
    billing = billing_of(account(subscription("sub_1", item(PRICE)), subscription("sub_2", **strange), ended))

    first, second = await billing.list_subscriptions(ACCOUNT)

    assert first.period_amount is not None
    assert (second.external_id, second.status, second.items_not_shown) == ("sub_2", SubscriptionStatus.active, 1)
    assert (second.items, second.period_amount) == ([], None)
    await billing.close()


async def test_unreadable_subscriptions_do_not_hide_the_one_searched_for() -> None:
    ours = subscription("sub_1", item(PRICE), metadata={"quoteway_external_id": "ord-1:month"})
    strange = [subscription(f"sub_{number}", item(price)) for number, price in enumerate(OTHERS.values(), 2)]
    strange.append(subscription("sub_9", items={"data": [{"id": "si_1", "price": None}]}))
    vendor = account(ours, *strange).on("GET", "/v1/subscriptions/search", said(200, {"data": [ours, *strange]}))
    billing = billing_of(vendor)

    assert (await billing.find_subscription("ord-1:month")).vendor_id == "sub_1"
    await billing.close()


async def test_an_item_that_others_added_to_an_order_is_a_mismatch() -> None:
    draft = monthly("cus_1", ACCOUNT)
    held = [item(PRICE, quantity=20, metadata={"quoteway_sku": "MON-STD"}), item(OTHERS["metered"], quantity=None)]
    billing = billing_of(account(subscription("sub_1", *held, metadata={"quoteway_external_id": "ord-1:month"})))

    with pytest.raises(Rejected, match="items, period amount") as raised:
        await billing.create_subscription("ord-1:month", draft)

    assert raised.value.reason_code == "read_back_mismatch"
    await billing.close()


@pytest.mark.parametrize("name", ["tiered", "metered", "package", "custom amount"])
async def test_foreign_price_under_our_lookup_key_is_ignored(name: str) -> None:
    prices = [
        {**PRICE, "id": "price_2", "lookup_key": "MON-STD-EUR-month"},
        {**OTHERS[name], "lookup_key": "USE-STD-EUR-month"},
    ]
    billing = billing_of(Scripted().on("GET", "/v1/prices", said(200, {"data": prices})))

    found = await billing.list_prices({"MON-STD": [Recurrence.month], "USE-STD": [Recurrence.month]}, "EUR")

    assert {sku: price.amount for (sku, _), price in found.items()} == {"MON-STD": "4.90"}
    await billing.close()


def invoice(id_: str, **changes: Any) -> dict[str, Any]:
    known = {
        "id": id_,
        "currency": "eur",
        "total": 1000,
        "amount_remaining": 1000,
        "status": "open",
        "customer": "cus_1",
    }
    return {**known, **changes}


@pytest.mark.parametrize(
    "strange", [{"status": "invented_later"}, {"currency": "usdc"}, {"total": None}, {"number": "N" * 300}]
)
async def test_an_invoice_of_billing_that_is_not_understood_is_counted(strange: dict[str, Any]) -> None:
    billing = billing_of(account(invoices=[invoice("in_2"), invoice("in_1", **strange)]))

    page = await billing.list_invoices(ACCOUNT, open_only=False, limit=2, cursor=None)

    assert [each.vendor_id for each in page.invoices] == ["in_2"]
    assert (page.not_shown, page.next_cursor) == (1, "in_1")
    await billing.close()


PARTY = {
    "id": 7,
    "code": "C-7",
    "name": "Acme",
    "addresses": [],
    "credit_amount": {"decimal": "0"},
    "credit_limit_amount": None,
    "customer_payment_term": None,
    "identifiers": [{"id": 1, "code": f"SF:{ACCOUNT}"}],
}


def erp_invoice(id_: int, **changes: Any) -> dict[str, Any]:
    known = {"id": id_, "state": "posted", "number": f"{id_}", "total_amount": {"decimal": "10.00"}}
    known |= {"amount_to_pay": {"decimal": "10.00"}, "currency": {"id": 1, "code": "EUR"}, "lines_to_pay": []}
    return {**known, "invoice_date": {"year": 2026, "month": 11, "day": 30}, "sales": [], **changes}


@pytest.mark.parametrize(
    "strange",
    [
        {"state": "invented_later"},
        {"total_amount": {"decimal": "1.23456789"}},
        {"sales": [{"reference": "PO 12 of somebody's"}]},
    ],
)
async def test_an_invoice_of_the_erp_that_is_not_understood_is_counted(strange: dict[str, Any]) -> None:
    found = [erp_invoice(3), erp_invoice(2, **strange), erp_invoice(1)]
    vendor = Scripted().on("GET", "/party.party", said(200, [PARTY]))
    erp = Tryton(tryton_connection("http://tryton.test"), vendor.on("GET", "/account.invoice", said(200, found)))

    page = await erp.list_invoices(ACCOUNT, open_only=False, limit=2, cursor=None)

    assert [each.vendor_id for each in page.invoices] == ["3"]
    assert (page.not_shown, page.next_cursor) == (1, "2")
    await erp.close()


async def test_a_price_of_more_digits_than_money_has_hides_no_other() -> None:
    products = [
        {"id": number, "code": code, "salable": True, "list_price_used": {"decimal": price}, "sale_uom": {"id": 1}}
        for number, (code, price) in enumerate({"A": "4.90", "B": "0.12345678"}.items())
    ]
    erp = Tryton(tryton_connection("http://tryton.test"), Scripted().on("GET", "/product.product", said(200, products)))

    found = await erp.list_prices(["A", "B"], "EUR")

    assert {sku: sold.price.amount for sku, sold in found.items()} == {"A": "4.90", "B": "0.123457"}
    await erp.close()


_KEYS = ["data", "id", "price"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["data", "id", "price"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_FIELDS = ["currency", "metadata", "items", "default_tax_rates", "latest_invoice", "created", "customer"]


@settings(max_examples=60, deadline=None)
@given(strange=st.dictionaries(st.sampled_from(_FIELDS), _JSON, min_size=1))
async def test_no_subscription_hides_the_others(strange: dict[str, Any]) -> None:
    raw = json.dumps({"data": [subscription("sub_1", item(PRICE)), subscription("sub_2", **strange)]})
    vendor = account().on("GET", "/v1/subscriptions", httpx.Response(200, content=raw.encode()))
    billing = billing_of(vendor)

    first, second = await billing.list_subscriptions(ACCOUNT)

    assert (first.vendor_id, second.vendor_id) == ("sub_1", "sub_2")
    assert first.period_amount is not None
    await billing.close()
