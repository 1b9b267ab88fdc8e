"""Record visibility: a Salesforce user sees an account, and everything under it, exactly if Salesforce says so.

Salesforce is asked (UserRecordAccess) about the record in the request: its account, its quote, or the account of its
order. A record that the user may not read is answered like a missing one: by the same code, after the same query, in
the same time. A service has no Salesforce user: it sees its tenant or, if its token lists legal entities, their
records.

Answers are cached for half a minute under the exact id that was asked for, so that a fast answer only reveals that the
same user has just asked the same. While Salesforce is down nobody is let in on a guess.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage
from sqlalchemy import select

from process_api.access.subjects import UNDER_ACCOUNTS, Kind, Subject, subject_of
from process_api.database.store import Store
from process_api.database.tables import orders
from process_api.system_client import SystemClient
from shared.cache.ttl_cache import TtlCache
from shared.canonical import RecordAccess
from shared.identity.principal import ActingUser, Principal
from shared.operations.chain import Middleware, matched_operation
from shared.problem import Fault, InvalidRequest, NotFound, NotPermitted, QuotewayError, Rejected, Unavailable

# A caller of the experience API waits for 8 s in all.
SALESFORCE_TIMEOUT_S = 4.0
RETRY_AFTER_S = 5
# The account to ask about for an order that does not exist; no org has assigned this id.
NO_RECORD = "001000000000000AAA"
_IN_CRM: frozenset[Kind] = frozenset({"account", "quote"})
_NOTHING = RecordAccess(readable=False, editable=False)
_FOR_OPERATORS = "This is for services and operators, not in a Salesforce user's name."
_SALESFORCE_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_ORDER_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class OwnedLetters(Protocol):
    """Says whose dead letters are."""

    async def legal_entity(self, tenant: str, dead_letter_id: str) -> str:
        """Return the legal entity that a dead letter is of; empty where there is none, or it is no legal entity's."""


@dataclass
class Visibility:
    """Decides what a Salesforce user may see and change, and what a client limited to legal entities may see."""

    system: SystemClient
    store: Store
    letters: OwnedLetters
    _verdicts: TtlCache[tuple[str, str, Kind, str], RecordAccess] = field(init=False)
    _records: TtlCache[tuple[str, str, str], RecordAccess] = field(init=False)
    _sellers: TtlCache[tuple[str, Kind, str], str] = field(init=False)

    def __post_init__(self) -> None:
        self._verdicts = TtlCache()
        self._records = TtlCache()
        self._sellers = TtlCache()

    async def require(self, principal: Principal, user: ActingUser | None, subject: Subject, named: str) -> None:
        """Allow access to the record in a request. Raises as `require_user` and `require_legal_entity` do."""
        if user is not None:
            await self.require_user(user, subject, named)
        if principal.legal_entities is not None:
            await self.require_legal_entity(principal.tenant, principal.legal_entities, subject, named)

    async def require_legal_entity(
        self, tenant: str, legal_entities: frozenset[str], subject: Subject, named: str
    ) -> None:
        """Allow a client limited to legal entities access to the record in its request.

        Raises NotFound if it is not theirs, InvalidRequest for a malformed id, Unavailable if the CRM is needed and
        does not answer.
        """
        if subject.kind in _IN_CRM:
            require_id(subject, named)
            found = await self._seller(tenant, subject.kind, named)
        else:
            found = await self._seller_of_ours(tenant, subject.kind, named)
        if found not in legal_entities:
            raise NotFound(subject.absent(named))

    async def require_user(self, user: ActingUser, subject: Subject, named: str) -> None:
        """Allow the user access to the record in a request.

        Raises NotFound if the user cannot see it, NotPermitted if it belongs to no account or the user may only read
        what the operation changes, InvalidRequest for a malformed id, Unavailable if Salesforce does not answer.
        """
        if subject.kind not in UNDER_ACCOUNTS:
            raise NotPermitted(_FOR_OPERATORS)
        key = (user.tenant, user.user_id, subject.kind, named)
        verdict = self._verdicts.find(key)
        if verdict is None:
            require_id(subject, named)
            verdict = await self._verdicts.ask(key, lambda: self._judge(user, subject.kind, named))
        if not verdict.readable:
            raise NotFound(subject.absent(named))
        if subject.edits and not verdict.editable:
            raise NotPermitted(f"You may see this {subject.kind}, but not change it; Salesforce says who may.")

    async def _judge(self, user: ActingUser, kind: Kind, named: str) -> tuple[RecordAccess, float]:
        record_id: str | None = named
        if kind == "order":
            record_id = await self._record_over(user.tenant, named)
            if record_id is not None:
                known = self._records.find_with_time((user.tenant, user.user_id, record_id))
                if known is not None:
                    return known
        asked_at = time.monotonic()
        access = await self._ask_salesforce(user, record_id or NO_RECORD)
        if record_id is None:
            return _NOTHING, asked_at
        if access.readable:
            # Only positive answers are shared between an account's orders: a fast refusal would reveal whose order it
            # is.
            self._records.keep((user.tenant, user.user_id, record_id), access, asked_at)
        return access, asked_at

    async def _record_over(self, tenant: str, order_id: str) -> str | None:
        """Return the account of an order; its quote while the account is unknown; or None."""
        query = select(orders.c.account_id, orders.c.quote_id).where(
            orders.c.tenant == tenant, orders.c.order_id == order_id
        )
        async with self.store.transaction(tenant) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else str(row.account_id or row.quote_id)

    async def _seller(self, tenant: str, kind: Kind, named: str) -> str:
        key = (tenant, kind, named)
        found = self._sellers.find(key)
        return await self._sellers.ask(key, lambda: self._ask_seller(tenant, kind, named)) if found is None else found

    async def _ask_seller(self, tenant: str, kind: Kind, named: str) -> tuple[str, float]:
        """Return the legal entity that an account buys from, or that a quote is from; empty if there is none."""
        asked_at = time.monotonic()
        find = self.system.find_account if kind == "account" else self.system.find_quote
        try:
            found = await find(tenant, named)
        except Rejected:  # an incomplete quote or account belongs to nobody, and is answered like a missing one
            found = None
        return ("" if found is None else found.legal_entity), asked_at

    async def _seller_of_ours(self, tenant: str, kind: Kind, named: str) -> str:
        """Return the legal entity of an order, a flow or a dead letter; empty if there is none."""
        if kind != "order":
            return await self.letters.legal_entity(tenant, named)
        query = select(orders.c.legal_entity, orders.c.quote_id)
        query = query.where(orders.c.tenant == tenant, orders.c.order_id == named)
        async with self.store.transaction(tenant) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return ""
        if row.legal_entity is None and _SALESFORCE_ID.fullmatch(row.quote_id):
            # Its flow has not read the quote yet: a caller that has just submitted it asks for it at once.
            return await self._seller(tenant, "quote", row.quote_id)
        return str(row.legal_entity or "")

    async def _ask_salesforce(self, user: ActingUser, record_id: str) -> RecordAccess:
        if not _SALESFORCE_ID.fullmatch(record_id):
            record_id = NO_RECORD  # an order whose quote id was never valid
        try:
            async with asyncio.timeout(SALESFORCE_TIMEOUT_S):
                return await self.system.record_access(user.tenant, user.user_id, record_id)
        except TimeoutError as error:
            raise _unknown(None) from error
        except QuotewayError as error:
            raise _unknown(error) from error


