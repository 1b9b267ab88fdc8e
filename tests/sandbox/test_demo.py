"""The demo tells a person what went wrong, whatever it was."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

import sandbox.demo
from sandbox.demo import Story, StoryError
from sandbox.engines.postgres import ExternalPostgres, PostgresEngine
from sandbox.engines.valkey import RedisEngine
from sandbox.landscape.landscape import Landscape
from sandbox.vendors.tryton.credentials import TenantAccess
from sandbox.vendors.tryton.data import DATA_FOLDER
from sandbox.vendors.tryton.server import TrytonServer
from sandbox.vendors.tryton.vendor import TrytonErp


@pytest.fixture
def engines(postgres: PostgresEngine, tmp_path: Path) -> Iterator[Landscape]:
    """A landscape whose engines run, but not its Tryton."""
    landscape = Landscape(tmp_path)
    landscape.postgres = postgres
    server = TrytonServer(postgres, run_dir=tmp_path / "tryton")
    landscape.vendors["erp"] = TrytonErp(server, postgres, TenantAccess("", {}), DATA_FOLDER)
    with RedisEngine(tmp_path / "redis") as landscape.redis:
        yield landscape


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (psycopg.OperationalError("the database is gone"), "OperationalError: the database is gone"),
        (ValueError("a list such as [/v1] is no markup"), "ValueError: a list such as [/v1] is no markup"),
        (KeyError("orderId"), "KeyError: 'orderId'"),
        (json.JSONDecodeError("Expecting value", "<html>", 0), "JSONDecodeError: Expecting value"),
        (StoryError("the order is parked"), "the order is parked"),
    ],
)
def test_whatever_fails_a_step_is_told_with_the_place_of_the_logs(
    failure: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_story: Story) -> str:
        raise failure

    monkeypatch.setattr(Story, "_token", fail)
    monkeypatch.setattr(sandbox.demo, "REPORT", tmp_path / "demo.json")
    console = Console(file=io.StringIO())
    assert sandbox.demo._tell(Landscape(tmp_path), console, once=True) == 1
    assert isinstance(console.file, io.StringIO)
    assert f"A Salesforce user gets an access token: {said}" in console.file.getvalue()
    assert f"The logs are in {tmp_path / 'logs'}" in console.file.getvalue()
    [step] = json.loads((tmp_path / "demo.json").read_text())["steps"]
    assert step["ok"] is False
    assert step["detail"].startswith(said)


def test_an_engine_that_fell_is_named(engines: Landscape) -> None:
    assert engines.fallen() == ["Tryton"]
    assert isinstance(engines.redis, RedisEngine)
    engines.redis.kill()
    assert engines.fallen() == ["Valkey", "Tryton"]


def test_a_server_of_somebody_else_is_not_looked_at(engines: Landscape, postgres: PostgresEngine) -> None:
    engines.postgres = ExternalPostgres(postgres.url("postgres"))
    assert engines.fallen() == ["Tryton"]


def test_the_demo_ends_when_one_of_its_servers_did(engines: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("play", "show_where_to_look"):
        owner = Story if name == "play" else sandbox.demo
        monkeypatch.setattr(owner, name, lambda *_: None)
    monkeypatch.setattr(sandbox.demo, "REPORT", engines.run_dir / "demo.json")
    console = Console(file=io.StringIO())
    assert sandbox.demo._tell(engines, console, once=False) == 1
    assert isinstance(console.file, io.StringIO)
    assert "Tryton ended by itself." in console.file.getvalue()
