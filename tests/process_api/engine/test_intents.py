"""Intents on a real PostgreSQL: written down before the write, once, and never meant for two payloads."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from process_api.database.store import Store
from process_api.database.tables import flows, intents
from process_api.engine.intents import Intents, answer
from process_api.settings import ProcessSettings
from shared.problem import NeedsDecision


class Payload(msgspec.Struct, frozen=True):
    """What is to be written."""

    quantity: str
    labels: dict[str, str] = {}


@dataclass
class Writing:
    """A flow that is about to write to the ERP."""

    store: Store
    intents: Intents
    tenant: str
    flow_id: str
    external_id: str

    async def record(self, payload: Payload, **changes: str) -> str:
        """Record the intent of that payload."""
        what = {"step": "book_erp_order", "system": "erp:NW-DE", "external_id": self.external_id, **changes}
        return await self.intents.record(
            tenant=self.tenant,
            flow_id=self.flow_id,
            payload=payload,
            step=what["step"],
            system=what["system"],
            entity="order",
            external_id=what["external_id"],
        )

    async def record_customer(self, payload: Payload, flow_id: str | None = None) -> str:
        """Record that the account's customer may be created from that payload."""
        async with self.store.transaction(self.tenant) as connection:
            return await self.intents.record_shared(
                connection,
                tenant=self.tenant,
                flow_id=flow_id or self.flow_id,
                payload=payload,
                step="validate_customer",
                system="erp:NW-DE",
                entity="customer",
                external_id="001A",
            )

    async def answer(self, operation_id: str, vendor_id: str) -> None:
        """Write down what the vendor calls the record."""
        async with self.store.transaction(self.tenant) as connection:
            await answer(connection, operation_id, vendor_id)

    async def begin_flow(self, subject: str) -> str:
        """Another flow of this tenant."""
        flow_id = f"{self.tenant}.{subject}"
        async with self.store.transaction_across_tenants() as connection:
            await connection.execute(insert(flows).values(flow_row(flow_id, self.tenant, subject)))
        return flow_id

    async def rows(self) -> list[Any]:
        """What is written down for this tenant, read in a transaction of its own."""
        query = select(intents).where(intents.c.tenant == self.tenant).order_by(intents.c.operation_id)
        async with self.store.transaction_across_tenants() as connection:
            return list(await connection.execute(query))


