"""The webhook inbox: each webhook is stored once and applied once, in order per subject.

A webhook is only a hint: applying it reads the record from the vendor again, so neither a duplicate nor a late one can
restore an old state, and one read serves all waiting webhooks of the subject. The effect and the webhook's end are one
transaction. A webhook that cannot be applied is a dead letter; later ones of its subject wait behind it, and other
subjects continue (docs/decisions/0054).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Row, exists, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.notices import INBOX, tell
from process_api.database.retention import OLD, forget, old_rows
from process_api.database.store import Store
from process_api.database.tables import webhook_inbox
from process_api.engine.steps import Patience
from shared.canonical import WebhookNotice
from shared.outbound.http_client import UNEXPECTED_ANSWER
from shared.problem import Conflict, Unavailable
from shared.shortened import DETAIL_CHARS_MAX, shortened
from shared.telemetry.metrics import WEBHOOKS
from shared.telemetry.process_telemetry import current_correlation_id, set_correlation_id

# The kind of record that webhooks are about.
SUBSCRIPTION = "subscription"
_log = logging.getLogger(__name__)
_PRUNE_EVERY_S = 3600.0
# The time limit of a read, with token and retries; well before the database ends the transaction
# (store.IDLE_TRANSACTION_S).
_READ_WITHIN_S = 45.0
_SERVED_BY_ONE_READ = 1000
_inbox = webhook_inbox.c


class InboxStatus(StrEnum):
    """The status of a webhook. `dead` waits for a person; `discarded` was given up by one."""

    received = "received"
    done = "done"
    dead = "dead"
    discarded = "discarded"


async def receive(store: Store, *, tenant: str, source: str, legal_entity: str, notice: WebhookNotice) -> None:
    """Store a verified webhook. A duplicate changes nothing; one about none of our records is done at once.

    One that cannot be read is dead at once: neither a redelivery nor a retry would change it.
    """
    subject, unreadable = notice.subscription_external_id, notice.unreadable
    if unreadable is not None:
        status = InboxStatus.dead
        _log.warning("webhook %s:%s is not understood", source, notice.event_id)
    else:
        status = InboxStatus.received if subject else InboxStatus.done
    WEBHOOKS.labels(source, "not_understood" if unreadable is not None else "kept").inc()
    async with store.transaction(tenant) as connection:
        await connection.execute(
            insert(webhook_inbox)
            .values(
                tenant=tenant,
                source=source,
                event_id=notice.event_id,
                legal_entity=legal_entity,
                type=notice.type,
                subject=subject or "",
                record=SUBSCRIPTION,
                status=status,
                reason=unreadable,
                finished_at=func.now() if status is InboxStatus.done else None,
                correlation_id=current_correlation_id(),
            )
            .on_conflict_do_nothing()
        )
        if status is InboxStatus.received:
            await tell(connection, INBOX)


class InboxHandler(Protocol):
    """Applies the webhooks about one kind of record: reads the record again, and stores its current state."""

    @property
    def vendor(self) -> str:
        """The system that the record is read from."""

    async def read(self, row: Row[Any]) -> Any:
        """Return the webhook's record as its vendor has it now."""

    async def write(self, connection: AsyncConnection, row: Row[Any], record: Any) -> None:
        """Store the record, in the transaction that ends the webhook."""


