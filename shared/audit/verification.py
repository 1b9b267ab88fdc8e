"""Verifies the logs of all tenants against their chains, their heads and the exported checkpoints."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, TextIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.audit.chain import Finding, Head, Row, check_log
from shared.audit.checkpoint import Checkpoint, origin_of, read_checkpoint
from shared.audit.cut import UNCUT, Cut
from shared.audit.export import covered
from shared.audit.inventory import FILE, read_inventory
from shared.audit.note import NoteError

_TOLD_EVERY_S = 0.5
# A new log waits for the signer's next round. For this long it is mentioned, and is no finding.
UNSIGNED_FOR_S = 600.0


class Verifiable(Protocol):
    """Where the logs are read from: shared.audit.reader.AuditReader."""

    def heads(self) -> dict[str, Head]:
        """Return the head of every tenant's log."""

    def cuts(self) -> dict[str, Cut]:
        """Return where each log that was cut starts."""

    def tenants(self) -> list[str]:
        """Return every tenant that has entries or a head."""

    def rows(self, tenant: str, after: int = 0) -> Iterator[Row]:
        """Return the entries after a position, in order."""


@dataclass
class Progress:
    """Shows progress to a person, on one line that is overwritten."""

    out: TextIO
    logs: int = 0
    entries: int = 0
    checkpoints: int = 0
    _told_at: float = field(default_factory=time.monotonic)
    _width: int = 0

    def follow(self, tenant: str, rows: Iterable[Row], size: int) -> Iterator[Row]:
        """Yield the rows, with progress every half second."""
        self.logs += 1
        for done, row in enumerate(rows, start=1):
            self.entries += 1
            if time.monotonic() - self._told_at >= _TOLD_EVERY_S:
                self._told_at = time.monotonic()
                line = f"{tenant}: {done} of {size} entries ({min(100, done * 100 // max(1, size))} %)"
                self.out.write("\r" + line.ljust(self._width))
                self.out.flush()
                self._width = len(line)
            yield row

    def say(self, sentence: str) -> None:
        """Print a line that is not overwritten."""
        self.out.write(("\r" + " " * self._width + "\r" if self._width else "") + sentence + "\n")
        self._width = 0


def verify(
    reader: Verifiable,
    exported: Path | None,
    key: Ed25519PublicKey | None,
    prefix: str,
    progress: Progress,
    exports: Path | None = None,
) -> Iterator[Finding]:
    """Yield everything that is wrong with any log. Raises ValueError if `exported` has no checkpoints.

    Entries that were cut from a log are looked for in `exports`, if given.
    """
    checkpoints: dict[str, list[Checkpoint]] = {}
    if exported is not None and key is not None:
        yield from _read_checkpoints(exported, key, prefix, checkpoints)
    progress.checkpoints += sum(len(each) for each in checkpoints.values())
    listed = set()
    if exported is not None and exported.is_dir() and key is not None:
        try:
            listed = read_inventory(exported / FILE, prefix, key)
        except NoteError as error:
            yield Finding("*", 0, 0, f"the list of logs {exported / FILE} cannot be trusted: {error}")
    ends, faults = covered(exports, prefix, key) if exports is not None and key is not None else ({}, [])
    for tenant, fault in faults:
        yield Finding(tenant, 0, 0, fault)
    heads, cuts = reader.heads(), reader.cuts()
    for tenant in sorted({*reader.tenants(), *checkpoints, *listed}):
        head = heads.get(tenant)
        cut = cuts.get(tenant, UNCUT)
        if cut.size:
            yield from _check_cut(tenant, cut, key, prefix, ends.get(tenant, 0) if exports is not None else cut.size)
            gone = f"entries 1 to {cut.size} were exported and cut"
            progress.say(f"{tenant}: verified from entry {cut.size + 1} on; {gone}.")
        rows = progress.follow(tenant, reader.rows(tenant, cut.size), head.size if head is not None else 0)
        if key is not None and tenant not in checkpoints:
            if tenant in listed or not _is_new(reader, tenant):
                size = head.size if head is not None else 0
                yield Finding(tenant, 1, size, "no checkpoint of this log is there: its folder was removed")
            else:
                progress.say(f"{tenant}: a new log, which is not signed yet.")
        yield from check_log(tenant, rows, head, checkpoints.get(tenant, []), cut)


def _read_checkpoints(
    exported: Path, key: Ed25519PublicKey, prefix: str, checkpoints: dict[str, list[Checkpoint]]
) -> Iterator[Finding]:
    """Collect the checkpoints by tenant; one that cannot be verified is a finding."""
    for path, note in _notes(exported):
        tenant = note.partition("\n")[0].removeprefix(f"{prefix}/")
        try:
            checkpoint = read_checkpoint(note, origin_of(prefix, tenant), key)
        except NoteError as error:
            yield Finding(tenant, 0, 0, f"the checkpoint {path} cannot be trusted: {error}")
            continue
        checkpoints.setdefault(tenant, []).append(checkpoint)


def _check_cut(tenant: str, cut: Cut, key: Ed25519PublicKey | None, prefix: str, exported_to: int) -> Iterator[Finding]:
    """Yield what is wrong with the start of a log.

    Without a key, there is no telling whether a checkpoint was signed over it.
    """
    if exported_to < cut.size:
        yield Finding(tenant, exported_to + 1, cut.size, "cut from the log, and no export of them is there")
    if key is None:
        return
    try:
        cut.signed(origin_of(prefix, tenant), key)
    except NoteError as error:
        yield Finding(tenant, 1, cut.size, f"cut from the log, and no checkpoint stands for them: {error}")


def _is_new(reader: Verifiable, tenant: str) -> bool:
    """Return whether the first entry is so young that the signer may not have signed the log yet."""
    first = next(iter(reader.rows(tenant)), None)
    return first is not None and datetime.now(UTC) - first.recorded_at < timedelta(seconds=UNSIGNED_FOR_S)


def _notes(exported: Path) -> Iterator[tuple[Path, str]]:
    paths = sorted(exported.rglob("*.checkpoint")) if exported.is_dir() else [exported]
    if not paths:
        raise ValueError(f"{exported} holds no checkpoint.")
    for path in paths:
        try:
            yield path, path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
