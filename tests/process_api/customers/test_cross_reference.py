"""The cross-reference on a real PostgreSQL: one record here is one record there, both ways, whoever comes first."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from process_api.customers.cross_reference import Pair, history_of, link
from process_api.database.store import Store
from process_api.database.tables import cross_references
from process_api.settings import ProcessSettings
from shared.problem import NeedsDecision, Unavailable


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
    store: Store,
    tenant: str,
    here: str,
    there: str,
    *,
    entity: str = "customer",
    system: str = "erp:NW-DE",
    before: str | None = None,
) -> None:
    """Link two ids in a transaction of its own."""
    async with store.transaction_across_tenants() as connection:
        await link(connection, Pair(tenant, here, system, entity), there, before=before)


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
    ("here", "there", "error"),
    [("001A", "9", Unavailable), ("001Z", "7", NeedsDecision), ("001A", "8", Unavailable)],
    ids=["ours is another there", "theirs is another here", "both are somebody else's"],
)
async def test_a_side_that_is_linked_already_stays_as_it_was(
    store: Store, tenant: str, here: str, there: str, error: type[Exception]
) -> None:
    await connect(store, tenant, "001A", "7")
    await connect(store, tenant, "001B", "8")
    before = await links(store, tenant)

    with pytest.raises(error):
        await connect(store, tenant, here, there)

    assert await links(store, tenant) == before


async def test_a_link_moves_where_the_system_names_another_record_than_it_did(store: Store, tenant: str) -> None:
    await connect(store, tenant, "001A", "7")

    await connect(store, tenant, "001A", "9", before="7")

    assert await links(store, tenant) == [("customer", "erp:NW-DE", "001A", "9")]
    async with store.transaction_across_tenants() as connection:
        changes = await history_of(connection, tenant, "001A", 10)
    assert [(each.cause, each.before, each.after) for each in changes] == [
        ("followed", "7", "9"),
        ("linked", None, "7"),
    ]


async def test_a_link_does_not_move_to_another_accounts_record(store: Store, tenant: str) -> None:
    await connect(store, tenant, "001A", "7")
    await connect(store, tenant, "001B", "8")

    with pytest.raises(NeedsDecision, match="is account 001B already") as raised:
        await connect(store, tenant, "001A", "8", before="7")

    assert raised.value.reason_code == "customer_shared"
    assert ("customer", "erp:NW-DE", "001A", "7") in await links(store, tenant)


@pytest.mark.parametrize("theirs", ["billing:NW-DE", "billing:NW-DE:EUR", "billing:NW-DE:USD"])
@pytest.mark.parametrize("before", [None, "cus_2"])
async def test_a_billing_customer_is_one_accounts_under_every_name_of_the_system(
    store: Store, tenant: str, theirs: str, before: str | None
) -> None:
    ours = "billing:NW-DE:EUR"
    await connect(store, tenant, "001B", "cus_1", system=theirs)
    if before is not None:
        await connect(store, tenant, "001A", before, system=ours)

    with pytest.raises(NeedsDecision, match="is account 001B already"):
        await connect(store, tenant, "001A", "cus_1", system=ours, before=before)

    held = [each for each in await links(store, tenant) if each[2] == "001A"]
    assert held == ([] if before is None else [("customer", ours, "001A", before)])


async def test_one_account_may_have_one_billing_customer_under_two_names(store: Store, tenant: str) -> None:
    for system in ("billing:NW-DE:EUR", "billing:NW-DE:USD"):
        await connect(store, tenant, "001A", "cus_1", system=system)

    # Another legal entity's billing, though its code begins alike, is another system.
    await connect(store, tenant, "001B", "cus_1", system="billing:NW-DE-2:EUR")
    assert len(await links(store, tenant)) == 3


async def test_a_link_that_was_moved_meanwhile_is_asked_for_again(store: Store, tenant: str) -> None:
    await connect(store, tenant, "001A", "9")

    with pytest.raises(Unavailable) as raised:
        await connect(store, tenant, "001A", "11", before="7")

    assert raised.value.reason_code == "cross_reference_moved"


async def test_a_link_from_before_currencies_is_renamed_once_it_serves_one(store: Store, tenant: str) -> None:
    await connect(store, tenant, "001A", "cus_1", system="billing:NW-DE")
    async with store.transaction_across_tenants() as connection:
        euros, dollars = (Pair(tenant, "001A", f"billing:NW-DE:{code}") for code in ("EUR", "USD"))
        await link(connection, dollars, "cus_2", formerly="billing:NW-DE")
        await link(connection, euros, "cus_1", formerly="billing:NW-DE")

    assert await links(store, tenant) == [
        ("customer", "billing:NW-DE:EUR", "001A", "cus_1"),
        ("customer", "billing:NW-DE:USD", "001A", "cus_2"),
    ]


async def test_history_is_never_changed(store: Store, tenant: str) -> None:
    await connect(store, tenant, "001A", "7")

    with pytest.raises(DBAPIError, match="permission denied"):
        async with store.transaction_across_tenants() as connection:
            await connection.execute(text("UPDATE quoteway.cross_reference_history SET reason = 'x'"))


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
    refused = Unavailable if contested == "ours" else NeedsDecision
    assert sum(isinstance(outcome, refused) for outcome in outcomes) == 9
    ((_, _, here, there),) = await links(store, tenant)
    assert outcomes[pairs.index((here, there))] is None


async def test_a_link_is_part_of_its_callers_transaction(store: Store, tenant: str) -> None:
    async def fail_after_linking() -> None:
        async with store.transaction_across_tenants() as connection:
            await link(connection, Pair(tenant, "a", "s"), "b")
            raise RuntimeError("whatever came next went wrong")

    with pytest.raises(RuntimeError):
        await fail_after_linking()
    assert await links(store, tenant) == []
