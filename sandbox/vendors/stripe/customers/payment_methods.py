"""Payment methods, all of them Stripe's test cards.

The sandbox attaches every card; Stripe refuses to attach one that declines at once, such as `pm_card_chargeDeclined`.
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers.test_cards import BY_NUMBER, CARDS
from sandbox.vendors.stripe.gateway.listing import PAGE, list_records, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import Choice, Hash, Integer, Metadata, Text, merge_metadata


def _make(account: Account, name: str, *, exp_month: int = 12, exp_year: int = 2034) -> Record:
    card = CARDS[name]
    payment_method = account.new(
        "payment_method",
        new_id("pm"),
        allow_redisplay="unspecified",
        billing_details={"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        card={
            "brand": card.brand,
            "country": "US",
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": f"sandbox{card.last4}",
            "funding": "credit",
            "last4": card.last4,
        },
        customer=None,
        metadata={},
        type="card",
    )
    payment_method["_card"] = name
    account.store.put(payment_method)
    return payment_method


def create(call: Call) -> Record:
    """POST /v1/payment_methods, with a test token (`tok_visa`) or a test card number"""
    card = call.params.get("card", {})
    name = card["token"].removeprefix("tok_") if "token" in card else BY_NUMBER.get(card.get("number", ""), "")
    if name not in CARDS:
        raise invalid(
            "Your card number is incorrect. The sandbox knows the numbers and tokens of these cards: "
            f"{', '.join(f'tok_{each}' for each in CARDS)}.",
            code="incorrect_number",
            param="card[number]",
        )
    payment_method = _make(
        call.account,
        name,
        exp_month=card.get("exp_month", 12),
        exp_year=card.get("exp_year", 2034),
    )
    payment_method["metadata"] = merge_metadata({}, call.params.get("metadata"))
    call.account.store.put(payment_method)
    call.account.note("created", payment_method)
    return payment_method


def attach(account: Account, payment_method_id: str, customer: Record, *, param: str = "id") -> Record:
    """Attach to a customer; a test token (`pm_card_visa`) becomes a fresh payment method first.

    Raises StripeError when there is none with the id, or when it belongs to another customer.
    """
    name = _test_card(payment_method_id)
    if name is not None:
        payment_method = _make(account, name)
    else:
        payment_method = account.fetch(
            "payment_method", payment_method_id, param=param, status=404 if param == "id" else 400
        )
    if payment_method["customer"] not in {None, customer["id"]}:
        raise invalid(
            "The payment method you provided has already been attached to a customer.", param="payment_method"
        )
    payment_method["customer"] = customer["id"]
    account.store.put(payment_method)
    account.emit("payment_method.attached", payment_method)
    return payment_method


def of_customer(account: Account, payment_method_id: str, customer_id: str, *, param: str) -> str:
    """Return the id of a payment method that belongs to the customer.

    Raises StripeError `resource_missing` when it does not. A test token means the customer's newest card of that kind.
    """
    name = _test_card(payment_method_id)
    for payment_method in account.store.scan("payment_method", customer=customer_id):
        named = payment_method["id"] == payment_method_id
        if named or (name is not None and payment_method["_card"] == name):
            return str(payment_method["id"])
    if account.store.get("payment_method", payment_method_id) is None:
        raise no_such("PaymentMethod", payment_method_id, param=param)
    raise invalid(
        f"The customer does not have a payment method with the ID {payment_method_id}. The payment method must be "
        "attached to the customer.",
        code="resource_missing",
        param=param,
    )


def of_customer_or_test_card(account: Account, payment_method_id: str, customer: Record, *, param: str) -> str:
    """As `of_customer`, and a test token that is none of the customer's yet is attached first."""
    name = _test_card(payment_method_id)
    cards = account.store.scan("payment_method", customer=customer["id"])
    if name is not None and all(card["_card"] != name for card in cards):
        attach(account, payment_method_id, customer, param=param)
    return of_customer(account, payment_method_id, customer["id"], param=param)


def unattached(account: Account, payment_method_id: str, *, param: str) -> str:
    """Return the id of a payment method that belongs to nobody; a test token becomes a fresh one.

    StripeError otherwise.
    """
    name = _test_card(payment_method_id)
    if name is not None:
        return str(_make(account, name)["id"])
    payment_method = account.fetch("payment_method", payment_method_id, param=param)
    if payment_method["customer"] is not None:
        raise invalid(
            f"The payment method {payment_method_id} belongs to a customer: name the customer as well.", param=param
        )
    return payment_method_id


def _test_card(payment_method_id: str) -> str | None:
    """Return the name of the test card that an id stands for."""
    name = payment_method_id.removeprefix("pm_card_")
    return name if payment_method_id.startswith("pm_card_") and name in CARDS else None


def attach_to(call: Call) -> Record:
    """POST /v1/payment_methods/{id}/attach"""
    customer = call.account.fetch_live("customer", call.params["customer"], param="customer")
    return attach(call.account, call.object_id, customer)


def detach(call: Call) -> Record:
    """POST /v1/payment_methods/{id}/detach: it can never be attached again"""
    payment_method = call.fetch("payment_method")
    if payment_method["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = call.account.fetch("customer", payment_method["customer"])
    settings = customer.get("invoice_settings", {})
    if settings.get("default_payment_method") == payment_method["id"]:
        before = call.account.shown(call.account.fetch_live("customer", customer["id"]))
        settings["default_payment_method"] = None
        call.account.store.put(customer)
        call.account.emit_update("customer.updated", before, customer)
    payment_method["customer"] = None
    call.account.store.put(payment_method)
    call.account.emit("payment_method.detached", payment_method)
    return payment_method


def list_payment_methods(call: Call) -> Record:
    """GET /v1/payment_methods?customer="""
    return list_records(call, "payment_method")


def list_of_customer(call: Call) -> Record:
    """GET /v1/customers/{id}/payment_methods"""
    customer = call.fetch_live("customer")
    cards = call.account.store.scan("payment_method", customer=customer["id"])
    return page(call, [dict(card) for card in cards], "payment_method")


_CARD = Hash(
    fields={
        "cvc": Text(),
        "exp_month": Integer(minimum=1, maximum=12),
        "exp_year": Integer(minimum=2000),
        "number": Text(),
        "token": Text(),
    },
    required=True,
)
_TYPE = Choice(words=("card",), required=True)

OPERATIONS = (
    Operation("POST", "/v1/payment_methods", create, {"card": _CARD, "metadata": Metadata(), "type": _TYPE}),
    Operation(
        "GET",
        "/v1/payment_methods",
        list_payment_methods,
        {**PAGE, "customer": Text(required=True), "type": Choice(words=("card",))},
    ),
    Operation("GET", "/v1/payment_methods/{id}", lambda call: call.fetch("payment_method")),
    Operation("POST", "/v1/payment_methods/{id}/attach", attach_to, {"customer": Text(required=True)}),
    Operation("POST", "/v1/payment_methods/{id}/detach", detach),
    Operation("GET", "/v1/customers/{id}/payment_methods", list_of_customer, {**PAGE, "type": Choice(words=("card",))}),
)
