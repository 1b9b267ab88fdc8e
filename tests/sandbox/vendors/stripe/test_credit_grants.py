"""Billing credits: granted, used up by what metered prices charge, expired, voided and given back."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.vendors.stripe.clocked import DAY, START, Clocked, day, monthly_price
from tests.sandbox.vendors.stripe.metering import metered_price, new_meter, record


@pytest.fixture
def clocked(client: stripe.StripeClient) -> Clocked:
    return Clocked(client)


def granted(clocked: Clocked, value: int, **params: Any) -> stripe.billing.CreditGrant:
    known: dict[str, Any] = {
        "customer": clocked.customer,
        "amount": {"type": "monetary", "monetary": {"currency": "eur", "value": value}},
        "applicability_config": {"scope": {"price_type": "metered"}},
    }
    return clocked.client.v1.billing.credit_grants.create({**known, **params})  # type: ignore[typeddict-item]  # a merged dict is no TypedDict


def balances(clocked: Clocked, **asked: Any) -> list[tuple[str, int, int]]:
    """Currency, available and booked credits."""
    filter_ = asked or {"type": "applicability_scope", "applicability_scope": {"price_type": "metered"}}
    found = clocked.client.v1.billing.credit_balance_summary.retrieve(
        {"customer": clocked.customer, "filter": filter_}  # type: ignore[typeddict-item]  # a plain dict is no TypedDict
    )
    both = [(each.available_balance.monetary, each.ledger_balance.monetary) for each in found.balances]
    return [(usable.currency, usable.value, booked.value) for usable, booked in both if usable and booked]


def moves(clocked: Clocked, grant: str) -> list[tuple[str, int]]:
    """Type and amount of a grant's moves, oldest first."""
    found = clocked.client.v1.billing.credit_balance_transactions.list(
        {"customer": clocked.customer, "credit_grant": grant}
    )
    ways = [each.credit or each.debit for each in reversed(found.data)]
    return [(way.type, way.amount.monetary.value) for way in ways if way and way.amount.monetary]


def used(clocked: Clocked, units: str, *others: str, **params: Any) -> stripe.Invoice:
    """The invoice over a month in which so many units at 2.00 were used, a renewal of other prices included."""
    meter = new_meter(clocked.client)
    clocked.subscribe(metered_price(clocked.client, meter, "200"), *others, **params)
    record(clocked, meter, units, timestamp=START)
    clocked.advance(day(7) + DAY)
    newest = clocked.client.v1.invoices.list({"customer": clocked.customer}).data[0]
    return clocked.client.v1.invoices.retrieve(str(newest.id))


def test_credits_pay_metered_lines_before_tax_and_nothing_else(client: stripe.StripeClient, clocked: Clocked) -> None:
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20.0, "inclusive": False})
    grant = granted(clocked, 1500)
    assert balances(clocked) == [("eur", 1500, 1500)]
    invoice = used(clocked, "10", monthly_price(client, 500), default_tax_rates=[rate.id])

    assert (invoice.subtotal, invoice.total_excluding_tax, invoice.total) == (2500, 1000, 1200)
    [applied] = invoice.total_pretax_credit_amounts or []
    assert (applied.amount, applied.type) == (1500, "credit_balance_transaction")
    lines = {line.amount: [each.amount for each in line.pretax_credit_amounts or []] for line in invoice.lines.data}
    assert lines == {2000: [1500], 500: []}
    assert moves(clocked, grant.id) == [("credits_granted", 1500), ("credits_applied", 1500)]
    assert balances(clocked) == [("eur", 0, 0)]


def test_the_first_by_priority_then_expiry_then_promotion_is_used_first(clocked: Clocked) -> None:
    paid = granted(clocked, 300)
    free = granted(clocked, 300, category="promotional")
    ending = granted(clocked, 300, expires_at=day(8))
    first = granted(clocked, 300, priority=1)
    used(clocked, "5")

    left = {
        each: balances(clocked, type="credit_grant", credit_grant=each)[0][1]
        for each in (first.id, ending.id, free.id, paid.id)
    }
    assert list(left.values()) == [0, 0, 0, 200]


@pytest.mark.parametrize("when", ["not yet", "no more", "voided", "another currency", "another price"])
def test_a_grant_that_is_not_for_it_pays_nothing(client: stripe.StripeClient, clocked: Clocked, when: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "not yet": {"effective_at": day(9)},
        "no more": {"expires_at": START + DAY},
        "another currency": {"amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 900}}},
    }
    params = changes.get(when, {})
    if when == "another price":
        other = metered_price(client, new_meter(client), "100")
        params = {"applicability_config": {"scope": {"prices": [{"id": other}]}}}
    grant = granted(clocked, 900, **params)
    if when == "voided":
        assert client.v1.billing.credit_grants.void_grant(grant.id).voided_at == START
    assert used(clocked, "1").total == 200


def test_voiding_an_invoice_gives_its_credits_back(client: stripe.StripeClient, clocked: Clocked) -> None:
    grant = granted(clocked, 150)
    invoice = used(clocked, "1", collection_method="send_invoice", days_until_due=30)
    assert (invoice.status, invoice.total) == ("open", 50)
    client.v1.invoices.void_invoice(str(invoice.id))

    assert moves(clocked, grant.id)[-1] == ("credits_application_invoice_voided", 150)
    assert balances(clocked) == [("eur", 150, 150)]


def test_what_was_used_is_expired_and_not_voided(client: stripe.StripeClient, clocked: Clocked) -> None:
    grant = granted(clocked, 500)
    used(clocked, "1")
    with pytest.raises(stripe.InvalidRequestError, match="can't void"):
        client.v1.billing.credit_grants.void_grant(grant.id)
    client.v1.billing.credit_grants.update(grant.id, {"metadata": {"case": "7"}})
    ended = client.v1.billing.credit_grants.expire(grant.id)

    assert ended.metadata.to_dict() == {"case": "7"}
    assert moves(clocked, grant.id)[-1] == ("credits_expired", 300)
    assert balances(clocked) == [("eur", 0, 0)]
    with pytest.raises(stripe.InvalidRequestError, match="has expired"):
        client.v1.billing.credit_grants.expire(grant.id)


@pytest.mark.parametrize(
    "params",
    [
        {"amount": {"type": "monetary", "monetary": {"currency": "eur", "value": 0}}},
        {"amount": {"type": "monetary"}},
        {"applicability_config": {"scope": {}}},
        {"applicability_config": {"scope": {"price_type": "metered", "prices": [{"id": "price_1"}]}}},
        {"priority": 101},
        {"expires_at": START - 1},
        {"customer": "cus_none"},
    ],
)
def test_a_grant_that_cannot_be_is_refused(clocked: Clocked, params: dict[str, Any]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        granted(clocked, 100, **params)


def test_a_grant_names_prices_with_a_meter_only(client: stripe.StripeClient, clocked: Clocked) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="with a meter"):
        granted(clocked, 100, applicability_config={"scope": {"prices": [{"id": monthly_price(client, 500)}]}})
