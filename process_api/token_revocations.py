"""Revoked tokens: written down by operators, for good, and read by every tier (shared/revocation.py)."""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, func, insert, select, text

from process_api.orders import rfc3339
from process_api.store import Store
from process_api.tables import token_revocations
from shared.auth import LEEWAY_S, Principal
from shared.revocation import KEPT_S, RevokedToken, RevokedTokens, mark
from shared.telemetry import current_correlation_id

_PAGE = 5_000
# Whoever has just been told that there is nothing new is told so again without a look into the database.
_SAME_ANSWER_S = 0.25
# Positions are given out and committed in one order: a reader that has seen one has seen all before it.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('quoteway.token_revocations'))")


class TokenRevocation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A revocation: of one token, or of everything that a subject was given up to `revoked_at`."""

    revocation_id: str
    token_id: str | None
    subject: str | None
    reason: str
    revoked_by: str
    revoked_at: str


@dataclass
class TokenRevocations:
    """Writes and reads them."""

    store: Store
    _head: int = field(default=0, init=False)
    _head_seen_at: float = field(default=float("-inf"), init=False)

    async def revoke(
        self, principal: Principal, *, token_id: str | None, subject: str | None, reason: str
    ) -> TokenRevocation:
        """Revoke a token of the principal's tenant by its `jti`, or all that a subject of the tenant has by now.

        What a subject is given within a minute after that does not count either: clocks may differ by so much.
        """
        tenant = principal.tenant
        marked = mark("token", tenant, token_id) if token_id else mark("subject", tenant, subject or "")
        row_values: dict[str, Any] = {
            "tenant": tenant,
            "token_id": token_id,
            "subject": subject,
            "mark": marked.hex(),
            "issued_before": None if token_id else func.now() + timedelta(seconds=LEEWAY_S),
            "reason": reason,
            "revoked_by": principal.subject,
            "correlation_id": current_correlation_id(),
        }
        async with self.store.transaction(tenant) as connection:
            await connection.execute(_ONE_AT_A_TIME)
            row = (
                await connection.execute(insert(token_revocations).values(**row_values).returning(token_revocations))
            ).one()
        self._head_seen_at = float("-inf")
        return _revocation(row)

    async def latest(self, tenant: str, limit: int) -> list[TokenRevocation]:
        """The tenant's revocations, newest first."""
        query = (
            select(token_revocations)
            .where(token_revocations.c.tenant == tenant)
            .order_by(token_revocations.c.position.desc())
            .limit(limit)
        )
        async with self.store.transaction(tenant) as connection:
            return [_revocation(row) for row in await connection.execute(query)]

    async def read(self, after: int) -> RevokedTokens:
        """What was revoked after a position, for the tiers. Raises Unavailable.

        A position that is not known is answered from the start: the database was restored from a backup.
        """
        if after == self._head and time.monotonic() - self._head_seen_at < _SAME_ANSWER_S:
            return RevokedTokens(revoked=[], position=after)
        columns = token_revocations.c
        async with self.store.transaction_across_tenants() as connection:
            head = int(await connection.scalar(select(func.coalesce(func.max(columns.position), 0))) or 0)
            rows = (
                []
                if head == after
                else (
                    await connection.execute(
                        select(columns.position, columns.mark, columns.issued_before)
                        .where(
                            columns.position > (after if after < head else 0),
                            columns.revoked_at > func.now() - timedelta(seconds=KEPT_S),
                        )
                        .order_by(columns.position)
                        .limit(_PAGE)
                    )
                ).all()
            )
        self._head, self._head_seen_at = head, time.monotonic()
        return RevokedTokens(
            revoked=[
                RevokedToken(mark=row.mark, issued_before=row.issued_before.timestamp() if row.issued_before else None)
                for row in rows
            ],
            position=rows[-1].position if rows else head,
        )


def _revocation(row: Row[Any]) -> TokenRevocation:
    return TokenRevocation(
        revocation_id=str(row.position),
        token_id=row.token_id,
        subject=row.subject,
        reason=row.reason,
        revoked_by=row.revoked_by,
        revoked_at=rfc3339(row.revoked_at),
    )
