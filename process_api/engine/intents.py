"""Intents: every write to a vendor is recorded before it is sent.

After a crash the row says what may have happened, and the external id to look it up by. One external id never has two
payloads, except for records that flows share: see `record_shared`.

A step that adds a write to a vendor must record its intent here first. Nothing writes invoices or payments yet: the ERP
and billing create them from orders and subscriptions, and Quoteway only reads them.
"""

import hashlib
from dataclasses import dataclass

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from process_api.database.store import Store
from process_api.database.tables import intents
from shared.problem import NeedsDecision


@dataclass(frozen=True)
class Intents:
    """Records intents and their answers."""

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
        async with self.store.transaction(tenant) as connection:
            await connection.execute(_insertion(operation_id, tenant, flow_id, system, entity, external_id, digest))
            known = await connection.scalar(
                select(intents.c.payload_hash).where(
                    intents.c.tenant == tenant, intents.c.system == system, intents.c.external_id == external_id
                )
            )
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
        *,
        tenant: str,
        flow_id: str,
        step: str,
        system: str,
        entity: str,
        external_id: str,
        payload: msgspec.Struct,
    ) -> str:
        """Record the possible creation of a record that many flows share, and return the operation id.

        An account's customer is such a record: the first flow has the intent, and later ones get its operation id.
        Another payload is no contradiction here, as it is in `record`: name and address may change between two flows,
        and updates are made by comparison. So the intent is about the creation alone. Until it is answered the hash
        follows the payload, since a search may find the last one sent; after that it stays as it was at the first
        answer.
        """
        this, digest = f"{flow_id}:{step}:{external_id}", _digest(payload)
        same = (intents.c.tenant == tenant, intents.c.system == system, intents.c.external_id == external_id)
        async with self.store.transaction(tenant) as connection:
            await connection.execute(_insertion(this, tenant, flow_id, system, entity, external_id, digest))
            await connection.execute(
                update(intents).where(*same, intents.c.answered_at.is_(None)).values(payload_hash=digest)
            )
            operation_id: str = (await connection.execute(select(intents.c.operation_id).where(*same))).scalar_one()
        return operation_id

    async def answer(self, tenant: str, operation_id: str, vendor_id: str | None) -> None:
        """Record the vendor's id of the created record."""
        async with self.store.transaction(tenant) as connection:
            await connection.execute(
                update(intents)
                .where(intents.c.operation_id == operation_id)
                .values(vendor_id=vendor_id, answered_at=func.clock_timestamp())
            )


def _digest(payload: msgspec.Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(payload, order="deterministic")).hexdigest()


def _insertion(
    operation_id: str, tenant: str, flow_id: str, system: str, entity: str, external_id: str, digest: str
) -> Insert:
    values = {
        "operation_id": operation_id,
        "tenant": tenant,
        "flow_id": flow_id,
        "system": system,
        "entity": entity,
        "external_id": external_id,
        "payload_hash": digest,
    }
    return insert(intents).values(**values).on_conflict_do_nothing()
