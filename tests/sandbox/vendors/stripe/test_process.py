"""The process: its one line, its key, its end; and the app mounted without one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.vendors.stripe.app import create_app
from sandbox.vendors.stripe.settings import StripeSandboxSettings
from tests.patience import HANG_S
from tests.sandbox.vendors.stripe.running_sandbox import KEY, ROOT, SEED, running_sandbox, webhook_receiver


def test_sigterm_ends_it_within_two_seconds_also_with_open_connections_and_undelivered_webhooks() -> None:
    with webhook_receiver() as receiver, running_sandbox() as running, running.http() as http:
        receiver.answers[:] = [500] * 9
        http.post("/v1/webhook_endpoints", data={"url": receiver.url, "enabled_events[]": "*"}).raise_for_status()
        http.post("/v1/customers").raise_for_status()
        receiver.wait_for(1)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(timeout=HANG_S)
        assert receiver.answers  # most of the nine repetitions were still to come


def test_a_key_file_is_made_once_and_readable_to_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "stripe.key"
    for _ in range(2):
        with running_sandbox("--secret-key-file", str(file)) as running:
            key = file.read_text().strip()
            answer = httpx.get(f"{running.url}/v1/prices", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
            assert answer.status_code == 200
    assert key.startswith("sk_test_")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "key", "words"),
    [
        ([], "", "pass --secret-key-file FILE or set QUOTEWAY_SANDBOX_STRIPE_KEY"),
        ([], "pk_test_not_a_secret_key", "must begin with sk_"),
        (["--rate-limit", "many"], KEY, "rate_limit is not a limit such as 25/second"),
        (["--seed", "nowhere"], KEY, "nowhere/products.toml"),
    ],
)
def test_wrong_settings_say_what_to_do(arguments: list[str], key: str, words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.vendors.stripe", *arguments],
        cwd=ROOT,
        env={"QUOTEWAY_SANDBOX_STRIPE_KEY": key},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stdout == ""


async def test_the_app_can_be_mounted_in_process() -> None:
    app = create_app(StripeSandboxSettings(secret_key="sk_live_in_process", seed_dir=SEED))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://stripe", auth=("sk_live_in_process", "")
    ) as http:
        found = (await http.get("/v1/prices", params={"lookup_keys[]": "MON-STD-USD-month"})).json()["data"]
        made = (await http.post("/v1/customers")).json()
    assert [price["unit_amount"] for price in found] == [550]
    assert made["livemode"] is True
