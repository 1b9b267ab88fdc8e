"""A landscape leaves a PostgreSQL that somebody else runs as it found it, and tells everyone the same addresses."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.engines.postgres import POSTGRES_URL_VARIABLE, ExternalPostgres, PostgresEngine
from sandbox.landscape.database import prepare_database
from sandbox.landscape.landscape import Landscape
from sandbox.processes.progress import Progress
from sandbox.vendors.tryton.credentials import FILE_NAME, TrytonCredentials
from sandbox.vendors.tryton.database import TEMPLATE, external_credentials_file, golden_cluster, recipe_digest


@pytest.fixture
def elsewhere(postgres: PostgresEngine, tmp_path: Path) -> Iterator[PostgresEngine]:
    """A server that the landscape only knows by its URL, with databases of somebody's that have the obvious names."""
    assert postgres.is_running  # whoever needs it has had the golden cluster built
    with PostgresEngine(tmp_path / "elsewhere", durable=False, golden=golden_cluster(Progress(quiet=True))) as engine:
        for name in ("quoteway", "tryton"):
            engine.create_database(name)
            with psycopg.connect(engine.url(name)) as connection:
                connection.execute("CREATE TABLE somebodys AS SELECT 1 AS own")
        # What the first run there would spend a minute on.
        external, template = ExternalPostgres(engine.url("postgres")), f"{TEMPLATE}_{recipe_digest()}"
        engine.create_database(template, TEMPLATE)
        credentials = external_credentials_file(external, template)
        TrytonCredentials.read(engine.data_dir / FILE_NAME).write(credentials)
        yield engine
        credentials.unlink()
        engine.destroy()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """A landscape of which only PostgreSQL runs, with its database and the logins to it."""
    landscape = Landscape(tmp_path_factory.mktemp("prepared"))
    with PostgresEngine(landscape.run_dir / "postgres", durable=False) as landscape.postgres:
        landscape.logins = prepare_database(
            landscape.postgres, landscape.database, landscape.environment, landscape.run_dir
        )
        yield landscape


def databases(engine: PostgresEngine) -> set[str]:
    """The names of every database on a server."""
    with psycopg.connect(engine.url("postgres")) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def logins(engine: PostgresEngine) -> set[str]:
    """The names of everybody who may log in to a server."""
    with psycopg.connect(engine.url("postgres")) as connection:
        return {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin")}


def tables(engine: PostgresEngine, database: str) -> set[tuple[str, str]]:
    """The tables in a database, by schema and name."""
    with psycopg.connect(engine.url(database)) as connection:
        found = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        return {(schema, table) for schema, table in found}


def test_runs_on_a_server_of_somebody_else_share_nothing_and_leave_nothing(
    elsewhere: PostgresEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL_VARIABLE, elsewhere.url("postgres"))
    before, used, known = databases(elsewhere), set(), logins(elsewhere)
    for run in ("first", "second"):
        landscape = Landscape(tmp_path / run)
        try:
            landscape.start_vendors()
            assert databases(elsewhere) == before | {landscape.database, landscape.tryton.database}
            assert len(logins(elsewhere) - known) == 4
            assert ("quoteway", "orders") in tables(elsewhere, landscape.database)
            assert ("public", "left_over") not in tables(elsewhere, landscape.database)
            with psycopg.connect(landscape.postgres.url(landscape.database)) as connection:
                connection.execute("CREATE TABLE left_over ()")
            used |= {landscape.database, landscape.tryton.database}
        finally:
            landscape.stop()
        assert databases(elsewhere) == before
        assert logins(elsewhere) == known
    assert len(used) == 4
    assert elsewhere.is_running
    for name in ("quoteway", "tryton"):
        assert tables(elsewhere, name) == {("public", "somebodys")}


@pytest.mark.parametrize(
    ("who", "refused"),
    [
        ("experience", "SELECT FROM quoteway.orders"),
        ("experience", "SELECT FROM quoteway_audit.entries"),
        ("system", "SELECT FROM quoteway.orders"),
        ("system", "SET ROLE quoteway_app"),
        ("signer", "SELECT quoteway_audit.append('nordwind', ARRAY['{}'])"),
        ("process", "ALTER TABLE quoteway.orders DISABLE ROW LEVEL SECURITY"),
        ("process", "DELETE FROM quoteway_audit.entries"),
        ("process", "CREATE TABLE quoteway.left_over ()"),
    ],
)
def test_a_tiers_login_may_do_its_own_work_only(prepared: Landscape, who: str, refused: str) -> None:
    with (
        psycopg.connect(prepared.logins.url_of(who)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(refused)


def test_the_process_tiers_login_sees_no_row_without_a_tenant(prepared: Landscape) -> None:
    with psycopg.connect(prepared.postgres.url(prepared.database)) as owner:
        owner.execute("INSERT INTO quoteway.executors (executor_id, expires_at) VALUES ('somebody', now())")
        owner.execute(
            "INSERT INTO quoteway.request_keys (tenant, client_id, acting_user, operation, idempotency_key, body_hash,"
            " record_id) VALUES ('nordwind', 'c', '', 'o', 'k', 'h', 'r')"
        )
    with psycopg.connect(prepared.logins.url_of("process")) as connection:
        assert connection.execute("SELECT FROM quoteway.executors").rowcount == 1
        assert connection.execute("SELECT FROM quoteway.request_keys").rowcount == 0
        connection.execute("SELECT set_config('quoteway.tenant', 'nordwind', false)")
        assert connection.execute("SELECT FROM quoteway.request_keys").rowcount == 1


def test_tiers_that_start_beside_each_other_are_told_one_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_socket = socket.socket

    def slowly(*arguments: Any) -> socket.socket:
        time.sleep(0.05)
        return open_socket(*arguments)

    monkeypatch.setattr("sandbox.landscape.ports.socket.socket", slowly)
    landscape = Landscape(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        told = set(pool.map(landscape.tier_url, ["experience"] * 4))
    landscape.stop()

    assert len(told) == 1
