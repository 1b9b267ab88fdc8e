"""Row-level security on a real PostgreSQL: what a transaction sees and writes when its query forgot the tenant."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from sqlalchemy import Table, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from process_api.access.idempotency import IdempotencyKey
from process_api.database.row_security import APPLICATION_ROLE, SCHEMA
from process_api.database.store import Store
from process_api.database.tables import (
    dead_letter_decisions,
    flow_attempts,
    flow_steps,
    flows,
    metadata,
    order_timeline,
    orders,
    request_keys,
)
from process_api.migrate import migrate
from process_api.orders.intake import OrderIntake, Submission
from process_api.orders.submission_check import SubmissionCheck
from process_api.settings import ProcessSettings
from sandbox.engines.postgres import PostgresEngine
from shared.identity.auth import Principal

# Nothing in these is any tenant's. A new table is named here, or isolated in the migration that makes it.
EVERYBODYS = {"alembic_version", "executors"}


@dataclass(frozen=True)
class TwoTenants:
    """Two tenants with an order and a flow each."""

    store: Store
    mine: str
    foreign: str


class AnyQuote:
    """Lets every submission pass: there is no Salesforce here."""

    async def require(self, _tenant: str, _submitted: object) -> None:
        """Refuse nothing."""


def principal(tenant: str) -> Principal:
    """Someone of that tenant."""
    return Principal("service", "service", tenant, frozenset())


async def submit(store: Store, tenant: str, key: str = "key-1") -> str:
    """Take an order in, with the key and all that is written with it."""
    accepted = await OrderIntake(store, cast("SubmissionCheck", AnyQuote())).accept(
        principal(tenant), IdempotencyKey(key), Submission(quote_id="0Q01", quote_revision=1)
    )
    return accepted.order_id


@pytest_asyncio.fixture(loop_scope="session")
async def two(postgres: PostgresEngine) -> AsyncIterator[TwoTenants]:
    """Two tenants' orders in a database that no worker looks at."""
    database = f"rows_{uuid.uuid4().hex[:8]}"
    postgres.create_database(database)
    migrate(postgres.url(database))
    store = Store(postgres.url(database))
    for tenant in ("mine", "foreign"):
        order_id = await submit(store, tenant)
        async with store.transaction(tenant) as connection:
            step = {"flow_id": f"{tenant}.{order_id}", "step": "load_quote"}
            await connection.execute(insert(flow_steps).values(**step, position=0, state="begun"))
            await connection.execute(
                insert(flow_attempts).values(
                    **step, direction="forward", attempt=1, outcome="begun", executor_id="none", generation=1
                )
            )
    yield TwoTenants(store, "mine", "foreign")
    await store.close()
    postgres.drop_database(database)


def test_every_table_is_isolated_or_said_to_be_everybodys(process_settings: ProcessSettings) -> None:
    with psycopg.connect(process_settings.database_url) as connection:
        found = connection.execute(
            "SELECT relname, relrowsecurity AND relforcerowsecurity"
            " AND EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid)"
            " FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')",
            [SCHEMA],
        ).fetchall()
    assert {name for name, _ in found} >= {table.name for table in metadata.tables.values()}
    open_tables = {name for name, isolated in found if not isolated}
    assert open_tables == EVERYBODYS, (
        "isolate each new table in its migration: see process_api/database/row_security.py"
    )


@pytest.mark.parametrize(
    "table", [orders, order_timeline, request_keys, flows, flow_steps, flow_attempts], ids=lambda table: table.name
)
async def test_a_query_that_forgot_its_tenant_finds_nothing_foreign(two: TwoTenants, table: Table) -> None:
    count = select(func.count()).select_from(table)
    async with two.store.transaction(two.mine) as connection:
        assert await connection.scalar(count) == 1
    async with two.store.transaction("nobody") as connection:
        assert await connection.scalar(count) == 0
    async with two.store.transaction_across_tenants() as connection:
        assert await connection.scalar(count) == 2


@pytest.mark.parametrize(
    "table", [orders, order_timeline, request_keys, flows, flow_steps, flow_attempts], ids=lambda table: table.name
)
async def test_the_mutation_without_row_level_security_the_same_query_finds_the_foreign_row(
    two: TwoTenants, table: Table
) -> None:
    async with two.store.engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE {SCHEMA}.{table.name} DISABLE ROW LEVEL SECURITY"))
    async with two.store.transaction(two.mine) as connection:
        assert await connection.scalar(select(func.count()).select_from(table)) == 2


