"""Logs in memory, in the database's form."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.audit.chain import BEGINNING, Head, Row, next_link
from shared.audit.checkpoint import Checkpoint
from shared.audit.entry import leaf_input
from shared.audit.merkle import Tree, leaf_hash

TENANT = "nordwind"
BEGUN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def log_of(texts: Sequence[str]) -> list[Row]:
    """Return a log with these entries."""
    return rechained(
        [Row(place + 1, BEGUN + timedelta(microseconds=place), text, b"", b"") for place, text in enumerate(texts)]
    )


def rechained(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with every hash recomputed, as someone with all rights in the database could do."""
    chain_hash, done = BEGINNING, []
    for row in rows:
        leaf = leaf_hash(leaf_input(TENANT, row.sequence, row.recorded_at, row.text))
        chain_hash = next_link(chain_hash, leaf)
        done.append(replace(row, leaf_hash=leaf, chain_hash=chain_hash))
    return done


def head_of(rows: Sequence[Row]) -> Head:
    """Return the head that the database keeps of a log."""
    return Head(len(rows), rows[-1].chain_hash if rows else BEGINNING)


def checkpoint_of(rows: Sequence[Row], size: int) -> Checkpoint:
    """Return the checkpoint over the first entries of a log."""
    tree = Tree()
    for row in rows[:size]:
        tree.append(row.leaf_hash)
    return Checkpoint(f"quoteway-audit/{TENANT}", size, tree.root())
