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


def databases(engine: PostgresEngine) -> set[str]:
    """The names of every database on a server."""
    with psycopg.connect(engine.url("postgres")) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


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
    before, used = databases(elsewhere), set()
    for run in ("first", "second"):
        landscape = Landscape(tmp_path / run)
        try:
            landscape.start_vendors()
            assert databases(elsewhere) == before | {landscape.database, landscape.tryton.database}
            assert ("quoteway", "orders") in tables(elsewhere, landscape.database)
            assert ("public", "left_over") not in tables(elsewhere, landscape.database)
            with psycopg.connect(landscape.settings("process")["QUOTEWAY_DATABASE_URL"]) as connection:
                connection.execute("CREATE TABLE left_over ()")
            used |= {landscape.database, landscape.tryton.database}
        finally:
            landscape.stop()
        assert databases(elsewhere) == before
    assert len(used) == 4
    assert elsewhere.is_running
    for name in ("quoteway", "tryton"):
        assert tables(elsewhere, name) == {("public", "somebodys")}


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
