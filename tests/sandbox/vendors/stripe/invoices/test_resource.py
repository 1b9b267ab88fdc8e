"""Invoices: draft, open, paid, void, uncollectible; and invoice items."""

from __future__ import annotations

from decimal import Decimal

import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.running_sandbox import RunningSandbox


@pytest.fixture
def draft(client: stripe.StripeClient, new_customer: NewCustomer) -> stripe.Invoice:
    """A draft over 2 × 10.00 EUR for a customer whose card works."""
    invoice = client.v1.invoices.create({"customer": new_customer().id, "currency": "eur"})
    client.v1.invoice_items.create(
        {"invoice": invoice.id, "unit_amount_decimal": Decimal(1000), "quantity": 2, "description": "Two hours"}
    )
    return client.v1.invoices.retrieve(invoice.id)


def test_a_draft_becomes_open_and_paid(client: stripe.StripeClient, draft: stripe.Invoice) -> None:
    assert (draft.status, draft.number, draft.total, draft.amount_due) == ("draft", None, 2000, 2000)
    opened = client.v1.invoices.finalize_invoice(draft.id)
    customer = client.v1.customers.retrieve(str(draft.customer))
    assert (opened.status, opened.number) == ("open", f"{customer.invoice_prefix}-0001")
    assert customer.next_invoice_sequence == 2
    assert opened.status_transitions.finalized_at is not None
    paid = client.v1.invoices.pay(draft.id)
    assert (paid.status, paid.amount_paid, paid.amount_remaining, paid.attempted) == ("paid", 2000, 0, True)
    for again in (client.v1.invoices.pay, client.v1.invoices.finalize_invoice, client.v1.invoices.void_invoice):
        with pytest.raises(stripe.InvalidRequestError):
            again(draft.id)


def test_paying_a_draft_finalizes_it_first(client: stripe.StripeClient, draft: stripe.Invoice) -> None:
    paid = client.v1.invoices.pay(draft.id)
    assert paid.status == "paid"
    assert paid.number is not None


def test_out_of_band_payment_needs_no_card(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    invoice = client.v1.invoices.create({"customer": new_customer(card=None).id, "currency": "eur"})
    client.v1.invoice_items.create({"invoice": invoice.id, "amount": 700})
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        client.v1.invoices.pay(invoice.id)
    assert client.v1.invoices.retrieve(invoice.id).status == "draft", "the refusal left nothing behind"
    paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 700, 700)


def test_a_declined_payment_is_402_and_counted(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    invoice = client.v1.invoices.create({"customer": new_customer(card="pm_card_chargeDeclined").id, "currency": "eur"})
    client.v1.invoice_items.create({"invoice": invoice.id, "amount": 700})
    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id)
    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    assert refused.value.error is not None
    assert refused.value.error.decline_code == "generic_decline"
    now = client.v1.invoices.retrieve(invoice.id)
    assert (now.status, now.attempt_count, now.amount_remaining) == ("open", 1, 700)


def test_void_and_uncollectible(client: stripe.StripeClient, draft: stripe.Invoice) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="isn't open"):
        client.v1.invoices.void_invoice(draft.id)
    client.v1.invoices.finalize_invoice(draft.id)
    given_up = client.v1.invoices.mark_uncollectible(draft.id)
    assert (given_up.status, given_up.status_transitions.marked_uncollectible_at is not None) == ("uncollectible", True)
    voided = client.v1.invoices.void_invoice(draft.id)
    assert (voided.status, voided.status_transitions.voided_at is not None) == ("void", True)
    with pytest.raises(stripe.InvalidRequestError, match="voided"):
        client.v1.invoices.pay(draft.id)


def test_after_finalization_money_does_not_change(client: stripe.StripeClient, draft: stripe.Invoice) -> None:
    client.v1.invoices.update(draft.id, {"description": "May"})
    client.v1.invoices.finalize_invoice(draft.id)
    assert client.v1.invoices.update(draft.id, {"metadata": {"erp": "7"}}).metadata is not None
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.invoices.update(draft.id, {"description": "June"})
    assert refused.value.code == "invoice_not_editable"
    with pytest.raises(stripe.InvalidRequestError) as late:
        client.v1.invoice_items.create({"invoice": draft.id, "amount": 1})
    assert late.value.code == "invoice_not_editable"
    with pytest.raises(stripe.InvalidRequestError, match="only delete draft"):
        client.v1.invoices.delete(draft.id)


def test_lines_change_with_their_items(client: stripe.StripeClient, draft: stripe.Invoice) -> None:
    (line,) = draft.lines.data
    assert line.parent is not None
    assert line.parent.invoice_item_details is not None
    item = line.parent.invoice_item_details.invoice_item
    client.v1.invoice_items.update(item, {"quantity": 3})
    changed = client.v1.invoices.retrieve(draft.id)
    assert (changed.total, changed.lines.data[0].id) == (3000, line.id)
    client.v1.invoice_items.delete(item)
    assert client.v1.invoices.retrieve(draft.id).total == 0
    assert client.v1.invoices.line_items.list(draft.id).data == []


