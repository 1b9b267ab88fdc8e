"""The Stripe adapter's errors for all kinds of answers, and the form of its requests."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from shared.outbound.network import Network
from shared.outbound.outbound_settings import OutboundSettings
from shared.problem import NeedsDecision, OutcomeUnknown, Rejected, Unavailable, VendorError
from system_api.billing.stripe.api import Page, StripeApi, form_pairs, idempotency_key
from system_api.billing.stripe.customers import CustomerRecord
from system_api.billing.stripe.records import SubscriptionRecord, subscription_of
from tests.system_api.conftest import Mute, stripe_connection
from tests.system_api.transports import Scripted, html, said


@pytest.fixture
def vendor() -> Scripted:
    return Scripted()


@pytest_asyncio.fixture
async def api(vendor: Scripted) -> AsyncIterator[StripeApi]:
    stripe = StripeApi(stripe_connection("http://stripe.test"), vendor)
    yield stripe
    await stripe.close()


def refused(
    status: int, code: str | None = None, type_: str = "invalid_request_error", **headers: str
) -> httpx.Response:
    return said(status, {"error": {"type": type_, "code": code, "message": "said so"}}, **headers)


@pytest.mark.parametrize(
    ("answer", "family", "reason"),
    [
        (refused(400, "parameter_unknown"), NeedsDecision, "parameter_unknown"),
        (refused(400), Rejected, "invalid_request_error"),
        (refused(400, "customer_max_subscriptions"), Rejected, "customer_max_subscriptions"),
        (refused(400, "livemode_mismatch"), Unavailable, "wrong_mode"),
        (refused(401, "api_key_expired"), Unavailable, "credentials_refused"),
        (refused(403, "account_invalid"), Unavailable, "account_restricted"),
        (refused(400, "lock_timeout"), Unavailable, "lock_timeout"),
        (refused(400, None, "idempotency_error"), Rejected, "idempotency_error"),
        (refused(401), Unavailable, "credentials_refused"),
        (refused(403), Unavailable, "credentials_refused"),
        (refused(402, "card_declined", "card_error"), Rejected, "payment_declined"),
        (refused(402, "account_closed", "card_error"), Rejected, "payment_declined"),
        (refused(402, "payment_method_not_available", "card_error"), Unavailable, "payment_method_not_available"),
        (refused(400, "payment_method_unactivated"), Unavailable, "capability_missing"),
        (refused(400, "invoice_no_payment_method_types"), Unavailable, "capability_missing"),
        (refused(400, "stripe_tax_inactive"), Unavailable, "capability_missing"),
        (refused(404, "resource_missing"), Rejected, "resource_missing"),
        (refused(409, "idempotency_key_in_use"), Unavailable, "idempotency_key_in_use"),
        (refused(429, "lock_timeout"), Unavailable, "lock_timeout"),
        (refused(429, "rate_limit", Retry_After="7"), Unavailable, "rate_limit"),
        (refused(500, None, "api_error"), OutcomeUnknown, "outcome_unknown"),
        (refused(500, None, "api_error", Idempotent_Replayed="true"), OutcomeUnknown, "replayed_failure"),
        (html(502), OutcomeUnknown, "outcome_unknown"),
        (html(429, "Slow down"), OutcomeUnknown, "outcome_unknown"),
        (html(404, "Unknown host"), OutcomeUnknown, "outcome_unknown"),
        (said(200, {"object": "customer"}), OutcomeUnknown, "outcome_unknown"),
        (said(200, {"error": {"message": "inside a success"}}), OutcomeUnknown, "outcome_unknown"),
        (html(200, "Welcome"), OutcomeUnknown, "outcome_unknown"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.test/"}), OutcomeUnknown, "outcome_unknown"),
    ],
)
async def test_answer_to_a_write_becomes_the_right_error(
    api: StripeApi, vendor: Scripted, answer: httpx.Response, family: type[VendorError], reason: str
) -> None:
    vendor.on("POST", "/v1/customers", answer)

    with pytest.raises(family) as raised:
        await api.post("/v1/customers", CustomerRecord, {"name": "x"}, key="k")

    assert type(raised.value) is family
    assert raised.value.reason_code == reason
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("answer", [refused(500), html(502), html(200), said(200, {"data": [{}]})])
async def test_a_read_is_never_an_unknown_outcome(api: StripeApi, vendor: Scripted, answer: httpx.Response) -> None:
    vendor.on("GET", "/v1/customers", answer)

    with pytest.raises(Unavailable):
        await api.get("/v1/customers", Page[CustomerRecord])


@pytest.mark.parametrize(
    ("sentence", "family", "reason"),
    [
        ("Unrecognized request URL (GET: /v9/customers).", Unavailable, "not_found_here"),
        ("Invalid Stripe API version: 2099-01-01.", Unavailable, "api_version_retired"),
        ("Received unknown parameter: itmes", NeedsDecision, "parameter_unknown"),
        ("Missing required param: items.", NeedsDecision, "parameter_missing"),
        (
            "No such price: 'price_1'; a similar object exists in live mode, but a test mode key was used for this.",
            Unavailable,
            "wrong_mode",
        ),
        ("Missing email. In order to create invoices that are sent, the customer must have an email.", Rejected, ""),
    ],
)
async def test_refusal_without_code_is_recognised_by_its_message(
    api: StripeApi, vendor: Scripted, sentence: str, family: type[VendorError], reason: str
) -> None:
    fault = {"type": "invalid_request_error", "message": sentence}
    vendor.on("POST", "/v1/customers", said(400, {"error": fault}))

    with pytest.raises(family) as raised:
        await api.post("/v1/customers", CustomerRecord, {"name": "x"}, key="k")

    assert raised.value.reason_code == (reason or "invalid_request_error")
    assert sentence in (raised.value.vendor_said or "")


NO_CHARGES = (
    "Your account cannot currently make live charges. The `requirements.disabled_reason` property on the account will "
    "provide information about why this account is currently disabled."
)

NOT_ACTIVATED = (
    "{} provided {} invalid. Please ensure the provided {} activated in your dashboard (https://…/settings)."
)


@pytest.mark.parametrize("status", [400, 402, 403])
@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        (NO_CHARGES, "account_restricted"),
        (NO_CHARGES.replace("Your", "This Connect").replace("live ", ""), "account_restricted"),
        ("Your account has been rejected.", "account_restricted"),
        (
            "Your destination account needs to have at least one of the following capabilities enabled: transfers.",
            "capability_missing",
        ),
        (NOT_ACTIVATED.format("The payment method type", "pix is", "type is"), "capability_missing"),
        (NOT_ACTIVATED.format("All types", "in payment_method_types are", "types are"), "capability_missing"),
    ],
)
async def test_fault_of_our_account_is_no_refusal_of_the_order(
    api: StripeApi, vendor: Scripted, status: int, sentence: str, reason: str
) -> None:
    """Also with a status that otherwise means a declined card."""
    vendor.on("POST", "/v1/subscriptions", said(status, {"error": {"type": "card_error", "message": sentence}}))

    with pytest.raises(Unavailable) as raised:
        await api.post("/v1/subscriptions", SubscriptionRecord, {"customer": "cus_1"}, key="k")

    assert raised.value.reason_code == reason
    assert "dashboard" in raised.value.what_to_do
    assert sentence in (raised.value.vendor_said or "")


async def test_stripes_retry_after_is_used(api: StripeApi, vendor: Scripted) -> None:
    vendor.on("POST", "/v1/customers", refused(429, "rate_limit", Retry_After="7"))

    with pytest.raises(Unavailable) as raised:
        await api.post("/v1/customers", CustomerRecord, {}, key="k")

    assert raised.value.retry_after_s == 7


async def test_every_request_names_version_and_key(api: StripeApi, vendor: Scripted) -> None:
    vendor.on("POST", "/v1/customers", said(200, {"id": "cus_1"})).on("GET", "/v1/customers", said(200, {"data": []}))

    await api.post("/v1/customers", CustomerRecord, {"metadata": {"a": "ä & b"}, "address": {"city": None}}, key="k-1")
    await api.get("/v1/customers", Page[CustomerRecord], {"created": {"gte": 5}, "limit": 3})

    write, read = vendor.requests
    assert write.headers["Stripe-Version"] == read.headers["Stripe-Version"] == "2026-10-28.endive"
    assert write.headers["Authorization"] == "Bearer sk_test_0123456789"
    assert write.headers["Idempotency-Key"] == "k-1"
    assert parse_qsl(write.content.decode()) == [("metadata[a]", "ä & b")]
    assert dict(read.url.params) == {"created[gte]": "5", "limit": "3"}


async def test_a_list_is_read_to_its_end(api: StripeApi, vendor: Scripted) -> None:
    pages = [
        said(200, {"data": [{"id": "cus_3"}, {"id": "cus_2"}], "has_more": True}),
        said(200, {"data": [{"id": "cus_1"}], "has_more": False}),
    ]
    vendor.on("GET", "/v1/customers", *pages)

    found = [each.id async for each in api.list_all("/v1/customers", Page[CustomerRecord], {})]

    assert found == ["cus_3", "cus_2", "cus_1"]
    assert vendor.requests[1].url.params["starting_after"] == "cus_2"


def test_nested_parameters_are_spelled_as_stripe_reads_them() -> None:
    params = {
        "items": [{"price_data": {"recurring": {"interval": "month"}}, "quantity": 2}],
        "prorate": False,
        "n": None,
    }

    assert form_pairs(params) == [
        ("items[0][price_data][recurring][interval]", "month"),
        ("items[0][quantity]", "2"),
        ("prorate", "false"),
    ]


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.none()))
def test_an_idempotency_key_is_short_plain_and_always_the_same(
    operation: str, external_id: str, params: dict[str, Any]
) -> None:
    key = idempotency_key("create-subscription", external_id, params)

    assert key == idempotency_key("create-subscription", external_id, dict(params))
    assert len(key) <= 255
    assert key.isascii()
    assert key != idempotency_key("create-subscription", external_id + "x", params)
    assert key != idempotency_key("create-subscription", external_id, {**params, "more": operation})


def subscription(**changes: Any) -> SubscriptionRecord:
    price = {"id": "price_1", "currency": "eur", "product": "MON", "unit_amount_decimal": "490"}
    record = {
        "id": "sub_1",
        "status": "active",
        "customer": "cus_1",
        "currency": "eur",
        "items": {"data": [{"id": "si_1", "price": price, "quantity": 2}]},
        **changes,
    }
    return msgspec.convert(record, SubscriptionRecord, strict=False)


@pytest.mark.parametrize(
    ("status", "canonical"),
    [
        ("active", "active"),
        ("unpaid", "past_due"),
        ("paused", "incomplete"),
        ("incomplete_expired", "cancelled"),
        ("canceled", "cancelled"),
        ("invented_later", "incomplete"),
    ],
)
def test_every_status_has_a_meaning(status: str, canonical: str) -> None:
    assert subscription_of(subscription(status=status)).status.value == canonical


async def test_a_write_without_an_answer_is_an_unknown_outcome(mute: Mute, manner: str) -> None:
    api = StripeApi(stripe_connection(mute.url), Network(OutboundSettings(answer_timeout_s=0.3)))

    with pytest.raises(OutcomeUnknown):
        await api.post("/v1/customers", CustomerRecord, {}, key="k")
    with pytest.raises(OutcomeUnknown):
        await api.delete("/v1/subscriptions/sub_1", SubscriptionRecord)

    assert mute.received == 2, manner
    await api.close()
