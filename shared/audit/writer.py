"""Writes audit entries: financial ones at once, all others in batches.

Callers wait for financial entries. All that arrive while one transaction commits share the next one (group commit), so
that a hundred concurrent requests cost two commits. Everything else is buffered and written in batches; repetitions
within a window become one entry with a count. The buffer is bounded, whatever is sent.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from shared.audit.entry import Entry, entry_text
from shared.problem import Unavailable
from shared.telemetry.metrics import AUDIT_ENTRIES, AUDIT_LOST, AUDIT_REFUSALS

RETRY_AFTER_S = 2
# A caller waits no longer than this for its entry: Apex gives an operation 8 s in all.
WAIT_MAX_S = 4.0
_BATCH_MAX = 2000
_log = logging.getLogger(__name__)


class Appendable(Protocol):
    """Where entries are written to: shared.audit.log.AuditLog."""

    async def append(self, entries: dict[str, list[str]]) -> None:
        """Append texts by tenant, durably. Raises Unavailable."""

    async def close(self) -> None:
        """Close the connection."""


@dataclass
class Window:
    """Entries buffered for `length_s` seconds; entries with the same key become one. Holds at most `keys_max` keys.

    Entries that do not fit are counted by tenant, and the count is written: a gap is always visible.
    """

    length_s: float
    keys_max: int
    _gathered: dict[Hashable, Entry] = field(default_factory=dict)
    _lost: dict[str, Entry] = field(default_factory=dict)
    _ends_at: float = 0.0

    def add(self, key: Hashable, entry: Entry) -> None:
        """Buffer an entry. It costs one look-up."""
        known = self._gathered.get(key)
        if known is not None:
            known.count += 1
        elif len(self._gathered) < self.keys_max:
            if not self._gathered:
                self._ends_at = time.monotonic() + self.length_s
            self._gathered[key] = entry
        else:
            self._lose(entry)

    def take(self, *, everything: bool = False) -> list[Entry]:
        """Return what is to be written now: everything once the window has ended."""
        if not self._gathered or not (everything or time.monotonic() >= self._ends_at):
            return []
        taken = [*self._gathered.values(), *self._lost.values()]
        self._gathered, self._lost = {}, {}
        return taken

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Buffer entries again that could not be written, each by itself."""
        for entry in entries:
            self.add(id(entry), entry)

    def _lose(self, entry: Entry) -> None:
        AUDIT_LOST.inc(entry.count)
        known = self._lost.get(entry.tenant)
        if known is not None:
            known.count += entry.count
        elif len(self._lost) < self.keys_max:
            self._lost[entry.tenant] = Entry(
                at=entry.at,
                tier=entry.tier,
                tenant=entry.tenant,
                operation="auditEntriesLost",
                audit_class=entry.audit_class,
                outcome="failed",
                status=0,
                correlation_id=entry.correlation_id,
                count=entry.count,
            )


@dataclass
class AuditWriter:
    """Writes the entries of one process.

    `access` and `refusals` are the windows for what nobody waits for. A refused request need not have a token, so its
    window is longer and smaller: whatever an attacker sends, at most `keys_max` entries are written a window.
    `sums_reads`: an inner tier, whose reads are parts of what its caller has in the log (docs/decisions/0099).
    """

    log: Appendable
    access: Window = field(default_factory=lambda: Window(1.0, 10_000))
    refusals: Window = field(default_factory=lambda: Window(60.0, 200))
    poll_s: float = 0.5
    sums_reads: bool = False
    _waiting: list[tuple[Entry, asyncio.Future[None]]] = field(default_factory=list, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _away: bool = field(default=False, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start writing."""
        self._task = asyncio.create_task(self._write_on(), name="audit")

    async def stop(self) -> None:
        """Write what is buffered, and stop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._write(everything=True)
        await self.log.close()

    def require(self) -> None:
        """Raise Unavailable while the log is known not to be writable, before anything is done that it could not
        record.
        """
        if self._away:
            AUDIT_REFUSALS.inc()
            raise Unavailable(
                "the audit log cannot be written, so nothing is changed",
                reason_code="audit_unavailable",
                vendor="postgresql",
                retry_after_s=RETRY_AFTER_S,
            )

    async def write_durably(self, entry: Entry) -> None:
        """Return once the entry is committed. Raises Unavailable if it may not be."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        self._wake.set()
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                await written
        except TimeoutError as error:
            raise Unavailable(
                f"the audit log took no entry for {WAIT_MAX_S:g} s",
                reason_code="audit_unavailable",
                vendor="postgresql",
            ) from error

    async def ready(self) -> str | None:
        """Return None if the log can be written, as far as is known; else a sentence about what is missing."""
        return "the audit log cannot be written: changes are refused" if self._away else None

    async def _write_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.poll_s):
                    await self._wake.wait()
            self._wake.clear()
            await self._write()

    async def _write(self, *, everything: bool = False) -> None:
        waiting, self._waiting = self._waiting[:_BATCH_MAX], self._waiting[_BATCH_MAX:]
        if self._waiting:
            self._wake.set()
        access, refusals = self.access.take(everything=everything), self.refusals.take(everything=everything)
        entries = [*(entry for entry, _ in waiting), *access, *refusals]
        if not entries and not self._away:
            return
        by_tenant: dict[str, list[str]] = defaultdict(list)
        try:
            for entry in entries:
                by_tenant[entry.tenant].append(entry_text(entry))
            await self.log.append(by_tenant)
        except Unavailable as error:
            self._failed(error, waiting, access, refusals)
        except asyncio.CancelledError:
            # The process is stopping: `stop` writes what is buffered, and callers that wait are told so.
            self._failed(
                Unavailable("the process is ending", reason_code="audit_unavailable"), waiting, access, refusals
            )
            raise
        except Exception:  # noqa: BLE001 an end of the writer would let changes go on that nobody writes down
            _log.exception("writing the audit log failed")
            defect = Unavailable("the audit log cannot be written", reason_code="audit_unavailable")
            self._failed(defect, waiting, access, refusals)
        else:
            self._succeeded(entries, waiting)

    def _succeeded(self, entries: list[Entry], waiting: list[tuple[Entry, asyncio.Future[None]]]) -> None:
        if self._away:
            self._away = False
            _log.warning("the audit log is written again")
        for entry in entries:
            AUDIT_ENTRIES.labels(entry.audit_class).inc()
        for _, written in waiting:
            if not written.done():
                written.set_result(None)

    def _failed(
        self,
        error: Unavailable,
        waiting: list[tuple[Entry, asyncio.Future[None]]],
        access: list[Entry],
        refusals: list[Entry],
    ) -> None:
        if not self._away:
            self._away = True
            _log.error("the audit log cannot be written: changes are refused (%s)", error.__cause__ or error)
        for _, written in waiting:
            if not written.done():
                written.set_exception(Unavailable(error.detail, reason_code=error.reason_code))
        self.access.put_back(access)
        self.refusals.put_back(refusals)
