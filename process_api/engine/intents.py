"""Intents: every write to a vendor is recorded before it is sent.

After a crash the row says what may have happened, and the external id to look it up by. One external id never has two
payloads, except for records that flows share: see `record_shared`.

A step that adds a write to a vendor must record its intent here first. Nothing writes invoices or payments yet: the ERP
and billing create them from orders and subscriptions, and Quoteway only reads them.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.direct import fetch, run
from process_api.database.store import Store
from shared.problem import NeedsDecision

_KNOWN = """
SELECT operation_id, payload_hash FROM quoteway.intents
WHERE tenant = %(tenant)s AND system = %(system)s AND external_id = %(external_id)s"""
_INSERT = """
INSERT INTO quoteway.intents (operation_id, tenant, flow_id, system, entity, external_id, payload_hash)
VALUES (%(operation_id)s, %(tenant)s, %(flow_id)s, %(system)s, %(entity)s, %(external_id)s, %(payload_hash)s)"""
_RECORD = f"""
WITH made AS ({_INSERT} ON CONFLICT DO NOTHING RETURNING operation_id, payload_hash)
SELECT * FROM made UNION ALL {_KNOWN} LIMIT 1"""  # noqa: S608 constants
_RECORD_SHARED = f"""
WITH made AS ({_INSERT}
    ON CONFLICT (tenant, system, external_id) DO UPDATE SET payload_hash = EXCLUDED.payload_hash
    WHERE intents.answered_at IS NULL RETURNING operation_id, payload_hash)
SELECT * FROM made UNION ALL {_KNOWN} LIMIT 1"""  # noqa: S608 constants
_ANSWER = """
UPDATE quoteway.intents SET vendor_id = %(vendor_id)s, answered_at = clock_timestamp()
WHERE operation_id = %(operation_id)s"""


@dataclass(frozen=True)
class Intents:
    """Records intents. What a vendor answered is written down with the end of the step (`Found.answered`)."""

    store: Store

    async def record(
        self,
        *,
        tenant: str,
        flow_id: str,
        step: str,
        system: str,
        entity: str,
        external_id: str,
        payload: msgspec.Struct,
    ) -> str:
        """Record an intent and return its operation id. Recording the same intent again changes nothing.

        Raises NeedsDecision if this external id was recorded with another payload: a flow that changes its mind
        halfway, or resumes in a later release that writes more, must not overwrite what it wrote.
        """
        operation_id, digest = f"{flow_id}:{step}:{external_id}", _digest(payload)
        intent = _Intent(operation_id, tenant, flow_id, system, entity, external_id, digest)
        async with self.store.transaction(tenant) as connection:
            known = await _first(connection, _RECORD, _KNOWN, intent, "payload_hash")
        if known != digest:
            raise NeedsDecision(
                f"{external_id} was meant for another request to {system} before.",
                reason_code="intent_changed",
                what_to_do=f"Look whether {system} holds {external_id}. Where it does not, edit the flow, which reads "
                "the quote anew. Where it does, discard the flow, which takes it back, and submit the quote again.",
            )
        return operation_id

    async def record_shared(
        self,
        connection: AsyncConnection,
        *,
        tenant: str,
        flow_id: str,
        step: str,
        system: str,
        entity: str,
        external_id: str,
        payload: msgspec.Struct,
    ) -> str:
        """Record, in the caller's transaction, the possible creation of a record that many flows share.

        Returns the operation id.

        An account's customer is such a record: the first flow has the intent, and later ones get its operation id.
        Another payload is no contradiction here, as it is in `record`: name and address may change between two flows,
        and updates are made by comparison. So the intent is about the creation alone. Until it is answered the hash
        follows the payload, since a search may find the last one sent; after that it stays as it was at the first
        answer.
        """
        this = f"{flow_id}:{step}:{external_id}"
        intent = _Intent(this, tenant, flow_id, system, entity, external_id, _digest(payload))
        operation_id: str = await _first(connection, _RECORD_SHARED, _KNOWN, intent, "operation_id")
        return operation_id


async def answer(connection: AsyncConnection, operation_id: str, vendor_id: str | None) -> None:
    """Write down what the vendor calls the record, in the caller's transaction."""
    await run(connection, _ANSWER, operation_id=operation_id, vendor_id=vendor_id)


async def _first(connection: AsyncConnection, sql: str, otherwise: str, intent: "_Intent", column: str) -> Any:
    """The column of the intent that there is now; one that was committed meanwhile only a second statement sees."""
    found = await fetch(connection, sql, **asdict(intent)) or await fetch(connection, otherwise, **asdict(intent))
    return getattr(found[0], column) if found else None


@dataclass(frozen=True)
class _Intent:
    operation_id: str
    tenant: str
    flow_id: str
    system: str
    entity: str
    external_id: str
    payload_hash: str


def _digest(payload: msgspec.Struct) -> str:
    """Return what tells one payload from another.

    A class may name fields that a later release added (`later_fields`): a flow that recorded its intent before the
    upgrade, and sends them after it, still means the same record.
    """
    encoded = msgspec.json.encode(payload, order="deterministic")
    later: tuple[str, ...] = getattr(type(payload), "later_fields", ())
    if later:
        members = msgspec.json.decode(encoded)
        encoded = msgspec.json.encode({name: value for name, value in members.items() if name not in later})
    return hashlib.sha256(encoded).hexdigest()
