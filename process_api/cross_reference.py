"""Whose record is whose: one table of identity across the systems, unique both ways."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.tables import cross_references
from shared.problem import Rejected


async def link(
    connection: AsyncConnection, *, tenant: str, entity: str, canonical_id: str, system: str, system_id: str
) -> None:
    """Record that `system` knows our record as `system_id`. Linking the same pair again changes nothing.

    Raises Rejected where either side is linked to something else: two customers must never share one set of books.
    """
    values = {
        "tenant": tenant,
        "entity": entity,
        "canonical_id": canonical_id,
        "system": system,
        "system_id": system_id,
    }
    await connection.execute(insert(cross_references).values(**values).on_conflict_do_nothing())
    pair = select(cross_references.c.canonical_id, cross_references.c.system_id).where(
        cross_references.c.tenant == tenant,
        cross_references.c.entity == entity,
        cross_references.c.system == system,
        (cross_references.c.canonical_id == canonical_id) | (cross_references.c.system_id == system_id),
    )
    linked = [tuple(row) for row in await connection.execute(pair)]
    if linked != [(canonical_id, system_id)]:
        raise Rejected(
            f"{entity} {canonical_id} is {system_id} in {system} now, but the cross-reference says {linked}.",
            reason_code="cross_reference_conflict",
        )
