"""The balance of a customer: what moves it, and how invoices use it."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer


def invoiced(client: stripe.StripeClient, customer: str, amount: int, currency: str = "eur") -> stripe.Invoice:
    """A finalized invoice over one amount."""
    draft = client.v1.invoices.create({"customer": customer, "currency": currency})
    client.v1.invoice_items.create({"invoice": draft.id, "amount": amount})
    return client.v1.invoices.finalize_invoice(str(draft.id))


def moves(client: stripe.StripeClient, customer: str) -> list[tuple[str, int, int]]:
    """Type, amount and ending balance of each transaction, oldest first."""
    found = client.v1.customers.balance_transactions.list(customer).data
    return [(each.type, each.amount, each.ending_balance) for each in reversed(found)]


def test_credit_pays_invoices_and_comes_back_when_they_are_voided(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    customer = new_customer().id
    given = client.v1.customers.balance_transactions.create(
        customer, {"amount": -1500, "currency": "eur", "description": "Goodwill", "metadata": {"case": "7"}}
    )
    assert (given.type, given.ending_balance) == ("adjustment", -1500)
    paid = invoiced(client, customer, 1000)
    assert (paid.status, paid.amount_due, paid.starting_balance, paid.ending_balance) == ("paid", 0, -1500, -500)
    part = invoiced(client, customer, 1000)
    assert (part.status, part.amount_due, part.ending_balance) == ("open", 500, 0)
    client.v1.invoices.void_invoice(str(part.id))
    assert client.v1.customers.retrieve(customer).balance == -500
    assert moves(client, customer) == [
        ("adjustment", -1500, -1500),
        ("applied_to_invoice", 1000, -500),
        ("applied_to_invoice", 500, 0),
        ("unapplied_from_invoice", -500, -500),
    ]
    changed = client.v1.customers.balance_transactions.update(customer, given.id, {"metadata": {"case": "8"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"case": "8"}
    assert client.v1.customers.balance_transactions.retrieve(customer, given.id).description == "Goodwill"


def test_a_debt_is_added_to_the_next_invoice(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    customer = new_customer().id
    client.v1.customers.balance_transactions.create(customer, {"amount": 300, "currency": "eur"})
    assert invoiced(client, customer, 1000).amount_due == 1300


def test_a_credit_note_names_the_balance_transaction_it_made(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    customer = new_customer().id
    invoice = client.v1.invoices.pay(str(invoiced(client, customer, 1000).id))
    note = client.v1.credit_notes.create({"invoice": str(invoice.id), "amount": 400, "credit_amount": 400})
    made = client.v1.customers.balance_transactions.retrieve(customer, str(note.customer_balance_transaction))
    assert (made.type, made.amount, made.credit_note, made.invoice) == ("credit_note", -400, note.id, invoice.id)


def test_a_balance_set_on_the_customer_is_a_transaction_too(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    customer = new_customer(balance=-100).id
    client.v1.customers.update(customer, {"balance": -250})
    assert moves(client, customer) == [("initial", -100, -100), ("adjustment", -150, -250)]
    assert client.v1.customers.retrieve(customer).currency is None


def test_an_invoice_in_another_currency_leaves_the_balance_alone(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    customer = new_customer().id
    client.v1.customers.balance_transactions.create(customer, {"amount": -500, "currency": "eur"})
    assert invoiced(client, customer, 1000, "usd").amount_due == 1000
    assert client.v1.customers.retrieve(customer).balance == -500
    for wrong in ({"amount": -1, "currency": "usd"}, {"amount": 0, "currency": "eur"}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.balance_transactions.create(customer, wrong)  # type: ignore[arg-type]  # a merged dict is no TypedDict
