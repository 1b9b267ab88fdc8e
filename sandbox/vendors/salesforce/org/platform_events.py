"""Platform events: published by a POST, read back in order by replay id, kept for 72 hours."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.vendors.journal import Journal
from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records.field_values import render, render_for_journal, require_fields
from sandbox.vendors.salesforce.records.schema import SObject, Value
from sandbox.vendors.salesforce.records.store import Actor
from sandbox.vendors.salesforce.records.unit_of_work import UnitOfWork

RETENTION = timedelta(hours=72)
# Replay ids grow, but not by one: nobody shall count with them.
_REPLAY_STEP = 7


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    object_name: str
    replay_id: int
    event_uuid: str
    published_at: datetime
    payload: dict[str, object]

    def describe(self) -> dict[str, object]:
        """Return the shape in which a Streaming API subscriber receives an event."""
        event = {"replayId": self.replay_id, "EventUuid": self.event_uuid, "EventApiName": self.object_name}
        return {"event": event, "payload": self.payload}


class EventFeed:
    """Events of all objects on one bus. What a rolled-back request published is not delivered."""

    def __init__(self, work: UnitOfWork, journal: Journal, now: Callable[[], datetime]) -> None:
        self._work = work
        self._journal = journal
        self._now = now
        self._events: list[PublishedEvent] = []
        self._last_replay_id = 0
        self._forgotten_up_to = 0

    def publish(self, sobject: SObject, values: Mapping[str, Value], actor: Actor) -> str:
        """Queue one event and return its EventUuid. Raises REQUIRED_FIELD_MISSING."""
        require_fields(sobject, values, [one.name for one in sobject.fields])
        event_uuid = str(uuid.uuid4())
        self._work.when_final(lambda: self._deliver(sobject, values, actor, event_uuid))
        return event_uuid

    def _deliver(self, sobject: SObject, values: Mapping[str, Value], actor: Actor, event_uuid: str) -> None:
        now = self._now()
        given = [one for one in sobject.fields if one.createable]
        payload: dict[str, object] = {"CreatedDate": render(now), "CreatedById": actor.user_id}
        payload |= {one.name: render(values.get(one.name)) for one in given}
        self._last_replay_id += _REPLAY_STEP
        self._events.append(PublishedEvent(sobject.name, self._last_replay_id, event_uuid, now, payload))
        subject = values.get("Order_Id__c")
        self._journal.record(
            action="published",
            object_type=sobject.name,
            object_id=event_uuid,
            request_id=actor.request_id,
            external_id=subject if isinstance(subject, str) else None,
            data={one.name: render_for_journal(values.get(one.name)) for one in given},
        )

    def read(self, object_name: str | None, after: int) -> list[PublishedEvent]:
        """Events after a replay id, oldest first. Raises INVALID_REPLAY_ID when later ones are already forgotten."""
        self._expire()
        if 0 <= after < self._forgotten_up_to:
            message = f"the replay id {after} is no longer kept: events are kept for 72 hours"
            raise SalesforceError("INVALID_REPLAY_ID", message)
        wanted = (object_name or "").lower()
        return [
            event for event in self._events if event.replay_id > after and wanted in ("", event.object_name.lower())
        ]

    def forget_all(self) -> None:
        """As if 72 hours had passed."""
        self._forgotten_up_to = self._last_replay_id
        self._events.clear()

    def _expire(self) -> None:
        oldest_kept = self._now() - RETENTION
        while self._events and self._events[0].published_at < oldest_kept:
            self._forgotten_up_to = self._events.pop(0).replay_id
