"""The demo in a process of its own, as a person has it who started it in another terminal."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.running_demo import RunningDemo
from tests.patience import HANG_S

ROOT = Path(__file__).resolve().parents[2]
_ENDED = {"booked", "rejected", "compensated", "parked"}
_SERVED = ("experience", "process", "system", "issuer", "salesforce", "stripe", "tryton")


@dataclass(frozen=True)
class Started:
    """A command that runs."""

    process: "subprocess.Popen[str]"

    def told(self, sentence: str) -> None:
        """Read on until the command has said that."""
        assert self.process.stdout is not None
        hang = threading.Timer(HANG_S, self.process.kill)
        hang.start()
        said = ""
        for line in self.process.stdout:
            said += line
            if sentence in line:
                hang.cancel()
                return
        raise AssertionError(f"it never said {sentence!r}, but: {said}")

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, and return how it ended."""
        self.process.send_signal(number)
        return self.process.wait(timeout=HANG_S)


@dataclass
class Demo:
    """A demo that stays up. `printed` is what it has told the person."""

    build: Path
    printed: str

    def found(self) -> RunningDemo:
        """The demo as the commands beside it find it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("QUOTEWAY_DEMO_BUILD", str(self.build))
            return RunningDemo.find()

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """What a command beside the demo does, once it has ended."""
        command = [sys.executable, *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, env=self.environment(), timeout=HANG_S
        )

    @contextmanager
    def started(self, *words: str) -> Iterator["Started"]:
        """A command beside the demo, while the block runs."""
        with subprocess.Popen(
            [sys.executable, "-u", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=self.environment(),
        ) as process:
            try:
                yield Started(process)
            finally:
                process.kill()

    def environment(self) -> dict[str, str]:
        """The environment of a person who keeps the demo's files in this folder."""
        return {**os.environ, "QUOTEWAY_DEMO_BUILD": str(self.build)}

    def client(self, who: str, tier: str) -> httpx.Client:
        """Somebody at one of the tiers, by the token that the command mints."""
        minted = self.run("-m", "sandbox.token", "--as", who, "--tier", tier)
        assert minted.returncode == 0, minted.stderr
        documents = [each for each in re.findall(r"http://\S+", self.printed) if each.endswith("/docs")]
        base = documents[["experience", "process", "system"].index(tier)].removesuffix("/docs")
        headers = {"Authorization": f"Bearer {minted.stdout.strip()}"}
        return httpx.Client(base_url=base, headers=headers, timeout=HANG_S)


def submit(client: httpx.Client, quote_id: str) -> httpx.Response:
    """Submit a quote as the demo says: again with the same key, so that a quote has one order."""
    body = {"quoteId": quote_id, "quoteRevision": 1}
    return client.post("/v1/orders", json=body, headers={"Idempotency-Key": f"try-{quote_id}"})


def ended(client: httpx.Client, order_id: str) -> dict[str, Any]:
    """The order, once it has come to an end."""
    deadline = time.monotonic() + HANG_S
    while True:
        order: dict[str, Any] = client.get(f"/v1/orders/{order_id}").raise_for_status().json()
        if order["status"] in _ENDED:
            return order
        assert time.monotonic() < deadline, order
        time.sleep(0.25)


@contextmanager
def running_demo(build: Path) -> Iterator[Demo]:
    """Start it on free ports, and end it as Ctrl-C does."""
    ports = {f"QUOTEWAY_DEMO_{name.upper()}_PORT": "0" for name in _SERVED}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo"],
        env={**os.environ, **ports, "QUOTEWAY_DEMO_BUILD": str(build)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        try:
            printed = ""
            for line in process.stdout:
                printed += line
                if "until Ctrl-C" in line:
                    break
            assert "until Ctrl-C" in printed, printed
            yield Demo(build, printed)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=HANG_S)
