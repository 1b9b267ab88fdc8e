"""Whom a quote names is forgotten some days after its order has ended, and not before; everything else stays."""

import asyncio
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select, text, update

from process_api.database.tables import flows, orders
from process_api.operations.housekeeping import Housekeeping
from process_api.orders import contacts as order_contacts
from process_api.orders.contacts import CONTACT_FIELDS, forget_contacts
from process_api.orders.record import find_order
from shared.canonical import Contact
from tests.patience import HANG_S
from tests.process_api.conftest import Process
from tests.process_api.orders.order_endings import submit_and_end
from tests.process_api.system_stand_in import mixed_quote

PETRA = Contact(name="Petra Muster", email="petra@acme.example", contact_id="003QW0000000001AAA")
JONAS = Contact(name="Jonas Beispiel", email="jonas@acme.example", contact_id="003QW0000000002AAA")


async def ended_order(process: Process, *, ago: str, fault: Any = None) -> str:
    """An order of a quote that names two people, whose flow ended so long ago; parked where it met an outage."""
    process.system.quote = msgspec.structs.replace(mixed_quote(), bill_to=PETRA, sold_to=JONAS)
    if fault is not None:
        process.system.fail("create_order", *[fault] * 3)
    order_id: str = (await submit_and_end(process))["orderId"]
    async with process.worker.store.transaction_across_tenants() as connection:
        of_it = flows.c.subject == order_id
        await connection.execute(
            update(flows)
            .where(of_it, flows.c.finished_at.is_not(None))
            .values(finished_at=func.now() - text(f"interval '{ago}'"))
        )
    return order_id


async def kept(process: Process, order_id: str) -> dict[str, Any]:
    async with process.worker.store.transaction("nordwind") as connection:
        quote = await connection.scalar(select(orders.c.quote).where(orders.c.order_id == order_id))
    assert isinstance(quote, dict)
    return quote


@pytest.mark.parametrize("fault", [None, "rejected"])
async def test_contacts_of_an_order_that_ended_long_ago_are_forgotten(process: Process, fault: Any) -> None:
    order_id = await ended_order(process, ago="30 days 1 minute", fault=fault)
    before = await kept(process, order_id)
    assert "petra@acme.example" in str(before)
    async with process.worker.store.transaction("nordwind") as connection:
        record = await find_order(connection, "nordwind", order_id)

    assert await forget_contacts(process.worker.store, 30) >= 1

    after = await kept(process, order_id)
    for word in ("Petra", "Jonas", "acme.example"):
        assert word not in str(after)
    assert (after["billTo"]["contactId"], after["soldTo"]["contactId"]) == (PETRA.contact_id, JONAS.contact_id)
    assert {**after, "billTo": None, "soldTo": None} == {**before, "billTo": None, "soldTo": None}
    async with process.worker.store.transaction("nordwind") as connection:
        found = await find_order(connection, "nordwind", order_id)
    assert record is not None
    assert found is not None
    assert found.quote is not None
    assert (found.version, found.updated_at) == (record.version, record.updated_at), "an order that is only read anew"
    assert await forget_contacts(process.worker.store, 30) == 0


@pytest.mark.parametrize(("ago", "fault"), [("29 days", None), ("90 days", "unavailable"), ("90 days", "decision")])
async def test_contacts_are_kept_for_their_days_and_while_an_order_may_be_tried_again(
    process: Process, ago: str, fault: Any
) -> None:
    order_id = await ended_order(process, ago=ago, fault=fault)

    await forget_contacts(process.worker.store, 30)

    assert msgspec.convert((await kept(process, order_id))["billTo"], Contact) == PETRA


async def test_an_order_whose_contacts_are_forgotten_answers_as_before(process: Process) -> None:
    order_id = await ended_order(process, ago="40 days")
    before = await process.order(order_id)
    assert process.system.quote is not None
    revision = process.system.quote.revision

    await forget_contacts(process.worker.store, 30)

    assert await process.order(order_id) == before
    again = await process.submit()
    assert (again.status_code, again.json()["orderId"], revision) == (202, order_id, 1)


async def test_more_orders_than_one_batch_are_all_forgotten(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_contacts, "_AT_ONCE", 1)
    ids = [await ended_order(process, ago="31 days") for _ in range(2)]

    assert await forget_contacts(process.worker.store, 30) == 2
    assert "Petra" not in str([await kept(process, each) for each in ids])


async def test_a_worker_forgets_contacts_by_its_setting(process: Process) -> None:
    assert process.worker.housekeeping.contacts_kept_days == process.settings.contacts_kept_days
    order_id = await ended_order(process, ago="6 days")
    housekeeping = Housekeeping(process.worker.store, 30, contacts_kept_days=5)

    housekeeping.start()
    async with asyncio.timeout(HANG_S):
        while "Petra" in str(await kept(process, order_id)):  # noqa: ASYNC110 the database has no way to wait
            await asyncio.sleep(0.02)
    await housekeeping.stop()


def test_every_field_of_a_contact_but_its_id_is_personal() -> None:
    fields = {each.encode_name for each in msgspec.structs.fields(Contact)} - {"contactId"}
    assert set(CONTACT_FIELDS) == {(contact, field) for contact in ("billTo", "soldTo") for field in fields}
