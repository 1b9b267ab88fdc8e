"""Credit grants and what a customer has of them.

Source: Stripe's API reference, "Credit Grant" and "Credit Balance Summary"; "Billing credits" for the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.catalogue.amounts import check_step
from sandbox.vendors.stripe.credits.ledger import (
    GRANT,
    TRANSACTION,
    applies_to,
    available,
    enter,
    has_expired,
    left_of,
    monetary,
)
from sandbox.vendors.stripe.gateway.listing import PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Choice, Currency, Hash, Integer, Items, Metadata, Text, merge_metadata

_UNUSED_MAX = 100
_DEFAULT_PRIORITY = 50


def create(call: Call) -> Record:
    """POST /v1/billing/credit_grants"""
    account, params = call.account, call.params
    customer = account.fetch_live("customer", params["customer"], param="customer")
    amount = params["amount"].get("monetary")
    if amount is None:
        raise invalid("You must provide a monetary amount.", code="parameter_missing", param="amount[monetary]")
    check_step(amount["value"], amount["currency"], param="amount[monetary][value]")
    scope = _scope(call, params["applicability_config"]["scope"], "applicability_config[scope]")
    unused = [each for each in account.store.scan(GRANT, customer=customer["id"]) if available(account, each)]
    if len(unused) >= _UNUSED_MAX:
        raise invalid(f"A customer can have at most {_UNUSED_MAX} unused credit grants.", param="customer")
    now = account.now(customer["test_clock"])
    grant = account.new(
        GRANT,
        new_id("credgr"),
        on_clock=customer["test_clock"],
        amount=monetary(amount["value"], amount["currency"]),
        applicability_config={"scope": scope},
        category=params.get("category", "paid"),
        customer=customer["id"],
        customer_account=None,
        effective_at=params.get("effective_at", now),
        expires_at=params.get("expires_at"),
        metadata=merge_metadata({}, params.get("metadata")),
        name=params.get("name"),
        priority=params.get("priority", _DEFAULT_PRIORITY),
        test_clock=customer["test_clock"],
        updated=now,
        voided_at=None,
    )
    if grant["expires_at"] is not None and grant["expires_at"] <= max(now, grant["effective_at"]):
        raise invalid("A credit grant must expire after it becomes effective, and in the future.", param="expires_at")
    account.store.put(grant)
    account.note("created", grant)
    account.emit(f"{GRANT}.created", grant)
    enter(account, grant, "credits_granted", amount["value"])
    return grant


def list_grants(call: Call) -> Record:
    """GET /v1/billing/credit_grants"""
    return list_records(call, GRANT, scoped="customer" in call.params)


def update(call: Call) -> Record:
    """POST /v1/billing/credit_grants/{id}: when it expires, and metadata"""
    grant = call.fetch(GRANT)
    before = call.account.shown(grant)
    if "expires_at" in call.params:
        _require_open(call, grant)
        grant["expires_at"] = call.params["expires_at"]
    if "metadata" in call.params:
        grant["metadata"] = merge_metadata(grant["metadata"], call.params["metadata"])
    return _changed(call, grant, before)


def expire(call: Call) -> Record:
    """POST /v1/billing/credit_grants/{id}/expire: what is left is used for nothing any more"""
    grant = call.fetch(GRANT)
    _require_open(call, grant)
    before = call.account.shown(grant)
    grant["expires_at"] = call.account.now(grant["test_clock"])
    enter(call.account, grant, "credits_expired", left_of(call.account, grant))
    return _changed(call, grant, before)


def void(call: Call) -> Record:
    """POST /v1/billing/credit_grants/{id}/void: only while nothing of it was used"""
    grant = call.fetch(GRANT)
    _require_open(call, grant)
    left = left_of(call.account, grant)
    if left != grant["amount"]["monetary"]["value"]:
        raise invalid("You can't void a credit grant that was applied to an invoice; expire it instead.")
    before = call.account.shown(grant)
    grant["voided_at"] = call.account.now(grant["test_clock"])
    enter(call.account, grant, "credits_voided", left)
    return _changed(call, grant, before)


def summary(call: Call) -> Record:
    """GET /v1/billing/credit_balance_summary: what there is of some of a customer's grants, by currency"""
    account, params = call.account, call.params
    customer = account.fetch_live("customer", params["customer"], param="customer")
    asked = params["filter"]
    if asked["type"] not in asked:
        path = f"filter[{asked['type']}]"
        raise invalid(f"Missing required param: {path}.", code="parameter_missing", param=path)
    grants = account.store.scan(GRANT, customer=customer["id"])
    if asked["type"] == "credit_grant":
        grants = [each for each in grants if each["id"] == asked["credit_grant"]]
    else:
        scope = _scope(call, asked["applicability_scope"], "filter[applicability_scope]")
        grants = [each for each in grants if _covers(call, each, scope)]
    sums: dict[str, list[int]] = {}
    for grant in grants:
        found = sums.setdefault(grant["amount"]["monetary"]["currency"], [0, 0])
        found[0] += available(account, grant)
        found[1] += 0 if has_expired(account, grant) else left_of(account, grant)
    return {
        "object": "billing.credit_balance_summary",
        "balances": [
            {"available_balance": monetary(usable, currency), "ledger_balance": monetary(booked, currency)}
            for currency, (usable, booked) in sorted(sums.items())
        ],
        "customer": customer["id"],
        "customer_account": None,
        "livemode": account.settings.livemode,
    }


