"""The fault proxy, in front of a server that counts what reached it."""

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from sandbox.fault_proxy.control import FaultControl
from sandbox.fault_proxy.rules import Fault, Rule
from sandbox.processes.process import RunningProcess, start_process
from tests.patience import HANG_S

BODY = b'{"made": "' + b"x" * 2000 + b'"}'


@dataclass
class Vendor:
    """A vendor that does whatever it is asked, and remembers it."""

    done: list[tuple[str, str, bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    found = Vendor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            found.done.append((self.command, self.path, body))
            self.send_response(204 if self.path == "/empty" else 201)
            self.send_header("X-Vendor", "yes")
            if self.path != "/empty":
                self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            if self.path != "/empty":
                self.wfile.write(BODY)

        do_POST = do_GET  # noqa: N815 the server looks for this name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(vendor: Vendor, tmp_path: Path) -> Iterator[RunningProcess]:
    with start_proxy(vendor.url, tmp_path) as process:
        yield process


def start_proxy(target: str, folder: Path, seed: int = 7) -> RunningProcess:
    return start_process(
        "The proxy",
        [sys.executable, "-m", "sandbox.fault_proxy.fault_proxy", "--target", target, "--seed", str(seed)],
        log_path=folder / f"proxy-{seed}.log",
        ready="json line",
    )


def test_without_rules_everything_passes_unchanged(vendor: Vendor, proxy: RunningProcess) -> None:
    with httpx.Client(base_url=proxy.url) as client:
        for _ in range(2):
            answer = client.post("/orders?f=1&f=%5B2", content=b"an order", headers={"X-Mine": "1"})
            assert (answer.status_code, answer.content, answer.headers["X-Vendor"]) == (201, BODY, "yes")
        assert client.get("/empty").status_code == 204
    assert vendor.done == [("POST", "/orders?f=1&f=%5B2", b"an order")] * 2 + [("GET", "/empty", b"")]
    assert FaultControl(proxy.url).statistics().faults == {}


@pytest.mark.parametrize("fault", [Fault.lose_answer, Fault.cut_body])
def test_the_vendor_does_the_work_and_its_answer_is_lost(vendor: Vendor, proxy: RunningProcess, fault: Fault) -> None:
    FaultControl(proxy.url).put(Rule(fault=fault, methods=["POST"], times=1))
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{proxy.url}/orders", content=b"1")
    assert len(vendor.done) == 1
    assert httpx.post(f"{proxy.url}/orders", content=b"2").status_code == 201
    (injected,) = FaultControl(proxy.url).statistics().log
    assert (injected.fault, injected.method, injected.path, injected.status) == (fault, "POST", "/orders", 201)


def test_a_lost_answer_can_be_held_until_the_caller_gives_up(vendor: Vendor, proxy: RunningProcess) -> None:
    FaultControl(proxy.url).put(Rule(fault=Fault.lose_answer, delay_s=30))
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{proxy.url}/orders", timeout=2)
    assert len(vendor.done) == 1


def test_a_refused_request_never_arrives(vendor: Vendor, proxy: RunningProcess) -> None:
    FaultControl(proxy.url).put(Rule(fault=Fault.refuse))
    with pytest.raises(httpx.ReadError):
        httpx.get(f"{proxy.url}/orders")
    assert vendor.done == []


def test_a_late_request_arrives_after_its_caller_has_given_up(vendor: Vendor, proxy: RunningProcess) -> None:
    FaultControl(proxy.url).put(Rule(fault=Fault.arrive_late, delay_s=0.3))
    with pytest.raises(httpx.ReadError):
        httpx.post(f"{proxy.url}/orders", content=b"late")
    assert vendor.done == []
    deadline = time.monotonic() + HANG_S
    while not vendor.done and time.monotonic() < deadline:
        time.sleep(0.02)
    assert vendor.done == [("POST", "/orders", b"late")]


def test_a_late_request_arrives_before_its_time_where_it_is_told_to_land(vendor: Vendor, proxy: RunningProcess) -> None:
    control = FaultControl(proxy.url)
    control.put(Rule(fault=Fault.arrive_late, times=2, delay_s=600))
    for body in (b"first", b"second"):
        with pytest.raises(httpx.ReadError):
            httpx.post(f"{proxy.url}/orders", content=body)
        assert len(vendor.done) == (body == b"second")
        control.land()
    assert vendor.done == [("POST", "/orders", b"first"), ("POST", "/orders", b"second")]


@pytest.mark.parametrize(
    ("rule", "status", "header"),
    [
        (Rule(fault=Fault.too_many_requests, retry_after_s=3), 429, ("Retry-After", "3")),
        (Rule(fault=Fault.unavailable), 503, ("Content-Length", "0")),
        (Rule(fault=Fault.bad_gateway), 502, ("Content-Type", "text/html")),
        (Rule(fault=Fault.answer, status=200, content='{"errors": []}'), 200, ("Content-Type", "application/json")),
    ],
)
def test_an_answer_of_the_proxys_own(
    vendor: Vendor, proxy: RunningProcess, rule: Rule, status: int, header: tuple[str, str]
) -> None:
    FaultControl(proxy.url).put(rule)
    answer = httpx.get(f"{proxy.url}/orders")
    assert (answer.status_code, answer.headers[header[0]]) == (status, header[1])
    assert vendor.done == []


def test_a_delayed_request_is_answered_later(vendor: Vendor, proxy: RunningProcess) -> None:
    FaultControl(proxy.url).put(Rule(fault=Fault.delay, delay_s=0.3))
    began = time.monotonic()
    assert httpx.get(f"{proxy.url}/orders").status_code == 201
    assert time.monotonic() - began >= 0.3
    assert len(vendor.done) == 1


@pytest.mark.parametrize(("fault", "arrived"), [(Fault.kill_before, 0), (Fault.kill_after, 1)])
def test_a_process_is_killed_right_before_or_after_the_vendors_work(
    vendor: Vendor, proxy: RunningProcess, tmp_path: Path, fault: Fault, arrived: int
) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with start_process("The victim", argv, log_path=tmp_path / "victim.log", ready=lambda: True) as victim:
        FaultControl(proxy.url).put(Rule(fault=fault, methods=["POST"], times=1, pid=victim.pid))
        with pytest.raises(httpx.ReadError):
            httpx.post(f"{proxy.url}/orders")
        assert victim.wait(HANG_S) == -9
    assert len(vendor.done) == arrived


def test_rules_choose_by_method_path_and_body_and_skip_the_first(proxy: RunningProcess) -> None:
    FaultControl(proxy.url).put(
        Rule(fault=Fault.unavailable, methods=["POST"], path=r"^/orders/\d+$", body="ord_7", skip=1, times=1)
    )
    with httpx.Client(base_url=proxy.url) as client:
        statuses = [
            client.get("/orders/1").status_code,
            client.post("/orders/x", content="ord_7").status_code,
            client.post("/orders/1", content="ord_8").status_code,
            *(client.post("/orders/1?f=id", content="ord_7").status_code for _ in range(3)),
        ]
    assert statuses == [201, 201, 201, 201, 503, 201]
    FaultControl(proxy.url).clear()
    assert FaultControl(proxy.url).statistics().faults == {"unavailable": 1}


def test_the_same_seed_brings_the_same_faults(vendor: Vendor, tmp_path: Path) -> None:
    seen = []
    for seed in (1, 1, 2):
        with start_proxy(vendor.url, tmp_path, seed) as proxy, httpx.Client(base_url=proxy.url) as client:
            FaultControl(proxy.url).put(Rule(fault=Fault.unavailable, probability=0.5))
            seen.append([client.get("/orders").status_code for _ in range(24)])
    assert seen[0] == seen[1] != seen[2]
    assert set(seen[0]) == {201, 503}


@pytest.mark.parametrize(
    "rules",
    ['{"fault": "refuse"}', '[{"fault": "tease"}]', '[{"fault": "kill_after"}]', '[{"fault": "delay", "path": "("}]'],
)
def test_wrong_rules_are_refused_with_the_reason(proxy: RunningProcess, rules: str) -> None:
    answer = httpx.put(f"{proxy.url}/_faults", content=rules)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 20


def test_a_vendor_that_is_away_looks_so_through_the_proxy(vendor: Vendor, tmp_path: Path) -> None:
    with start_proxy("http://127.0.0.1:9", tmp_path) as proxy, pytest.raises(httpx.ReadError):
        httpx.get(f"{proxy.url}/orders")
    assert vendor.done == []
