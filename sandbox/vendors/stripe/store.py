"""The objects of the account, with transactions: a request takes effect whole or not at all."""

from __future__ import annotations

import copy
import itertools
import secrets
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """Return a fresh id in Stripe's manner: `sub_1Qx…`."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"


class Store:
    """Records by kind (their `object`) and id.

    A record is the JSON object that the API answers, with references as ids, plus fields that begin with `_` and never
    leave the sandbox. `get` gives copies; a change takes effect with `put`.
    """

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Record]] = {}
        self._undo: list[tuple[str, str, Record | None]] | None = None
        self._sequence = itertools.count(1)

    def get(self, kind: str, object_id: str) -> Record | None:
        """Return a copy of the record, or None."""
        record = self._tables.get(kind, {}).get(object_id)
        return copy.deepcopy(record) if record is not None else None

    def scan(self, kind: str, **equal: Any) -> list[Mapping[str, Any]]:
        """Return the records of a kind whose fields have these values, newest first, for reading only."""
        found = list(self._tables.get(kind, {}).values())
        for name, value in equal.items():
            found = [record for record in found if record.get(name) == value]
        return sorted(found, key=lambda record: record["_seq"], reverse=True)

    def put(self, record: Record) -> None:
        """Insert or replace; the store keeps a copy."""
        table = self._tables.setdefault(record["object"], {})
        before = table.get(record["id"])
        self._remember(record["object"], record["id"], before)
        if "_seq" not in record:
            record["_seq"] = before["_seq"] if before is not None else next(self._sequence)
        table[record["id"]] = copy.deepcopy(record)

    def remove(self, kind: str, object_id: str) -> None:
        """Remove a record that exists."""
        before = self._tables[kind].pop(object_id)
        self._remember(kind, object_id, before)

    def counts(self) -> dict[str, int]:
        """Return how many records there are of each kind."""
        return {kind: len(table) for kind, table in sorted(self._tables.items()) if table}

    @contextmanager
    def transaction(self) -> Iterator[set[tuple[str, str]]]:
        """Undo every change made inside when the block raises.

        Yields a set that is filled, when the block has ended well, with the (kind, id) of what changed.
        """
        if self._undo is not None:
            raise RuntimeError("a transaction of the store is already open")
        self._undo = []
        touched: set[tuple[str, str]] = set()
        try:
            yield touched
        except BaseException:
            self.rollback()
            raise
        else:
            touched.update((kind, object_id) for kind, object_id, _ in self._undo)
        finally:
            self._undo = None

    def rollback(self, changes_kept: int = 0) -> None:
        """Undo what the open transaction has changed so far, but for its first `changes_kept` changes."""
        if self._undo is None:
            raise RuntimeError("no transaction of the store is open")
        for kind, object_id, before in reversed(self._undo[changes_kept:]):
            if before is None:
                self._tables[kind].pop(object_id, None)
            else:
                self._tables[kind][object_id] = before
        del self._undo[changes_kept:]

    def changes(self) -> int:
        """Return how many changes the open transaction has made so far."""
        return len(self._undo or [])

    def _remember(self, kind: str, object_id: str, before: Record | None) -> None:
        if self._undo is not None:
            self._undo.append((kind, object_id, before))
