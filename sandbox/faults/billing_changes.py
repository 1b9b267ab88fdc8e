"""Subscriptions in billing that keep changing, past Quoteway and every proxy, so that webhooks are sent."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.landscape.landscape import Landscape

_SKU, _DAY_S = "MON-STD", 86_400
_STATUSES = {"canceled": "cancelled"}


@dataclass(frozen=True)
class Event:
    """An event of billing's: its id, the bytes of its webhook, and its subscription's new status."""

    event_id: str
    body: bytes
    external_id: str
    status: str | None
    """The subscription's status; None if the event is about one of its invoices."""


@dataclass
class BillingChanges:
    """Creates `count` subscriptions, changes them at random, and returns the events, oldest first."""

    landscape: Landscape
    chance: random.Random
    count: int
    mark: str
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    _last_event: str = ""

    def __post_init__(self) -> None:
        key = (self.landscape.run_dir / "stripe.key").read_text().strip()
        self._client = httpx.Client(
            base_url=self.landscape.url("stripe"), headers={"Authorization": f"Bearer {key}"}, timeout=20
        )
        newest = self._get("/v1/events", {"limit": 1})["data"]
        self._last_event = newest[0]["id"] if newest else ""
        found = self._get("/v1/prices", {"lookup_keys[]": f"{_SKU}-EUR-month"})["data"]
        for number in range(self.count):
            # A customer each, as with orders: reading one subscription again reads its customer's whole list.
            name = f"Webhooks {self.mark} {number}"
            customer = self._post("/v1/customers", {"name": name, "email": "storm@customer.example"})["id"]
            values = {
                "customer": customer,
                "items[0][price]": found[0]["id"],
                "items[0][metadata][quoteway_sku]": _SKU,
                "collection_method": "send_invoice",
                "days_until_due": 30,
                "metadata[quoteway_external_id]": f"{self.mark}-{number}-month",
            }
            self.subscriptions.append(self._post("/v1/subscriptions", values))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def change(self) -> None:
        """Change one of them: its description, into a trial, out of it, or (rarely, since it is final) cancel it."""
        live = [each for each in self.subscriptions if each["status"] != "canceled"]
        chosen = self.chance.choice(live)
        path, dice = f"/v1/subscriptions/{chosen['id']}", self.chance.random()
        if dice < 1 / (20 * self.count) and len(live) > 1:
            changed = self._client.delete(path).raise_for_status().json()
        elif dice < 0.3:
            changed = self._post(path, {"description": f"change {dice}"})
        elif chosen["status"] == "trialing":
            changed = self._post(path, {"trial_end": "now", "proration_behavior": "none"})
        else:
            trial_end = int(time.time()) + _DAY_S * self.chance.randint(2, 20)
            changed = self._post(path, {"trial_end": trial_end, "proration_behavior": "none"})
        chosen.update(status=changed["status"])

    def new_events(self) -> Iterator[Event]:
        """Yield the events since the last call that are about these subscriptions, oldest first."""
        while True:
            after = {"ending_before": self._last_event} if self._last_event else {}
            page = self._get("/v1/events", {"limit": 100, **after})
            for event in reversed(page["data"]):
                if (found := self._about(event)) is not None:
                    yield found
            if page["data"]:
                self._last_event = page["data"][0]["id"]
            if not page["has_more"]:
                return

    def held(self) -> dict[str, str]:
        """Return the current status of each in billing, by external id."""
        found = {}
        for each in self.subscriptions:
            now = self._get(f"/v1/subscriptions/{each['id']}", {})
            found[now["metadata"]["quoteway_external_id"]] = canonical_status(now["status"])
        return found

    def _about(self, event: dict[str, Any]) -> Event | None:
        subject = event["data"]["object"]
        is_subscription = subject["object"] == "subscription"
        if is_subscription:
            metadata = subject["metadata"]
        elif subject["object"] == "invoice":
            metadata = ((subject.get("parent") or {}).get("subscription_details") or {}).get("metadata") or {}
        else:
            return None
        external_id = metadata.get("quoteway_external_id", "")
        if not external_id.startswith(self.mark):
            return None
        status = canonical_status(subject["status"]) if is_subscription else None
        return Event(event["id"], json.dumps(event).encode(), external_id, status)

    def _get(self, path: str, params: dict[str, Any]) -> Any:
        return self._client.get(path, params=params).raise_for_status().json()

    def _post(self, path: str, values: dict[str, Any]) -> Any:
        return self._client.post(path, data=values).raise_for_status().json()


def canonical_status(status: str) -> str:
    """Return the canonical status for Stripe's."""
    return _STATUSES.get(status, status)
