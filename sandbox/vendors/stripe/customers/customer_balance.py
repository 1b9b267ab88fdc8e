"""A customer's balance: credit for the next invoices (negative), or what is added to them (positive).

Source: Stripe's "Customer invoice balance" and its API reference, "Customer Balance Transactions". Stripe keeps a
balance for each currency; the sandbox keeps the one of the customer's currency and refuses another.
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.amounts import check_step
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import Currency, Integer, Metadata, Text, merge_metadata

_KIND = "customer_balance_transaction"


def move_balance(
    account: Account,
    customer: Record,
    change: int,
    type_: str,
    *,
    currency: str,
    invoice: str | None = None,
    credit_note: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Record | None:
    """Change a customer's balance, and keep why; the customer is stored. None where nothing changes."""
    if not change:
        account.store.put(customer)
        return None
    before = account.shown(account.fetch_live("customer", customer["id"]))
    customer["balance"] += change
    customer["currency"] = customer["currency"] or currency
    transaction = account.new(
        _KIND,
        new_id("cbtxn"),
        on_clock=customer["test_clock"],
        amount=change,
        checkout_session=None,
        credit_note=credit_note,
        currency=currency,
        customer=customer["id"],
        customer_account=None,
        description=description,
        ending_balance=customer["balance"],
        invoice=invoice,
        metadata=metadata or {},
        type=type_,
    )
    account.store.put(transaction)
    account.note("created", transaction)
    account.store.put(customer)
    account.emit_update("customer.updated", before, customer)
    return transaction


def create(call: Call) -> Record:
    """POST /v1/customers/{id}/balance_transactions"""
    account, params, customer = call.account, call.params, call.fetch_live("customer")
    if not params["amount"]:
        raise invalid("The amount must not be zero.", param="amount")
    check_step(params["amount"], params["currency"], param="amount")
    if customer["currency"] not in {None, params["currency"]}:
        raise invalid(
            f"The customer's balance is in {customer['currency']}; the sandbox keeps none in {params['currency']}.",
            param="currency",
        )
    made = move_balance(
        account,
        customer,
        params["amount"],
        "adjustment",
        currency=params["currency"],
        description=params.get("description"),
        metadata=merge_metadata({}, params.get("metadata")),
    )
    return made or {}


def update(call: Call) -> Record:
    """POST /v1/customers/{id}/balance_transactions/{transaction}: description and metadata"""
    transaction = _of_customer(call)
    if "description" in call.params:
        transaction["description"] = call.params["description"]
    if "metadata" in call.params:
        transaction["metadata"] = merge_metadata(transaction["metadata"], call.params["metadata"])
    call.account.store.put(transaction)
    call.account.note("updated", transaction)
    return transaction


def list_transactions(call: Call) -> Record:
    """GET /v1/customers/{id}/balance_transactions"""
    customer = call.fetch("customer")
    found = call.account.store.scan(_KIND, customer=customer["id"])
    named = {name: call.params[name] for name in ("invoice",) if name in call.params}
    wanted = [dict(each) for each in found if all(each[name] == value for name, value in named.items())]
    return page(call, wanted, _KIND)


def _of_customer(call: Call) -> Record:
    transaction = call.account.store.get(_KIND, call.path["transaction"])
    if transaction is None or transaction["customer"] != call.object_id:
        raise no_such(_KIND, call.path["transaction"], status=404)
    return transaction


_DETAILS = {"description": Text(unset=True, chars_max=350), "metadata": Metadata()}
_PATH = "/v1/customers/{id}/balance_transactions"
OPERATIONS = (
    Operation(
        "POST", _PATH, create, {**_DETAILS, "amount": Integer(required=True), "currency": Currency(required=True)}
    ),
    Operation("GET", _PATH, list_transactions, {**PAGE, **CREATED, "invoice": Text()}),
    Operation("GET", f"{_PATH}/{{transaction}}", _of_customer),
    Operation("POST", f"{_PATH}/{{transaction}}", update, _DETAILS),
)
