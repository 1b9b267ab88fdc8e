"""The official SDK's parameter types accept everything that the adapter sends."""

from typing import Any
from urllib.parse import urlencode

import pytest

from shared.canonical import CustomerDraft
from system_api.billing.stripe import check as stripe_check
from system_api.billing.stripe import customers as stripe_customers
from system_api.billing.stripe.adapter import Stripe
from system_api.billing.stripe.api import form_pairs
from tests.sandbox.vendors.stripe.sdk_types import check_request, find_operation
from tests.system_api.billing.conftest import started
from tests.vendor_calls import ADAPTERS


async def test_requests_of_a_subscriptions_life_are_checked(
    billing: Stripe, customer_draft: CustomerDraft, checked_requests: list[str]
) -> None:
    name, _ = await started(billing, customer_draft)
    await billing.cancel_subscription(name)
    writes = [each for each in checked_requests if not each.startswith("GET")]
    assert "POST /v1/customers" in writes
    assert "POST /v1/subscriptions" in writes
    assert len(writes) > 3


async def test_a_misspelt_parameter_of_the_adapter_is_found(
    billing: Stripe, customer_draft: CustomerDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation: the check's answer to a customer with a misspelt field."""
    params_of, found = stripe_customers._params, list[str]()

    def misspelt(draft: CustomerDraft) -> dict[str, Any]:
        params = params_of(draft)
        return {("adress" if name == "address" else name): value for name, value in params.items()}

    post = billing._api.post

    async def checked(path: str, shape: Any, params: Any, *, key: str) -> Any:
        body = stripe_form(params)
        found.extend(check_request("POST", path, body))
        return await post(path, shape, params_of(customer_draft), key=key)

    monkeypatch.setattr(stripe_customers, "_params", misspelt)
    monkeypatch.setattr(billing._api, "post", checked)
    await billing.ensure_customer(customer_draft)
    assert found
    assert all("adress" in each for each in found)


def test_every_call_in_the_adapters_source_is_one_of_the_sdks() -> None:
    (adapter,) = (each for each in ADAPTERS if each.vendor == "stripe")
    calls = adapter.calls()
    assert len(calls) > 10
    # The check asks for the list that a key may or may not read; which ones is in `stripe_check`.
    calls = calls - {"GET /v1/{}"} | {f"GET /v1/{resource}" for resource in stripe_check.READ}
    unknown = [call for call in calls if find_operation(*call.replace("{}", "x_1").split(" ", 1)) is None]
    assert not unknown


def stripe_form(params: Any) -> bytes:
    """Parameters as the adapter encodes them."""
    return urlencode(form_pairs(params)).encode()