def list_transactions(call: Call) -> Record:
    """GET /v1/billing/credit_balance_transactions"""
    customer = call.params["customer"]
    return list_records(call, TRANSACTION, matches=lambda each: each["_customer"] == customer, scoped=True)


def _require_open(call: Call, grant: Record) -> None:
    if grant["voided_at"] is not None or has_expired(call.account, grant):
        raise invalid("This credit grant was voided or has expired.")


def _changed(call: Call, grant: Record, before: Record) -> Record:
    grant["updated"] = call.account.now(grant["test_clock"])
    call.account.store.put(grant)
    call.account.note("updated", grant)
    call.account.emit_update(f"{GRANT}.updated", before, grant)
    return grant


def _scope(call: Call, asked: Mapping[str, Any], path: str) -> Record:
    """Return a scope that names metered prices, or all of them; as the API shows it."""
    if ("price_type" in asked) == ("prices" in asked):
        raise invalid(f"You must provide either {path}[price_type] or {path}[prices].", param=path)
    if "price_type" in asked:
        return {"price_type": asked["price_type"]}
    for index, each in enumerate(asked["prices"]):
        at = f"{path}[prices][{index}][id]"
        price = call.account.fetch("price", each["id"], param=at)
        if price["recurring"] is None or price["recurring"]["meter"] is None:
            raise invalid(f"Credit grants only apply to prices with a meter; {price['id']} has none.", param=at)
    return {"prices": [{"id": each["id"]} for each in asked["prices"]]}


def _covers(call: Call, grant: Mapping[str, Any], scope: Mapping[str, Any]) -> bool:
    if "price_type" in scope:
        return "price_type" in grant["applicability_config"]["scope"]
    return all(applies_to(grant, call.account.fetch("price", each["id"])) for each in scope["prices"])


_SCOPE = Hash(
    fields={
        "price_type": Choice(words=("metered",)),
        "prices": Items(of=Hash(fields={"id": Text(required=True)})),
    },
    required=True,
)
_PATH = "/v1/billing/credit_grants"
_AMOUNT = Hash(
    fields={
        "type": Choice(words=("monetary",), required=True),
        "monetary": Hash(fields={"currency": Currency(required=True), "value": Integer(required=True, minimum=1)}),
    },
    required=True,
)
_FILTER = Hash(
    fields={
        "type": Choice(words=("applicability_scope", "credit_grant"), required=True),
        "applicability_scope": Hash(fields=_SCOPE.fields),
        "credit_grant": Text(),
    },
    required=True,
)
OPERATIONS = (
    Operation(
        "POST",
        _PATH,
        create,
        {
            "amount": _AMOUNT,
            "applicability_config": Hash(fields={"scope": _SCOPE}, required=True),
            "category": Choice(words=("paid", "promotional")),
            "customer": Text(required=True),
            "effective_at": Integer(),
            "expires_at": Integer(),
            "metadata": Metadata(),
            "name": Text(chars_max=100),
            "priority": Integer(minimum=0, maximum=100),
        },
    ),
    Operation("GET", _PATH, list_grants, {**PAGE, "customer": Text()}),
    Operation("GET", f"{_PATH}/{{id}}", lambda call: call.fetch(GRANT)),
    Operation("POST", f"{_PATH}/{{id}}", update, {"expires_at": Integer(unset=True), "metadata": Metadata()}),
    Operation("POST", f"{_PATH}/{{id}}/expire", expire),
    Operation("POST", f"{_PATH}/{{id}}/void", void),
    Operation(
        "GET", "/v1/billing/credit_balance_summary", summary, {"customer": Text(required=True), "filter": _FILTER}
    ),
    Operation(
        "GET",
        "/v1/billing/credit_balance_transactions",
        list_transactions,
        {**PAGE, "customer": Text(required=True), "credit_grant": Text()},
    ),
    Operation("GET", "/v1/billing/credit_balance_transactions/{id}", lambda call: call.fetch(TRANSACTION)),
)
