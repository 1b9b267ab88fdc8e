"""The sources of dead letters: each lists its own, and carries out a person's decision about one.

The id of a dead letter is a flow's own id, or the source's name, a colon, and the id there. A flow's id starts with its
tenant and a dot, and no source's name has a dot: so a later colon in a flow's id is not misread.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.moments import rfc3339
from process_api.database.tables import webhook_inbox
from process_api.engine.decisions import decide
from process_api.engine.flows import OWNER
from process_api.inbox.refused_events import dead_events, find_dead_event, lay_event_aside, revive_event
from process_api.inbox.webhook_inbox import InboxStatus, dead_webhooks, find_webhook, lay_aside, revive
from shared.canonical import Money
from shared.identity.auth import Principal
from shared.problem import Conflict, NotFound

# The prefix of a dead event's id; a dead webhook's has its sender there.
EVENTS = "event"
_MEND_WEBHOOK = "Mend what the reason names, then have it tried again: later webhooks of its subject wait."
_MEND_EVENT = "Mend what the reason names, then have it tried again: later events of its subject wait."
_LOOK_AND_DISCARD = (
    "Look at the event in billing by its id, mend what the reason names, and discard this: its text is not kept."
)


class DeadLetterKind(StrEnum):
    """What a dead letter is."""

    flow = "flow"
    webhook = "webhook"
    event = "event"


class Decision(StrEnum):
    """What a person can decide about a dead letter (process_api.operations.dead_letters)."""

    retry = "retry"
    edit = "edit"
    discard = "discard"


class BookedRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A record that a flow made in a system and has not taken back.

    `system` is what it is in and whose books, such as `erp:NW-DE`. `record` is what it is (`order`, `subscription`,
    `customer`). `confirmed` is false where the request was sent and no answer came: whether the system holds the record
    can be looked up by its `externalId`.
    """

    system: str
    record: str | None
    external_id: str
    confirmed: bool
    vendor_id: str | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that waits for a person: why, since when, who answers for it, and what to do.

    A flow's also says whose quote it is about and over which `amount`, what of it stands `booked` in which system, and
    which `decisions` are possible now.
    """

    dead_letter_id: str
    kind: DeadLetterKind
    subject: str
    owner: str
    since: str
    reason: str
    what_to_do: str
    reason_code: str | None = None
    step: str | None = None
    account_id: str | None = None
    legal_entity: str | None = None
    quote_id: str | None = None
    amount: Money | None = None
    booked: list[BookedRecord] = []
    decisions: list[Decision] = []


class DeadLetterSource(Protocol):
    """A source of dead letters. Every method runs in the caller's transaction."""

    @property
    def kind(self) -> DeadLetterKind:
        """The kind of its dead letters."""

    async def waiting(
        self, connection: AsyncConnection, tenant: str, limit: int, legal_entities: frozenset[str] | None
    ) -> list[DeadLetter]:
        """Return the tenant's dead letters, the longest waiting first; of these legal entities only."""

    async def legal_entity(self, connection: AsyncConnection, tenant: str, dead_letter_id: str) -> str:
        """Return a dead letter's legal entity; empty if there is none, or it belongs to no legal entity."""

    async def retry(self, connection: AsyncConnection, principal: Principal, dead_letter_id: str) -> None:
        """Retry it. Raises NotFound, or Conflict if it is not dead."""

    async def discard(
        self, connection: AsyncConnection, principal: Principal, dead_letter_id: str, reason: str
    ) -> None:
        """Discard it. Raises NotFound, or Conflict if it is not dead."""


def split_id(dead_letter_id: str) -> tuple[str, str]:
    """Return the name of a dead letter's source and its id there; an empty name for a flow."""
    source, colon, id_there = dead_letter_id.partition(":")
    return ("", dead_letter_id) if not colon or "." in source else (source, id_there)


def kind_of(dead_letter_id: str) -> DeadLetterKind:
    """Return the kind of a dead letter with this id."""
    source, _ = split_id(dead_letter_id)
    if not source:
        return DeadLetterKind.flow
    return DeadLetterKind.event if source == EVENTS else DeadLetterKind.webhook


