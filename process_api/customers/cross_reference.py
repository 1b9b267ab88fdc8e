"""The cross reference: one table of identities across the systems, unique in both directions, with history.

A link can move: a system may have merged two records or lost one, and a person may decide that an account is another
customer, or a new one. The table has the current link; the history has the earlier ones, with reason and decider.
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_not
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.direct import fetch
from process_api.database.moments import rfc3339
from process_api.database.tables import cross_reference_history, cross_references
from shared.problem import NeedsDecision, Unavailable
from shared.telemetry.process_telemetry import current_correlation_id

CUSTOMER = "customer"
# followed: the system itself named another record. decided_new: a person asked for a new one. system_renamed: the same
# record under another name of the system.
Cause = Literal["linked", "followed", "relinked", "decided_new", "system_renamed"]
_MOVED_RETRY_S = 1


@dataclass(frozen=True)
class Known:
    """What is known of an account in a system: its record there, or the decision to create a new one."""

    vendor_id: str | None = None
    new_as: str | None = None


@dataclass(frozen=True)
class Pair:
    """One of our records in one system, and the names that it may have there."""

    tenant: str
    canonical_id: str
    system: str
    entity: str = CUSTOMER

    def where(self, table: Any) -> tuple[Any, ...]:
        """Return the clauses that select its rows of a table."""
        columns = table.c
        return (
            columns.tenant == self.tenant,
            columns.entity == self.entity,
            columns.canonical_id == self.canonical_id,
            columns.system == self.system,
        )

    def values(self) -> dict[str, str]:
        """Return its columns."""
        return {
            "tenant": self.tenant,
            "entity": self.entity,
            "canonical_id": self.canonical_id,
            "system": self.system,
        }


class Link(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An account's current record in a system."""

    system: str
    vendor_id: str
    since: str


class LinkChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A change of an account's record in a system; `decidedBy` and `reason` are set if a person made it."""

    system: str
    cause: str
    changed_at: str
    correlation_id: str
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    decided_by: str | None = None


_PAIR = "tenant = %(tenant)s AND entity = %(entity)s AND canonical_id = %(canonical_id)s AND system = %(system)s"
_KNOWN = f"""
SELECT (SELECT system_id FROM quoteway.cross_references WHERE {_PAIR}) AS vendor_id,
    coalesce((SELECT jsonb_build_object('position', position, 'cause', cause) FROM quoteway.cross_reference_history
        WHERE {_PAIR} ORDER BY position DESC LIMIT 1), '{{}}') AS last"""  # noqa: S608 constants


async def known(connection: AsyncConnection, pair: Pair) -> Known:
    """Return what the record is in the system, as far as anybody has linked it or decided on it."""
    [found] = await fetch(connection, _KNOWN, **pair.values())
    if found.vendor_id is not None:
        return Known(vendor_id=found.vendor_id)
    return Known(new_as=str(found.last.get("position")) if found.last.get("cause") == "decided_new" else None)


async def link(
    connection: AsyncConnection, pair: Pair, system_id: str, *, before: str | None = None, formerly: str | None = None
) -> None:
    """Record that the system knows our record as `system_id`. Repeating it changes nothing.

    `before` is what it was known as when the system was asked: where it says another one now, the link moves.
    `formerly` is another name of the system, under which the same record may be linked. Raises Unavailable where
    somebody else has moved the link meanwhile, and NeedsDecision where the record is another account's: two customers
    must never share one set of books.
    """
    held = await connection.scalar(
        select(cross_references.c.system_id).where(*pair.where(cross_references)).with_for_update()
    )
    if held == system_id:
        return
    if held != before:  # moved meanwhile, or removed by a person's decision, which must not be overwritten
        raise _moved(pair)
    if held is not None:
        await move(connection, pair, held, system_id, cause="followed")
        return
    if formerly is not None:
        old = Pair(pair.tenant, pair.canonical_id, formerly, pair.entity)
        gone = delete(cross_references).where(*old.where(cross_references), cross_references.c.system_id == system_id)
        if await connection.scalar(gone.returning(cross_references.c.system_id)) is not None:
            await _write_down(connection, old, system_id, None, "system_renamed")
    await require_nobodys(connection, pair, system_id)
    made = await connection.scalar(
        insert_or_not(cross_references)
        .values(**pair.values(), system_id=system_id)
        .on_conflict_do_nothing()
        .returning(cross_references.c.system_id)
    )
    if made is not None:
        await _write_down(connection, pair, None, system_id, "linked")
        return
    now = await connection.scalar(select(cross_references.c.system_id).where(*pair.where(cross_references)))
    if now is None:
        await require_nobodys(connection, pair, system_id)
    if now != system_id:
        raise _moved(pair)


