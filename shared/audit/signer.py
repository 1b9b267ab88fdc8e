"""Exports checkpoints to a place that administrators of the database cannot change.

Beside its exports the signer keeps the right edge of every log's tree. So it reads each entry once, and what it has
signed cannot change any more. A log that is shorter than what was signed, or does not continue it, is not signed again:
finding that is the purpose of the signatures.
"""

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit.chain import BEGINNING, Head, Row, next_link
from shared.audit.checkpoint import Checkpoint, origin_of
from shared.audit.cut import Cut
from shared.audit.entry import leaf_input
from shared.audit.inventory import FILE, read_inventory, signed_inventory
from shared.audit.merkle import Tree, leaf_hash
from shared.audit.note import NoteError

_STATE = "signed.json"
_log = logging.getLogger(__name__)


class TamperedError(Exception):
    """A log differs from what was signed before; the message says which log, and where."""


class Readable(Protocol):
    """Where entries are read from: shared.audit.reader.AuditReader."""

    def heads(self) -> dict[str, Head]:
        """Return the head of every tenant's log."""

    def cuts(self) -> dict[str, Cut]:
        """Return where each log that was cut starts."""

    def rows(self, tenant: str, after: int = 0) -> Iterator[Row]:
        """Return the entries after a position, in order."""


class Signed(msgspec.Struct, kw_only=True):
    """How much of a log is signed."""

    size: int = 0
    edge: list[bytes] = []
    chain_hash: bytes = BEGINNING


@dataclass
class Signer:
    """Signs the logs of every tenant. `folder` is the destination; None writes JSON lines to standard output."""

    reader: Readable
    key: Ed25519PrivateKey
    prefix: str
    folder: Path | None
    _signed: dict[str, Signed] = field(default_factory=dict)

    def sign_all(self) -> int:
        """Export a checkpoint of every log that has grown. Returns how many.

        Raises TamperedError if a log differs from what was signed before; every other log is signed first.
        """
        exported, faults = 0, []
        heads, cuts = self.reader.heads(), self.reader.cuts()
        listed = self._listed()
        for tenant in sorted({*heads, *listed, *self._known()}):
            try:
                exported += self._sign(tenant, heads.get(tenant), cuts.get(tenant), listed=tenant in listed)
            except TamperedError as error:
                faults.append(str(error))
        if self.folder is not None and not listed.issuperset(known := self._known()):
            note = signed_inventory(self.prefix, {*listed, *known}, self.key)
            _replace(self.folder / FILE, note.encode())
        if faults:
            raise TamperedError("; ".join(faults))
        return exported

    def _sign(self, tenant: str, head: Head | None, cut: Cut | None, *, listed: bool) -> bool:
        if listed and not self._has_state(tenant):
            raise TamperedError(f"{tenant}: was signed before, and its folder of checkpoints is missing")
        before = self._last(tenant)
        if cut is not None and cut.size > before.size:
            before = self._signed_before(tenant, cut)
        if head is None or head.size < before.size:
            has = head.size if head is not None else 0
            raise TamperedError(f"{tenant}: {before.size} entries were signed, and only {has} are there")
        if head.size == before.size:
            return False
        tree, chain_hash = Tree(before.size, list(before.edge)), before.chain_hash
        for row in self.reader.rows(tenant, before.size):
            leaf = leaf_hash(leaf_input(tenant, row.sequence, row.recorded_at, row.text))
            chain_hash = next_link(chain_hash, leaf)
            if row.sequence != tree.size + 1 or chain_hash != row.chain_hash:
                raise TamperedError(f"{tenant}: entry {row.sequence} does not go on from what was signed before")
            tree.append(leaf)
        if tree.size < head.size:
            raise TamperedError(f"{tenant}: entries {tree.size + 1} to {head.size} are missing")
        origin = origin_of(self.prefix, tenant)
        self._export(tenant, Checkpoint(origin, tree.size, tree.root()).signed(self.key), tree.size)
        self._remember(tenant, Signed(size=tree.size, edge=tree.edge, chain_hash=chain_hash))
        return True

    def _signed_before(self, tenant: str, cut: Cut) -> Signed:
        """Return the state to continue from if the signer keeps none between runs: the cut, if that was signed
        itself.
        """
        try:
            cut.signed(origin_of(self.prefix, tenant), self.key.public_key())
        except NoteError as error:
            raise TamperedError(f"{tenant}: was cut, and no checkpoint stands for that: {error}") from error
        return Signed(size=cut.size, edge=list(cut.edge), chain_hash=cut.chain_hash)

    def _listed(self) -> set[str]:
        """Return the tenants whose logs were signed before, from the signed list."""
        if self.folder is None:
            return set()
        try:
            return read_inventory(self.folder / FILE, self.prefix, self.key.public_key())
        except NoteError as error:
            raise TamperedError(f"the list of logs {self.folder / FILE} cannot be trusted: {error}") from error

    def _has_state(self, tenant: str) -> bool:
        return self.folder is not None and (self.folder / tenant / _STATE).exists()

    def _known(self) -> list[str]:
        if self.folder is None:
            return list(self._signed)
        return [path.parent.name for path in self.folder.glob(f"*/{_STATE}")]

    def _last(self, tenant: str) -> Signed:
        if tenant not in self._signed:
            path = self.folder / tenant / _STATE if self.folder is not None else None
            known = path is not None and path.exists()
            self._signed[tenant] = msgspec.json.decode(path.read_bytes(), type=Signed) if path and known else Signed()
        return self._signed[tenant]

    def _export(self, tenant: str, note: str, size: int) -> None:
        if self.folder is None:
            sys.stdout.write(msgspec.json.encode({"tenant": tenant, "size": size, "checkpoint": note}).decode() + "\n")
            sys.stdout.flush()
            return
        # A folder a day: after years of a checkpoint a minute, a single folder could no longer be listed.
        path = self.folder / tenant / datetime.now(UTC).date().isoformat() / f"{size:012}.checkpoint"
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, note.encode())
        _replace(self.folder / tenant / "latest.checkpoint", note.encode())

    def _remember(self, tenant: str, signed: Signed) -> None:
        self._signed[tenant] = signed
        if self.folder is not None:
            _replace(self.folder / tenant / _STATE, msgspec.json.encode(signed))
        _log.info("signed %s at %d entries", tenant, signed.size)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file atomically: after a crash it is the old one or the new one."""
    draft = path.with_suffix(path.suffix + ".draft")
    draft.write_bytes(content)
    draft.replace(path)
