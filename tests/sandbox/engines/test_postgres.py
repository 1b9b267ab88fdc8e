"""The embedded engines start, restart, stay apart, and end with whoever started them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from sandbox.engines.postgres import (
    ExternalPostgres,
    ExternalRedis,
    PostgresEngine,
    RedisEngine,
    start_postgres,
    start_redis,
)
from sandbox.engines.postgres_install import Account, data_location
from sandbox.processes.process import ProcessError
from sandbox.processes.process_guardian import process_start
from tests.patience import HANG_S


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresEngine]:
    started = PostgresEngine(tmp_path_factory.mktemp("engine") / "postgres", durable=False).start()
    yield started
    started.destroy()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RedisEngine]:
    with RedisEngine(tmp_path / "redis") as started:
        yield started


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + HANG_S
    while any(process_start(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if process_start(pid)]}"
        time.sleep(0.05)


def test_postgres_is_version_18_in_utc_with_room_for_200_connections(engine: PostgresEngine) -> None:
    with psycopg.connect(engine.url("postgres")) as connection:
        shown = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("server_version_num", "timezone", "max_connections", "server_encoding", "fsync")
        ]
    assert [row[0] for row in shown if row] == [shown[0][0] if shown[0] else "", "UTC", "200", "UTF8", "off"]
    assert shown[0] is not None
    assert shown[0][0].startswith("18")


def test_postgres_refuses_a_wrong_password(engine: PostgresEngine) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://quoteway:wrong@127.0.0.1:{engine.port}/postgres")


def test_postgres_listens_on_the_loopback_interface_only(engine: PostgresEngine) -> None:
    with psycopg.connect(engine.url("postgres")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_a_durable_engine_syncs(tmp_path: Path) -> None:
    engine = PostgresEngine(tmp_path / "postgres").start()
    try:
        with psycopg.connect(engine.url("postgres")) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    finally:
        engine.destroy()


def test_a_database_is_created_from_a_template_and_dropped_under_its_users(engine: PostgresEngine) -> None:
    engine.create_database("original")
    with psycopg.connect(engine.url("original")) as connection:
        connection.execute("CREATE TABLE mark AS SELECT 7 AS value")
    engine.create_database("copy", template="original")
    reader = psycopg.connect(engine.url("copy"))
    assert reader.execute("SELECT value FROM mark").fetchone() == (7,)
    engine.drop_database("copy")
    assert not engine.has_database("copy")
    assert engine.has_database("original")
    with pytest.raises(psycopg.OperationalError):
        reader.execute("SELECT 1")
    reader.close()
    engine.drop_database("copy")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_was_committed_survives_a_restart_on_the_same_port(engine: PostgresEngine, end: str) -> None:
    engine.create_database(f"kept_{end}")
    with psycopg.connect(engine.url(f"kept_{end}")) as connection:
        connection.execute("CREATE TABLE mark AS SELECT 7 AS value")
    url, pid = engine.url(f"kept_{end}"), engine.pid
    getattr(engine, end)()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    engine.start()
    assert engine.pid != pid
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT value FROM mark").fetchone() == (7,)


def test_copies_of_a_golden_cluster_are_independent(tmp_path: Path) -> None:
    golden = PostgresEngine(tmp_path / "golden", durable=False).start()
    golden.create_database("shop")
    golden.stop()
    copies = [PostgresEngine(tmp_path / name, durable=False, golden=golden.data_dir).start() for name in ("a", "b")]
    try:
        with psycopg.connect(copies[0].url("shop")) as connection:
            connection.execute("CREATE TABLE only_here ()")
        with psycopg.connect(copies[1].url("shop")) as connection:
            assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)
    finally:
        for engine in [*copies, golden]:
            engine.destroy()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        postgres = PostgresEngine(tmp_path / "postgres", port=port, durable=False)
        with pytest.raises(ProcessError, match=rf"Port {port} on 127.0.0.1 cannot be used for PostgreSQL"):
            postgres.start()
        postgres.destroy()
        with pytest.raises(ProcessError, match=rf"Port {port} on 127.0.0.1 cannot be used for Valkey"):
            RedisEngine(tmp_path / "redis", port=port).start()


def test_valkey_asks_for_its_password_and_forgets_on_flush_and_restart(valkey: RedisEngine) -> None:
    with pytest.raises(ProcessError, match="NOAUTH"):
        ExternalRedis(f"redis://127.0.0.1:{valkey.port}/0")
    with redis.Redis.from_url(valkey.url) as client:
        client.set("key", "value")
        valkey.flush()
        assert client.get("key") is None
        client.set("key", "value")
    valkey.restart()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.get("key") is None
    assert (valkey.run_dir / "valkey.conf").stat().st_mode & 0o077 == 0


_PROGRAM = """
import json, sys, time
from pathlib import Path
from sandbox.engines.postgres import PostgresEngine, RedisEngine
folder = Path(sys.argv[1])
postgres = PostgresEngine(folder / "postgres", durable=sys.argv[3] == "durable").start()
valkey = RedisEngine(folder / "redis").start()
print(json.dumps({"pids": [postgres.pid, valkey.pid], "data_dir": str(postgres.data_dir)}), flush=True)
time.sleep(60 if sys.argv[2] == "sleep" else 0)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_engines_end_with_the_program_that_started_them(tmp_path: Path, end: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), "sleep" if end else "return", "durable"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        started = json.loads(program.stdout.readline())
        if end:
            assert all(process_start(pid) for pid in started["pids"])
            os.killpg(program.pid, end)  # the whole group, as a terminal's Ctrl-C does
        program.wait()
        wait_until_gone(started["pids"])
    # Ended in order: nothing but a clean stop removes the pid file.
    assert not (Path(started["data_dir"]) / "postmaster.pid").exists()
    left = PostgresEngine(tmp_path / "postgres", durable=False)
    assert str(left.data_dir) == started["data_dir"]
    left.destroy()


