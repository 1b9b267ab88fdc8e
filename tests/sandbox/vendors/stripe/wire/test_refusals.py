"""What Stripe refuses, and the sandbox with it: recipients, currencies, amounts, prices used twice, tax ids."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vendors.stripe import currencies
from sandbox.vendors.stripe.currencies import rounded
from sandbox.vendors.stripe.customers import tax_id_formats
from sandbox.vendors.stripe.invoices.totals import line_amount
from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.running_sandbox import UNLIMITED, RunningSandbox, running_sandbox, sdk

SENT: Any = {"collection_method": "send_invoice", "days_until_due": 30}


def refused(call: object, *arguments: object) -> stripe.InvalidRequestError:
    """The refusal of a call."""
    with pytest.raises(stripe.InvalidRequestError) as told:
        call(*arguments)  # type: ignore[operator] # a method of the SDK
    return told.value


@pytest.fixture(scope="module")
def usd_monthly(client: stripe.StripeClient) -> stripe.Price:
    return client.v1.prices.list({"lookup_keys": ["MON-STD-USD-month"]}).data[0]


@pytest.fixture
def tenth(client: stripe.StripeClient) -> stripe.Price:
    """A price that no other test has, in tenths of a cent."""
    return client.v1.prices.create(
        {
            "product_data": {"name": "Monitoring Standard, per sensor and month"},
            "currency": "eur",
            "unit_amount_decimal": Decimal("0.1"),
            "recurring": {"interval": "month"},
        }
    )


# -- recipients


def test_a_customer_without_email_gets_no_sent_invoice(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    nobody = new_customer(email="")
    items: Any = [{"price": monthly.id}]
    charged = client.v1.subscriptions.create({"customer": nobody.id, "items": items})
    for call, arguments in (
        (client.v1.subscriptions.create, ({"customer": nobody.id, "items": items, **SENT},)),
        (client.v1.subscriptions.update, (charged.id, SENT)),
        (client.v1.invoices.create, ({"customer": nobody.id, "currency": "eur", **SENT},)),
    ):
        told = refused(call, *arguments)
        assert (told.http_status, told.param) == (400, None)
        assert str(told.user_message).startswith("Missing email. In order to create invoices that are sent")
    client.v1.customers.update(nobody.id, {"email": "ap@acme.example"})
    assert client.v1.subscriptions.update(charged.id, SENT).collection_method == "send_invoice"


def test_a_missing_email_is_remembered_under_the_key(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    nobody = new_customer(email="")
    wanted: Any = {"customer": nobody.id, "items": [{"price": monthly.id}], **SENT}
    refused(client.v1.subscriptions.create, wanted, {"idempotency_key": f"to-{nobody.id}"})
    client.v1.customers.update(nobody.id, {"email": "ap@acme.example"})
    told = refused(client.v1.subscriptions.create, wanted, {"idempotency_key": f"to-{nobody.id}"})
    assert "Missing email" in str(told.user_message)
    assert client.v1.subscriptions.create(wanted, {"idempotency_key": f"again-{nobody.id}"}).status == "active"


def test_an_email_has_the_form_of_one(client: stripe.StripeClient) -> None:
    told = refused(client.v1.customers.create, {"email": "nobody"})
    assert (told.code, told.param) == ("email_invalid", "email")


# -- one currency for a customer


def test_a_second_currency_is_refused_while_the_first_runs(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, usd_monthly: stripe.Price
) -> None:
    customer = new_customer()
    first = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    in_dollars: Any = {"customer": customer.id, "items": [{"price": usd_monthly.id}]}
    told = refused(client.v1.subscriptions.create, in_dollars)
    assert "You cannot combine currencies on a single customer" in str(told.user_message)
    assert "with currency eur" in str(told.user_message)
    refused(client.v1.invoice_items.create, {"customer": customer.id, "currency": "usd", "amount": 100})
    one_off = client.v1.invoices.create({"customer": customer.id, "currency": "usd"})
    client.v1.invoice_items.create({"invoice": one_off.id, "amount": 100})
    assert client.v1.invoices.finalize_invoice(str(one_off.id)).currency == "usd"
    client.v1.subscriptions.cancel(first.id)
    client.v1.subscriptions.create(in_dollars)
    assert client.v1.customers.retrieve(customer.id).currency == "usd"


def test_a_pending_item_holds_its_currency(
    client: stripe.StripeClient, new_customer: NewCustomer, usd_monthly: stripe.Price
) -> None:
    customer = new_customer()
    item = client.v1.invoice_items.create({"customer": customer.id, "currency": "eur", "amount": 100})
    in_dollars: Any = {"customer": customer.id, "items": [{"price": usd_monthly.id}]}
    assert "with currency eur" in str(refused(client.v1.subscriptions.create, in_dollars).user_message)
    client.v1.invoice_items.delete(str(item.id))
    assert client.v1.subscriptions.create(in_dollars).currency == "usd"


def test_all_items_of_the_only_subscription_may_change_currency(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, usd_monthly: stripe.Price
) -> None:
    customer = new_customer()
    running = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    item = running["items"].data[0].id
    change = {"items": [{"id": item, "price": usd_monthly.id}], "proration_behavior": "none"}
    assert client.v1.subscriptions.update(running.id, change).currency == "usd"  # type: ignore[arg-type]  # a merged dict is no TypedDict


def test_an_amount_off_is_in_the_currency_it_is_taken_from(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    coupon = client.v1.coupons.create({"amount_off": 100, "currency": "usd"}).id
    wanted = {"customer": new_customer().id, "items": [{"price": monthly.id}], "discounts": [{"coupon": coupon}]}
    assert refused(client.v1.subscriptions.create, wanted).param == "discounts[0][coupon]"


# -- the same price twice, and quantities


def test_a_price_is_on_one_item_of_a_subscription(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, tenth: stripe.Price
) -> None:
    customer = new_customer()
    twice = {"customer": customer.id, "items": [{"price": monthly.id}, {"price": monthly.id, "quantity": 2}]}
    told = refused(client.v1.subscriptions.create, twice)
    assert str(told.user_message) == f"Cannot add multiple subscription items with the same plan: {monthly.id}"
    running = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": monthly.id}, {"price": tenth.id, "quantity": 1005}]}
    )
    for call, arguments in (
        (client.v1.subscription_items.create, ({"subscription": running.id, "price": monthly.id},)),
        (client.v1.subscription_items.update, (running["items"].data[1].id, {"price": monthly.id})),
    ):
        assert "the same plan" in str(refused(call, *arguments).user_message)


def test_a_subscription_has_whole_units_only(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    wanted = {"customer": new_customer().id, "items": [{"price": monthly.id, "quantity": "1.5"}]}
    told = refused(client.v1.subscriptions.create, wanted)
    assert (told.code, told.param) == ("parameter_invalid_integer", "items[0][quantity]")
    assert str(told.user_message) == "Invalid integer: 1.5"


# -- minor units


def test_an_unknown_currency_is_refused_with_the_known_ones(client: stripe.StripeClient) -> None:
    told = refused(
        client.v1.prices.create,
        {"product_data": {"name": "Monitoring Standard, per sensor and month"}, "currency": "xyz", "unit_amount": 1},
    )
    assert str(told.user_message).startswith("Invalid currency: xyz. Stripe currently supports these currencies: aed,")


@pytest.mark.parametrize(
    ("currency", "bad", "good"), [("isk", 150, 15_000), ("ugx", 150, 15_000), ("kwd", 5_124, 5_120), ("jpy", None, 501)]
)
def test_a_price_has_no_coins_smaller_than_its_currency(
    client: stripe.StripeClient, currency: str, bad: int | None, good: int
) -> None:
    wanted = {"product_data": {"name": "Monitoring Standard, per sensor and month"}, "currency": currency}
    if bad is not None:
        assert refused(client.v1.prices.create, {**wanted, "unit_amount": bad}).param == "unit_amount"
    made = client.v1.prices.create({**wanted, "unit_amount": good})  # type: ignore[typeddict-item]  # a merged dict is no TypedDict
    assert (made.unit_amount, made.currency) == (good, currency)


@pytest.mark.parametrize(("currency", "most"), [("eur", 99_999_999), ("idr", 999_999_999_999)])
def test_a_price_has_as_many_digits_as_can_be_charged(client: stripe.StripeClient, currency: str, most: int) -> None:
    wanted = {"product_data": {"name": "Monitoring Standard, per sensor and month"}, "currency": currency}
    assert client.v1.prices.create({**wanted, "unit_amount": most}).unit_amount == most  # type: ignore[typeddict-item]  # a merged dict is no TypedDict
    assert refused(client.v1.prices.create, {**wanted, "unit_amount": most + 1}).code == "amount_too_large"


def test_an_invoice_that_cannot_be_charged_is_not_finalized(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    draft = client.v1.invoices.create({"customer": new_customer().id, "currency": "eur"})
    for _ in range(2):
        client.v1.invoice_items.create({"invoice": draft.id, "amount": 60_000_000})
    assert refused(client.v1.invoices.finalize_invoice, draft.id).code == "amount_too_large"
    assert client.v1.invoices.retrieve(str(draft.id)).status == "draft"


def test_lines_in_kronur_end_in_00(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    rate = client.v1.tax_rates.create({"display_name": "VSK", "percentage": 24, "inclusive": False})
    draft = client.v1.invoices.create(
        {"customer": new_customer().id, "currency": "isk", "default_tax_rates": [rate.id]}
    )
    client.v1.invoice_items.create(
        {"invoice": draft.id, "currency": "isk", "unit_amount_decimal": Decimal("12345.6"), "quantity": 3}
    )
    drawn = client.v1.invoices.retrieve(str(draft.id))
    assert (drawn.subtotal, drawn.total) == (37_000, 37_000 + 8_900)
    assert refused(client.v1.invoice_items.create, {"invoice": draft.id, "amount": 150}).param == "amount"


# Written from the vendor's page a second time, as whole sets, so that a slip in the simulator's table is found.
ZERO = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
THREE = "BHD JOD KWD OMR TND"


@pytest.mark.parametrize("currency", sorted(currencies.SUPPORTED))
def test_every_currency_counts_as_the_vendors_page_says(currency: str) -> None:
    upper = currency.upper()
    digits = 0 if upper in ZERO.split() else 3 if upper in THREE.split() else 2
    step = 10 if digits == 3 else 100 if upper in {"ISK", "UGX"} else 1
    assert (currencies.digits(currency), currencies.step(currency)) == (digits, step)
    assert currencies.minor_units(Decimal(7), upper) == 7 * 10**digits
    shown = currencies.major_text(str(currencies.minor_units(Decimal(7), upper)), upper)
    assert Decimal(shown.split()[0]) == 7


def test_every_three_and_zero_decimal_currency_is_supported() -> None:
    assert {*ZERO.lower().split(), *THREE.lower().split(), "isk", "ugx", "huf", "twd"} <= currencies.SUPPORTED


@given(
    st.sampled_from(sorted(currencies.SUPPORTED)),
    st.decimals(min_value=0, max_value=99_999, places=12),
    st.integers(min_value=0, max_value=100_000),
)
def test_a_line_is_whole_coins_nearest_to_what_it_costs(currency: str, unit: Decimal, quantity: int) -> None:
    exact, coin = unit * quantity, currencies.step(currency)
    amount = line_amount(str(unit), quantity, currency)
    assert amount % coin == 0
    assert abs(amount - exact) <= Decimal(coin) / 2
    assert rounded(-exact, coin) == -amount, "half away from zero on both sides"


# -- tax ids


@pytest.mark.parametrize(
    ("type_", "good", "bad", "country"),
    [
        ("eu_vat", "DE811193231", "GB123456789", "DE"),
        ("eu_vat", "XI123456789", "XI12345", "GB"),
        ("eu_vat", "EL123456789", "GR123456789", "GR"),
        ("eu_vat", "ATU13585627", "AT13585627", "AT"),
        ("gb_vat", "GB123456789", "123456789", "GB"),
        ("ch_vat", "CHE-123.456.789 MWST", "CHE-123.456.789", "CH"),
        ("ch_uid", "CHE-123.456.789", "CH123456789", "CH"),
        ("no_vat", "123456789MVA", "NO123456789", "NO"),
        ("us_ein", "12-3456789", "123-456789", "US"),
    ],
)
def test_a_tax_id_has_the_format_of_its_type(
    client: stripe.StripeClient, type_: str, good: str, bad: str, country: str
) -> None:
    made = client.v1.customers.create({"tax_id_data": [{"type": type_, "value": good}], "expand": ["tax_ids"]})
    assert made.tax_ids is not None
    assert [tax_id.country for tax_id in made.tax_ids.data] == [country]
    told = refused(client.v1.customers.tax_ids.create, made.id, {"type": type_, "value": bad})
    assert (told.code, told.param, str(told.user_message)) == ("tax_id_invalid", "value", f"Invalid value for {type_}.")
    told = refused(client.v1.customers.create, {"tax_id_data": [{"type": type_, "value": bad}]})
    assert told.param == "tax_id_data[0][value]"


def test_an_unknown_type_of_tax_id_is_refused(client: stripe.StripeClient) -> None:
    told = refused(client.v1.customers.create, {"tax_id_data": [{"type": "de_vat", "value": "DE811193231"}]})
    assert told.param == "tax_id_data[0][type]"


def test_a_tax_id_is_read_deleted_and_printed_on_invoices(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    customer = new_customer(tax_id_data=[{"type": "eu_vat", "value": "DE811193231"}]).id
    (kept,) = client.v1.customers.tax_ids.list(customer).data
    assert client.v1.customers.tax_ids.retrieve(customer, kept.id).value == "DE811193231"
    draft = client.v1.invoices.create({"customer": customer, "currency": "eur"})
    printed = client.v1.invoices.finalize_invoice(str(draft.id)).customer_tax_ids
    assert printed is not None
    assert [(each.type, each.value) for each in printed] == [("eu_vat", "DE811193231")]
    assert client.v1.customers.tax_ids.delete(customer, kept.id).deleted is True
    assert refused(client.v1.customers.tax_ids.retrieve, customer, kept.id).http_status == 404


def test_every_type_of_tax_id_is_one_the_sdk_knows() -> None:
    hints = stripe.TaxId.__annotations__["type"]
    assert set(tax_id_formats.TYPES) <= {word for word in str(hints).replace('"', "'").split("'") if "_" in word}


# -- what is gone


def test_a_deleted_customer_is_used_by_nothing(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    customer = new_customer()
    client.v1.customers.delete(customer.id)
    assert client.v1.customers.retrieve(customer.id).to_dict() == {
        "id": customer.id,
        "object": "customer",
        "deleted": True,
    }
    for call, wanted in (
        (client.v1.subscriptions.create, {"customer": customer.id, "items": [{"price": monthly.id}]}),
        (client.v1.invoices.create, {"customer": customer.id, "currency": "eur"}),
        (client.v1.invoice_items.create, {"customer": customer.id, "currency": "eur", "amount": 1}),
    ):
        told = refused(call, wanted)
        assert (told.http_status, told.code, told.param) == (400, "resource_missing", "customer")
        assert str(told.user_message) == f"No such customer: '{customer.id}'"


def test_a_replayed_answer_names_an_object_deleted_since(client: stripe.StripeClient) -> None:
    def make() -> stripe.Customer:
        return client.v1.customers.create({"name": "Short-lived"}, {"idempotency_key": "short-lived"})

    made = make()
    client.v1.customers.delete(made.id)
    replayed = make()
    assert replayed.id == made.id
    assert "deleted" not in replayed.to_dict(), "the answer is the old one"
    assert replayed.last_response is not None
    assert replayed.last_response.headers["Idempotent-Replayed"] == "true"
    assert client.v1.customers.retrieve(made.id).deleted is True


# -- each refusal can be switched off


@pytest.fixture(scope="module")
def lenient() -> Iterator[RunningSandbox]:
    options = ("--no-require-email", "--no-one-currency", "--no-one-item-per-price")
    with running_sandbox(*UNLIMITED, *options) as running:
        yield running


def test_a_lenient_sandbox_refuses_none_of_the_three(lenient: RunningSandbox) -> None:
    with sdk(lenient.url) as client:
        customer = client.v1.customers.create({"name": "No e-mail"}).id
        product = client.v1.products.create({"name": "Anything"}).id
        for currency in ("eur", "usd"):
            price = client.v1.prices.create(
                {"product": product, "currency": currency, "unit_amount": 100, "recurring": {"interval": "month"}}
            ).id
            made = client.v1.subscriptions.create(
                {"customer": customer, "items": [{"price": price}, {"price": price}], **SENT}  # type: ignore[arg-type]  # a merged dict is no TypedDict
            )
            assert (made.status, made.currency) == ("active", currency)
