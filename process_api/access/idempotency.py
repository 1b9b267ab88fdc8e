"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): the same request sent again is the same operation.

A key belongs to its caller: to one client, for one user or none, for one operation. The same key from another caller is
another request.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from sqlalchemy import Row, func, literal, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.retention import OLD, forget, old_rows
from process_api.database.store import Store
from process_api.database.tables import flows, idempotency_keys, request_keys
from shared.identity.principal import ActingUser, Principal
from shared.inbound.idempotency_key import KEY_PATTERN
from shared.problem import Conflict, Fault, IdempotencyMismatch, InvalidRequest

_KEY = re.compile(KEY_PATTERN)
_ESCAPED = re.compile(r"\\(.)")
_IN_FLIGHT = "Another request with this idempotency key is being worked on. Send the same request again in a moment."
_IN_FLIGHT_RETRY_S = 1
# The one operation whose keys versions before 0017 kept (process_api.orders.intake.ORDER_FLOW).
_OPERATION_OF_BEFORE = "order_submission"
_ANOTHER_REQUEST = "This idempotency key stands for another request. Use a new key for a new intent."


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's key, without the quotes it may have come in."""

    value: str


@dataclass(frozen=True)
class KeyScope:
    """The scope in which a key identifies one request. `acting_user` is empty if a service asks for itself."""

    tenant: str
    client_id: str
    acting_user: str
    operation: str

    @classmethod
    def of(cls, principal: Principal, acting_user: ActingUser | None, operation: str) -> Self:
        """Return the scope of this caller's keys for `operation`."""
        if acting_user is not None:
            return cls(principal.tenant, acting_user.client_id, acting_user.user_id, operation)
        return cls(principal.tenant, principal.for_client or principal.client_id, "", operation)


def parse_key(header: str) -> IdempotencyKey:
    """Return the key in a header, bare or as the draft's quoted String. Raises InvalidRequest if there is none."""
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
    """Return a hash of a request's body that does not depend on the order and spacing of its fields."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


async def claim_key(
    connection: AsyncConnection, scope: KeyScope, key: IdempotencyKey, digest: str, record_id: str
) -> str | None:
    """Claim `key` for `record_id`, in the caller's transaction. Returns None if it was free, else its record.

    Raises IdempotencyMismatch if it was used with another body, and Conflict while the first request with it is in
    progress: its outcome is not known yet, and waiting for it would hold a connection.
    """
    # Looked up before the lock: many requests with an ended key may come at once, and must not refuse each other.
    found = await _find(connection, scope, key) or await _find_of_before(connection, scope, key)
    if found is None:
        if not await _locked(connection, scope, key):
            raise Conflict(_IN_FLIGHT, retry_after_s=_IN_FLIGHT_RETRY_S)
        claimed = await connection.scalar(
            insert(request_keys)
            .values(**_columns(scope, key), body_hash=digest, record_id=record_id)
            .on_conflict_do_nothing()
            .returning(request_keys.c.record_id)
        )
        if claimed is not None:
            return None
        # Committed by another request between our look-up and our lock.
        found = await _find(connection, scope, key)
    if found is None or found.body_hash != digest:
        raise IdempotencyMismatch(_ANOTHER_REQUEST)
    return str(found.record_id)


async def claimed(connection: AsyncConnection, scope: KeyScope, key: IdempotencyKey, digest: str) -> str | None:
    """Return what a finished request claimed the key for, so that it is answered before anybody is asked; None if it is
    free.

    Raises IdempotencyMismatch where it was used with another body.
    """
    found = await _find(connection, scope, key) or await _find_of_before(connection, scope, key)
    if found is not None and found.body_hash != digest:
        raise IdempotencyMismatch(_ANOTHER_REQUEST)
    return None if found is None else str(found.record_id)


async def is_claimed(connection: AsyncConnection, scope: KeyScope, key: IdempotencyKey) -> bool:
    """Return whether a finished request has claimed the key."""
    found = await _find(connection, scope, key) or await _find_of_before(connection, scope, key)
    return found is not None


async def prune_keys(store: Store, kept_days: int) -> int:
    """Delete the keys older than `kept_days`. Returns how many.

    An old key sent again still finds its order: the quote revision is a key that is kept forever.
    """
    tables = ("request_keys", "idempotency_keys")
    rules = [old_rows(table, "key", kept_days, f"key.created_at < {OLD}") for table in tables]
    return sum([await forget(store, rule) for rule in rules])


def _columns(scope: KeyScope, key: IdempotencyKey) -> dict[str, str]:
    return {
        "tenant": scope.tenant,
        "client_id": scope.client_id,
        "acting_user": scope.acting_user,
        "operation": scope.operation,
        "idempotency_key": key.value,
    }


async def _find(connection: AsyncConnection, scope: KeyScope, key: IdempotencyKey) -> Row[Any, Any] | None:
    """Return what a finished request claimed the key for."""
    query = select(request_keys.c.body_hash, request_keys.c.record_id).filter_by(**_columns(scope, key))
    return (await connection.execute(query)).one_or_none()


async def _find_of_before(connection: AsyncConnection, scope: KeyScope, key: IdempotencyKey) -> Row[Any, Any] | None:
    """Return what a version that kept keys for the whole tenant claimed it for, if the caller is the one who started
    that.

    Those versions had one operation, named after its flows, and recorded a service that came through another tier of
    ours under that tier's name only.
    """
    if scope.operation != _OPERATION_OF_BEFORE:
        return None
    client, user = flows.c.authority["client"].astext, flows.c.authority["user"].astext
    query = (
        select(idempotency_keys.c.body_hash, idempotency_keys.c.order_id.label("record_id"))
        .join(flows, flows.c.flow_id == literal(f"{scope.tenant}.") + idempotency_keys.c.order_id)
        .where(
            flows.c.kind == scope.operation,
            idempotency_keys.c.tenant == scope.tenant,
            idempotency_keys.c.idempotency_key == key.value,
            func.coalesce(user, "") == scope.acting_user,
            true() if scope.acting_user == "" else client == scope.client_id,
        )
    )
    return (await connection.execute(query)).one_or_none()


async def _locked(connection: AsyncConnection, scope: KeyScope, key: IdempotencyKey) -> bool:
    """Return whether this transaction is now the only one that handles the key.

    The lock ends with the transaction.
    """
    digest = hashlib.sha256("\0".join(("idempotency-key", *_columns(scope, key).values())).encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(lock))))
