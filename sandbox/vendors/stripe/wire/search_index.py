"""The search index, which trails the writes: Stripe's takes up to a minute under normal conditions."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.clock import SandboxClock
from sandbox.vendors.stripe.store import Record

SEARCHABLE = frozenset({"customer", "invoice", "price", "product", "subscription"})


class SearchIndex:
    """What a search sees: the account as it was `lag_s` seconds ago."""

    def __init__(self, clock: SandboxClock, lag_s: float) -> None:
        self._clock = clock
        self._lag_s = lag_s
        self._waiting: deque[tuple[float, str, str, Record | None]] = deque()
        self._documents: dict[str, dict[str, Record]] = {kind: {} for kind in SEARCHABLE}

    def add(self, record: Record | None, kind: str, object_id: str) -> None:
        """Add a record as it is now, or None for one that was deleted; other kinds are ignored."""
        if kind in SEARCHABLE:
            self._waiting.append((self._clock.now() + self._lag_s, kind, object_id, record))

    def documents(self, kind: str) -> list[Mapping[str, Any]]:
        """Return what is indexed by now, newest first."""
        now = self._clock.now()
        while self._waiting and self._waiting[0][0] <= now:
            _, waiting_kind, object_id, record = self._waiting.popleft()
            if record is None or record.get("deleted"):
                self._documents[waiting_kind].pop(object_id, None)
            else:
                self._documents[waiting_kind][object_id] = record
        return sorted(self._documents[kind].values(), key=lambda record: record["_seq"], reverse=True)