def test_a_cluster_that_is_not_durable_is_left_nowhere_but_in_its_run_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)  # for root, the cluster has to lie elsewhere then
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), "return", "fleeting"], check=True, capture_output=True
    )
    started = json.loads(done.stdout)
    wait_until_gone(started["pids"])
    deadline = time.monotonic() + HANG_S
    while not Path(started["data_dir"]).is_relative_to(tmp_path) and Path(started["data_dir"]).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_root_keeps_a_cluster_where_the_account_that_runs_it_can_reach_it(tmp_path: Path) -> None:
    closed, stranger = tmp_path / "closed", Account(uid=os.geteuid() + 54321, gid=os.getegid() + 54321)
    closed.mkdir(mode=0o700)
    assert not stranger.may_enter(closed)
    elsewhere = data_location(closed / "postgres", stranger)
    assert elsewhere != closed / "postgres"
    assert elsewhere == data_location(closed / "postgres", stranger)
    ourselves = Account(os.geteuid(), os.getegid())
    assert data_location(closed / "postgres", ourselves) == (closed / "postgres").resolve()


def test_engines_that_already_run_are_used_by_url(
    engine: PostgresEngine, valkey: RedisEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUOTEWAY_SANDBOX_POSTGRES_URL", engine.url("postgres"))
    monkeypatch.setenv("QUOTEWAY_SANDBOX_REDIS_URL", valkey.url)
    with start_postgres(tmp_path / "postgres") as external, start_redis(tmp_path / "redis") as external_redis:
        assert isinstance(external, ExternalPostgres)
        assert isinstance(external_redis, ExternalRedis)
        external.create_database("elsewhere")
        assert engine.has_database("elsewhere")
        assert external.url("elsewhere") == engine.url("elsewhere")
        external_redis.flush()
    assert engine.is_running
    assert valkey.is_running


def test_an_external_engine_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUOTEWAY_SANDBOX_POSTGRES_URL", "postgresql://nobody:none@127.0.0.1:1/postgres")
    monkeypatch.setenv("QUOTEWAY_SANDBOX_REDIS_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(ProcessError, match="QUOTEWAY_SANDBOX_POSTGRES_URL cannot be used"):
        start_postgres(tmp_path / "postgres")
    with pytest.raises(ProcessError, match="QUOTEWAY_SANDBOX_REDIS_URL cannot be used"):
        start_redis(tmp_path / "redis")
