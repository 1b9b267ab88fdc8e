"""Stripe's webhooks: what its simulator really sends is read, and nothing else."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.processes.ports import LOOPBACK
from sandbox.vendors.stripe.webhooks.delivery import signature
from shared.canonical import CustomerDraft, WebhookNotice
from shared.problem import Rejected
from system_api.billing.stripe.adapter import Stripe
from system_api.billing.stripe.webhooks import read_event
from system_api.connections import Secret
from system_api.vendor.signatures import TOLERANCE_S, require_stripe_signature
from tests.patience import HANG_S
from tests.system_api.billing.drafts import external_id, monthly
from tests.system_api.conftest import Simulator, stripe_connection

BODY = b'{"id": "evt_1", "type": "payout.paid", "data": {"object": {"object": "payout"}}}'
SECRET = "whsec_0123456789"


@dataclass
class Receiver:
    """A webhook endpoint that accepts everything and keeps the exact bytes."""

    url: str = ""
    received: list[tuple[bytes, str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields["content-length"]))
        self.received.append((body, fields["stripe-signature"]))
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, LOOPBACK, 0)
    made.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/"
    yield made
    server.close()
    await server.wait_closed()


def with_secret(url: str, key: str, secret: str | None) -> Stripe:
    connection = stripe_connection(url, key)
    return Stripe(msgspec.structs.replace(connection, webhook_secret=Secret(secret) if secret else None))


@pytest.mark.servers
async def test_events_of_subscription_and_invoice_name_our_subscription(
    stripe_account: Simulator, receiver: Receiver, customer_draft: CustomerDraft
) -> None:
    key = stripe_account.credentials["key"]
    form = {"url": receiver.url, "enabled_events[]": "*"}
    async with httpx.AsyncClient(base_url=stripe_account.url, auth=(key, "")) as stripe:
        endpoint = (await stripe.post("/v1/webhook_endpoints", data=form)).raise_for_status().json()
    billing = with_secret(stripe_account.url, key, endpoint["secret"])
    name = external_id()
    customer = await billing.ensure_customer(customer_draft)
    await billing.create_subscription(name, monthly(customer.vendor_id, customer_draft.account_id))
    wanted = {"customer.subscription.created", "invoice.created"}
    found: dict[str, str | None] = {}
    async with asyncio.timeout(HANG_S):
        while not wanted <= found.keys():
            await asyncio.sleep(0.1)
            notices = [await billing.read_webhook(body, header) for body, header in receiver.received]
            found = {notice.type: notice.subscription_external_id for notice in notices}
    async with httpx.AsyncClient(base_url=stripe_account.url, auth=(key, "")) as stripe:
        (await stripe.delete(f"/v1/webhook_endpoints/{endpoint['id']}")).raise_for_status()

    assert {kind: found[kind] for kind in wanted} == dict.fromkeys(wanted, name)
    assert found["customer.created"] is None
    with pytest.raises(Rejected):
        await billing.read_webhook(receiver.received[0][0] + b" ", receiver.received[0][1])
    await billing.close()


async def test_webhook_is_refused_without_a_secret() -> None:
    billing = with_secret("http://stripe.test", "sk_test_0123456789", None)
    with pytest.raises(Rejected) as refused:
        await billing.read_webhook(BODY, signature(SECRET, int(time.time()), BODY))
    assert refused.value.reason_code == "no_webhook_secret"
    await billing.close()


def of_subscription(external_id: object) -> bytes:
    content = {"object": "subscription", "metadata": {"quoteway_external_id": external_id}}
    return json.dumps({"id": "evt_1", "type": "x", "data": {"object": content}}).encode()


@pytest.mark.parametrize(
    ("body", "event_id"),
    [
        (b"[]", "body-"),
        (b"\xff", "body-"),
        (b"[" * 100_000, "body-"),
        (b"{", "body-"),
        (b'{"id": "evt_1"}', "evt_1"),
        (b'{"id":"evt_1","object":"v2.core.event","type":"v2.x","related_object":{"id":"sub_1"}}', "evt_1"),
        (b'{"id":"a b","type":"x","data":{"object":{"object":"y"}}}', "body-"),
        (of_subscription(""), "evt_1"),
        (of_subscription("ord_1 month"), "evt_1"),
        (of_subscription(".."), "evt_1"),
        (of_subscription("."), "evt_1"),
        (of_subscription("a/../b"), "evt_1"),
        (of_subscription("x" * 65), "evt_1"),
        (of_subscription(7), "evt_1"),
    ],
)
async def test_unreadable_signed_event_says_why_and_is_not_retried(body: bytes, event_id: str) -> None:
    billing = with_secret("http://stripe.test", "sk_test_0123456789", SECRET)

    notice, again = [await billing.read_webhook(body, signature(SECRET, int(time.time()), body)) for _ in range(2)]
    await billing.close()

    assert notice == again
    assert notice.event_id.startswith(event_id)
    assert notice.subscription_external_id is None
    assert notice.unreadable is not None
    assert notice.unreadable.startswith("The event is not understood: ")


@given(st.binary(max_size=300) | st.from_type(dict[str, str]).map(lambda found: json.dumps(found).encode()))
@settings(deadline=None)
def test_any_signed_bytes_become_a_notice(body: bytes) -> None:
    notice = read_event(body)

    assert msgspec.convert(msgspec.to_builtins(notice), WebhookNotice) == notice


def header(change: Callable[[str], str] = str, *, stamp: int = 1000, secret: str = SECRET) -> str:
    return change(signature(secret, stamp, BODY))


@pytest.mark.parametrize(
    "given", [header(), f"{header()},v1={'0' * 64}", f"v1={'0' * 64}, {header()}", f"{header()},v0=aa"]
)
def test_signature_is_valid_while_the_secret_is_rolled(given: str) -> None:
    require_stripe_signature(SECRET, given, BODY, now_s=1000)


@pytest.mark.parametrize("now_s", [1000 - TOLERANCE_S, 1000 + TOLERANCE_S])
def test_five_minutes_are_tolerated(now_s: int) -> None:
    require_stripe_signature(SECRET, header(), BODY, now_s=now_s)
    for beyond in (now_s - 1 if now_s < 1000 else now_s + 1,):
        with pytest.raises(Rejected):
            require_stripe_signature(SECRET, header(), BODY, now_s=beyond)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "t=1000",
        "v1=" + "0" * 64,
        header(secret="whsec_other"),
        header(lambda text: text.replace("v1=", "v0=")),
        header(lambda text: text.replace("t=1000", "t=1001")),
        header(lambda text: f"t=1000,{text}"),
        header(lambda text: text.upper()),
        header(lambda text: text[:-1]),
        json.dumps({"t": 1000}),
    ],
)
def test_invalid_signature_is_refused(given: str) -> None:
    with pytest.raises(Rejected) as refused:
        require_stripe_signature(SECRET, given, BODY, now_s=1000)
    assert refused.value.reason_code == "webhook_signature"


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(Rejected):
        require_stripe_signature(SECRET, header(), BODY.replace(b"paid", b"Paid"), now_s=1000)
