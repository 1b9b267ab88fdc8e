"""A second opinion: the same SDK script against our simulator and against localstripe.

Each story tells facts that Stripe documents, in terms that both know: localstripe has plans and no prices, and answers
in shapes of its time, so a fact that moved (an invoice's tax, a subscription's period) is read from where each keeps
it. It is no witness for `error_if_incomplete`, which it takes for `allow_incomplete`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
import stripe

from tests.sandbox.vendors.stripe.localstripe_server import running_localstripe
from tests.sandbox.vendors.stripe.running_sandbox import sdk

Facts: TypeAlias = dict[str, Any]
WORKS, DECLINES = "4242424242424242", "4000000000000341"


@pytest.fixture(scope="module")
def theirs() -> Iterator[stripe.StripeClient]:
    with running_localstripe() as url, sdk(url, checked=False) as client:
        yield client


def _customer(client: stripe.StripeClient, number: str | None) -> str:
    customer = client.v1.customers.create({"name": "Acme", "email": "pay@acme.example"}).id
    if number is not None:
        _pay_with(client, customer, number)
    return customer


def _pay_with(client: stripe.StripeClient, customer: str, number: str) -> None:
    card = client.v1.payment_methods.create(
        {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
    )
    client.v1.payment_methods.attach(card.id, {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card.id}})


def _plan(client: stripe.StripeClient, *, amount: int = 490, interval: str = "month") -> str:
    product = client.v1.products.create({"name": "Monitoring"}).id
    return client.v1.plans.create({"product": product, "currency": "eur", "interval": interval, "amount": amount}).id


def _vat(client: stripe.StripeClient, percentage: float) -> str:
    return client.v1.tax_rates.create({"display_name": "VAT", "percentage": percentage, "inclusive": False}).id


def _invoice_facts(invoice: stripe.Invoice) -> Facts:
    told = invoice.to_dict()
    tax = told["tax"] if "tax" in told else sum(entry["amount"] for entry in told["total_taxes"])
    names = ("status", "currency", "subtotal", "total", "amount_due", "amount_paid", "attempted", "collection_method")
    transitions = told["status_transitions"]
    return {
        **{name: told[name] for name in names},
        "tax": tax,
        "transitions": {name: transitions[name] is not None for name in ("finalized_at", "paid_at", "voided_at")},
        "lines": [(line["amount"], line["quantity"], line["currency"]) for line in told["lines"]["data"]],
        "days": [round((line["period"]["end"] - line["period"]["start"]) / 86_400) for line in told["lines"]["data"]],
        "parent": told["parent"] and told["parent"]["type"],
    }


def _subscription_facts(subscription: stripe.Subscription) -> Facts:
    told = subscription.to_dict()
    item = told["items"]["data"][0]
    period = item if "current_period_end" in item else told
    return {
        "status": told["status"],
        "quantity": item["quantity"],
        "plan": [item["plan"][name] for name in ("amount", "currency", "interval", "interval_count")],
        "period": period["current_period_end"] - period["current_period_start"],
        # In minutes: localstripe reads its clock twice, and a second may pass between.
        "starts": round((period["current_period_start"] - told["created"]) / 60),
        "cancel_at_period_end": told["cancel_at_period_end"],
        "ended": told["ended_at"] is not None,
        "metadata": told["metadata"],
        "has_invoice": told["latest_invoice"] is not None,
    }


def _latest(client: stripe.StripeClient, subscription: stripe.Subscription) -> stripe.Invoice:
    return client.v1.invoices.retrieve(str(client.v1.subscriptions.retrieve(subscription.id).latest_invoice))


def customers(client: stripe.StripeClient) -> Facts:
    """Made, changed, found by email, paged through."""
    email = "customers@story.example"
    made = client.v1.customers.create(
        {"name": "A", "email": email, "address": {"city": "Wien"}, "metadata": {"a": "1", "b": "2"}}
    )
    changed = client.v1.customers.update(made.id, {"phone": "+43", "metadata": {"b": "3"}}).to_dict()
    for name in "BC":
        client.v1.customers.create({"name": name, "email": email})
    names = ("object", "livemode", "name", "email", "phone", "description", "delinquent", "metadata")
    first = client.v1.customers.list({"email": email, "limit": 2})
    everyone = client.v1.customers.list({"email": email, "limit": 1}).auto_paging_iter()
    return {
        "customer": {name: changed[name] for name in names},
        "city": changed["address"]["city"],
        "prefix": made.id[:4],
        "page": (len(first.data), first.has_more, first.url),
        "everyone": sorted(str(customer.name) for customer in everyone),
        "deleted": client.v1.customers.delete(made.id).deleted,
    }


def plans(client: stripe.StripeClient) -> Facts:
    """A product and a yearly plan with an id of its own."""
    product = client.v1.products.create({"name": "Support", "metadata": {"sku": "S"}})
    plan = client.v1.plans.create(
        {"id": "story-yearly", "product": product.id, "currency": "eur", "interval": "year", "amount": 120_000}
    )
    told = client.v1.plans.retrieve(plan.id).to_dict()
    names = (
        "id",
        "object",
        "active",
        "amount",
        "currency",
        "interval",
        "interval_count",
        "usage_type",
        "billing_scheme",
    )
    return {
        "product": [product.name, product.active, product.metadata.to_dict()],
        "plan": {name: told[name] for name in names},
        "belongs": told["product"] == product.id,
    }


def a_paid_subscription(client: stripe.StripeClient) -> Facts:
    """Three of something at 4.90, with 19 % on top."""
    customer = _customer(client, WORKS)
    made = client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"plan": _plan(client), "quantity": 3}],
            "default_tax_rates": [_vat(client, 19)],
            "metadata": {"order": "7"},
            "expand": ["latest_invoice"],
        }
    )
    assert isinstance(made.latest_invoice, stripe.Invoice)
    return {
        "subscription": _subscription_facts(made),
        "invoice": _invoice_facts(made.latest_invoice),
        "belongs": made.latest_invoice.customer == customer == made.customer,
        "listed": [i.id for i in client.v1.invoices.list({"subscription": made.id}).data] == [made.latest_invoice.id],
    }


def two_tax_rates_on_an_item(client: stripe.StripeClient) -> Facts:
    """Rates of the item, each rounded by itself."""
    made = client.v1.subscriptions.create(
        {
            "customer": _customer(client, WORKS),
            "items": [{"plan": _plan(client, amount=999), "tax_rates": [_vat(client, 7.25), _vat(client, 1)]}],
        }
    )
    return _invoice_facts(_latest(client, made))


def a_free_plan(client: stripe.StripeClient) -> Facts:
    """Nothing due: active without a card, its invoice paid."""
    made = client.v1.subscriptions.create(
        {"customer": _customer(client, None), "items": [{"plan": _plan(client, amount=0, interval="year")}]}
    )
    facts = _invoice_facts(_latest(client, made))
    # Whether paying nothing counts as an attempt, and when it was paid, is told by nobody.
    del facts["attempted"], facts["transitions"]
    return {"subscription": _subscription_facts(made), "invoice": facts}


def an_incomplete_subscription_is_paid_later(client: stripe.StripeClient) -> Facts:
    """The first payment declines; another card pays the same invoice."""
    customer = _customer(client, DECLINES)
    made = client.v1.subscriptions.create({"customer": customer, "items": [{"plan": _plan(client)}]})
    before = _invoice_facts(_latest(client, made))
    _pay_with(client, customer, WORKS)
    paid = client.v1.invoices.pay(_latest(client, made).id)
    return {
        "before": before,
        "made": _subscription_facts(made),
        "after": _invoice_facts(paid),
        "status": client.v1.subscriptions.retrieve(made.id).status,
    }


def an_incomplete_subscription_is_voided(client: stripe.StripeClient) -> Facts:
    """Voiding the first invoice ends the subscription before it began."""
    made = client.v1.subscriptions.create({"customer": _customer(client, DECLINES), "items": [{"plan": _plan(client)}]})
    voided = client.v1.invoices.void_invoice(_latest(client, made).id)
    facts = _invoice_facts(voided)
    return {"invoice": facts, "status": client.v1.subscriptions.retrieve(made.id).status}


def a_cancelled_subscription(client: stripe.StripeClient) -> Facts:
    """Gone from the list of what runs, and still there when all are asked for."""
    customer, plan = _customer(client, WORKS), _plan(client)
    gone, kept = (client.v1.subscriptions.create({"customer": customer, "items": [{"plan": plan}]}) for _ in range(2))
    ended = client.v1.subscriptions.cancel(gone.id)
    ending = client.v1.subscriptions.update(kept.id, {"cancel_at_period_end": True})

    def listed(**filters: Any) -> list[str]:
        found = client.v1.subscriptions.list({"customer": customer, **filters})  # type: ignore[arg-type] # any filter
        names = {gone.id: "gone", kept.id: "kept"}
        return sorted(names[subscription.id] for subscription in found.data)

    return {
        "ended": _subscription_facts(ended),
        "ending": _subscription_facts(ending),
        "running": listed(),
        "all": listed(status="all"),
        "canceled": listed(status="canceled"),
    }


def invoice_items(client: stripe.StripeClient) -> Facts:
    """An item waits, and the first invoice of a subscription takes it up."""
    customer = _customer(client, WORKS)
    item = client.v1.invoice_items.create(
        {"customer": customer, "amount": 1500, "currency": "eur", "description": "Set-up"}
    )
    waiting = item.invoice
    made = client.v1.subscriptions.create({"customer": customer, "items": [{"plan": _plan(client), "quantity": 2}]})
    invoice = _latest(client, made)
    facts = _invoice_facts(invoice)
    # The two name the lines in another order, and give a one-off item another period.
    facts["lines"] = sorted(facts["lines"])
    del facts["days"]
    taken = client.v1.invoice_items.retrieve(item.id).invoice == invoice.id
    return {"waiting": waiting, "amount": item.amount, "invoice": facts, "taken": taken}


def errors(client: stripe.StripeClient) -> Facts:
    """What is not there, and what is not allowed."""
    asked: dict[str, Callable[[], object]] = {
        "customer": lambda: client.v1.customers.retrieve("cus_none"),
        "invoice": lambda: client.v1.invoices.retrieve("in_none"),
        "subscription": lambda: client.v1.subscriptions.retrieve("sub_none"),
        "unknown parameter": lambda: client.v1.customers.create({"colour": "red"}),  # type: ignore[arg-type] # tested
    }
    told: Facts = {}
    for name, ask in asked.items():
        with pytest.raises(stripe.InvalidRequestError) as refused:
            ask()
        told[name] = refused.value.http_status
    return told


STORIES: tuple[Callable[[stripe.StripeClient], Facts], ...] = (
    customers,
    plans,
    a_paid_subscription,
    two_tax_rates_on_an_item,
    a_free_plan,
    an_incomplete_subscription_is_paid_later,
    an_incomplete_subscription_is_voided,
    a_cancelled_subscription,
    invoice_items,
    errors,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_both_tell_the_same(
    story: Callable[[stripe.StripeClient], Facts], client: stripe.StripeClient, theirs: stripe.StripeClient
) -> None:
    ours = story(client)
    assert ours
    assert ours == story(theirs)
