"""Customers, tax ids and payment methods, through the SDK."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer


def test_create_retrieve_update_and_delete(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create(
        {
            "name": "Tidewater",
            "email": "pay@tidewater.example",
            "address": {"city": "Hamburg", "country": "DE", "postal_code": "20457"},
            "metadata": {"account": "001QW0000000003", "tier": "gold"},
        }
    )
    assert made.id.startswith("cus_")
    assert made.livemode is False
    assert made.address is not None
    assert (made.address.city, made.address.line1) == ("Hamburg", None)
    changed = client.v1.customers.update(made.id, {"phone": "+49 40 1", "metadata": {"tier": "", "region": "north"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"account": "001QW0000000003", "region": "north"}
    assert client.v1.customers.retrieve(made.id).phone == "+49 40 1"
    assert client.v1.customers.update(made.id, {"address": ""}).address is None
    assert client.v1.customers.delete(made.id).deleted is True
    assert client.v1.customers.retrieve(made.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(made.id, {"name": "again"})
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_deleting_a_customer_ends_what_it_had(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    customer = new_customer()
    subscription = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    draft = client.v1.invoices.create({"customer": customer.id, "currency": "eur", "auto_advance": True})
    client.v1.customers.delete(customer.id)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert client.v1.invoices.retrieve(draft.id).automatically_finalizes_at is None
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.invoices.finalize_invoice(draft.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})


def test_invoice_numbers_never_repeat(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    first = new_customer(invoice_prefix="NORDWIND1", next_invoice_sequence=40)
    assert (first.invoice_prefix, first.next_invoice_sequence) == ("NORDWIND1", 40)
    for params in ({"next_invoice_sequence": 39}, {"invoice_prefix": "nw"}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.update(first.id, params)  # type: ignore[arg-type] # either
    with pytest.raises(stripe.InvalidRequestError, match="unique"):
        new_customer(invoice_prefix="NORDWIND1")


def test_tax_ids_are_kept_and_expandable(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create(
        {"tax_id_data": [{"type": "eu_vat", "value": "DE811193231"}], "expand": ["tax_ids"]}
    )
    assert made.tax_ids is not None
    assert [tax_id.value for tax_id in made.tax_ids.data] == ["DE811193231"]
    client.v1.customers.tax_ids.create(made.id, {"type": "eu_vat", "value": "ATU13585627"})
    assert {tax_id.value for tax_id in client.v1.customers.tax_ids.list(made.id).data} == {"DE811193231", "ATU13585627"}
    assert "tax_ids" not in client.v1.customers.retrieve(made.id).to_dict()


def test_a_default_payment_method_must_belong_to_the_customer(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    owner, other = new_customer(), new_customer(card=None)
    assert owner.invoice_settings is not None
    card = owner.invoice_settings.default_payment_method
    assert isinstance(card, str)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(other.id, {"invoice_settings": {"default_payment_method": card}})
    assert refused.value.code == "resource_missing"
    assert refused.value.param == "invoice_settings[default_payment_method]"
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(card, {"customer": other.id})


def test_detaching_a_card_takes_it_from_the_defaults(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    customer = new_customer()
    card = client.v1.customers.payment_methods.list(customer.id).data[0]
    assert card.card is not None
    assert card.card.last4 == "4242"
    assert client.v1.payment_methods.detach(card.id).customer is None
    settings = client.v1.customers.retrieve(customer.id).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None
    assert client.v1.payment_methods.list({"customer": customer.id}).data == []


def test_a_card_can_be_made_from_a_test_token(client: stripe.StripeClient) -> None:
    card = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_chargeDeclined"}})
    assert card.card is not None
    assert card.card.last4 == "0002"
    with pytest.raises(stripe.InvalidRequestError, match="tok_visa"):
        client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_unknown"}})