def flow_row(flow_id: str, tenant: str, subject: str) -> dict[str, str]:
    """A flow that runs."""
    return {
        "flow_id": flow_id,
        "tenant": tenant,
        "kind": "order_submission",
        "subject": subject,
        "status": "running",
        "correlation_id": "c",
        "requested_by": "test",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def store(process_settings: ProcessSettings) -> AsyncIterator[Store]:
    """The business state."""
    store = Store(process_settings.database_url)
    yield store
    await store.close()


async def begin(store: Store, external_id: str) -> Writing:
    """A flow of a tenant of its own, about to write under that external id."""
    tenant = f"t-{uuid.uuid4().hex[:12]}"
    flow_id = f"{tenant}.ord_1"
    async with store.transaction_across_tenants() as connection:
        await connection.execute(
            insert(flows).values(flow_row(flow_id, tenant, "ord_1")),
        )
    return Writing(store, Intents(store), tenant, flow_id, external_id)


@pytest_asyncio.fixture(loop_scope="session")
async def writing(store: Store) -> Writing:
    """A flow that is about to write."""
    return await begin(store, "ord_1")


async def test_an_intent_is_there_before_its_answer_is(writing: Writing) -> None:
    operation_id = await writing.record(Payload("2"))

    (row,) = await writing.rows()
    assert (row.operation_id, row.flow_id, row.system, row.external_id) == (
        operation_id,
        writing.flow_id,
        "erp:NW-DE",
        "ord_1",
    )
    assert (row.vendor_id, row.answered_at) == (None, None)
    assert row.recorded_at is not None


async def test_an_answer_says_what_the_vendor_calls_the_record(writing: Writing) -> None:
    answered = await writing.record(Payload("2"))
    waiting = await writing.record(Payload("2"), external_id="ord_2")

    await writing.answer(answered, "42")

    rows = {row.operation_id: row for row in await writing.rows()}
    assert rows[answered].vendor_id == "42"
    assert rows[answered].answered_at >= rows[answered].recorded_at
    assert (rows[waiting].vendor_id, rows[waiting].answered_at) == (None, None)


async def test_recording_again_changes_nothing_not_even_the_answer(writing: Writing) -> None:
    operation_id = await writing.record(Payload("2"))
    await writing.answer(operation_id, "42")
    before = await writing.rows()

    assert await writing.record(Payload("2")) == operation_id
    assert await writing.rows() == before


async def test_the_order_of_a_payloads_keys_is_no_difference(writing: Writing) -> None:
    first = await writing.record(Payload("2", {"a": "1", "b": "2"}))
    assert await writing.record(Payload("2", {"b": "2", "a": "1"})) == first


async def test_an_external_id_never_stands_for_two_payloads(writing: Writing) -> None:
    await writing.record(Payload("2"))
    before = await writing.rows()

    with pytest.raises(NeedsDecision, match="ord_1 was meant for another request to erp:NW-DE before") as raised:
        await writing.record(Payload("3"))

    assert raised.value.reason_code == "intent_changed"
    assert await writing.rows() == before


async def test_another_step_may_not_use_the_external_id_for_something_else_either(writing: Writing) -> None:
    await writing.record(Payload("2"))
    with pytest.raises(NeedsDecision):
        await writing.record(Payload("3"), step="book_it_otherwise")
    assert len(await writing.rows()) == 1


async def test_tenants_systems_and_external_ids_do_not_meet(store: Store, writing: Writing) -> None:
    stranger = await begin(store, "ord_1")
    await writing.record(Payload("2"))
    await writing.record(Payload("3"), external_id="ord_1-month", step="start_billing", system="billing:NW-DE")
    await writing.record(Payload("4"), step="start_billing", system="billing:NW-DE")
    await stranger.record(Payload("5"))

    assert len(await writing.rows()) == 3
    assert len(await stranger.rows()) == 1


async def test_the_same_intent_by_many_at_once_is_written_once(writing: Writing) -> None:
    operation_ids = await asyncio.gather(*(writing.record(Payload("2")) for _ in range(10)))
    assert len(set(operation_ids)) == 1
    assert [row.operation_id for row in await writing.rows()] == operation_ids[:1]


async def test_of_two_payloads_at_once_one_is_meant(writing: Writing) -> None:
    outcomes = await asyncio.gather(
        *(writing.record(Payload(str(number))) for number in range(6)), return_exceptions=True
    )
    assert sum(isinstance(outcome, NeedsDecision) for outcome in outcomes) == 5
    assert len(await writing.rows()) == 1


async def test_a_customer_is_one_intent_of_all_orders_of_its_account(writing: Writing) -> None:
    first = await writing.record_customer(Payload("1", {"city": "Stuttgart"}))
    later = await writing.begin_flow("ord_2")

    # The first order died before the vendor answered, and Salesforce changed the address: no contradiction.
    assert await writing.record_customer(Payload("1", {"city": "Ulm"}), later) == first
    (row,) = await writing.rows()
    assert (row.flow_id, row.answered_at) == (writing.flow_id, None)

    await writing.answer(first, "42")
    (row,) = await writing.rows()
    assert row.vendor_id == "42", "the later order's answer is the intent's"


async def test_a_customers_hash_is_that_of_the_last_payload_before_the_vendor_answered(writing: Writing) -> None:
    hashes = []
    for city in ("Stuttgart", "Ulm"):
        operation_id = await writing.record_customer(Payload("1", {"city": city}))
        hashes.append((await writing.rows())[0].payload_hash)
    await writing.answer(operation_id, "42")
    before = await writing.rows()

    assert await writing.record_customer(Payload("1", {"city": "Aalen"})) == operation_id

    assert hashes[0] != hashes[1]
    assert before[0].payload_hash == hashes[1]
    assert await writing.rows() == before, "the vendor has the customer and is not written to any more"


async def test_many_orders_of_one_new_account_at_once_share_its_customers_intent(writing: Writing) -> None:
    others = [await writing.begin_flow(f"ord_{number}") for number in range(2, 8)]
    recorded = await asyncio.gather(
        *(writing.record_customer(Payload(flow_id), flow_id) for flow_id in [writing.flow_id, *others, *others])
    )
    assert [row.operation_id for row in await writing.rows()] == list(set(recorded))
