"""Requests to the webhooks' address (docs/failures.md, rows 30, 33, 34): without a token, so they must cost nothing."""

import asyncio
import contextlib
import inspect
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from process_api.app import create_app
from process_api.inbox.webhook_connections import WebhookConnections
from process_api.inbox.webhook_inbox import SUBSCRIPTION
from process_api.subscriptions.mirror import SubscriptionMirror
from process_api.system_client import SystemClient
from process_api.v1 import webhooks
from sandbox.vendors.stripe.webhooks.delivery import signature
from shared.canonical import SubscriptionStatus
from shared.canonical.webhook import WEBHOOK_BYTES_MAX
from shared.problem import NotFound, QuotewayError, Unavailable
from tests.app_lifespan import asgi_transport, running_app
from tests.process_api import system_stand_in
from tests.process_api.inbox.billing_webhooks import Billing, Webhook, prefix

pytestmark = pytest.mark.servers
NORDWIND = "/v1/webhooks/stripe/nordwind.NW-DE"


async def deliver(billing: Billing, body: bytes, *, address: str = NORDWIND, signed: bool = True) -> httpx.Response:
    """Deliver a body, signed or not."""
    secret = billing.process.system.webhook_secret if signed else "whsec_of_nobody"
    return await billing.process.client.post(
        address,
        content=body,
        headers={
            "Content-Type": "application/json",
            "Stripe-Signature": signature(secret, int(time.time()), body),
        },
    )


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("quoteway_webhooks_total", {"source": "stripe", "outcome": outcome}) or 0.0


def about(external_id: str) -> bytes:
    """An event of a subscription with that id of ours."""
    return Webhook(external_id).body()


NOT_UNDERSTOOD = {
    "a thin event": b'{"id":"evt_thin","object":"v2.core.event","type":"v2.x","related_object":{"id":"sub_1"}}',
    "an empty id": Webhook("", event_id="evt_empty").body(),
    "an id with a space": Webhook("ord 1", event_id="evt_space").body(),
    "a dot segment": Webhook("..", event_id="evt_dots").body(),
    "a list": b"[]",
    "more items than a body of ours may have": json.dumps({"id": "evt_items", "x": [0] * 600}).encode(),
    "deeper than a body of ours may be": b'{"id":"evt_deep","x":' + b"[" * 40 + b"]" * 40 + b"}",
}