async def test_a_change_that_forgot_its_tenant_changes_nothing_foreign(two: TwoTenants) -> None:
    async with two.store.transaction(two.mine) as connection:
        changed = await connection.execute(update(orders).values(reason="mine now"))
        assert changed.rowcount == 1
        taken = await connection.execute(update(order_timeline).values(message="mine now"))
        assert taken.rowcount == 1
    async with two.store.transaction(two.foreign) as connection:
        assert await connection.scalar(select(orders.c.reason)) is None
        assert await connection.scalar(select(order_timeline.c.message)) != "mine now"


async def test_nothing_is_written_for_another_tenant(two: TwoTenants) -> None:
    async with two.store.transaction(two.foreign) as connection:
        order_id = await connection.scalar(select(orders.c.order_id))
    entry = {"order_id": order_id, "version": 2, "status": "booked", "step": "end", "message": "forged"}
    scope = {"tenant": two.foreign, "client_id": "service", "acting_user": "", "operation": "forged"}
    key = {**scope, "idempotency_key": "forged", "body_hash": "-", "record_id": order_id}
    for forged in (insert(order_timeline).values(**entry), insert(request_keys).values(**key)):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with two.store.transaction(two.mine) as connection:
                await connection.execute(forged)


async def test_one_key_in_two_tenants_is_two_orders(two: TwoTenants) -> None:
    async with two.store.transaction_across_tenants() as connection:
        found = (await connection.execute(select(request_keys.c.tenant, request_keys.c.record_id))).all()
    assert {row.tenant for row in found} == {two.mine, two.foreign}
    assert len({row.record_id for row in found}) == 2


async def test_what_is_for_ever_cannot_be_changed_by_the_application(two: TwoTenants) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with two.store.transaction(two.mine) as connection:
            await connection.execute(update(dead_letter_decisions).values(reason="otherwise"))


async def test_a_connection_goes_back_to_the_pool_as_it_came(two: TwoTenants) -> None:
    whose = text("SELECT current_user, current_setting('quoteway.tenant', true)")
    store = Store(two.store.engine.url.render_as_string(hide_password=False), connections_max=1)
    async with store.transaction(two.mine) as connection:
        assert tuple((await connection.execute(whose)).one()) == (APPLICATION_ROLE, two.mine)
    with pytest.raises(RuntimeError):
        async with store.transaction(two.mine):
            raise RuntimeError
    async with store.engine.begin() as connection:
        user, tenant = (await connection.execute(whose)).one()
    assert user != APPLICATION_ROLE
    assert not tenant
    await store.close()


@pytest.mark.parametrize("name", ["", "*", "a.b", "A", "x" * 41])
async def test_a_transaction_is_for_a_tenant_by_name(two: TwoTenants, name: str) -> None:
    with pytest.raises(ValueError, match="no tenant's name"):
        async with two.store.transaction(name):
            pass


async def test_a_login_that_owns_the_tables_but_is_no_superuser_can_migrate_and_serve(
    postgres: PostgresEngine, request: pytest.FixtureRequest
) -> None:
    """As in production: there, the owner's own transactions see nothing either, unless they name a tenant."""
    login = f"owner_{uuid.uuid4().hex[:8]}"
    database = f"{login}_rows"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'owned'").format(sql.Identifier(login)))
        # Where another database's migration made the role, its owner or an administrator hands it on.
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APPLICATION_ROLE), sql.Identifier(login)))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(login)))

    def remove() -> None:
        postgres.drop_database(database)
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(login)))

    request.addfinalizer(remove)
    scheme, _, place = postgres.url(database).partition("://")
    url = f"{scheme}://{login}:owned@{place.rpartition('@')[2]}"
    migrate(url)
    migrate(url)
    store = Store(url)
    assert await store.ready() is None
    await submit(store, "mine")
    async with store.engine.begin() as connection:
        assert await connection.scalar(select(func.count()).select_from(orders)) == 0
    async with store.transaction("mine") as connection:
        assert await connection.scalar(select(func.count()).select_from(orders)) == 1
    await store.close()


async def test_a_login_that_may_not_act_for_tenants_is_not_ready(process_settings: ProcessSettings) -> None:
    login = f"stranger_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(process_settings.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'strange'").format(sql.Identifier(login)))
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA quoteway TO {}").format(sql.Identifier(login)))
        admin.execute(sql.SQL("GRANT SELECT ON quoteway.alembic_version TO {}").format(sql.Identifier(login)))
    scheme, _, place = process_settings.database_url.partition("://")
    store = Store(f"{scheme}://{login}:strange@{place.rpartition('@')[2]}")
    missing = await store.ready()
    await store.close()
    with psycopg.connect(process_settings.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(login)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(login)))
    assert missing is not None
    assert f"GRANT {APPLICATION_ROLE}" in missing