@dataclass(frozen=True)
class DeadWebhooks:
    """Webhooks that could not be applied, or were not understood."""

    kind: DeadLetterKind = DeadLetterKind.webhook

    async def waiting(
        self, connection: AsyncConnection, tenant: str, limit: int, legal_entities: frozenset[str] | None
    ) -> list[DeadLetter]:
        """See DeadLetterSource."""
        return [_dead_webhook(row) for row in await dead_webhooks(connection, tenant, limit, legal_entities)]

    async def legal_entity(self, connection: AsyncConnection, tenant: str, dead_letter_id: str) -> str:
        """See DeadLetterSource."""
        source, event_id = split_id(dead_letter_id)
        inbox = webhook_inbox.c
        query = select(inbox.legal_entity).where(
            inbox.tenant == tenant, inbox.source == source, inbox.event_id == event_id
        )
        return str(await connection.scalar(query) or "")

    async def retry(self, connection: AsyncConnection, principal: Principal, dead_letter_id: str) -> None:
        """See DeadLetterSource."""
        await decide(connection, principal, dead_letter_id, "retry")
        await revive(connection, await _dead(connection, principal.tenant, dead_letter_id))

    async def discard(
        self, connection: AsyncConnection, principal: Principal, dead_letter_id: str, reason: str
    ) -> None:
        """See DeadLetterSource. Those behind it go on."""
        await decide(connection, principal, dead_letter_id, "discard", reason=reason)
        await lay_aside(connection, await _dead(connection, principal.tenant, dead_letter_id))


@dataclass(frozen=True)
class RefusedEvents:
    """Events that the stream refuses."""

    kind: DeadLetterKind = DeadLetterKind.event

    async def waiting(
        self, connection: AsyncConnection, tenant: str, limit: int, legal_entities: frozenset[str] | None
    ) -> list[DeadLetter]:
        """See DeadLetterSource. They concern the platform: a client limited to legal entities sees none of them."""
        if legal_entities is not None:
            return []
        return [_dead_event(row) for row in await dead_events(connection, tenant, limit)]

    async def legal_entity(self, connection: AsyncConnection, tenant: str, dead_letter_id: str) -> str:  # noqa: ARG002 the protocol's form
        """See DeadLetterSource. An event's subject has no legal entity."""
        return ""

    async def retry(self, connection: AsyncConnection, principal: Principal, dead_letter_id: str) -> None:
        """See DeadLetterSource."""
        await decide(connection, principal, dead_letter_id, "retry")
        await revive_event(connection, await _refused(connection, principal.tenant, dead_letter_id))

    async def discard(
        self, connection: AsyncConnection, principal: Principal, dead_letter_id: str, reason: str
    ) -> None:
        """See DeadLetterSource. It is never published, and those behind it go on."""
        await decide(connection, principal, dead_letter_id, "discard", reason=reason)
        await lay_event_aside(connection, await _refused(connection, principal.tenant, dead_letter_id))


async def _dead(connection: AsyncConnection, tenant: str, dead_letter_id: str) -> Row[Any]:
    """Return the webhook, locked. Raises NotFound, or Conflict if it is not dead."""
    webhook = await find_webhook(connection, tenant, *split_id(dead_letter_id))
    if webhook is None:
        raise NotFound(f"There is no dead letter {dead_letter_id}.")
    if webhook.status != InboxStatus.dead:
        raise Conflict(f"Webhook {dead_letter_id} is {webhook.status}; only a dead one waits for a decision.")
    return webhook


async def _refused(connection: AsyncConnection, tenant: str, dead_letter_id: str) -> Row[Any]:
    event = await find_dead_event(connection, tenant, split_id(dead_letter_id)[1])
    if event is None:
        raise NotFound(f"There is no dead letter {dead_letter_id}.")
    return event


def _dead_webhook(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=f"{row.source}:{row.event_id}",
        kind=DeadLetterKind.webhook,
        subject=row.subject,
        owner=OWNER,
        since=rfc3339(row.received_at),
        reason=row.reason or "",
        what_to_do=_MEND_WEBHOOK if row.subject else _LOOK_AND_DISCARD,
        step=row.type,
        legal_entity=row.legal_entity,
        # What was not understood is not kept, so there is nothing to try again.
        decisions=[Decision.retry, Decision.discard] if row.subject else [Decision.discard],
    )


def _dead_event(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=f"{EVENTS}:{row.event_id}",
        kind=DeadLetterKind.event,
        subject=row.subject,
        owner=OWNER,
        since=rfc3339(row.dead_at),
        reason=row.reason or "",
        what_to_do=_MEND_EVENT,
        step=row.type,
        decisions=[Decision.retry, Decision.discard],
    )
