"""Intents: every write to a vendor is written down before it is sent.

After a crash the row says what may have happened and under which external id to look for it. One external id never
stands for two different payloads.
"""

import hashlib
from dataclasses import dataclass

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from process_api.store import Store
from process_api.tables import intents
from shared.problem import Rejected


@dataclass(frozen=True)
class Intents:
    """Records intents and their answers."""

    store: Store

    async def record(
        self, *, tenant: str, flow_id: str, step: str, system: str, external_id: str, payload: msgspec.Struct
    ) -> str:
        """Write the intent down and return its operation id. Recording the same intent again changes nothing.

        Raises Rejected where this external id was meant for another payload before: a flow that changes its mind half
        way must not write over what it wrote.
        """
        operation_id = f"{flow_id}:{step}:{external_id}"
        digest = hashlib.sha256(msgspec.json.encode(payload, order="deterministic")).hexdigest()
        async with self.store.transaction(tenant) as connection:
            await connection.execute(
                insert(intents)
                .values(
                    operation_id=operation_id,
                    tenant=tenant,
                    flow_id=flow_id,
                    system=system,
                    external_id=external_id,
                    payload_hash=digest,
                )
                .on_conflict_do_nothing()
            )
            known = await connection.scalar(
                select(intents.c.payload_hash).where(
                    intents.c.tenant == tenant, intents.c.system == system, intents.c.external_id == external_id
                )
            )
        if known != digest:
            raise Rejected(
                f"{external_id} was meant for another request to {system} before.", reason_code="intent_changed"
            )
        return operation_id

    async def answer(self, tenant: str, operation_id: str, vendor_id: str | None) -> None:
        """Write down what the vendor calls the record."""
        async with self.store.transaction(tenant) as connection:
            await connection.execute(
                update(intents)
                .where(intents.c.operation_id == operation_id)
                .values(vendor_id=vendor_id, answered_at=func.clock_timestamp())
            )
