"""The account's balance: a transaction for each movement of money, with Stripe's fee taken off.

Source: Stripe's API reference, "Balance transactions" and "Balance", and "Balance transaction types". The fee is the
sandbox's own: 2.9 % and 30 minor units, Stripe's published price for cards in the United States.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.currencies import rounded
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.params import Currency, Text

AVAILABLE_AFTER_S = 2 * 86_400
_FEE_PERCENT, _FEE_FIXED = Decimal("2.9"), 30
DISPUTE_FEE = 1_500


def card_fee(amount: int) -> int:
    """Return what Stripe keeps of a card payment."""
    return rounded(Decimal(amount) * _FEE_PERCENT / 100) + _FEE_FIXED


def book(
    account: Account,
    type_: str,
    amount: int,
    currency: str,
    source: str,
    *,
    fee: int = 0,
    category: str | None = None,
    description: str | None = None,
    at_once: bool = False,
) -> Record:
    """Return a stored balance transaction: `amount` comes in (or goes out, when negative), less the fee.

    What comes in is available two days later, what goes out at once.
    """
    now = account.now()
    waits = amount > 0 and type_ == "charge" and not at_once
    transaction: Record = {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now + (AVAILABLE_AFTER_S if waits else 0),
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": _fee_details(fee, currency),
        "net": amount - fee,
        "reporting_category": category or type_,
        "source": source,
        "status": "pending" if waits else "available",
        "type": type_,
        "_payout": None,
    }
    account.store.put(transaction)
    return transaction


def _fee_details(fee: int, currency: str) -> list[Record]:
    if not fee:
        return []
    words = "Stripe processing fees"
    return [{"amount": fee, "application": None, "currency": currency, "description": words, "type": "stripe_fee"}]


def settle(account: Account, transaction: Record, _: int) -> None:
    """Make a pending transaction available; work that time does."""
    transaction["status"] = "available"
    account.store.put(transaction)
    account.emit("balance.available", balance(account))


def balance(account: Account) -> Record:
    """Return the account's balance by currency, as it is now."""
    sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for transaction in account.store.scan("balance_transaction"):
        of_status = sums[transaction["status"]]
        of_status[transaction["currency"]] = of_status.get(transaction["currency"], 0) + transaction["net"]
    currencies = sorted({"eur", *sums["available"], *sums["pending"]})
    shown = {
        status: [
            {
                "amount": amounts.get(currency, 0),
                "currency": currency,
                "source_types": {"card": amounts.get(currency, 0)},
            }
            for currency in currencies
        ]
        for status, amounts in sums.items()
    }
    return {"object": "balance", "livemode": account.settings.livemode, **shown}


def available_in(account: Account, currency: str) -> int:
    """Return what can be paid out in a currency."""
    return sum(
        transaction["net"]
        for transaction in account.store.scan("balance_transaction", currency=currency)
        if transaction["status"] == "available"
    )


def list_transactions(call: Call) -> Record:
    """GET /v1/balance_transactions"""
    payout = call.params.get("payout")
    if payout is None:
        return list_records(call, "balance_transaction")
    of_payout = [dict(each) for each in call.account.store.scan("balance_transaction") if each["_payout"] == payout]
    return page(call, [each for each in of_payout if _wanted(each, call.params)], "balance_transaction")


def _wanted(transaction: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    named = {name: params[name] for name in ("currency", "source", "type") if name in params}
    return all(transaction[name] == value for name, value in named.items())


_FILTERS = {"currency": Currency(), "payout": Text(), "source": Text(), "type": Text()}
OPERATIONS = (
    Operation("GET", "/v1/balance", lambda call: balance(call.account)),
    Operation("GET", "/v1/balance_transactions", list_transactions, {**PAGE, **CREATED, **_FILTERS}),
    Operation("GET", "/v1/balance_transactions/{id}", lambda call: call.fetch("balance_transaction")),
)
