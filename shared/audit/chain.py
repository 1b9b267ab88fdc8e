"""Compares a tenant's log with its own chain, its head and the exported checkpoints."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from shared.audit.checkpoint import Checkpoint
from shared.audit.cut import UNCUT, Cut
from shared.audit.entry import leaf_input
from shared.audit.merkle import HASH_BYTES, Tree, leaf_hash
from shared.audit.note import NoteError

# The chain hash before the first entry.
BEGINNING = bytes(HASH_BYTES)


@dataclass(frozen=True)
class Row:
    """An entry as the database keeps it. `chain_hash` covers this entry and all before it."""

    sequence: int
    recorded_at: datetime
    text: str
    leaf_hash: bytes
    chain_hash: bytes


@dataclass(frozen=True)
class Head:
    """The database's record of a whole log: its size and last chain hash."""

    size: int
    chain_hash: bytes


@dataclass(frozen=True)
class Finding:
    """A fault in the entries from `first` to `last`."""

    tenant: str
    first: int
    last: int
    what: str

    def __str__(self) -> str:
        """Return one line for a person."""
        where = f"entry {self.first}" if self.first == self.last else f"entries {self.first} to {self.last}"
        return f"{self.tenant}: {where}: {self.what}"


def next_link(chain_hash: bytes, leaf: bytes) -> bytes:
    """Return the chain hash after one more entry."""
    return sha256(chain_hash + leaf).digest()


def check_log(
    tenant: str, rows: Iterable[Row], head: Head | None, checkpoints: Sequence[Checkpoint] = (), cut: Cut = UNCUT
) -> Iterator[Finding]:
    """Yield everything that is wrong with a log. `rows` come in order of sequence, starting after the cut.

    The chain tells exactly where. A checkpoint also finds changes that were made to fit the chain again, to within the
    distance from the last checkpoint that still holds.
    """
    # Smaller checkpoints cover deleted entries: the exports are checked against those.
    try:
        tree = cut.tree()
    except NoteError as error:
        yield Finding(tenant, 1, cut.size, str(error))
        return
    held = _Held(tenant, [each for each in checkpoints if each.size >= cut.size], cut.size)
    sequence, chain_hash, linked = cut.size, cut.chain_hash, True
    yield from held.against(sequence, tree)
    for row in rows:
        if row.sequence <= sequence:
            yield Finding(tenant, row.sequence, row.sequence, "is there twice, or out of order")
            continue
        if row.sequence > sequence + 1:
            yield Finding(tenant, sequence + 1, row.sequence - 1, "missing")
            linked = False  # their hashes are not known: continue from what the next one says
        leaf = leaf_hash(leaf_input(tenant, row.sequence, row.recorded_at, row.text))
        if leaf != row.leaf_hash:
            yield Finding(tenant, row.sequence, row.sequence, "was changed: it is not what was hashed")
        if linked and next_link(chain_hash, row.leaf_hash) != row.chain_hash:
            yield Finding(
                tenant, row.sequence, row.sequence, "was changed, moved or put in: it does not go on the chain"
            )
        sequence, chain_hash, linked = row.sequence, row.chain_hash, True
        tree.append(leaf)
        yield from held.against(sequence, tree)
    yield from _end(tenant, sequence, chain_hash, head)
    yield from held.beyond(sequence)


def _end(tenant: str, sequence: int, chain_hash: bytes, head: Head | None) -> Iterator[Finding]:
    if head is None:
        if sequence:
            yield Finding(tenant, 1, sequence, "the log has no head: it was removed")
    elif head.size > sequence:
        yield Finding(tenant, sequence + 1, head.size, "missing: the log was cut off")
    elif head.size < sequence:
        yield Finding(tenant, head.size + 1, sequence, "put in behind the log's end")
    elif head.chain_hash != chain_hash:
        yield Finding(tenant, sequence, sequence, "is not what the log's head was made of")


class _Held:
    """The checkpoints to compare with, smallest first."""

    def __init__(self, tenant: str, checkpoints: Sequence[Checkpoint], good: int) -> None:
        self._tenant = tenant
        self._waiting = sorted(checkpoints, key=lambda each: each.size)
        self._at = 0
        self._good = good

    def against(self, sequence: int, tree: Tree) -> Iterator[Finding]:
        """Yield the findings of the checkpoints of this size, and of those that were passed over."""
        while self._at < len(self._waiting) and self._waiting[self._at].size <= sequence:
            checkpoint = self._waiting[self._at]
            self._at += 1
            if checkpoint.size == sequence == tree.size and checkpoint.root == tree.root():
                self._good = sequence
            elif checkpoint.size > 0:
                what = f"not what the checkpoint of {checkpoint.size} entries was signed over"
                yield Finding(self._tenant, self._good + 1, checkpoint.size, what)

    def beyond(self, sequence: int) -> Iterator[Finding]:
        """Yield a finding for each checkpoint that covers entries the log no longer has."""
        for checkpoint in self._waiting[self._at :]:
            if checkpoint.size > sequence:
                # There is no telling which of them are missing: the rest may have been renumbered.
                what = f"only {sequence} entries are there of those that the checkpoint was signed over"
                yield Finding(self._tenant, self._good + 1, checkpoint.size, what)
