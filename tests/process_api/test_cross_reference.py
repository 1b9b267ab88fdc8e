"""The cross-reference on a real PostgreSQL: one record here is one record there, both ways, whoever comes first."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import select

from process_api.cross_reference import link
from process_api.settings import ProcessSettings
from process_api.store import Store
from process_api.tables import cross_references
from shared.problem import Rejected


@pytest_asyncio.fixture(loop_scope="session")
async def store(process_settings: ProcessSettings) -> AsyncIterator[Store]:
    """The business state."""
    store = Store(process_settings.database_url)
    yield store
    await store.close()


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own."""
    return f"t-{uuid.uuid4().hex[:12]}"


async def connect(
    store: Store, tenant: str, here: str, there: str, *, entity: str = "customer", system: str = "erp:NW-DE"
) -> None:
    """Link two ids in a transaction of its own."""
    async with store.transaction_across_tenants() as connection:
        await link(connection, tenant=tenant, entity=entity, canonical_id=here, system=system, system_id=there)


async def links(store: Store, tenant: str) -> list[tuple[str, str, str, str]]:
    """All that is linked for a tenant."""
    table = cross_references.c
    query = (
        select(table.entity, table.system, table.canonical_id, table.system_id)
        .where(table.tenant == tenant)
        .order_by(table.entity, table.system, table.canonical_id)
    )
    async with store.transaction_across_tenants() as connection:
        return [(row[0], row[1], row[2], row[3]) for row in await connection.execute(query)]


async def test_a_pair_is_linked_once_however_often(store: Store, tenant: str) -> None:
    for _ in range(3):
        await connect(store, tenant, "001A", "7")
    assert await links(store, tenant) == [("customer", "erp:NW-DE", "001A", "7")]


@pytest.mark.parametrize(
    ("here", "there"),
    [("001A", "9"), ("001Z", "7"), ("001A", "8")],
    ids=["ours is another there", "theirs is another here", "both are somebody else's"],
)
async def test_a_side_that_is_linked_already_is_refused_and_stays_as_it_was(
    store: Store, tenant: str, here: str, there: str
) -> None:
    await connect(store, tenant, "001A", "7")
    await connect(store, tenant, "001B", "8")
    before = await links(store, tenant)

    with pytest.raises(Rejected, match=rf"customer {here} is {there} in erp:NW-DE now") as raised:
        await connect(store, tenant, here, there)

    assert raised.value.reason_code == "cross_reference_conflict"
    assert await links(store, tenant) == before


async def test_tenants_entities_and_systems_do_not_meet(store: Store, tenant: str) -> None:
    stranger = f"{tenant}-2"
    await connect(store, tenant, "001A", "7")
    await connect(store, tenant, "001A", "8", system="erp:NW-US")
    await connect(store, tenant, "001B", "7", system="billing:NW-DE")
    await connect(store, tenant, "001B", "7", entity="product")
    await connect(store, stranger, "001B", "7")

    assert await links(store, tenant) == [
        ("customer", "billing:NW-DE", "001B", "7"),
        ("customer", "erp:NW-DE", "001A", "7"),
        ("customer", "erp:NW-US", "001A", "8"),
        ("product", "erp:NW-DE", "001B", "7"),
    ]
    assert await links(store, stranger) == [("customer", "erp:NW-DE", "001B", "7")]


async def test_the_same_pair_by_many_at_once_is_linked_once(store: Store, tenant: str) -> None:
    await asyncio.gather(*(connect(store, tenant, "001A", "7") for _ in range(10)))
    assert await links(store, tenant) == [("customer", "erp:NW-DE", "001A", "7")]


@pytest.mark.parametrize("contested", ["theirs", "ours"])
async def test_of_many_who_claim_one_record_at_once_one_gets_it(store: Store, tenant: str, contested: str) -> None:
    pairs = [("001A", str(number)) if contested == "ours" else (f"001{number}", "7") for number in range(10)]

    outcomes = await asyncio.gather(
        *(connect(store, tenant, here, there) for here, there in pairs), return_exceptions=True
    )

    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Rejected) for outcome in outcomes) == 9
    ((_, _, here, there),) = await links(store, tenant)
    assert outcomes[pairs.index((here, there))] is None


async def test_a_link_is_part_of_its_callers_transaction(store: Store, tenant: str) -> None:
    async def fail_after_linking() -> None:
        async with store.transaction_across_tenants() as connection:
            await link(connection, tenant=tenant, entity="customer", canonical_id="a", system="s", system_id="b")
            raise RuntimeError("whatever came next went wrong")

    with pytest.raises(RuntimeError):
        await fail_after_linking()
    assert await links(store, tenant) == []
