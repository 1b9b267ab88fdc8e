"""A simulated billing account as a vendor of a landscape."""

import secrets
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import ProcessError, RunningProcess
from sandbox.vendors.tryton.data import load_seed_data
from sandbox.vendors.vendor import Holding, Launch, Setting, connection_block

_ASKED_TOO_OFTEN_S = 0.2
_WITHOUT_QUOTA = tuple(
    word
    for option in ("--rate-limit", "--endpoint-rate-limit", "--search-rate-limit", "--subscription-invoice-limit")
    for word in (option, "10000/second")
)


@dataclass
class StripeAccount:
    """A tenant's account, which all its legal entities share. `unthrottled`: without Stripe's quotas."""

    launch: Launch
    run_dir: Path
    seed: Path
    name: str = "stripe"
    port: int = 0
    unthrottled: bool = False
    takes_webhooks: bool = True
    title: str = "Stripe"
    _process: RunningProcess | None = field(default=None, init=False)
    _webhook_secret: str = field(default="", init=False)

    @property
    def url(self) -> str:
        """The account's address."""
        if self._process is None:
            raise ProcessError(f"{self.name} has not been started.")
        return self._process.url

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.is_running

    @property
    def key(self) -> str:
        """The account's secret key, as the simulator wrote it when it started."""
        return self._key_file.read_text().strip()

    def start(self) -> RunningProcess:
        """Start the simulator with the tenant's products and prices."""
        self._process = self.launch(
            self.name,
            [
                *("-m", "sandbox.vendors.stripe", "--host", LOOPBACK, "--port", str(self.port)),
                *("--seed", str(self.seed), "--secret-key-file", str(self._key_file)),
                *("--external-id-key", "quoteway_external_id"),
                *(_WITHOUT_QUOTA if self.unthrottled else ()),
            ],
        )
        return self._process

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()

    def send_webhooks_to(self, tier_url: str) -> None:
        """Make the account's webhook endpoint, as a person does in Stripe's dashboard.

        The legal entities share one account, so one endpoint is told of everything.
        """
        data = load_seed_data(self.seed)
        endpoint = httpx.post(
            f"{self.url}/v1/webhook_endpoints",
            data={
                "url": f"{tier_url}/v1/webhooks/stripe/{data.tenant}.{data.legal_entities[0].code}",
                "enabled_events[]": [f"customer.subscription.{change}" for change in ("created", "updated", "deleted")],
            },
            auth=(self.key, ""),
            timeout=10,
        ).raise_for_status()
        self._webhook_secret = str(endpoint.json()["secret"])

    def secrets(self) -> dict[str, str]:
        """The secret of its webhooks; its key is in a file already."""
        if not self.takes_webhooks:
            return {}
        # Without an endpoint of the account's own, a test can send such webhooks itself.
        self._webhook_secret = self._webhook_secret or f"whsec_{secrets.token_urlsafe(24)}"
        return {"webhook.secret": self._webhook_secret}

    def connections(self, reached_at: str, quota: dict[str, Setting]) -> list[str]:
        """A block for each legal entity."""
        data = load_seed_data(self.seed)
        own: dict[str, Setting] = {"webhook_secret": "file:webhook.secret"} if self.takes_webhooks else {}
        return [
            connection_block(
                data.tenant,
                capability="billing",
                legal_entity=entity.code,
                adapter="stripe",
                url=reached_at,
                key=f"file:{self._key_file.name}",
                **own,
                **quota,
            )
            for entity in data.legal_entities
        ]

    def holdings(self) -> list[Holding]:
        """Subscriptions and customers."""
        subscriptions = [
            Holding("subscription", each["metadata"].get("quoteway_external_id", ""), each["status"])
            for each in self._all("subscriptions", {"status": "all"})
        ]
        customers = [
            Holding("customer", each["metadata"].get("quoteway_account_id", "")) for each in self._all("customers")
        ]
        return [held for held in (*subscriptions, *customers) if held.external_id]

    def _all(self, kind: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        bearer = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=bearer, timeout=20) as client:
            while True:
                answer = client.get(f"/v1/{kind}", params={"limit": 100, **(params or {}), **after})
                if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    time.sleep(_ASKED_TOO_OFTEN_S)  # Quoteway's own requests count into the same quota
                    continue
                page = answer.raise_for_status().json()
                found += page["data"]
                if not page["has_more"]:
                    return found
                after = {"starting_after": found[-1]["id"]}

    @property
    def _key_file(self) -> Path:
        return self.run_dir / f"{self.name}.key"
