"""A consumer's Redis user reads its tenant's events and can do nothing else, and its administrator gets the command."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from process_api.outbox.consumer_access import COMMANDS, user_command
from process_api.outbox.event_delivery import stream_of
from sandbox.engines.valkey import RedisEngine
from sandbox.processes.ports import LOOPBACK

pytestmark = pytest.mark.servers
ROOT = Path(__file__).resolve().parents[3]
OURS, THEIRS = stream_of("nordwind"), stream_of("suedwind")
PASSWORD = "a-password"
# What Redis lets everybody send: to say who one is, and to go.
FOR_ALL = {"auth", "hello", "quit", "reset"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisEngine]:
    with RedisEngine(tmp_path_factory.mktemp("consumers")) as engine:
        admin: Any = redis.Redis.from_url(engine.url)
        for stream in (OURS, THEIRS):
            admin.xadd(stream, {"event": "{}"})
        admin.xgroup_create(OURS, "others", id="0")
        admin.execute_command(*user_command("fulfilment", "nordwind", PASSWORD))
        admin.close()
        yield engine


@pytest.fixture
def consumer(server: RedisEngine) -> Iterator[Any]:
    """The consumer's own connection."""
    client = redis.Redis.from_url(f"redis://fulfilment:{PASSWORD}@{LOOPBACK}:{server.port}/0", decode_responses=True)
    yield client
    client.close()


def test_a_consumer_reads_its_tenants_stream_in_a_group(consumer: Any) -> None:
    consumer.xgroup_create(OURS, "fulfilment", id="0")
    [(stream, [(entry_id, fields)])] = consumer.xreadgroup("fulfilment", "one", {OURS: ">"})
    assert (stream, fields) == (OURS, {"event": "{}"})
    assert consumer.xautoclaim(OURS, "fulfilment", "two", 0)[1] == [(entry_id, fields)]
    assert consumer.xpending(OURS, "fulfilment")["pending"] == 1
    assert consumer.xack(OURS, "fulfilment", entry_id) == 1
    assert [name for name, _ in consumer.xread({OURS: "0"})] == [OURS]
    assert {group["name"] for group in consumer.xinfo_groups(OURS)} == {"fulfilment", "others"}


@pytest.mark.parametrize(
    "command",
    [
        ("XREAD", "STREAMS", THEIRS, "0"),
        ("XREAD", "STREAMS", OURS, THEIRS, "0", "0"),
        ("XGROUP", "CREATE", THEIRS, "fulfilment", "0"),
        ("XADD", OURS, "*", "event", "{}"),
        ("XDEL", OURS, "0-1"),
        ("XTRIM", OURS, "MAXLEN", "0"),
        ("XGROUP", "DESTROY", OURS, "others"),
        ("XGROUP", "SETID", OURS, "others", "$"),
        ("DEL", OURS),
        ("GET", "quoteway:cache:tag:nordwind:order:x"),
        ("KEYS", "*"),
        ("SUBSCRIBE", "quoteway:cache:purges"),
        ("EVAL", "return redis.call('XADD', KEYS[1], '*', 'a', 'b')", "1", OURS),
        ("CONFIG", "GET", "requirepass"),
        ("CLIENT", "LIST"),
        ("ACL", "WHOAMI"),
        ("FLUSHALL",),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_consumer_is_refused_everything_else(consumer: Any, command: tuple[str, ...]) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        consumer.execute_command(*command)


def test_no_command_of_the_server_is_open_that_is_not_named(server: RedisEngine) -> None:
    admin: Any = redis.Redis.from_url(server.url, decode_responses=True)
    open_ones = set()
    for name, described in admin.command().items():
        words = [name, *[OURS] * (abs(described["arity"]) - 1)]
        try:
            said = admin.execute_command("ACL", "DRYRUN", "fulfilment", *words)
        except redis.ResponseError:  # a container such as XGROUP, which is nothing without its second word
            continue
        if said == "OK":
            open_ones.add(name)
    admin.close()

    named = {command for command in COMMANDS if "|" not in command}
    assert open_ones - FOR_ALL <= named
    assert {"ping", "xread"} <= open_ones


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "process_api.outbox.consumer_access", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_command_is_printed_and_the_password_is_its_owners_only(server: RedisEngine, tmp_path: Path) -> None:
    file = tmp_path / "billing-desk.password"
    done = run("billing-desk", "--tenant", "suedwind", "--password-file", str(file))

    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() not in done.stdout
    admin: Any = redis.Redis.from_url(server.url)
    admin.execute_command(*done.stdout.split())
    admin.close()
    made = redis.Redis.from_url(f"redis://billing-desk:{file.read_text()}@{LOOPBACK}:{server.port}/0")
    assert made.xlen(THEIRS) == 1
    made.close()


@pytest.mark.parametrize(
    ("name", "tenant"), [("Fulfilment app", "nordwind"), ("fulfilment", "*"), ("fulfilment", "nordwind +@all")]
)
def test_names_that_are_none_are_refused(name: str, tenant: str, tmp_path: Path) -> None:
    done = run(name, "--tenant", tenant, "--password-file", str(tmp_path / "password"))

    assert done.returncode == 2
    assert "is no " in done.stderr
    assert not (tmp_path / "password").exists()
