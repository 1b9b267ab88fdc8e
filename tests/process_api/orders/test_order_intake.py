"""Order intake: one quote revision, one order, whatever is sent and however often."""

import asyncio
import uuid

import pytest
from alembic import command

from process_api.migrate import alembic_config
from sandbox.processes.process import RunningProcess
from tests.issuer_process import bearer
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


async def test_the_same_key_answers_with_the_same_order(process: Process) -> None:
    first = await process.submit("key-one-" + process.system.quote_id)
    again = await process.submit("key-one-" + process.system.quote_id)
    quoted = await process.submit(f'"key-one-{process.system.quote_id}"')

    assert first.status_code == again.status_code == quoted.status_code == 202
    assert first.json()["orderId"] == again.json()["orderId"] == quoted.json()["orderId"]
    assert [answer.json()["replayed"] for answer in (first, again, quoted)] == [False, True, True]
    assert first.headers["location"] == first.json()["statusUrl"] == f"/v1/orders/{first.json()['orderId']}"


async def test_another_key_for_the_same_revision_is_the_same_order(process: Process) -> None:
    first, second = await process.submit(), await process.submit()
    assert second.json()["orderId"] == first.json()["orderId"]
    assert second.json()["replayed"] is True


async def test_a_key_used_with_another_body_is_refused(process: Process) -> None:
    key = uuid.uuid4().hex
    assert (await process.submit(key)).status_code == 202
    answer = await process.submit(key, quoteRevision=2)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:quoteway:problem:idempotency-key-reused"


@pytest.mark.parametrize("key", ["", " ", '""', "with space", "x" * 129])
async def test_an_unusable_key_is_refused(process: Process, key: str) -> None:
    answer = await process.client.post(
        "/v1/orders",
        json={"quoteId": process.system.quote_id, "quoteRevision": 1},
        headers=[*process.headers.items(), ("Idempotency-Key", key)],
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "header/Idempotency-Key"


async def test_many_at_once_become_one_order(process: Process) -> None:
    answers = await asyncio.gather(*(process.submit() for _ in range(30)))

    assert {answer.status_code for answer in answers} == {202}
    order_ids = {answer.json()["orderId"] for answer in answers}
    assert len(order_ids) == 1
    assert sum(not answer.json()["replayed"] for answer in answers) == 1
    await process.ended(order_ids.pop())
    assert len(process.system.orders) == 1


async def test_another_tenant_sees_nothing(process: Process, issuer: RunningProcess) -> None:
    order = (await process.submit()).json()
    stranger = await bearer(issuer, "experience-api", "quoteway-process", tenant="elsewhere")
    theirs = await process.client.get(f"/v1/orders/{order['orderId']}", headers=stranger)
    unknown = await process.client.get("/v1/orders/ord_none", headers=stranger)
    assert theirs.status_code == unknown.status_code == 404
    assert theirs.json()["title"] == unknown.json()["title"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"quoteId": "0Q0", "quoteRevision": "1"}, "/quoteRevision"),
        ({"quoteId": "0Q0", "quoteRevision": 0}, "/quoteRevision"),
        ({"quoteId": "no spaces please", "quoteRevision": 1}, "/quoteId"),
        ({"quoteRevision": 1}, "/quoteId"),
        ({"quoteId": "0Q0", "quoteRevision": 1, "discount": "100"}, "/discount"),
    ],
)
async def test_a_wrong_body_names_the_field(process: Process, body: dict[str, object], pointer: str) -> None:
    answer = await process.client.post("/v1/orders", json=body, headers={**process.headers, "Idempotency-Key": "k"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_scopes_are_needed(process: Process) -> None:
    answer = await process.client.post(
        "/v1/orders",
        json={"quoteId": "0Q0", "quoteRevision": 1},
        headers={**process.operator_headers, "Idempotency-Key": "k"},
    )
    assert answer.status_code == 403
    assert 'scope="orders:write"' in answer.headers["www-authenticate"]


async def test_flows_are_listed_newest_first_and_paged(process: Process) -> None:
    assert process.system.quote is not None
    for revision in (1, 2, 3):
        await process.submit(quoteRevision=revision)
    first = (await process.client.get("/v1/flows?limit=2", headers=process.operator_headers)).json()
    second = (
        await process.client.get(f"/v1/flows?limit=2&cursor={first['nextCursor']}", headers=process.operator_headers)
    ).json()
    shown = first["flows"] + second["flows"]
    assert len({flow["flowId"] for flow in shown}) == len(shown) == 4
    assert [flow["startedAt"] for flow in shown] == sorted((flow["startedAt"] for flow in shown), reverse=True)
    bad = await process.client.get("/v1/flows?cursor=nonsense", headers=process.operator_headers)
    assert bad.status_code == 400


async def test_the_tables_are_what_the_migrations_make(process: Process) -> None:
    await asyncio.to_thread(command.check, alembic_config(process.settings.database_url))
