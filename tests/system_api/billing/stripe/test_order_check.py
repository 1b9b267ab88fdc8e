"""What Stripe would refuse of an order's texts is found by reading, and what is not found there it takes."""

from typing import get_args

import pytest

from shared.canonical import CustomerDraft, OrderCheck, SubscriptionStatus
from shared.canonical.wire import ShortText
from shared.problem import Rejected
from system_api.billing.stripe.adapter import Stripe
from tests.system_api.billing.conftest import created, stripe_get
from tests.system_api.billing.drafts import changed, external_id, monthly
from tests.system_api.conftest import Simulator

# As long as the canonical model lets a text be.
(LONGEST,) = (each.max_length for each in get_args(ShortText)[1:])


@pytest.mark.parametrize(("length", "codes"), [(140, []), (141, ["purchase_order_number_too_long"])])
async def test_a_purchase_orders_number_is_as_long_as_an_invoice_shows(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft, length: int, codes: list[str]
) -> None:
    number = "4" * length

    found = await billing.check_order(OrderCheck(customer=customer_draft, purchase_order_number=number))

    assert [fault.code for fault in found.faults] == codes
    assert created(stripe_account, "customer", customer_draft.account_id) == 0
    customer = await billing.ensure_customer(customer_draft)
    draft = monthly(customer.vendor_id, customer_draft.account_id, purchase_order_number=number)
    if not codes:
        made = await billing.create_subscription(external_id(), draft)
        assert made.status is SubscriptionStatus.active
        return
    assert found.faults[0].field == "purchaseOrderNumber"
    with pytest.raises(Rejected) as raised:
        await billing.create_subscription(external_id(), draft)
    assert raised.value.reason_code == codes[0]


@pytest.mark.parametrize("email", ["kasse", "kasse@acme", "kasse @acme.example", "a@b@acme.example"])
async def test_an_address_that_is_none_is_a_fault_and_stripe_refuses_it(
    billing: Stripe, customer_draft: CustomerDraft, email: str
) -> None:
    draft = changed(customer_draft, email=email)

    found = await billing.check_order(OrderCheck(customer=draft))

    assert [(fault.code, fault.field) for fault in found.faults] == [("email_invalid", "billTo.email")]
    assert email not in found.faults[0].message
    with pytest.raises(Rejected) as raised:
        await billing.ensure_customer(draft)
    assert raised.value.reason_code == "email_invalid"


async def test_the_longest_texts_of_our_model_fit_everywhere_else(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    longest = "ä" * LONGEST
    address = changed(customer_draft).address
    address = type(address)(street=longest, postal_code="7" * 20, city=longest, country="DE")
    email = f"{'k' * (LONGEST - 13)}@acme.example"
    draft = changed(customer_draft, name=longest, address=address, email=email)

    assert (await billing.check_order(OrderCheck(customer=draft))).faults == []
    customer = await billing.ensure_customer(draft)

    held = stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}")
    assert (held["name"], held["email"], held["address"]["line1"]) == (longest, email, longest)
    assert len(held["address"]["city"]) == LONGEST
