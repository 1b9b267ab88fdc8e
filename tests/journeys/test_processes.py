"""Quoteway as its own processes: killed in the middle, started wrongly, and shown to a newcomer."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from sandbox.demo import access_token
from sandbox.landscape.landscape import Landscape
from sandbox.landscape.oracle import Oracle
from tests.journeys.org import Line, Org
from tests.patience import HANG_S

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
MIXED = [Line("GATEWAY-EDGE", "1", "1490.00"), Line("MON-STD", "5", "4.90")]
ENDED = {"booked", "rejected", "compensated", "parked"}


@pytest.fixture(scope="module")
def tiers(vendors: Landscape) -> Iterator[Landscape]:
    """The three tiers and a worker as processes, in front of the vendors."""
    before = vendors.tier_settings
    # Until a tier that is started again is there, on a machine that takes its time for it, no order is given up.
    vendors.tier_settings = {**before, "QUOTEWAY_STEP_ATTEMPTS_MAX": "50", "QUOTEWAY_STEP_BACKOFF_MAX_S": "10"}
    vendors.start_tiers()
    yield vendors
    vendors.tier_settings = before
    for name in ("experience", "worker", "process", "system"):
        vendors.processes.pop(name).stop()


@pytest.fixture
def client(tiers: Landscape) -> Iterator[httpx.Client]:
    """A Salesforce developer's client."""
    token = access_token(tiers, "salesforce-lightning", "quoteway-experience")
    with httpx.Client(
        base_url=tiers.url("experience"), headers={"Authorization": f"Bearer {token}"}, timeout=HANG_S
    ) as client:
        yield client


def submit(client: httpx.Client, quote_id: str) -> str:
    answer = client.post(
        "/v1/orders", json={"quoteId": quote_id, "quoteRevision": 1}, headers={"Idempotency-Key": f"key-{quote_id}"}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["orderId"])


def wait_for(client: httpx.Client, order_id: str, statuses: set[str], timeout_s: float = HANG_S) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        order: dict[str, Any] = client.get(f"/v1/orders/{order_id}").json()
        if order["status"] in statuses:
            return order
        time.sleep(0.05)
    raise AssertionError(f"{order_id} is still {order['status']} after {timeout_s} s")


def assert_booked_once(tiers: Landscape, order_id: str) -> None:
    oracle = Oracle(tiers)
    assert [sale.state for sale in oracle.sales(order_id)] == ["confirmed"]
    assert [subscription["status"] for subscription in oracle.subscriptions(order_id)] == ["active"]
    assert [record["Status__c"] for record in oracle.crm_orders(order_id)] == ["booked"]


@pytest.mark.parametrize("killed_when", ["validating", "booking", "provisioning"])
def test_a_worker_killed_in_the_middle_is_replaced_and_the_order_goes_on(
    tiers: Landscape, client: httpx.Client, killed_when: str
) -> None:
    # An order passes a status in a few tenths of a second: those that were not caught in it are let go.
    hangs_at = time.monotonic() + HANG_S
    while True:
        with Org(tiers) as org:
            order_id = submit(client, org.make_quote("acme", "EUR", MIXED))
        if wait_for(client, order_id, {killed_when, *ENDED})["status"] == killed_when:
            break
        assert time.monotonic() < hangs_at, f"no order was caught {killed_when}"
    tiers.processes["worker"].kill()
    tiers.start_worker()

    order = wait_for(client, order_id, ENDED)

    assert order["status"] == "booked", order
    assert_booked_once(tiers, order_id)


def test_a_tier_that_falls_and_comes_back_loses_nothing(tiers: Landscape, client: httpx.Client) -> None:
    with Org(tiers) as org:
        order_id = submit(client, org.make_quote("acme", "EUR", MIXED))
    for name in ("system", "process"):
        tiers.processes[name].kill()
        tiers.start_tier(name)

    order = wait_for(client, order_id, ENDED)

    assert order["status"] == "booked", order
    assert_booked_once(tiers, order_id)


def test_every_tier_says_whether_it_is_ready(tiers: Landscape) -> None:
    for name in ("experience", "process", "system"):
        live = httpx.get(f"{tiers.url(name)}/health/live", timeout=HANG_S)
        assert (live.status_code, live.json()["status"]) == (200, "live")
        ready = ready_once(tiers, name, {})
        assert (ready.status_code, ready.json()["status"]) == (200, "ready"), ready.text
    tiers.tryton.stop()
    tiers.processes["system"].stop()  # a tier remembers for a while that a vendor was there
    tiers.start_tier("system")
    try:
        # One vendor that is away must not take the product down for whoever does not need it.
        assert ready_once(tiers, "system", {"erp": "2 of 2 connections cannot be used"}).status_code == 200
    finally:
        tiers.tryton.start()


def ready_once(tiers: Landscape, name: str, degraded: dict[str, str]) -> httpx.Response:
    """The first readiness that says that all is there but these vendors: whoever is slow to answer is missing too."""
    hangs_at = time.monotonic() + HANG_S
    while True:
        ready = httpx.get(f"{tiers.url(name)}/health/ready", timeout=HANG_S)
        if ready.json()["missing"] == {} and ready.json()["degraded"] == degraded:
            return ready
        assert time.monotonic() < hangs_at, ready.text
        time.sleep(0.05)


# Key lists and the feed of revoked tokens' hashes, which are needed to check a token at all.
_PUBLIC_LISTS = frozenset({"/v1/revoked-tokens"})