def show_only_what_is_visible(visibility: Visibility) -> Middleware:
    """Inbound policy, the last one: let callers reach only records that they may see. By now the body has been
    checked.
    """

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            operation = matched_operation(scope)
            if operation is None or operation.policy is None:
                await app(scope, receive, send)
                return
            user: ActingUser | None = scope["state"]["acting_user"]
            principal: Principal = scope["user"]
            if user is None and principal.legal_entities is None:
                await app(scope, receive, send)
                return
            subject = subject_of(operation.handler.opt)
            if subject.kind == "none":
                require_operator(user, subject)
            else:
                if subject.in_body:
                    receive, named = await _named_in_body(receive, subject)
                else:
                    named = scope["state"]["path_params"][subject.name]
                await visibility.require(principal, user, subject, named)
            await app(scope, receive, send)

        return middleware

    return wrap


async def _named_in_body(receive: Receive, subject: Subject) -> tuple[Receive, str]:
    """Return the id in the body, and the body for reading again; its shape has been checked
    (shared.inbound.service.guard_body).
    """
    message = await receive()
    content: dict[str, Any] = msgspec.json.decode(message["body"])  # type: ignore[typeddict-item]  # guard_body has read it whole
    read = False

    async def again() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        nonlocal read
        if read:
            return await receive()
        read = True
        return message

    return again, str(content[subject.name])


def require_operator(user: ActingUser | None, subject: Subject) -> None:
    """Raise NotPermitted if an operation about no single record is not for this caller."""
    if user is not None:
        raise NotPermitted(_FOR_OPERATORS)
    if not subject.filters:
        raise NotPermitted("This shows the whole tenant, and this client is for some of its legal entities.")


def require_id(subject: Subject, named: str) -> None:
    """Raise InvalidRequest unless `named` has the form of the record's id: nothing else may become part of a path."""
    pattern, form = (_ORDER_ID, "an order id") if subject.kind == "order" else (_SALESFORCE_ID, "a Salesforce id")
    if not pattern.fullmatch(named):
        raise InvalidRequest("The request is not valid.", [Fault(pointer=subject.pointer, detail=f"It is not {form}.")])


def _unknown(error: QuotewayError | None) -> Unavailable:
    asked = error.retry_after_s if isinstance(error, Unavailable) else None
    return Unavailable(
        "Salesforce cannot be asked now who may see this.",
        reason_code="visibility_unknown",
        vendor="Salesforce",
        retry_after_s=asked or RETRY_AFTER_S,
    )
