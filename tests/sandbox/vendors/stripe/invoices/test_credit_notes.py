"""Credit notes reduce what is open, or give back what was paid."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer


@pytest.fixture
def opened(client: stripe.StripeClient, new_customer: NewCustomer) -> stripe.Invoice:
    """An open invoice over 4 × 25.00 EUR and 19 % tax: 119.00."""
    vat = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    invoice = client.v1.invoices.create(
        {"customer": new_customer().id, "currency": "eur", "default_tax_rates": [vat.id]}
    )
    price = client.v1.prices.create({"product": "INSTALL-DAY", "currency": "eur", "unit_amount": 2500})
    client.v1.invoice_items.create({"invoice": invoice.id, "pricing": {"price": price.id}, "quantity": 4})
    return client.v1.invoices.finalize_invoice(invoice.id)


def test_part_of_a_line_with_its_tax(client: stripe.StripeClient, opened: stripe.Invoice) -> None:
    wanted: stripe.params.CreditNoteCreateParams = {
        "invoice": opened.id,
        "lines": [{"type": "invoice_line_item", "invoice_line_item": opened.lines.data[0].id, "quantity": 1}],
        "reason": "order_change",
        "metadata": {"why": "one day less"},
    }
    previewed = client.v1.credit_notes.preview(wanted)
    note = client.v1.credit_notes.create(wanted)
    assert note.total == previewed.total == 2975
    assert (note.subtotal, note.status, note.type) == (2500, "issued", "pre_payment")
    assert note.number == f"{opened.number}-CN-01"
    assert [(tax.amount, tax.taxable_amount) for tax in note.total_taxes or []] == [(475, 2500)]
    reduced = client.v1.invoices.retrieve(opened.id)
    assert (reduced.amount_due, reduced.amount_remaining, reduced.total) == (8925, 8925, 11900)
    assert reduced.pre_payment_credit_notes_amount == 2975
    assert client.v1.credit_notes.line_items.list(note.id).data[0].quantity == 1
    assert [n.id for n in client.v1.credit_notes.list({"invoice": opened.id}).data] == [note.id]
    assert client.v1.credit_notes.update(note.id, {"memo": "sorry"}).memo == "sorry"


def test_voiding_a_credit_note_puts_the_amount_back(client: stripe.StripeClient, opened: stripe.Invoice) -> None:
    note = client.v1.credit_notes.create({"invoice": opened.id, "amount": 1000})
    assert client.v1.invoices.retrieve(opened.id).amount_remaining == 10900
    assert client.v1.credit_notes.void_credit_note(note.id).status == "void"
    assert client.v1.invoices.retrieve(opened.id).amount_remaining == 11900
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.credit_notes.void_credit_note(note.id)


def test_a_full_credit_settles_an_open_invoice(client: stripe.StripeClient, opened: stripe.Invoice) -> None:
    client.v1.credit_notes.create({"invoice": opened.id, "amount": 11900})
    settled = client.v1.invoices.retrieve(opened.id)
    assert (settled.status, settled.amount_due, settled.amount_paid) == ("paid", 0, 0)
    with pytest.raises(stripe.InvalidRequestError, match="at most what is left to credit"):
        client.v1.credit_notes.create({"invoice": opened.id, "amount": 1})


def test_what_was_paid_is_given_back_in_ways_that_add_up(client: stripe.StripeClient, opened: stripe.Invoice) -> None:
    client.v1.invoices.pay(opened.id)
    with pytest.raises(stripe.InvalidRequestError, match="must equal the post payment"):
        client.v1.credit_notes.create({"invoice": opened.id, "amount": 1000, "credit_amount": 999})
    note = client.v1.credit_notes.create(
        {"invoice": opened.id, "amount": 1000, "credit_amount": 600, "refund_amount": 300, "out_of_band_amount": 100}
    )
    assert (note.type, note.post_payment_amount, note.out_of_band_amount) == ("post_payment", 1000, 100)
    assert [refund.amount_refunded for refund in note.refunds] == [300]
    paid = client.v1.invoices.retrieve(opened.id)
    assert (paid.status, paid.amount_paid, paid.post_payment_credit_notes_amount) == ("paid", 11900, 1000)
    assert client.v1.customers.retrieve(str(opened.customer)).balance == -600
    with pytest.raises(stripe.InvalidRequestError, match="pre-payment"):
        client.v1.credit_notes.void_credit_note(note.id)


def test_custom_lines_have_their_own_tax(client: stripe.StripeClient, opened: stripe.Invoice) -> None:
    vat = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 7, "inclusive": False})
    note = client.v1.credit_notes.create(
        {
            "invoice": opened.id,
            "lines": [
                {
                    "type": "custom_line_item",
                    "description": "Goodwill",
                    "quantity": 3,
                    "unit_amount": 333,
                    "tax_rates": [vat.id],
                }
            ],
        }
    )
    assert (note.subtotal, note.total) == (999, 1069)


def test_only_finalized_invoices_and_their_own_lines(client: stripe.StripeClient, opened: stripe.Invoice) -> None:
    draft = client.v1.invoices.create({"customer": str(opened.customer), "currency": "eur"})
    with pytest.raises(stripe.InvalidRequestError, match="finalized invoices"):
        client.v1.credit_notes.create({"invoice": draft.id, "amount": 1})
    with pytest.raises(stripe.InvalidRequestError, match="No such line item"):
        client.v1.credit_notes.create(
            {
                "invoice": opened.id,
                "lines": [{"type": "invoice_line_item", "invoice_line_item": "il_none", "quantity": 1}],
            }
        )
    line = opened.lines.data[0].id
    with pytest.raises(stripe.InvalidRequestError, match="more than the line"):
        client.v1.credit_notes.create(
            {
                "invoice": opened.id,
                "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "quantity": 5}],
            }
        )