def test_only_health_and_the_contract_answer_without_a_token(tiers: Landscape) -> None:
    for name in ("experience", "process", "system"):
        url = tiers.url(name)
        document = httpx.get(f"{url}/openapi.json", timeout=HANG_S).json()
        for path, operations in document["paths"].items():
            for method in operations:
                address = url + path.replace("{", "").replace("}", "")
                answer = httpx.request(method.upper(), address, timeout=HANG_S)
                expected = {200, 503} if path.startswith("/health/") else {401}
                if path.startswith("/v1/webhooks/"):
                    expected = {400, 404}  # a vendor has no token of ours: its signature is what lets it in
                if path in _PUBLIC_LISTS:
                    expected = {200}
                assert answer.status_code in expected, f"{name}: {method} {path} answered {answer.status_code}"
        page = httpx.get(f"{url}/docs", timeout=HANG_S)
        assert page.status_code == 200
        assert "http" not in page.text.replace("<!doctype html>", "")  # it needs nothing from any other host


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        (
            "process_api",
            ["QUOTEWAY_DATABASE_URL", "QUOTEWAY_SYSTEM_URL", "QUOTEWAY_PROCESS_CLIENT_SECRET_FILE"],
        ),
        ("process_api.worker", ["QUOTEWAY_ISSUER_METADATA_URL", "QUOTEWAY_DATABASE_URL"]),
        ("process_api.migrate", ["QUOTEWAY_DATABASE_URL"]),
    ],
)
def test_a_process_without_its_settings_lists_every_fault(module: str, missing: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={"PATH": os.environ["PATH"], "QUOTEWAY_STEP_ATTEMPTS_MAX": "none"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    wrong = [] if module.endswith("migrate") else ["QUOTEWAY_STEP_ATTEMPTS_MAX is wrong"]
    for sentence in [*(f"{name} is missing" for name in missing), *wrong]:
        assert sentence in done.stderr


def demo(build: Path, **environment: str) -> "subprocess.Popen[str]":
    """The demo on free ports, in a folder of its own."""
    names = ("experience", "process", "system", "issuer", "salesforce", "stripe", "tryton")
    ports = {f"QUOTEWAY_DEMO_{name.upper()}_PORT": "0" for name in names}
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo"],
        env={**os.environ, **ports, "QUOTEWAY_DEMO_BUILD": str(build), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


def assert_verification_finds(command: list[str]) -> None:
    """What the demo's tiers wrote is verified as printed, and an entry that somebody changes after that is found."""
    unchanged = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert unchanged.returncode == 0, unchanged.stderr
    assert "2 log(s)" in unchanged.stderr or "1 log(s)" in unchanged.stderr
    with psycopg.connect(command[command.index("--database") + 1]) as connection:
        connection.execute("ALTER TABLE quoteway_audit.entries DISABLE TRIGGER ALL")
        connection.execute(
            "UPDATE quoteway_audit.entries SET entry = replace(entry, '005QW0000000001YAA', '005QW0000000009ZZZ')"
            " WHERE tenant = 'nordwind' AND entry LIKE '%submitOrder%'"
        )
    changed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert changed.returncode == 1
    assert "was changed" in changed.stderr


def test_the_demo_plays_its_story_once(tmp_path: Path) -> None:
    with demo(tmp_path, ONCE="1") as played:
        output, _ = played.communicate(timeout=2 * HANG_S)

    assert played.returncode == 0, output
    report = json.loads((tmp_path / "demo.json").read_text())
    assert report["outcome"] == "booked everywhere, once each"
    assert all(step["ok"] for step in report["steps"])
    assert set(report["ids"]) == {"order", "erpOrder", "subscription", "crmRecord"}
    assert [sale["total"] for sale in report["erp"]] == ["6665.19"]
    # By Ada, and not by a service: every tier has heard of her, and the audit log names her.
    submissions = [entry for entry in report["audit"]["entries"] if entry["operation"] == "submitOrder"]
    assert {(entry["onBehalfOf"], entry["outcome"]) for entry in submissions} == {("005QW0000000001YAA", "succeeded")}
    assert report["audit"]["verification"].endswith(": unchanged.")


def test_the_demo_stays_up_and_ctrl_c_ends_every_child(tmp_path: Path) -> None:
    with demo(tmp_path) as played:
        assert played.stdout is not None
        output = []
        for line in played.stdout:
            output.append(line)
            if "until Ctrl-C" in line:
                break
        children = psutil.Process(played.pid).children(recursive=True)
        assert len(children) >= 9, output
        curl = next(line for line in output if line.startswith("curl "))
        shown = subprocess.run(curl, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 pasted as printed
        assert json.loads(shown.stdout)["status"] == "booked"
        verify = next(line for line in output if "shared.audit verify" in line)
        assert_verification_finds(shlex.split(verify))
        played.send_signal(signal.SIGINT)
        rest = played.stdout.read()
        assert played.wait(timeout=HANG_S) == 0, rest
    gone, alive = psutil.wait_procs(children, timeout=HANG_S)
    assert not alive, alive
    assert len(gone) == len(children)


def test_a_taken_port_is_one_sentence(tmp_path: Path, vendors: Landscape) -> None:
    taken = vendors.url("issuer").rsplit(":", 1)[1]
    with demo(tmp_path, ONCE="1", QUOTEWAY_DEMO_EXPERIENCE_PORT=taken) as refused:
        output, _ = refused.communicate(timeout=HANG_S)
    assert refused.returncode == 2
    assert taken in output
    assert "QUOTEWAY_DEMO_EXPERIENCE_PORT" in output.replace("\n", " ")
    assert "Traceback" not in output
