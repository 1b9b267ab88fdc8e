"""What is left of billing credits: a ledger of credits and debits for each grant.

Source: Stripe's API reference, "Credit Balance Transaction" and "Credit Grant".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.store import Record, new_id

GRANT, TRANSACTION = "billing.credit_grant", "billing.credit_balance_transaction"


def enter(
    account: Account, grant: Record, type_: str, value: int, details: Record | None = None, *, id_: str | None = None
) -> None:
    """Store a move of a grant's balance. `details` is of the invoice that it was for."""
    way = "credit" if type_ in {"credits_granted", "credits_application_invoice_voided"} else "debit"
    named = {"credit": "credits_application_invoice_voided", "debit": "credits_applied"}[way]
    transaction = account.new(
        TRANSACTION,
        id_ or new_id("cbtxn"),
        on_clock=grant["test_clock"],
        credit=None,
        credit_grant=grant["id"],
        debit=None,
        effective_at=account.now(grant["test_clock"]),
        test_clock=grant["test_clock"],
        type=way,
        _customer=grant["customer"],
    )
    transaction[way] = {
        "amount": monetary(value, grant["amount"]["monetary"]["currency"]),
        named: details if type_ == named else None,
        "type": type_,
    }
    account.store.put(transaction)
    account.note("created", transaction)
    account.emit(f"{TRANSACTION}.created", transaction)


def monetary(value: int, currency: str) -> Record:
    """Return an amount of credits."""
    return {"monetary": {"currency": currency, "value": value}, "type": "monetary"}


def left_of(account: Account, grant: Mapping[str, Any]) -> int:
    """Return what a grant's moves come to."""
    found = 0
    for move in account.store.scan(TRANSACTION, credit_grant=grant["id"]):
        way = move["type"]
        value = int(move[way]["amount"]["monetary"]["value"])
        found += value if way == "credit" else -value
    return found


def has_expired(account: Account, grant: Mapping[str, Any]) -> bool:
    """Return whether a grant's time is over; what is left of it then is used for nothing."""
    return grant["expires_at"] is not None and grant["expires_at"] <= account.now(grant["test_clock"])


def available(account: Account, grant: Mapping[str, Any]) -> int:
    """Return what of a grant can be used now."""
    began = grant["effective_at"] <= account.now(grant["test_clock"])
    if not began or grant["voided_at"] is not None or has_expired(account, grant):
        return 0
    return left_of(account, grant)


def applies_to(grant: Mapping[str, Any], price: Mapping[str, Any]) -> bool:
    """Return whether a grant is for a price: one with a meter, and one of those that it names where it names any."""
    if price["recurring"] is None or price["recurring"]["meter"] is None:
        return False
    scope = grant["applicability_config"]["scope"]
    return scope.get("prices") is None or price["id"] in {each["id"] for each in scope["prices"]}
