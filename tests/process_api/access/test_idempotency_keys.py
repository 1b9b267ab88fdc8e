"""Idempotency keys: in flight, finished, and forgotten at last (docs/failures.md, rows 2 and 3)."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text

from process_api.access import idempotency
from process_api.access.idempotency import IdempotencyKey, KeyScope, body_hash, claim_key, is_claimed, prune_keys
from process_api.database import retention
from process_api.legal_entities import LegalEntities
from process_api.operations.housekeeping import Housekeeping
from process_api.operations.identities import RELINK
from process_api.orders.intake import ORDER_FLOW, OrderIntake, Submission
from process_api.orders.submission_check import SubmissionCheck
from process_api.pricing.discount_policy import DiscountPolicy
from shared.identity.principal import ActingUser, OwnToken, Principal
from shared.problem import Conflict, IdempotencyMismatch
from tests.patience import HANG_S
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


def scope(tenant: str = "nordwind") -> KeyScope:
    """The scope of the keys with which `Process.submit` submits."""
    return KeyScope(tenant, "experience-api", "", ORDER_FLOW)


def service(client_id: str = "experience-api", for_client: str = "") -> Principal:
    """A service that submits, itself or through another tier."""
    return Principal(client_id, client_id, "nordwind", frozenset({"orders:write"}), for_client=for_client)


def user(user_id: str, client_id: str = "salesforce-lightning") -> ActingUser:
    """A user who submits through the experience API."""
    return ActingUser(user_id, "nordwind", "txn", client_id, OwnToken("sub", 0.0))


@asynccontextmanager
async def in_flight(process: Process, key: str) -> AsyncIterator[None]:
    """A first request with that key which has claimed it and is not committed yet; it never will be."""
    async with process.worker.store.engine.connect() as connection:
        await claim_key(connection, scope(), IdempotencyKey(key), "another body", "ord_never")
        yield
        await connection.rollback()


def assert_told_to_come_back(answer: httpx.Response) -> None:
    assert answer.status_code == 409, answer.text
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["retryAfterSeconds"] == 1
    assert answer.json()["type"] == "urn:quoteway:problem:conflict"


async def test_a_key_in_flight_is_a_conflict_that_names_when_to_come_back(process: Process) -> None:
    key = uuid.uuid4().hex
    async with in_flight(process, key):
        async with asyncio.timeout(HANG_S):
            assert_told_to_come_back(await process.submit(key))
        assert (await process.submit()).status_code == 202, "another key is not held up"
    again = await process.submit(key)
    assert again.status_code == 202
    assert again.json()["replayed"] is True


async def test_requests_with_a_finished_key_do_not_turn_each_other_away(process: Process) -> None:
    """Each is answered at once, also while another one with the key has not ended yet."""
    key = uuid.uuid4().hex
    order_id = (await process.submit(key)).json()["orderId"]
    submission = body_hash(Submission(quote_id=process.system.quote_id, quote_revision=1))
    async with process.worker.store.engine.connect() as another:
        assert await claim_key(another, scope(), IdempotencyKey(key), submission, "ord_never") == order_id
        answer = await process.submit(key)

    assert answer.status_code == 202, answer.text
    assert (answer.json()["orderId"], answer.json()["replayed"]) == (order_id, True)


async def test_without_the_lock_a_second_request_would_wait_for_the_first(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unlocked(*_: object) -> bool:
        return True

    monkeypatch.setattr(idempotency, "_locked", unlocked)
    key = uuid.uuid4().hex
    async with in_flight(process, key):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                assert_told_to_come_back(await process.submit(key))


async def test_one_key_many_at_once_is_one_order(process: Process) -> None:
    key = uuid.uuid4().hex
    answers = await asyncio.gather(*(process.submit(key) for _ in range(30)))

    accepted = [answer.json() for answer in answers if answer.status_code == 202]
    for answer in answers:
        if answer.status_code != 202:
            assert_told_to_come_back(answer)
    assert sum(not each["replayed"] for each in accepted) == 1
    (order_id,) = {each["orderId"] for each in accepted}
    again = (await process.submit(key)).json()
    assert (again["orderId"], again["replayed"]) == (order_id, True)
    assert again["statusUrl"] == f"/v1/orders/{order_id}"
    await process.ended(order_id)
    assert len(process.system.orders) == 1


async def test_a_key_stands_for_its_own_order_also_after_the_quote_was_ordered_anew(process: Process) -> None:
    process.system.fail("create_order", "rejected")
    first, later = uuid.uuid4().hex, uuid.uuid4().hex
    rejected = (await process.submit(first)).json()["orderId"]
    assert (await process.ended(rejected))["status"] == "rejected"
    anew = (await process.submit(later)).json()["orderId"]
    assert anew != rejected

    again, other = (await process.submit(first)).json(), (await process.submit()).json()

    assert (again["orderId"], again["status"], again["replayed"]) == (rejected, "rejected", True)
    assert other["orderId"] == anew


async def test_tenants_do_not_hold_up_each_other(process: Process) -> None:
    async with (
        process.worker.store.engine.connect() as ours,
        process.worker.store.engine.connect() as theirs,
        process.worker.store.engine.connect() as late,
    ):
        key = IdempotencyKey(uuid.uuid4().hex)
        assert await claim_key(ours, scope(), key, "body", "ord_1") is None
        assert await claim_key(theirs, scope(tenant="elsewhere"), key, "body", "ord_2") is None
        with pytest.raises(Conflict):
            await claim_key(late, scope(), key, "body", "ord_3")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((service(), user("005QW0000000001YAA")), (service(), user("005QW0000000002YAA"))),
        ((service(), user("005QW0000000001YAA")), (service(), user("005QW0000000001YAA", "another-app"))),
        ((service(), user("005QW0000000001YAA")), (service(), None)),
        ((service("desk"), None), (service("partner"), None)),
        ((service(for_client="desk"), None), (service(for_client="partner"), None)),
    ],
    ids=["users", "applications", "a user and a service", "services", "services through another tier"],
)
async def test_one_callers_key_does_not_refuse_another_callers_order(
    process: Process, first: tuple[Principal, ActingUser | None], second: tuple[Principal, ActingUser | None]
) -> None:
    key, quotes = IdempotencyKey(uuid.uuid4().hex), [uuid.uuid4().hex, uuid.uuid4().hex]
    async with process.worker.store.engine.connect() as connection:
        orders = [
            await claim_key(connection, KeyScope.of(*caller, ORDER_FLOW), key, quote, f"ord_{quote}")
            for caller, quote in zip((first, second), quotes, strict=True)
        ]
        assert orders == [None, None], "both were free"
        again = KeyScope.of(*second, ORDER_FLOW)
        assert await claim_key(connection, again, key, quotes[1], "ord_never") == f"ord_{quotes[1]}"
        await connection.rollback()


async def test_one_key_for_two_operations_is_two_requests(process: Process) -> None:
    key = IdempotencyKey(uuid.uuid4().hex)
    async with process.worker.store.engine.connect() as connection:
        for operation in (ORDER_FLOW, "another_operation"):
            scope_of_it = KeyScope.of(service(), None, operation)
            assert await claim_key(connection, scope_of_it, key, operation, f"of {operation}") is None
        await connection.rollback()


async def kept_by_the_version_before(process: Process, key: str, acting: ActingUser | None) -> str:
    """An order whose key is where versions before 0017 kept it."""
    store = process.worker.store
    check = SubmissionCheck(process.worker.system, DiscountPolicy(Decimal(20), Decimal(1)), LegalEntities(), store)
    intake, quote = OrderIntake(store, check), process.system.quote_id
    accepted = await intake.accept(service(), IdempotencyKey(key), Submission(quote_id=quote, quote_revision=1), acting)
    async with process.worker.store.transaction("nordwind") as connection:
        await connection.execute(
            text(
                "WITH moved AS (DELETE FROM quoteway.request_keys WHERE idempotency_key = :key RETURNING *)"
                " INSERT INTO quoteway.idempotency_keys SELECT tenant, idempotency_key, body_hash, record_id FROM moved"
            ),
            {"key": key},
        )
    await process.ended(accepted.order_id)
    return accepted.order_id


@pytest.mark.parametrize("acting", [None, user("005QW0000000001YAA")], ids=["a service", "a user"])
async def test_a_key_of_the_version_before_still_stands_for_its_order(
    process: Process, acting: ActingUser | None
) -> None:
    process.system.fail("create_order", "rejected")
    key = uuid.uuid4().hex
    order_id = await kept_by_the_version_before(process, key, acting)
    same, other = body_hash(Submission(quote_id=process.system.quote_id, quote_revision=1)), "another body"

    async with process.worker.store.engine.connect() as connection:
        scope_of_it = KeyScope.of(service(), acting, ORDER_FLOW)
        assert await claim_key(connection, scope_of_it, IdempotencyKey(key), same, "ord_never") == order_id
        with pytest.raises(IdempotencyMismatch):
            await claim_key(connection, scope_of_it, IdempotencyKey(key), other, "ord_never")
        await connection.rollback()


async def test_a_key_of_the_version_before_stands_for_nothing_of_another_user(process: Process) -> None:
    key = uuid.uuid4().hex
    await kept_by_the_version_before(process, key, user("005QW0000000001YAA"))

    async with process.worker.store.engine.connect() as connection:
        theirs = KeyScope.of(service(), user("005QW0000000002YAA"), ORDER_FLOW)
        assert await claim_key(connection, theirs, IdempotencyKey(key), "another body", "ord_theirs") is None
        await connection.rollback()


async def test_a_key_of_the_version_before_stands_for_nothing_of_another_operation(process: Process) -> None:
    key = uuid.uuid4().hex
    await kept_by_the_version_before(process, key, None)

    async with process.worker.store.engine.connect() as connection:
        relinking = KeyScope.of(service(), None, RELINK)
        assert not await is_claimed(connection, relinking, IdempotencyKey(key))
        assert await is_claimed(connection, KeyScope.of(service(), None, ORDER_FLOW), IdempotencyKey(key))
        assert await claim_key(connection, relinking, IdempotencyKey(key), "another body", "an answer") is None
        await connection.rollback()


async def test_keys_are_kept_for_their_days_and_then_forgotten(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    run = uuid.uuid4().hex
    values = {
        "request_keys": "(:run, 'client', '', 'operation', :name, 'hash', 'ord', now() - CAST(:age AS interval))",
        "idempotency_keys": "(:run, :name, 'hash', 'ord', now() - CAST(:age AS interval))",
    }
    async with process.worker.store.transaction_across_tenants() as connection:
        for name, age in [("old", "31 days"), ("young", "29 days"), ("edge", "30 days 1 minute"), ("older", "90 days")]:
            for table, row in values.items():
                await connection.execute(
                    text(f"INSERT INTO quoteway.{table} VALUES {row}"), {"run": run, "name": name, "age": age}
                )

    assert await prune_keys(process.worker.store, 30) == 6

    async with process.worker.store.transaction_across_tenants() as connection:
        for table in values:
            kept = await connection.scalars(
                text(f"SELECT idempotency_key FROM quoteway.{table} WHERE tenant = :run"), {"run": run}
            )
            assert list(kept) == ["young"]


async def test_housekeeping_goes_on_after_a_failed_round(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0
    enough = asyncio.Event()

    async def failing(*_: object) -> int:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            enough.set()
        raise RuntimeError("a defect")

    monkeypatch.setattr("process_api.operations.housekeeping.prune_keys", failing)
    housekeeping = Housekeeping(process.worker.store, 30, every_s=0.01)
    housekeeping.start()
    async with asyncio.timeout(HANG_S):
        await enough.wait()
    await housekeeping.stop()
