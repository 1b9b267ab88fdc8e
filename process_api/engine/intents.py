"""Intents: every write to a vendor is written down before it is sent.

After a crash the row says what may have happened and under which external id to look for it. One external id never
stands for two different payloads, but for a record that flows share: see `record_shared`.

A step that adds a write to a vendor records its intent here first. Nothing writes an invoice or a payment yet: the ERP
and billing make them of the orders and subscriptions that are written, and Quoteway only reads them.
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
        """Write the intent down and return its operation id. Recording the same intent again changes nothing.

        Raises NeedsDecision where this external id was meant for another payload before: a flow that changes its mind
        half way, or goes on in a later release that writes more, must not write over what it wrote.
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
        """Write down that a record which many flows share may be created, and return the operation id.

        So it is with an account's customer: the first flow that asked has the intent, and its operation id is what
        every later one is given. Another payload is no contradiction here, as it is in `record`: name and address may
        change between two flows, and a vendor that has the record is told of them by comparing, however often. So the
        intent is about the creation alone. While there is no answer the hash follows the payload, since the one sent
        last is the one that a search may find; after it, the hash stays what it was when the vendor answered first.
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
        """Write down what the vendor calls the record."""
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
