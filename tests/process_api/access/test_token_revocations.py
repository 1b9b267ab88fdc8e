"""Revoking tokens on a real PostgreSQL, through the process API."""

import asyncio
import time
import uuid
from typing import Any

import psycopg
import pytest

from process_api.access.token_revocations import TokenRevocations
from process_api.database.store import Store
from sandbox.processes.process import RunningProcess
from shared.identity.auth import Principal
from shared.identity.revocation import RevocationWatch, RevokedTokens, mark
from shared.identity.signed_token import read_token
from shared.problem import Unauthenticated
from tests.issuer_process import bearer
from tests.patience import until
from tests.process_api.conftest import Process
from tests.revocation_asks import KNOWN_AFTER_ASKS, WITHIN_S, counted_asks, longest_until_known_s

SOMEONE = Principal("operator", "operator", "nordwind", frozenset())
REASON = "The laptop was stolen."


def jti_of(headers: dict[str, str]) -> str:
    return str(read_token(headers["Authorization"].removeprefix("Bearer ")).claims["jti"])


async def revoke(process: Process, **body: Any) -> Any:
    return await process.client.post("/v1/token-revocations", json=body, headers=process.operator_headers)


async def test_a_revoked_token_is_refused_at_once_and_everyone_else_is_not(
    process: Process, issuer: RunningProcess
) -> None:
    stolen = await bearer(issuer, "integration-operator", "quoteway-process")
    assert (await process.client.get("/v1/flows", headers=stolen)).status_code == 200

    answer = await revoke(process, tokenId=jti_of(stolen), reason=REASON)

    assert answer.status_code == 201
    refused = await process.client.get("/v1/flows", headers=stolen)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert (await process.client.get("/v1/flows", headers=process.operator_headers)).status_code == 200


async def test_who_revoked_what_and_why_is_kept_and_shown(process: Process) -> None:
    subject = f"005{uuid.uuid4().hex[:15]}"
    answer = await revoke(process, subject=subject, reason=REASON)

    listed = await process.client.get("/v1/token-revocations", headers=process.operator_headers)

    assert listed.json()["revocations"][0] == answer.json()
    assert answer.json()["revokedBy"] == "integration-operator"
    assert (answer.json()["subject"], answer.json()["tokenId"]) == (subject, None)


@pytest.mark.parametrize(
    "body",
    [
        {"reason": REASON},
        {"reason": REASON, "tokenId": "a", "subject": "b"},
        {"reason": REASON, "tokenId": ""},
        {"reason": REASON, "tokenId": "a\n"},
        {"reason": REASON, "subject": "a\u0000"},
        {"reason": REASON, "subject": "x" * 256},
        {"reason": "", "subject": "b"},
        {"subject": "b"},
        {"reason": REASON, "subject": "b", "tenant": "another"},
    ],
    ids=str,
)
async def test_a_revocation_names_exactly_one_thing_and_a_reason(process: Process, body: dict[str, Any]) -> None:
    answer = await revoke(process, **body)

    assert answer.status_code == 400
    assert answer.json()["errors"]


async def test_revoking_needs_its_own_scope(process: Process) -> None:
    body = {"subject": "a", "reason": REASON}

    answer = await process.client.post("/v1/token-revocations", json=body, headers=process.headers)

    assert answer.status_code == 403


async def test_the_feed_shows_hashes_to_everyone_and_names_to_nobody(process: Process) -> None:
    token_id = uuid.uuid4().hex
    before = (await process.client.get("/v1/revoked-tokens")).json()["position"]
    await revoke(process, tokenId=token_id, reason=REASON)

    answer = await process.client.get("/v1/revoked-tokens", params={"after": before})

    assert answer.json()["revoked"] == [{"mark": mark("token", "nordwind", token_id).hex(), "issuedBefore": None}]
    assert token_id not in answer.text
    again = await process.client.get("/v1/revoked-tokens", params={"after": answer.json()["position"]})
    assert again.json() == {"revoked": [], "position": answer.json()["position"]}
    # A position from before a restore of the database, which is not known any more, is answered from the start.
    assert (await process.client.get("/v1/revoked-tokens", params={"after": 2**40})).json()["revoked"]
    assert (await process.client.get("/v1/revoked-tokens", params={"after": -1})).status_code == 400


