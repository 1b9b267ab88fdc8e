"""Revoked tokens: recorded by operators, and read by every tier (shared/identity/revocation.py)."""

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, func, insert, select, text

from process_api.database.moments import rfc3339
from process_api.database.store import Store
from process_api.database.tables import token_revocations
from shared.cache.ttl_cache import TtlCache
from shared.identity.auth import LEEWAY_S, Principal
from shared.identity.revocation import KEPT_S, RevokedToken, RevokedTokens, mark
from shared.telemetry.process_telemetry import current_correlation_id

_PAGE = 5_000
# Anyone may ask for the list, without a token or limit: so the database is polled at most this often, once for all
# requests that wait, whatever position they ask from.
LOOK_S = 0.25
# Positions are assigned and committed in order: a reader of one has seen all before it.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('quoteway.token_revocations'))")


class TokenRevocation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A revocation of one token, or of everything that a subject was issued up to `revoked_at`."""

    revocation_id: str
    token_id: str | None
    subject: str | None
    reason: str
    revoked_by: str
    revoked_at: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A revocation in this process's list, until `forget_at` (monotonic)."""

    position: int
    revoked: RevokedToken
    forget_at: float


@dataclass
class TokenRevocations:
    """Writes revocations, and reads them from this process's list of those that still matter."""

    store: Store
    _listed: list[_Listed] = field(default_factory=list, init=False)
    """In order of position."""
    _head: int = field(default=0, init=False)
    _seen_at: float = field(default=float("-inf"), init=False)
    _needed_from: float = field(default=float("-inf"), init=False)
    """A poll that started before this time (monotonic) may have missed what this process wrote itself."""
    _looks: TtlCache[None, None] = field(default_factory=lambda: TtlCache(0.0), init=False)

    async def revoke(
        self, principal: Principal, *, token_id: str | None, subject: str | None, reason: str
    ) -> TokenRevocation:
        """Revoke a token of the principal's tenant by its `jti`, or everything that a subject of the tenant has by now.

        Tokens issued to the subject within a minute after that are revoked too: clocks may differ by that much.
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
        self._needed_from = time.monotonic()
        return _revocation(row)

    async def latest(self, tenant: str, limit: int) -> list[TokenRevocation]:
        """Return the tenant's revocations, newest first."""
        query = (
            select(token_revocations)
            .where(token_revocations.c.tenant == tenant)
            .order_by(token_revocations.c.position.desc())
            .limit(limit)
        )
        async with self.store.transaction(tenant) as connection:
            return [_revocation(row) for row in await connection.execute(query)]

    async def read(self, after: int) -> RevokedTokens:
        """Return the revocations after a position, for the tiers. Raises Unavailable.

        An unknown position is answered from the start: the database was restored from a backup.
        """
        wanted = max(self._needed_from, time.monotonic() - LOOK_S)
        while self._seen_at < wanted:  # a poll under way may have started too early; the next one has not
            await self._looks.ask(None, self._look)
        first = bisect_right(self._listed, after if after <= self._head else 0, key=lambda each: each.position)
        page = self._listed[first : first + _PAGE]
        more = first + _PAGE < len(self._listed)
        return RevokedTokens(
            revoked=[each.revoked for each in page], position=page[-1].position if more else self._head
        )

    async def _look(self) -> tuple[None, float]:
        """Read new revocations from the database."""
        began = time.monotonic()
        columns = token_revocations.c
        async with self.store.transaction_across_tenants() as connection:
            head = int(await connection.scalar(select(func.coalesce(func.max(columns.position), 0))) or 0)
            known = self._head if self._head <= head else 0
            rows = (
                []
                if head == known
                else (
                    await connection.execute(
                        select(columns.position, columns.mark, columns.issued_before)
                        .where(columns.position > known, columns.revoked_at > func.now() - timedelta(seconds=KEPT_S))
                        .order_by(columns.position)
                    )
                ).all()
            )
        kept = [each for each in self._listed if each.forget_at > began] if known else []
        self._listed = [*kept, *(_listed(row, began + KEPT_S) for row in rows)]
        self._head, self._seen_at = max(head, rows[-1].position if rows else 0), began
        return None, began


def _listed(row: Any, forget_at: float) -> _Listed:
    before = row.issued_before.timestamp() if row.issued_before else None
    return _Listed(row.position, RevokedToken(mark=row.mark, issued_before=before), forget_at)


def _revocation(row: Row[Any]) -> TokenRevocation:
    return TokenRevocation(
        revocation_id=str(row.position),
        token_id=row.token_id,
        subject=row.subject,
        reason=row.reason,
        revoked_by=row.revoked_by,
        revoked_at=rfc3339(row.revoked_at),
    )
