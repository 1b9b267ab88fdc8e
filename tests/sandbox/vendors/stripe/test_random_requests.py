"""Random requests, valid and half valid, in any order: none makes the sandbox fail, and the books stay right."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sandbox.vendors.stripe.account import Account, Origin
from sandbox.vendors.stripe.billing_cycle import do_overdue_work
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices.drafts import subscription_of
from sandbox.vendors.stripe.operations import OPERATIONS
from sandbox.vendors.stripe.seed import seed
from sandbox.vendors.stripe.settings import StripeSandboxSettings
from sandbox.vendors.stripe.wire.errors import StripeError
from sandbox.vendors.stripe.wire.expansion import render
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Currency,
    Either,
    Hash,
    Integer,
    Items,
    Metadata,
    Moment,
    Number,
    Param,
    Range,
    parse,
)
from sandbox.vendors.stripe.wire.presentation import items_of
from tests.sandbox.vendors.stripe.running_sandbox import SEED

# The kind of object whose id a text parameter wants; the segment after /v1/ wants one for its {id}.
_WANTS = {
    "charge": "charge",
    "coupon": "coupon",
    "customer": "customer",
    "default_price": "price",
    "discount": "discount",
    "from_subscription": "subscription",
    "id": "subscription_item",
    "invoice": "invoice",
    "invoice_line_item": "line",
    "payment_intent": "payment_intent",
    "payout": "payout",
    "plan": "price",
    "price": "price",
    "product": "product",
    "schedule": "subscription_schedule",
    "subscription": "subscription",
    "tax_rates": "tax_rate",
    "default_tax_rates": "tax_rate",
    "test_clock": "test_helpers.test_clock",
    "test_clocks": "test_helpers.test_clock",
}
# Parameters of which a request has exactly one; the first is the one to be expected most of the time.
_EITHER_OR = (
    ("price", "plan", "price_data"),
    ("pricing", "amount", "price_data", "unit_amount_decimal"),
    ("lines", "amount"),
    ("unit_amount", "unit_amount_decimal"),
    ("percent_off", "amount_off"),
    ("coupon", "discount"),
    ("quantity", "amount"),
    ("product", "product_data"),
    ("charge", "payment_intent"),
)
_CARDS = ["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"]
# The second id of a path, and the kind of object that it names.
_SECOND_IDS = {"tax_id": "tax_id", "transaction": "customer_balance_transaction"}
_DAY = 86_400
_MONEY = (
    "credit_notes",
    "invoiceitems",
    "invoices",
    "payment_intents",
    "refunds",
    "subscription_items",
    "subscription_schedules",
    "subscriptions",
)
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
# What there is before the dice are thrown: the ways to an invoice are long, and chance alone seldom goes them.
_BEGINNING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/coupons", {"percent_off": "12.5", "duration": "forever"}),
    ("/v1/coupons", {"amount_off": "300", "currency": "eur", "duration": "once"}),
    ("/v1/tax_rates", {"display_name": "VAT", "percentage": "19", "inclusive": "false"}),
    ("/v1/test_helpers/test_clocks", {"frozen_time": "1748736000"}),
    ("/v1/customers", {"payment_method": "pm_card_visa", "email": "ap@acme.example"}),
    ("/v1/customers", {"payment_method": "pm_card_visa", "test_clock": "test_clock"}),
    ("/v1/prices", {"product": "product", "currency": "eur", "unit_amount": "999", "recurring": {"interval": "month"}}),
)


class Caller:
    """Calls operations with parameters that its dice choose."""

    def __init__(self, seed_number: int) -> None:
        self.dice = Random(seed_number)  # noqa: S311 -- repeatable on purpose
        self.account = Account(StripeSandboxSettings("sk_test_random_requests", wall_clock=lambda: 1_748_736_000.0))
        self.answers = 0
        seed(self.account, SEED)
        operations = {operation.path: operation for operation in OPERATIONS if operation.method == "POST"}
        for path, tree in _BEGINNING:
            named = {name: self._id(name, _WANTS[name]) if value == name else value for name, value in tree.items()}
            self.call(operations[path], named)
        for customer in self.account.store.scan("customer"):
            card = {"invoice_settings": {"default_payment_method": "pm_card_visa"}}
            self.call(operations["/v1/customers/{id}"], card, {"id": customer["id"]})
            items = {"0": {"price": self._id("price", "price"), "quantity": "2"}}
            self.call(operations["/v1/subscriptions"], {"customer": customer["id"], "items": items})

    def random_call(self, operation: Operation) -> None:
        """One call with chosen parameters."""
        noun = operation.path.split("/")[3 if "test_helpers" in operation.path else 2]
        kind = _WANTS.get(noun, noun.removesuffix("s"))
        path = {"id": self._id(noun, kind)} if "{id}" in operation.path else {}
        for second, second_kind in _SECOND_IDS.items():
            if f"{{{second}}}" in operation.path:
                path[second] = self._id(second, second_kind)
        self.call(operation, self._hash(operation.fields), path)

    def call(self, operation: Operation, tree: dict[str, Any], path: dict[str, str] | None = None) -> None:
        """One call; a refusal is an answer too, and leaves nothing; anything else that is raised is a failure."""
        before = self._held()
        try:
            call = Call(self.account, parse(tree, operation.known), path or {}, operation.path, "2026-10-28.endive")
            with self.account.transaction(Origin("req_random")):
                answer = render(self.account.store, operation.handler(call), [])
        except StripeError as error:
            left = self._held() != before and not error.state_kept
            assert not left, f"{operation.method} {operation.path} was refused and left something behind"
        else:
            json.dumps(answer)
            kept = operation.path != "/v1/invoices/create_preview" or self._held() == before
            assert kept, "a preview left something behind"
            self.answers += 1

    def _held(self) -> str:
        kinds = self.account.store.counts()
        records = [record for kind in kinds for record in self.account.store.scan(kind)]
        return json.dumps([records, self.account.journal.entries()[-1:]], default=str)

    def _id(self, name: str, kind: str) -> str:
        if name in {"payment_method", "default_payment_method", "payment_methods"}:
            return self.dice.choice(_CARDS)
        if kind == "line":
            lines = [line["id"] for invoice in self.account.store.scan("invoice") for line in invoice["_lines"]]
            return str(self.dice.choice([*lines[:3], "il_none"]))
        ids = [str(record["id"]) for record in self.account.store.scan(kind)]
        # A new object most of the time, so that the calls build on each other.
        return self.dice.choice(ids[:3] * 4 + ids[-1:] if ids else ["none"])

    def _hash(self, fields: Any) -> dict[str, Any]:
        groups = [[name for name in group if name in fields] for group in _EITHER_OR]
        chosen_of = {
            name: group[0] if self.dice.random() < 0.7 else self.dice.choice(group)
            for group in groups
            if len(group) > 1
            for name in group
        }
        chosen: dict[str, Any] = {}
        for name, param in fields.items():
            wanted = chosen_of[name] == name if name in chosen_of else self.dice.random() < 0.12
            if param.required or wanted or (name == "customer" and self.dice.random() < 0.9):
                value = self._value(name, param)
                if value not in ({}, None):
                    chosen[name] = value
        if chosen.get("collection_method") == "send_invoice" and "days_until_due" in fields:
            chosen["days_until_due"] = "7"
        return chosen

    def _value(self, name: str, param: Param) -> Any:
        if param.unset and self.dice.random() < 0.1:
            return ""
        nested: dict[type[Param], Callable[[Any], Any]] = {
            Either: lambda either: self._value(name, self.dice.choice([either.scalar, either.nested])),
            Hash: lambda hash_: self._hash(hash_.fields),
            Items: lambda items: {str(index): self._value(name, items.of) for index in range(self.dice.randint(1, 2))},
            Metadata: lambda _: {
                "k": self.dice.choice("vw"),
                "sandbox_behaviour": self.dice.choice(["decline", "", ""]),
            },
            Range: lambda _: {"gte": "0"},
        }
        scalars: dict[type[Param], Callable[[Any], str]] = {
            Boolean: lambda _: self.dice.choice(["true", "false"]),
            Choice: lambda choice: self.dice.choice(choice.words),
            Currency: lambda _: self.dice.choice(["eur"] * 9 + ["usd"]),
            Number: lambda _: self.dice.choice(["5", "12.5", "490", "99.995"]),
            Integer: lambda integer: self._number(name, integer),
            Moment: lambda moment: self._number(name, moment),
        }
        ways = {**nested, **scalars}
        return ways[type(param)](param) if type(param) in ways else self._text(name)

    def _number(self, name: str, param: Param) -> str:
        if isinstance(param, Moment) and param.words and self.dice.random() < 0.4:
            return self.dice.choice(param.words)
        if isinstance(param, Moment) or "time" in name or "date" in name or "anchor" in name:
            clocks = self.account.store.scan("test_helpers.test_clock")
            now = int(clocks[0]["frozen_time"]) if clocks else self.account.now()
            return str(now + self.dice.choice([-1, 0, 3600, _DAY, 10 * _DAY, 31 * _DAY]))
        return str(self.dice.choice([0, 1, 1, 2, 3, 7, 100, 2500]))

    def _text(self, name: str) -> str:
        if name == "email":
            return self.dice.choice(["ap@acme.example", "ap@acme.example", "Ω"])
        if name in _WANTS or "payment_method" in name:
            return self._id(name, _WANTS.get(name, name))
        return self.dice.choice(["a", "Ω", "customer.created", "http://127.0.0.1:9/", "metadata['k']:'v'", "tok_visa"])


def _check_books(account: Account) -> None:
    for invoice in account.store.scan("invoice"):
        lines = invoice["_lines"]
        discounts = sum(entry["amount"] for line in lines for entry in line["discount_amounts"])
        taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
        assert invoice["subtotal"] == sum(line["amount"] for line in lines)
        assert invoice["total"] == invoice["subtotal"] - discounts + taxes
        assert invoice["amount_remaining"] >= 0
        assert invoice["amount_due"] >= 0
        assert (invoice["number"] is None) == (invoice["status"] == "draft")
        if invoice["status"] == "paid":
            assert invoice["amount_remaining"] == 0
            assert invoice["amount_paid"] + invoice["pre_payment_credit_notes_amount"] >= invoice["amount_due"]
        notes = [
            n for n in account.store.scan("credit_note") if n["invoice"] == invoice["id"] and n["status"] == "issued"
        ]
        assert sum(note["total"] for note in notes) <= max(0, invoice["total"])
        assert sum(n["pre_payment_amount"] for n in notes) == invoice["pre_payment_credit_notes_amount"]
    _check_payments(account)
    numbers = [invoice["number"] for invoice in account.store.scan("invoice") if invoice["number"]]
    assert len(numbers) == len(set(numbers))
    for subscription in account.store.scan("subscription"):
        items = items_of(account.store, subscription["id"])
        assert items
        assert all(item["current_period_start"] < item["current_period_end"] for item in items)
        latest = subscription["latest_invoice"]
        if latest is not None:
            invoice_now = account.store.get("invoice", latest)
            assert invoice_now is not None
            assert subscription_of(invoice_now) == subscription["id"]
            if subscription["status"] == "incomplete":
                assert invoice_now["status"] == "open"


def _check_payments(account: Account) -> None:
    for invoice in account.store.scan("invoice"):
        payments = account.store.scan("invoice_payment", invoice=invoice["id"])
        assert len(payments) <= (invoice["number"] is not None)
        for payment in payments:
            intent = account.fetch("payment_intent", payment["payment"]["payment_intent"])
            open_or_given_up = {"open": invoice["status"] in {"open", "uncollectible"}, "canceled": True}
            assert open_or_given_up.get(payment["status"], intent["status"] == "succeeded")
            if payment["status"] == "paid":
                assert payment["amount_paid"] == intent["amount_received"] > 0
    for charge in account.store.scan("charge"):
        refunds = [each for each in account.store.scan("refund", charge=charge["id"]) if each["status"] != "failed"]
        assert charge["amount_refunded"] == sum(refund["amount"] for refund in refunds) <= charge["amount_captured"]
        assert charge["captured"] == (charge["balance_transaction"] is not None)
    for transaction in account.store.scan("balance_transaction"):
        assert transaction["net"] == transaction["amount"] - transaction["fee"]
        assert transaction["fee"] == sum(each["amount"] for each in transaction["fee_details"])


# A seed does not shrink to anything simpler.
@settings(max_examples=5, deadline=None, phases=_PHASES, suppress_health_check=list(HealthCheck))
@given(st.integers(min_value=0, max_value=2**32))
def test_nothing_fails_and_the_books_stay_right(seed_number: int) -> None:
    caller = Caller(seed_number)
    busy = [each for each in OPERATIONS if each.path.split("/")[2] in _MONEY and each.method == "POST"]
    advance = [each for each in OPERATIONS if each.path.endswith("/advance")]
    for _ in range(50):
        caller.random_call(caller.dice.choice([*OPERATIONS, *busy * 6, *advance * 12]))
        if caller.dice.random() < 0.1:
            caller.account.clock.shift(caller.dice.choice([1, 15, 40]) * _DAY)
            do_overdue_work(caller.account)
    assert not caller.account.stuck
    _check_books(caller.account)
    assert caller.answers > 12
