"""The built database is whole or not there, whoever builds it at once or is killed meanwhile; its copies are apart."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from sandbox.engines.postgres import ExternalPostgres, PostgresEngine
from sandbox.processes.process import ProcessError
from sandbox.processes.process_guardian import process_start
from sandbox.processes.progress import Progress
from sandbox.vendors.tryton.credentials import FILE_NAME, TrytonCredentials
from sandbox.vendors.tryton.database import (
    TEMPLATE,
    external_credentials_file,
    golden_cluster,
    recipe_digest,
    start_postgres_with_erp,
    template_on_external,
)
from sandbox.vendors.tryton.environment import tryton_cache
from sandbox.vendors.tryton.recipe import ADMIN_LOGIN
from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.server import TrytonServer
from tests.patience import HANG_S
from tests.sandbox.vendors.tryton.sales import ACME, confirm, create_sale

BUILD = [sys.executable, "-m", "sandbox.vendors.tryton", "build"]
SEEDING = "Entering companies, products and customers"


@pytest.fixture
def own_cache(tmp_path: Path, postgres: PostgresEngine) -> dict[str, str]:
    """A cache that has what takes long (Tryton's environment, its modules) but not the golden cluster."""
    assert postgres.is_running
    cache = tmp_path / "cache" / "tryton"
    cache.mkdir(parents=True)
    for built in [*tryton_cache().glob("environment-*"), *tryton_cache().glob("modules-*")]:
        if built.is_dir():
            (cache / built.name).symlink_to(built)
    return {**os.environ, "QUOTEWAY_CACHE_DIR": str(cache.parent)}


def children_of(pid: int) -> list[int]:
    """Every process below one, by the parent ids in the process table."""
    table = subprocess.run(["/bin/ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in table.splitlines())}
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [below for child in found for below in children_of(child)]


def test_two_builders_at_once_build_once(own_cache: dict[str, str]) -> None:
    builders = [
        subprocess.Popen(BUILD, env=own_cache, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [builder.communicate(timeout=150) for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], said
    assert len({out for out, _err in said}) == 1
    assert sorted(f"✓ {SEEDING}" in err for _out, err in said) == [False, True]
    assert sorted("waiting for it" in err for _out, err in said) == [False, True]


def test_a_killed_builder_leaves_nothing_that_looks_finished(own_cache: dict[str, str]) -> None:
    cache = Path(own_cache["QUOTEWAY_CACHE_DIR"]) / "tryton"
    with subprocess.Popen(BUILD, env=own_cache, stderr=subprocess.PIPE, text=True) as builder:
        assert builder.stderr is not None
        for line in builder.stderr:
            if SEEDING in line:
                break
        deadline = time.monotonic() + HANG_S
        while len(started := children_of(builder.pid)) < 4:  # the guardian, PostgreSQL, Tryton and its worker
            assert time.monotonic() < deadline
            time.sleep(0.05)
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    assert not [path for path in cache.glob("golden-*") if ".building-" not in path.name]
    deadline = time.monotonic() + HANG_S
    while left := [pid for pid in started if process_start(pid)]:
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.1)
    again = subprocess.run(BUILD, env=own_cache, check=True, capture_output=True, text=True)
    assert f"✓ {SEEDING}" in again.stderr
    [golden] = cache.glob("golden-*")
    assert str(golden / "cluster") in again.stdout


def test_copies_of_the_template_are_independent(postgres: PostgresEngine) -> None:
    for name in ("one", "other"):
        postgres.create_database(name, TEMPLATE)
    with psycopg.connect(postgres.url("one")) as connection:
        connection.execute("UPDATE party_party SET name = 'changed'")
    for name in ("other", TEMPLATE):
        with psycopg.connect(postgres.url(name)) as connection:
            assert connection.execute("SELECT count(*) FROM party_party WHERE name = 'changed'").fetchone() == (0,)
    for name in ("one", "other"):
        postgres.drop_database(name)


def test_nothing_of_the_golden_cluster_changes_when_a_copy_is_used(postgres: PostgresEngine) -> None:
    assert postgres.is_running
    golden = golden_cluster(Progress(quiet=True))
    assert not (golden / "postmaster.pid").exists()
    assert golden not in {postgres.data_dir, *postgres.data_dir.parents}


def test_a_cluster_that_is_there_is_used_as_it_is(tmp_path: Path, postgres: PostgresEngine) -> None:
    assert postgres.is_running
    quiet = Progress(quiet=True)
    first, credentials = start_postgres_with_erp(tmp_path / "postgres", quiet, durable=False)
    assert isinstance(first, PostgresEngine)
    with psycopg.connect(first.url("tryton")) as connection:
        connection.execute("UPDATE party_party SET name = 'kept' WHERE code = 'C-1001'")
    first.stop()
    second, same_credentials = start_postgres_with_erp(tmp_path / "postgres", quiet, durable=False)
    assert isinstance(second, PostgresEngine)
    try:
        assert same_credentials == credentials
        with psycopg.connect(second.url("tryton")) as connection:
            assert connection.execute("SELECT name FROM party_party WHERE code = 'C-1001'").fetchone() == ("kept",)
    finally:
        second.destroy()


def test_a_template_on_a_server_of_somebody_else_is_used_again(
    postgres: PostgresEngine, own_cache: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUOTEWAY_CACHE_DIR", own_cache["QUOTEWAY_CACHE_DIR"])
    external, quiet = ExternalPostgres(postgres.url("postgres")), Progress(quiet=True)
    name = f"{TEMPLATE}_{recipe_digest()}"
    external.create_database(name, TEMPLATE)
    try:
        with pytest.raises(ProcessError, match=f"The database {name} was built by another user"):
            template_on_external(external, quiet)
        credentials = TrytonCredentials.read(postgres.data_dir / FILE_NAME)
        credentials.write(external_credentials_file(external, name))
        assert template_on_external(external, quiet) == (name, credentials)
    finally:
        external.drop_database(name)


def test_the_erp_comes_back_on_its_port_with_its_sales(
    postgres: PostgresEngine, run_dir: Path, tryton: TrytonServer
) -> None:
    postgres.create_database("comeback", TEMPLATE)
    with TrytonServer(postgres, "comeback", run_dir=run_dir / "comeback", credentials=tryton.credentials) as server:
        client = server.client("nordwind", "NW-DE")
        created = client.create("sale.sale", {"party": 3, "currency": 1, "reference": "before"})
        for end in (server.stop, server.kill):
            end()
            with pytest.raises(OSError, match="refused"):
                client.read("sale.sale", created["id"], ["reference"])
            server.start()
            assert client.read("sale.sale", created["id"], ["reference"])["reference"] == "before"
    postgres.drop_database("comeback")


def test_the_erp_and_its_worker_find_their_database_again_after_that_crashed(
    tmp_path: Path, postgres: PostgresEngine
) -> None:
    assert postgres.is_running
    own, credentials = start_postgres_with_erp(tmp_path / "postgres", Progress(quiet=True), durable=False)
    assert isinstance(own, PostgresEngine)
    try:
        with TrytonServer(own, run_dir=tmp_path / "tryton", credentials=credentials) as server:
            client = server.client("nordwind", "NW-DE")
            assert client.search("party.party", [["code", "=", "C-1001"]], ["code"])
            worker = server.worker_pid
            own.kill()
            own.start()
            wait_for(lambda: client.send("GET", "party.party", [("s", "1")]).status == 200)
            wait_for(lambda: server.worker_pid not in {worker, None})
            admin = TrytonSession(server.url, server.database, ADMIN_LOGIN, credentials.admin_password)
            admin.write("sale.configuration", [1], {"sale_process_after": None})
            sale = create_sale(client, ACME, "EUR", "DE", {"SENSOR-TEMP": (1.0, "89.50")}, "after-the-crash")
            confirm(client, sale)
            wait_for(lambda: bool(client.read("sale.sale", sale, ["state"])["state"] == "processing"))
    finally:
        own.destroy()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
