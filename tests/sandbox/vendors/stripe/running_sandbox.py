"""The Stripe sandbox as a real process, and a webhook receiver, for the tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import stripe

from tests.patience import HANG_S
from tests.sandbox.vendors.stripe.sdk_types import check_response

ROOT = Path(__file__).parents[4]
KEY = "sk_test_of_the_sandbox_tests"
SEED = ROOT / "sandbox" / "data"
UNLIMITED = (
    "--rate-limit",
    "10000/second",
    "--endpoint-rate-limit",
    "10000/second",
    "--search-rate-limit",
    "999/second",
)


@dataclass
class RunningSandbox:
    """A sandbox process that accepts connections."""

    url: str
    process: subprocess.Popen[str]

    def http(self, **headers: str) -> httpx.Client:
        """A bare client, for what the SDK hides."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {KEY}"} | headers, trust_env=False)

    def journal(self, object_type: str) -> list[dict[str, Any]]:
        """The journal entries of a kind, read from outside."""
        response = httpx.get(f"{self.url}/_sandbox/journal", params={"object_type": object_type}, trust_env=False)
        entries: list[dict[str, Any]] = response.raise_for_status().json()["entries"]
        return entries


@contextmanager
def running_sandbox(*arguments: str, key: str = KEY) -> Iterator[RunningSandbox]:
    """Start `python -m sandbox.vendors.stripe` on a free port; stop it at the end."""
    command = [sys.executable, "-m", "sandbox.vendors.stripe", *arguments]
    environment = os.environ | {"QUOTEWAY_SANDBOX_STRIPE_KEY": key}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield RunningSandbox(json.loads(process.stdout.readline())["url"], process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=HANG_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


class CheckingTransport(stripe.RequestsClient):
    """The SDK's own transport; every good answer is checked against the SDK's resource classes on its way."""

    def request(  # type: ignore[override] # the SDK's own class is typed otherwise than its base, too
        self, method: str, url: str, headers: Any, post_data: Any = None, **others: Any
    ) -> tuple[bytes, int, Any]:
        content, status, answered = super().request(method, url, headers, post_data, **others)
        if status == 200:
            complaints = check_response(json.loads(content))
            assert not complaints, f"{method} {url}: {complaints[:5]}"
        return content, status, answered


@contextmanager
def sdk(
    url: str, *, key: str = KEY, version: str | None = None, retries: int = 0, checked: bool = True
) -> Iterator[stripe.StripeClient]:
    """The official SDK, unmodified, against `url`; with `checked` its types check what it is answered."""
    transport = CheckingTransport() if checked else stripe.RequestsClient()
    try:
        yield stripe.StripeClient(
            key,
            base_addresses={"api": url},
            http_client=transport,
            max_network_retries=retries,
            stripe_version=version,
        )
    finally:
        transport.close()  # type: ignore[no-untyped-call] # the SDK leaves it untyped


@dataclass
class WebhookReceiver:
    """What arrived at a webhook address. `answers` are the statuses to answer with, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    arrived: list[tuple[bytes, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, timeout_s: float = 10.0) -> list[tuple[bytes, str]]:
        """At least `count` arrivals as (body, signature)."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.arrived) >= count, timeout_s), f"{len(self.arrived)} arrived"
            return list(self.arrived)


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A receiver on a free port of this machine."""
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.changed:
                receiver.arrived.append((body, self.headers["Stripe-Signature"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.changed.notify_all()
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the arrivals are kept."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
