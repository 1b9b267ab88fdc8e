"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): the same request sent again is the same operation."""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.store import Store
from process_api.tables import idempotency_keys
from shared.idempotency_key import KEY_PATTERN
from shared.problem import Conflict, Fault, IdempotencyMismatch, InvalidRequest

_KEY = re.compile(KEY_PATTERN)
_ESCAPED = re.compile(r"\\(.)")
_IN_FLIGHT = "Another request with this idempotency key is being worked on. Send the same request again in a moment."
_IN_FLIGHT_RETRY_S = 1
_PRUNED_AT_ONCE = 1000


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's key, without the quotes it may have come in."""

    value: str


def parse_key(header: str) -> IdempotencyKey:
    """The key of a header, bare or as the draft's quoted String. Raises InvalidRequest where there is none."""
    text = header.strip()
    if not _KEY.fullmatch(text):
        detail = "Send 1 to 128 printable characters without spaces: a new value for each intent."
        raise InvalidRequest(
            "The Idempotency-Key header is missing or not usable.",
            [Fault(pointer="header/Idempotency-Key", detail=detail)],
        )
    if text[0] == '"':
        text = _ESCAPED.sub(r"\1", text[1:-1])
    return IdempotencyKey(text)


def body_hash(body: msgspec.Struct) -> str:
    """What a request asks for, whatever the order and spacing of its fields."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


async def claim_key(
    connection: AsyncConnection, tenant: str, key: IdempotencyKey, digest: str, order_id: str
) -> str | None:
    """Claim `key` for `order_id`, in the caller's transaction. None if it was free, else the order it stands for.

    Raises IdempotencyMismatch where it was used with another body, Conflict while the first request with it is being
    worked on: that one's outcome is not known yet, and whoever waited for it would hold a connection.
    """
    # Looked for before the lock: requests with a finished key are many at once, and must not turn each other away.
    found = await _find(connection, tenant, key)
    if found is None:
        if not await _locked(connection, tenant, key):
            raise Conflict(_IN_FLIGHT, retry_after_s=_IN_FLIGHT_RETRY_S)
        claimed = await connection.scalar(
            insert(idempotency_keys)
            .values(tenant=tenant, idempotency_key=key.value, body_hash=digest, order_id=order_id)
            .on_conflict_do_nothing()
            .returning(idempotency_keys.c.order_id)
        )
        if claimed is not None:
            return None
        # Committed by another request between our look and our lock.
        found = await _find(connection, tenant, key)
    if found is None or found.body_hash != digest:
        raise IdempotencyMismatch("This idempotency key stands for another request. Use a new key for a new intent.")
    return str(found.order_id)


async def is_claimed(connection: AsyncConnection, tenant: str, key: IdempotencyKey) -> bool:
    """Whether a finished request has claimed the key."""
    return await _find(connection, tenant, key) is not None


async def prune_keys(store: Store, kept_days: int) -> int:
    """Forget the keys older than `kept_days`, on the database's clock, and return how many those were.

    In batches of their own transactions, so that no claim waits for long. An old key sent again still meets its order:
    the quote revision is a key that is kept for ever.
    """
    forgotten = 0
    key = tuple_(idempotency_keys.c.tenant, idempotency_keys.c.idempotency_key)
    old = (
        select(idempotency_keys.c.tenant, idempotency_keys.c.idempotency_key)
        .where(idempotency_keys.c.created_at < func.now() - timedelta(days=kept_days))
        .limit(_PRUNED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    while True:
        async with store.transaction_across_tenants() as connection:
            batch = (await connection.execute(delete(idempotency_keys).where(key.in_(old)))).rowcount
        forgotten += batch
        if batch < _PRUNED_AT_ONCE:
            return forgotten


async def _find(connection: AsyncConnection, tenant: str, key: IdempotencyKey) -> Row[Any, Any] | None:
    """What a finished request claimed the key for."""
    columns = idempotency_keys.c
    query = select(columns.body_hash, columns.order_id)
    query = query.where(columns.tenant == tenant, columns.idempotency_key == key.value)
    return (await connection.execute(query)).one_or_none()


async def _locked(connection: AsyncConnection, tenant: str, key: IdempotencyKey) -> bool:
    """Whether this transaction is now the only one at work on the key. It lets go when it ends, however it ends."""
    digest = hashlib.sha256(f"idempotency-key\0{tenant}\0{key.value}".encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(lock))))
