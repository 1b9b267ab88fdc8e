"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): the same request sent again is the same operation."""

import hashlib
import re
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.tables import idempotency_keys
from shared.problem import Fault, IdempotencyMismatch, InvalidRequest

_BARE = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's key, without the quotes it may have come in."""

    value: str


def parse_key(header: str) -> IdempotencyKey:
    """The key of a header, bare or as the draft's quoted String. Raises InvalidRequest where there is none."""
    text = header.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not _BARE.fullmatch(text):
        detail = "Send 1 to 128 printable characters without spaces: a new value for each intent."
        raise InvalidRequest(
            "The Idempotency-Key header is missing or not usable.",
            [Fault(pointer="header/Idempotency-Key", detail=detail)],
        )
    return IdempotencyKey(text)


def body_hash(body: msgspec.Struct) -> str:
    """What a request asks for, whatever the order and spacing of its fields."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


async def claim_key(
    connection: AsyncConnection, tenant: str, key: IdempotencyKey, digest: str, order_id: str
) -> str | None:
    """Claim `key` for `order_id`. None if it was free, else the order it stands for.

    Raises IdempotencyMismatch where it was used with another body. A second claim waits until the first one's
    transaction ends.
    """
    claimed = await connection.scalar(
        insert(idempotency_keys)
        .values(tenant=tenant, idempotency_key=key.value, body_hash=digest, order_id=order_id)
        .on_conflict_do_nothing()
        .returning(idempotency_keys.c.order_id)
    )
    if claimed is not None:
        return None
    found = (
        await connection.execute(
            select(idempotency_keys.c.body_hash, idempotency_keys.c.order_id).where(
                idempotency_keys.c.tenant == tenant, idempotency_keys.c.idempotency_key == key.value
            )
        )
    ).one()
    if found.body_hash != digest:
        raise IdempotencyMismatch("This idempotency key stands for another request. Use a new key for a new intent.")
    return str(found.order_id)