async def move(
    connection: AsyncConnection,
    pair: Pair,
    before: str | None,
    after: str,
    *,
    cause: Cause,
    reason: str | None = None,
    decided_by: str | None = None,
) -> None:
    """Have the record be another one of the system from now on. Raises NeedsDecision where that is somebody else's."""
    await require_nobodys(connection, pair, after)
    try:
        async with connection.begin_nested():
            moved = update(cross_references).where(*pair.where(cross_references)).values(system_id=after)
            if await connection.scalar(moved.returning(cross_references.c.system_id)) is None:
                await connection.execute(insert(cross_references).values(**pair.values(), system_id=after))
    except IntegrityError:
        await require_nobodys(connection, pair, after)
        raise _moved(pair) from None
    await _write_down(connection, pair, before, after, cause, reason, decided_by)


async def forget(connection: AsyncConnection, pair: Pair, before: str | None, *, reason: str, decided_by: str) -> None:
    """Have the record be nothing in the system, so that the next order makes a new one there."""
    await connection.execute(delete(cross_references).where(*pair.where(cross_references)))
    await _write_down(connection, pair, before, None, "decided_new", reason, decided_by)


async def require_nobodys(connection: AsyncConnection, pair: Pair, system_id: str) -> None:
    """Raise NeedsDecision where the system's record is another one of ours already, under any name of that system."""
    columns = cross_references.c
    owner = await connection.scalar(
        select(columns.canonical_id).where(
            columns.tenant == pair.tenant,
            columns.entity == pair.entity,
            _is_in(pair.system),
            columns.system_id == system_id,
            columns.canonical_id != pair.canonical_id,
        )
    )
    if owner is not None:
        raise NeedsDecision(
            f"{pair.entity.capitalize()} {system_id} of {_in_words(pair.system)} is account {owner} already, and "
            f"cannot be account {pair.canonical_id} too. Merge the accounts in Salesforce, or relink one of them.",
            reason_code="customer_shared",
            what_to_do="Merge the accounts in Salesforce or relink one of them, then have the flow tried again.",
        )


def _in_words(system: str) -> str:
    """A system as people call it: the ERP of NW-DE."""
    capability, _, rest = system.partition(":")
    legal_entity, _, currency = rest.partition(":")
    name = "the ERP" if capability == "erp" else capability
    return f"{name} of {legal_entity}{f' in {currency}' if currency else ''}"


def _is_in(system: str) -> ColumnElement[bool]:
    """Return the rows of a system: of a billing, under its name in each currency and under the one it had before
    those.
    """
    capability, _, place = system.partition(":")
    if capability != "billing":
        return cross_references.c.system == system
    before = f"{capability}:{place.partition(':')[0]}"
    column = cross_references.c.system
    return or_(column == before, column.startswith(f"{before}:", autoescape=True))


async def links_of(connection: AsyncConnection, tenant: str, canonical_id: str) -> list[Link]:
    """Return what an account is in every system."""
    columns = cross_references.c
    query = (
        select(cross_references)
        .where(columns.tenant == tenant, columns.entity == CUSTOMER, columns.canonical_id == canonical_id)
        .order_by(columns.system)
    )
    rows = await connection.execute(query)
    return [Link(system=row.system, vendor_id=row.system_id, since=rfc3339(row.created_at)) for row in rows]


async def history_of(connection: AsyncConnection, tenant: str, canonical_id: str, limit: int) -> list[LinkChange]:
    """Return the last changes of what an account is in every system, newest first."""
    columns = cross_reference_history.c
    query = (
        select(cross_reference_history)
        .where(columns.tenant == tenant, columns.entity == CUSTOMER, columns.canonical_id == canonical_id)
        .order_by(columns.position.desc())
        .limit(limit)
    )
    return [
        LinkChange(
            system=row.system,
            cause=row.cause,
            changed_at=rfc3339(row.changed_at),
            correlation_id=row.correlation_id,
            before=row.before,
            after=row.after,
            reason=row.reason,
            decided_by=row.decided_by,
        )
        for row in await connection.execute(query)
    ]


async def _write_down(
    connection: AsyncConnection,
    pair: Pair,
    before: str | None,
    after: str | None,
    cause: Cause,
    reason: str | None = None,
    decided_by: str | None = None,
) -> None:
    await connection.execute(
        insert(cross_reference_history).values(
            **pair.values(),
            before=before,
            after=after,
            cause=cause,
            reason=reason,
            decided_by=decided_by,
            correlation_id=current_correlation_id(),
        )
    )


def _moved(pair: Pair) -> Unavailable:
    return Unavailable(
        f"Which customer account {pair.canonical_id} is in {_in_words(pair.system)} has been changed meanwhile.",
        reason_code="cross_reference_moved",
        retry_after_s=_MOVED_RETRY_S,
    )