def test_pending_items_wait_for_an_invoice_that_includes_them(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    customer = new_customer().id
    price = client.v1.prices.list({"lookup_keys": ["SENSOR-TEMP-EUR-none"]}).data[0]
    client.v1.invoice_items.create({"customer": customer, "pricing": {"price": price.id}, "quantity": 20})
    client.v1.invoice_items.create(
        {"customer": customer, "price_data": {"currency": "eur", "product": "SENSOR-TEMP", "unit_amount": 100}}
    )
    assert client.v1.invoices.create({"customer": customer, "currency": "eur"}).total == 0
    taken = client.v1.invoices.create(
        {"customer": customer, "currency": "eur", "pending_invoice_items_behavior": "include"}
    )
    assert taken.total == 20 * 8950 + 100
    assert client.v1.invoice_items.list({"customer": customer, "pending": True}).data == []
    client.v1.invoices.delete(taken.id)
    assert len(client.v1.invoice_items.list({"customer": customer, "pending": True}).data) == 2


def test_taxes_are_rounded_per_line_and_rate(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    ca = client.v1.tax_rates.create({"display_name": "CA", "percentage": 7.25, "inclusive": False})
    city = client.v1.tax_rates.create({"display_name": "City", "percentage": 1, "inclusive": False})
    invoice = client.v1.invoices.create(
        {"customer": new_customer().id, "currency": "usd", "default_tax_rates": [ca.id, city.id]}
    )
    for amount in (550, 199):
        client.v1.invoice_items.create({"invoice": invoice.id, "amount": amount})
    client.v1.invoice_items.create({"invoice": invoice.id, "amount": 1000, "tax_rates": [city.id]})
    drawn = client.v1.invoices.retrieve(invoice.id)
    # 39.875 → 40 and 14.4275 → 14 at 7.25 %; 5.5 → 6, 1.99 → 2 and 10 at 1 %.
    assert {tax.amount for tax in drawn.total_taxes or []} == {54, 18}
    assert (drawn.subtotal, drawn.total) == (1749, 1749 + 72)


def test_an_amount_off_is_divided_among_the_lines(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    off = client.v1.coupons.create({"amount_off": 100, "currency": "eur"})
    invoice = client.v1.invoices.create(
        {"customer": new_customer().id, "currency": "eur", "discounts": [{"coupon": off.id}]}
    )
    for _ in range(3):
        client.v1.invoice_items.create({"invoice": invoice.id, "amount": 500})
    client.v1.invoice_items.create({"invoice": invoice.id, "amount": 500, "discountable": False})
    drawn = client.v1.invoices.retrieve(invoice.id)
    parts = [sum(entry.amount for entry in line.discount_amounts or []) for line in drawn.lines.data]
    assert sorted(parts) == [0, 33, 33, 34]
    assert drawn.total == 1900


def test_the_balance_of_a_customer_is_used_and_given_back_by_void(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    customer = new_customer(balance=-300)
    invoice = client.v1.invoices.create({"customer": customer.id, "currency": "eur"})
    client.v1.invoice_items.create({"invoice": invoice.id, "amount": 1000})
    opened = client.v1.invoices.finalize_invoice(invoice.id)
    assert (opened.total, opened.starting_balance, opened.ending_balance, opened.amount_due) == (1000, -300, 0, 700)
    assert client.v1.customers.retrieve(customer.id).balance == 0
    client.v1.invoices.void_invoice(invoice.id)
    assert client.v1.customers.retrieve(customer.id).balance == -300


def test_send_needs_a_due_date_and_tells_that_it_was_sent(
    client: stripe.StripeClient, new_customer: NewCustomer, sandbox: RunningSandbox
) -> None:
    customer = new_customer(card=None).id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.invoices.create({"customer": customer, "currency": "eur", "collection_method": "send_invoice"})
    assert refused.value.param == "days_until_due"
    invoice = client.v1.invoices.create(
        {"customer": customer, "currency": "eur", "collection_method": "send_invoice", "days_until_due": 14}
    )
    client.v1.invoice_items.create({"invoice": invoice.id, "amount": 1000})
    sent = client.v1.invoices.send_invoice(invoice.id)
    assert sent.status == "open"
    assert [entry["action"] for entry in sandbox.journal("invoice") if entry["object_id"] == sent.id][-2:] == [
        "finalized",
        "sent",
    ]


def test_more_than_ten_lines_are_behind_the_lines_url(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    invoice = client.v1.invoices.create({"customer": new_customer().id, "currency": "eur"})
    for amount in range(1, 13):
        client.v1.invoice_items.create({"invoice": invoice.id, "amount": amount})
    drawn = client.v1.invoices.retrieve(invoice.id)
    assert (len(drawn.lines.data), drawn.lines.has_more) == (10, True)
    assert [line.amount for line in drawn.lines.auto_paging_iter()] == list(range(1, 13))


def test_currencies_do_not_mix(client: stripe.StripeClient, draft: stripe.Invoice) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="currency"):
        client.v1.invoice_items.create({"invoice": draft.id, "amount": 1, "currency": "usd"})
    assert len(client.v1.invoices.retrieve(draft.id).lines.data) == 1
