"""The deletion of a customer, which ends its subscriptions."""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscription_states import ENDED
from sandbox.vendors.stripe.subscriptions.cancelling import cancel_at_once, stop_advancing


def delete(call: Call) -> Record:
    """DELETE /v1/customers/{id}"""
    return delete_customer(call.account, call.fetch_live("customer"))


def delete_customer(account: Account, customer: Record) -> Record:
    """Delete a customer: its subscriptions are cancelled at once, its invoices advance no more."""
    for subscription in account.store.scan("subscription", customer=customer["id"]):
        if subscription["status"] not in ENDED:
            cancel_at_once(account, account.fetch("subscription", subscription["id"]))
    for invoice in account.store.scan("invoice", customer=customer["id"]):
        stop_advancing(account, dict(invoice))
    account.emit("customer.deleted", customer)
    gone = {"id": customer["id"], "object": "customer", "deleted": True}
    account.store.put(gone)
    return gone


OPERATIONS = (Operation("DELETE", "/v1/customers/{id}", delete),)