@dataclass
class InboxWorker:
    """Applies the inbox's webhooks, several subjects at once. Every worker process runs one.

    `handlers`: by the kind of record (`webhook_inbox.record`).
    `store` needs a connection for each of the `at_once` webhooks that are applied at once, and one more. Half of these
    places are the most that one legal entity's billing gets: where it hangs, the others' go on. Where nothing is due,
    `poll_s` seconds lie between two looks, unless `wake` says before that a webhook has come.
    """

    store: Store
    handlers: Mapping[str, InboxHandler]
    patience: Patience
    poll_s: float
    kept_days: int
    at_once: int = 1
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _waiting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _more: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _at_work: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)

    def wake(self) -> None:
        """Have the inbox looked into at once."""
        self._more.set()

    async def run(self) -> None:
        """Apply webhooks until cancelled, and delete old ones hourly."""
        async with asyncio.TaskGroup() as lines:
            lines.create_task(self._prune_hourly())
            for _ in range(self.at_once):
                lines.create_task(self._apply_one_by_one())

    async def apply_next(self) -> bool:
        """Apply the next due webhook. Returns whether there was one. Raises Unavailable without a database."""
        async with self.store.transaction_across_tenants() as connection:
            async with self._looking:
                row = await claim(connection, self._busy())
                if row is None:
                    return False
                billing = (row.tenant, row.legal_entity)
                self._at_work[billing] += 1
            self._more.set()
            try:
                await self._apply(connection, row)
            finally:
                self._at_work[billing] -= 1
                if not self._at_work[billing]:
                    del self._at_work[billing]
        self._more.set()
        return True

    async def _apply_one_by_one(self) -> None:
        while True:
            try:
                if await self.apply_next():
                    continue
            except Unavailable as error:
                _log.warning("the inbox waits: %s", error.detail)
            except Exception:  # noqa: BLE001 a defect must not end the inbox for the life of this process
                _log.exception("the inbox could not be worked on")
            await self._wait_for_more()

    async def _wait_for_more(self) -> None:
        """Wait until a webhook was found or ended, so that more may be due, or until the next poll.

        One task polls; the others wait for it. So an empty inbox is polled once in `poll_s` seconds.
        """
        async with self._waiting:
            self._more.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.poll_s):
                    await self._more.wait()

    async def _prune_hourly(self) -> None:
        while True:
            try:
                await prune(self.store, self.kept_days)
            except Unavailable as error:
                _log.warning("nothing is forgotten: %s", error.detail)
            except Exception:  # noqa: BLE001 a defect must not end the inbox for the life of this process
                _log.exception("finished webhooks could not be forgotten")
            await asyncio.sleep(_PRUNE_EVERY_S)

    def _busy(self) -> list[tuple[str, str]]:
        """Return the billings (tenant, legal entity) that use all their places."""
        most = max(1, self.at_once // 2)
        return [billing for billing, number in self._at_work.items() if number >= most]

    async def _read(self, handler: InboxHandler, row: Row[Any]) -> Any:
        """Return the record now. Raises Unavailable in time: the database ends transactions that are idle for
        longer.
        """
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                return await handler.read(row)
        except TimeoutError as error:
            raise Unavailable(
                f"{handler.vendor} was not read within {_READ_WITHIN_S:g} s", vendor=handler.vendor
            ) from error

    async def _apply(self, connection: AsyncConnection, row: Row[Any]) -> None:
        set_correlation_id(row.correlation_id)
        try:
            async with connection.begin_nested():
                # Before the read: a webhook that arrives during it may be about a later change.
                behind = await waiting_behind(connection, row)
                # Read while the subject's first webhook is locked, so that the later of two reads is written last.
                handler = self.handlers[row.record]
                await handler.write(connection, row, await self._read(handler, row))
                await _end(connection, row, InboxStatus.done, behind)
            WEBHOOKS.labels(row.source, "applied").inc(1 + len(behind))
        except Exception as error:  # noqa: BLE001 whatever one webhook causes must not hold up the others
            _log.warning("webhook %s:%s was not applied: %s", row.source, row.event_id, error)
            # Still under the lock: nobody else may try it before this attempt is counted.
            await self._put_off(connection, row, error)

    async def _put_off(self, connection: AsyncConnection, row: Row[Any], error: Exception) -> None:
        """Postpone a webhook, with growing pauses; after a few attempts that no outage explains, it is dead."""
        # Another tier's refusal of our request is permanent.
        outage = isinstance(error, Unavailable) and error.reason_code != UNEXPECTED_ANSWER
        asked = error.retry_after_s if isinstance(error, Unavailable) else None
        attempts = row.attempts if outage else row.attempts + 1
        dead = attempts >= self.patience.attempts_max
        pause_s = self.patience.pause_s(row.put_offs + 1, asked)
        WEBHOOKS.labels(row.source, "dead" if dead else "put_off").inc()
        await connection.execute(
            update(webhook_inbox)
            .where(*_is(row.tenant, row.source, row.event_id))
            .values(
                status=InboxStatus.dead if dead else InboxStatus.received,
                attempts=attempts,
                put_offs=row.put_offs + 1,
                reason=shortened(str(error) or type(error).__name__, DETAIL_CHARS_MAX),
                next_attempt_at=func.clock_timestamp() + timedelta(seconds=pause_s),
            )
        )


async def claim(connection: AsyncConnection, busy: Collection[tuple[str, str]] = ()) -> Row[Any] | None:
    """Return the next due webhook, locked for this transaction: always its subject's first that has not ended.

    So a subject's webhooks are applied one after the other by any workers, and wait behind a dead one. Postponed ones
    come last: otherwise two subjects of a hanging billing would alternate for ever. Webhooks of `busy` billings
    (tenant, legal entity) are left out.
    """
    of_another = [tuple_(_inbox.tenant, _inbox.legal_entity).not_in(list(busy))] if busy else []
    due = (
        select(webhook_inbox)
        .where(
            _inbox.finished_at.is_(None),
            _inbox.status == InboxStatus.received,
            _inbox.next_attempt_at <= func.now(),
            *of_another,
            ~waits_behind_another(),
        )
        .order_by(_inbox.put_offs, _inbox.next_attempt_at, _inbox.position)
        .limit(1)
        .with_for_update(skip_locked=True, of=webhook_inbox)
    )
    return (await connection.execute(due)).one_or_none()


async def waiting_behind(connection: AsyncConnection, row: Row[Any]) -> list[str]:
    """Return the webhooks, by event id, that a read of `row`'s record serves too: their changes have happened by now.

    Up to the first that waits for a person, or that another legal entity's billing sent.
    """
    query = (
        select(_inbox.event_id, _inbox.status, _inbox.legal_entity)
        .where(
            _inbox.tenant == row.tenant,
            _inbox.source == row.source,
            _inbox.subject == row.subject,
            _inbox.finished_at.is_(None),
            _inbox.position > row.position,
        )
        .order_by(_inbox.position)
        .limit(_SERVED_BY_ONE_READ)
    )
    same = (InboxStatus.received, row.legal_entity)
    found = (await connection.execute(query)).all()
    return [each.event_id for each in takewhile(lambda each: (each.status, each.legal_entity) == same, found)]


def waits_behind_another() -> ColumnElement[bool]:
    """Return whether an earlier webhook of the same subject has not ended."""
    earlier = webhook_inbox.alias("earlier")
    return exists().where(
        earlier.c.tenant == _inbox.tenant,
        earlier.c.source == _inbox.source,
        earlier.c.subject == _inbox.subject,
        earlier.c.finished_at.is_(None),
        earlier.c.position < _inbox.position,
    )


async def dead_webhooks(
    connection: AsyncConnection, tenant: str, limit: int, legal_entities: frozenset[str] | None = None
) -> list[Row[Any]]:
    """Return the tenant's webhooks that wait for a person, the longest waiting first; of these legal entities only."""
    query = select(webhook_inbox).where(_inbox.tenant == tenant, _inbox.status == InboxStatus.dead)
    if legal_entities is not None:
        query = query.where(_inbox.legal_entity.in_(sorted(legal_entities)))
    query = query.order_by(_inbox.position).limit(limit)
    return list((await connection.execute(query)).all())


async def find_webhook(connection: AsyncConnection, tenant: str, source: str, event_id: str) -> Row[Any] | None:
    """Return the webhook, locked for this transaction, or None."""
    query = select(webhook_inbox).where(*_is(tenant, source, event_id)).with_for_update()
    return (await connection.execute(query)).one_or_none()


async def revive(connection: AsyncConnection, row: Row[Any]) -> None:
    """Retry a dead webhook, with as many attempts as a new one.

    Raises Conflict if it could not be read.
    """
    if not row.subject:
        raise Conflict(
            "This event was not understood, and its text is not kept: nothing can be tried again. Look at it in "
            "billing by its id, and discard it here."
        )
    values = {"status": InboxStatus.received, "attempts": 0, "put_offs": 0, "next_attempt_at": func.now()}
    await connection.execute(update(webhook_inbox).where(*_is(row.tenant, row.source, row.event_id)).values(**values))
    await tell(connection, INBOX)


async def lay_aside(connection: AsyncConnection, row: Row[Any]) -> None:
    """Discard a dead webhook: later ones continue."""
    await _end(connection, row, InboxStatus.discarded)


async def prune(store: Store, kept_days: int) -> int:
    """Delete the webhooks that ended more than `kept_days` ago. Returns how many."""
    return await forget(store, old_rows("webhook_inbox", "webhook", kept_days, f"webhook.finished_at < {OLD}"))


async def _end(connection: AsyncConnection, row: Row[Any], status: InboxStatus, behind: Collection[str] = ()) -> None:
    await connection.execute(
        update(webhook_inbox)
        .where(_inbox.tenant == row.tenant, _inbox.source == row.source, _inbox.event_id.in_([row.event_id, *behind]))
        .values(status=status, finished_at=func.clock_timestamp())
    )


def _is(tenant: str, source: str, event_id: str) -> tuple[Any, Any, Any]:
    return (_inbox.tenant == tenant, _inbox.source == source, _inbox.event_id == event_id)