@pytest.mark.parametrize("body", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
async def test_row_30_a_signed_event_that_is_not_understood_is_a_dead_letter_at_once(
    billing: Billing, body: bytes
) -> None:
    before = counted("not_understood")

    answers = [await deliver(billing, body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    assert counted("not_understood") == before + 2
    [row] = await billing.query("SELECT status, reason, event_id FROM quoteway.webhook_inbox")
    assert row.status == "dead"
    assert row.reason.startswith("The event is not understood: ")
    letters = (await billing.process.client.get("/v1/dead-letters", headers=billing.process.operator_headers)).json()[
        "deadLetters"
    ]
    [letter] = [each for each in letters if each["deadLetterId"] == f"stripe:{row.event_id}"]
    assert "discard" in letter["whatToDo"]


async def test_row_30_its_neighbours_go_on_and_it_can_only_be_discarded(billing: Billing) -> None:
    subject = f"{prefix()}-month"
    await deliver(billing, NOT_UNDERSTOOD["a thin event"])
    await billing.deliver(billing.move(subject, SubscriptionStatus.active))
    await billing.apply_all()
    decide = "/v1/dead-letters/stripe:evt_thin"

    retried = await billing.process.client.post(f"{decide}/retry", headers=billing.process.operator_headers)
    discarded = await billing.process.client.post(
        f"{decide}/discard", headers=billing.process.operator_headers, json={"reason": "looked at in Stripe"}
    )

    assert await billing.mirrored(subject) == {subject: "active"}
    assert (retried.status_code, discarded.status_code) == (409, 204), (retried.text, discarded.text)


async def test_row_30_mutation_taken_for_a_fault_that_passes_it_is_sent_again_for_days(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_before(_: bytes) -> Any:
        raise Unavailable("stripe answered something that cannot be understood")

    monkeypatch.setattr(system_stand_in, "read_event", as_before)

    assert (await deliver(billing, NOT_UNDERSTOOD["a thin event"])).status_code == 503
    assert await billing.query("SELECT 1 FROM quoteway.webhook_inbox") == []


@pytest.mark.parametrize("size", [WEBHOOK_BYTES_MAX, WEBHOOK_BYTES_MAX + 1, 740_000, 800_000, 999_999, 1_000_001])
@pytest.mark.parametrize("signed", [True, False])
async def test_a_body_is_taken_or_too_large_and_nothing_in_between(billing: Billing, size: int, signed: bool) -> None:
    frame = json.dumps({"id": "evt_large", "type": "payout.paid", "data": {"object": {"object": "payout"}}, "x": ""})
    body = frame.replace('"x": ""', f'"x": "{"y" * (size - len(frame))}"').encode()
    assert len(body) == size

    answer = await deliver(billing, body, signed=signed)

    within = 202 if signed else 400
    assert answer.status_code == (within if size <= WEBHOOK_BYTES_MAX else 413), answer.text
    if not signed and size <= WEBHOOK_BYTES_MAX:
        assert answer.json()["errors"][0]["pointer"] == "header/Stripe-Signature"


# -- row 33 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quote_id", ["..", "."])
async def test_row_33_an_id_that_is_a_path_is_refused_at_the_edge(billing: Billing, quote_id: str) -> None:
    process = billing.process

    submitted = await process.submit(quoteId=quote_id)
    asked = await process.client.get(httpx.URL(f"http://process.test/v1/orders/{quote_id.replace('.', '%2e')}"))

    assert submitted.status_code == 400, submitted.text
    assert submitted.json()["errors"] == [{"pointer": "/quoteId", "detail": "No record has this id."}]
    assert asked.status_code == 400
    assert process.system.calls == []


@pytest.mark.parametrize("external_id", ["..", "."])
async def test_row_33_a_webhook_about_a_path_is_counted_and_dead_and_holds_up_nobody(
    billing: Billing, external_id: str
) -> None:
    """As one that a version before has kept: this one would not keep it."""
    neighbour = f"{prefix()}-month"
    await deliver(billing, about("placeholder"))
    await billing.query_and_change("UPDATE quoteway.webhook_inbox SET subject = :subject", subject=external_id)
    await billing.deliver(billing.move(neighbour, SubscriptionStatus.active))

    await billing.apply_all()

    [row] = await billing.query(
        "SELECT status, attempts, put_offs FROM quoteway.webhook_inbox WHERE subject = :subject", subject=external_id
    )
    assert (row.status, row.attempts, row.put_offs) == ("dead", 3, 3)
    assert await billing.mirrored(neighbour) == {neighbour: "active"}


async def test_row_33_an_answer_that_our_question_causes_is_counted(billing: Billing) -> None:
    subject = f"{prefix()}-month"
    await deliver(billing, about(subject))

    worker = billing.worker()
    refusing: Any = RefusingSystem()  # of all its methods, one is asked
    worker.handlers = {SUBSCRIPTION: SubscriptionMirror(refusing)}
    for _ in range(3):
        await asyncio.sleep(0.03)
        await worker.apply_next()

    [row] = await billing.query("SELECT status, attempts FROM quoteway.webhook_inbox")
    assert (row.status, row.attempts) == ("dead", 3)


async def test_a_webhook_about_a_record_that_nothing_handles_is_dead_and_holds_up_nobody(billing: Billing) -> None:
    subject, neighbour = f"{prefix()}-month", f"{prefix()}-year"
    await deliver(billing, about(subject))
    await billing.query("UPDATE quoteway.webhook_inbox SET record = 'parcel' RETURNING 1")
    await billing.deliver(billing.move(neighbour, SubscriptionStatus.active))

    worker = billing.worker()
    for _ in range(6):
        await asyncio.sleep(0.03)
        await worker.apply_next()

    [row] = await billing.query("SELECT status FROM quoteway.webhook_inbox WHERE subject = :subject", subject=subject)
    assert row.status == "dead"
    assert await billing.mirrored(neighbour) == {neighbour: "active"}


class RefusingSystem:
    """A system tier that does not take what we ask."""

    async def find_subscription(self, *_: str) -> Any:
        raise Unavailable("system API answered 404", reason_code="unexpected_answer")


@pytest.mark.parametrize(
    "value", ["a/b", "..", "../../crm/accounts/1", "a?b=c", "a#b", "a%2fb", "ä b", "a\\b", "%2e%2e"]
)
async def test_row_33_whatever_an_id_holds_is_one_segment_of_the_address(value: str) -> None:
    """Of every method of the client, with every id that it takes."""
    paths = [path for path, refused in await asked_with(value) if not refused]
    plain = [path for path, refused in await asked_with("PLAIN") if not refused]

    if value == "..":
        assert paths == []
    else:
        assert [path.count("/") for path in paths] == [path.count("/") for path in plain]
        assert all("?" not in path and "#" not in path and ".." not in path.split("/") for path in paths)


async def test_row_33_mutation_put_in_as_it_is_an_id_is_another_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("process_api.system_client.path_of", lambda template, *ids: template.format(*ids))

    paths = [path for path, _ in await asked_with("../../crm/accounts/1")]

    assert "/v1/crm/accounts/1" in {normalised(path) for path in paths}


def normalised(path: str) -> str:
    return httpx.URL("http://x").join(path).path


async def asked_with(value: str) -> list[tuple[str, bool]]:
    """The path that each reading method asks for, with this value for every id; and whether it was refused instead."""
    seen: list[str] = []

    class Recorder(SystemClient):
        async def _send(self, *asked: Any, **_: Any) -> Any:
            seen.append(asked[2])
            raise NotFound("recorded")

    client = Recorder(None, None)  # type: ignore[arg-type]  # nothing is sent
    calls = [
        client.find_quote("t", value),
        client.find_account("t", value),
        client.record_access("t", value, value),
        client.find_customer("t", value, value),
        client.find_order("t", value, value),
        client.confirm_order("t", value, value),
        client.cancel_order("t", value, value),
        client.find_subscription("t", value, value),
        client.cancel_subscription("t", value, value),
        client.list_subscriptions("t", value, value),
    ]
    found = []
    for call in calls:
        before = len(seen)
        with contextlib.suppress(QuotewayError):
            await call
        found.append((seen[-1], False) if len(seen) > before else ("", True))
    return found


# -- row 34 ---------------------------------------------------------------------------------------------------------


async def test_row_34_webhooks_of_invented_tenants_fetch_and_write_nothing(billing: Billing) -> None:
    process, system = billing.process, billing.process.system
    tokens = dict(process.app.state.system.tokens._tokens)

    answers = await asyncio.gather(
        *(deliver(billing, b"{}", address=f"/v1/webhooks/stripe/invented-{n}.NW-DE", signed=False) for n in range(50)),
        deliver(billing, b"{}", address="/v1/webhooks/stripe/nordwind.NW-XX"),
        deliver(billing, b"{}", address="/v1/webhooks/stripe/nordwind.NW-AT"),
    )

    assert {answer.status_code for answer in answers} == {404}
    assert system.calls == []
    assert process.app.state.system.tokens._tokens.keys() == tokens.keys()
    with psycopg.connect(process.settings.database_url) as connection:
        logs = connection.execute("SELECT tenant FROM quoteway_audit.heads").fetchall()
    assert not any(tenant.startswith("invented") for (tenant,) in logs)


async def test_row_34_the_list_is_read_with_a_token_that_is_no_tenants(billing: Billing) -> None:
    billing.process.system.tenants_asked_for.clear()
    await billing.process.app.state.webhook_connections.refresh()

    assert billing.process.system.tenants_asked_for == {"quoteway"}


async def test_row_34_mutation_without_the_list_an_invented_tenant_gets_a_token(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebhookConnections, "require", lambda *_: None)

    await deliver(billing, b"{}", address="/v1/webhooks/stripe/invented-x.NW-DE", signed=False)

    assert billing.process.app.state.system.tokens.held("invented-x") is not None
    billing.process.app.state.system.tokens.forget("invented-x")


async def test_row_34_while_the_connections_are_not_known_a_vendor_is_to_send_again(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing.process.app.state.webhook_connections, "_known", None)

    answer = await billing.deliver(Webhook("ord_1-month"))

    assert (answer.status_code, answer.json()["reasonCode"]) == (503, "connections_unknown")
    assert "retry-after" in answer.headers


@pytest_asyncio.fixture(loop_scope="session")
async def limited(billing: Billing) -> AsyncIterator[Billing]:
    """The process tier with a limit for an address that is soon met."""
    process = billing.process
    settings = msgspec.structs.replace(process.settings, rate_limits="address=5/hour")
    app = create_app(settings, system_transport=process.switch)
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://process.test") as client,
    ):
        before, process.client = process.client, client
        yield billing
        process.client = before


async def test_row_34_one_address_may_only_ask_so_often(limited: Billing) -> None:
    address = f"/v1/webhooks/stripe/invented-{time.time_ns()}.NW-DE"

    answers = [await deliver(limited, b"{}", address=address, signed=False) for _ in range(12)]
    health = await limited.process.client.get("/health/live")

    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 7
    assert "retry-after" in refused[0].headers
    assert health.status_code == 200


def test_the_unknown_are_told_so_before_the_body_is_looked_at() -> None:
    """The handler asks for the connection before anything else, also in the order of its lines."""
    source = inspect.getsource(webhooks.receive_stripe_webhook.fn)
    assert source.index("connections.require") < source.index("request.body()") < source.index("verify_webhook")
