"""The journal of accepted writes that every simulated vendor keeps.

It is the tests' oracle: a vendor's records are read from outside, never through the system under test. A refused write
leaves no entry; an accepted one leaves one entry for each effect, even if its answer never arrived.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

JOURNAL_PATH = "/_sandbox/journal"


def wall_clock() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Journal:
    """The accepted writes of one simulated vendor, in the order in which they took effect.

    `now` returns the time for an entry's `at` (RFC 3339, UTC); a vendor with a clock of its own passes it.
    """

    def __init__(self, now: Callable[[], datetime] = wall_clock) -> None:
        self._now = now
        self._entries: list[dict[str, Any]] = []

    def record(
        self,
        *,
        action: str,
        object_type: str,
        object_id: str,
        request_id: str,
        external_id: str | None = None,
        idempotency_key: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one effect of an accepted write.

        `action` says what happened in the past tense (created, updated, deleted, seeded), `external_id` is the caller's
        own name for the object, `data` the object after the write. `data` must be JSON.
        """
        self._entries.append(
            {
                "seq": len(self._entries) + 1,
                "at": self._now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "action": action,
                "object_type": object_type,
                "object_id": object_id,
                "request_id": request_id,
                "external_id": external_id,
                "idempotency_key": idempotency_key,
                "data": copy.deepcopy(dict(data)) if data is not None else {},
            }
        )

    def entries(self, object_type: str | None = None) -> list[dict[str, Any]]:
        """Return copies of the entries, oldest first, of one object type or of all."""
        return [
            copy.deepcopy(entry)
            for entry in self._entries
            if object_type is None or entry["object_type"] == object_type
        ]


def journal_route(journal: Journal) -> Route:
    """Return the route `GET /_sandbox/journal[?object_type=]`: `{"entries": [...]}`, oldest first."""

    async def read_journal(request: Request) -> JSONResponse:
        return JSONResponse({"entries": journal.entries(request.query_params.get("object_type"))})

    return Route(JOURNAL_PATH, read_journal, methods=["GET"])