async def test_whoever_asks_from_wherever_in_the_list_the_database_is_looked_into_four_times_a_second(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is public, never limited and never shed: it must not be a way to load the database."""
    monkeypatch.setattr("process_api.access.token_revocations.LOOK_S", 60.0)
    revocations = TokenRevocations(process.worker.store)
    looked = 0
    look = revocations._look

    async def count() -> tuple[None, float]:
        nonlocal looked
        looked += 1
        return await look()

    monkeypatch.setattr(revocations, "_look", count)
    for token_id in ("one", "two"):
        await revoke(process, tokenId=f"{token_id}-{uuid.uuid4().hex}", reason=REASON)

    answers = await asyncio.gather(*(revocations.read(after) for after in [0, 1, 2**40, *range(2, 30)]))
    head = answers[0].position
    assert looked == 1
    assert {answer.position for answer in answers} == {head}
    assert answers[2].revoked == answers[0].revoked
    assert (await revocations.read(head - 1)).revoked == answers[0].revoked[-1:]
    assert (await revocations.read(head)).revoked == []
    assert looked == 1

    # What this process writes itself it knows at once.
    own = await revocations.revoke(SOMEONE, token_id=uuid.uuid4().hex, subject=None, reason=REASON)
    assert (await revocations.read(head)).position == int(own.revocation_id)


async def test_a_look_that_began_before_a_revocation_was_written_does_not_count_for_it(process: Process) -> None:
    revocations = TokenRevocations(process.worker.store)
    went_on, looked_at = asyncio.Event(), asyncio.Event()
    look = revocations._look

    async def dawdle() -> tuple[None, float]:
        found = await look()
        looked_at.set()
        await went_on.wait()
        return found

    revocations._look = dawdle  # type: ignore[method-assign]  # the point of the test
    reading = asyncio.create_task(revocations.read(0))
    await looked_at.wait()
    own = await revocations.revoke(SOMEONE, token_id=uuid.uuid4().hex, subject=None, reason=REASON)
    reading_own = asyncio.create_task(revocations.read(int(own.revocation_id) - 1))
    await asyncio.sleep(0)
    went_on.set()
    await reading

    assert len((await reading_own).revoked) == 1


async def test_pages_of_a_long_list_join(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await revoke(process, tokenId=uuid.uuid4().hex, reason=REASON)
    whole = await TokenRevocations(process.worker.store).read(0)
    monkeypatch.setattr("process_api.access.token_revocations._PAGE", 2)
    revocations = TokenRevocations(process.worker.store)
    watch = RevocationWatch(revocations.read, stale_max_s=60)
    await watch.ask()

    assert set(watch._revoked) == {bytes.fromhex(each.mark) for each in whole.revoked}
    assert watch._position == whole.position


async def test_a_database_that_was_restored_is_read_from_the_start(process: Process) -> None:
    await revoke(process, tokenId=uuid.uuid4().hex, reason=REASON)
    whole = await TokenRevocations(process.worker.store).read(0)
    revocations = TokenRevocations(process.worker.store)
    revocations._head = 2**40

    assert await revocations.read(2**40) == whole


async def test_another_process_knows_within_five_seconds(process: Process) -> None:
    """As another tier does it: asking once a second, with the database behind it."""
    assert longest_until_known_s() < WITHIN_S
    revocations = TokenRevocations(Store(process.settings.database_url))
    watch = RevocationWatch(revocations.read, stale_max_s=60)
    await watch.start()
    token_id = uuid.uuid4().hex
    await revoke(process, tokenId=token_id, reason=REASON)

    with counted_asks() as asks:
        await until(lambda: asks.answered[id(watch)] >= KNOWN_AFTER_ASKS)
    await watch.stop()
    await revocations.store.close()

    with pytest.raises(Unauthenticated):
        watch.check([mark("token", "nordwind", token_id)], time.time())


async def test_a_subjects_tokens_of_the_next_minute_do_not_count_either(process: Process) -> None:
    revocations = TokenRevocations(process.worker.store)
    subject = uuid.uuid4().hex
    await revocations.revoke(SOMEONE, token_id=None, subject=subject, reason=REASON)
    news: RevokedTokens = await TokenRevocations(process.worker.store).read(0)
    (found,) = (each for each in news.revoked if each.mark == mark("subject", "nordwind", subject).hex())

    assert found.issued_before == pytest.approx(time.time() + 60, abs=10)


async def test_a_reader_that_has_seen_a_position_has_seen_all_before_it(process: Process) -> None:
    """Revocations at the same time from several processes, and a reader all the while: none is passed over."""
    stores = [Store(process.settings.database_url) for _ in range(4)]
    reader = TokenRevocations(process.worker.store)
    seen: set[str] = set()
    position = (await reader.read(2**40)).position
    ids = [uuid.uuid4().hex for _ in range(40)]

    async def revoke_some(store: Store, some: list[str]) -> None:
        revocations = TokenRevocations(store)
        for token_id in some:
            await revocations.revoke(SOMEONE, token_id=token_id, subject=None, reason=REASON)

    writing = asyncio.gather(*(revoke_some(store, ids[number::4]) for number, store in enumerate(stores)))
    while not writing.done() or (await reader.read(position)).revoked:
        news = await TokenRevocations(process.worker.store).read(position)
        seen |= {each.mark for each in news.revoked}
        position = news.position
    await writing
    for store in stores:
        await store.close()

    assert seen >= {mark("token", "nordwind", token_id).hex() for token_id in ids}


@pytest.mark.parametrize(
    "statement", ["UPDATE quoteway.token_revocations SET reason = ''", "DELETE FROM quoteway.token_revocations"]
)
def test_a_revocation_is_for_ever(process: Process, statement: str) -> None:
    with (
        psycopg.connect(process.settings.database_url) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="append-only"),
    ):
        connection.execute(statement)
