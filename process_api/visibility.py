"""Who sees what: a Salesforce user sees an account, and all under it, exactly if Salesforce says so.

Salesforce is asked (UserRecordAccess) about the record that a request names: its account, its quote, or the account of
its order. What the user may not read is answered as what does not exist: by the same code, from the same question, in
the same time. Services have no Salesforce user and are not asked about here; they see their tenant.

Answers are remembered for half a minute under the very id that was asked for, so that one that comes fast tells only
that the same user has just asked the same. While Salesforce is away nobody is let in on a guess.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage
from sqlalchemy import select

from process_api.store import Store
from process_api.subjects import UNDER_ACCOUNTS, Kind, Subject, subject_of
from process_api.system_client import SystemClient
from process_api.tables import orders
from shared.canonical import RecordAccess
from shared.front import Middleware, matched_operation
from shared.principal import ActingUser
from shared.problem import Fault, InvalidRequest, NotFound, NotPermitted, QuotewayError, Unavailable

REMEMBERED_S = 30.0
REMEMBERED_MAX = 50_000
# A caller of the experience API waits for 8 s in all.
SALESFORCE_TIMEOUT_S = 4.0
RETRY_AFTER_S = 5
# Asked about in place of the account of an order that does not exist; no org has given this id to a record.
NO_RECORD = "001000000000000AAA"
_NOTHING = RecordAccess(readable=False, editable=False)
_SALESFORCE_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_ORDER_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
K = TypeVar("K")
V = TypeVar("V")


@dataclass
class Visibility:
    """Decides what an acting user sees and may change."""

    system: SystemClient
    store: Store
    _verdicts: "BriefMemory[tuple[str, str, Kind, str], RecordAccess]" = field(init=False)
    _records: "BriefMemory[tuple[str, str, str], RecordAccess]" = field(init=False)

    def __post_init__(self) -> None:
        self._verdicts = BriefMemory()
        self._records = BriefMemory()

    async def require(self, user: ActingUser, subject: Subject, named: str) -> None:
        """Let the user have the record that a request names.

        Raises NotFound where there is none that the user sees, NotPermitted where the user only reads what the
        operation changes, InvalidRequest where it is no id at all, Unavailable where Salesforce cannot say.
        """
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
            # Only what is seen is shared between the orders of an account: of the rest, a fast answer would tell whose
            # order it is.
            self._records.keep((user.tenant, user.user_id, record_id), access, asked_at)
        return access, asked_at

    async def _record_over(self, tenant: str, order_id: str) -> str | None:
        """The account of an order, its quote while the account is not known yet, or None."""
        query = select(orders.c.account_id, orders.c.quote_id).where(
            orders.c.tenant == tenant, orders.c.order_id == order_id
        )
        async with self.store.transaction(tenant) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else str(row.account_id or row.quote_id)

    async def _ask_salesforce(self, user: ActingUser, record_id: str) -> RecordAccess:
        if not _SALESFORCE_ID.fullmatch(record_id):
            record_id = NO_RECORD  # an order of a quote that never was one
        try:
            async with asyncio.timeout(SALESFORCE_TIMEOUT_S):
                return await self.system.record_access(user.tenant, user.user_id, record_id)
        except TimeoutError as error:
            raise _unknown(None) from error
        except QuotewayError as error:
            raise _unknown(error) from error


class BriefMemory(Generic[K, V]):
    """Remembers answers for REMEMBERED_S seconds from when they were asked for; of those who ask at once, one asks."""

    def __init__(self) -> None:
        self._known: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V]] = {}

    def find(self, key: K) -> V | None:
        """What is remembered, or None."""
        found = self.find_with_time(key)
        return None if found is None else found[0]

    def find_with_time(self, key: K) -> tuple[V, float] | None:
        """The same, with the moment at which it was asked for."""
        found = self._known.get(key)
        if found is None or time.monotonic() - found[1] >= REMEMBERED_S:
            return None
        return found

    def keep(self, key: K, value: V, asked_at: float) -> None:
        """Remember an answer; the oldest is forgotten where there are too many."""
        self._known[key] = (value, asked_at)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)

    async def ask(self, key: K, question: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        """The answer to `question`, remembered from then on. An error is everybody's who waits, and not remembered."""
        task = self._asking.get(key)
        if task is None:
            # A task of its own: whoever began it may go away while others wait.
            task = self._asking[key] = asyncio.create_task(self._answer(key, question))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _answer(self, key: K, question: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        value, asked_at = await question()
        self.keep(key, value, asked_at)
        return value

    def _forget(self, key: K, done: asyncio.Task[V]) -> None:
        self._asking.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen, also where nobody waits for it any more


def show_only_what_is_visible(visibility: Visibility) -> Middleware:
    """Let an acting user have what Salesforce lets them see. The last policy: by then the body's form is known."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            operation = matched_operation(scope)
            user: ActingUser | None = scope["state"]["acting_user"]
            if user is None or operation is None or operation.policy is None:
                await app(scope, receive, send)
                return
            subject = subject_of(operation.handler.opt)
            if subject.kind not in UNDER_ACCOUNTS:
                raise NotPermitted("This is for services and operators, not in a Salesforce user's name.")
            if subject.in_body:
                receive, named = await _named_in_body(receive, subject)
            else:
                named = scope["state"]["path_params"][subject.name]
            await visibility.require(user, subject, named)
            await app(scope, receive, send)

        return middleware

    return wrap


async def _named_in_body(receive: Receive, subject: Subject) -> tuple[Receive, str]:
    """What the body names, and the body once more; its shape has been checked (shared.service.guard_body)."""
    message = await receive()
    content: dict[str, Any] = msgspec.json.decode(message["body"])  # type: ignore[typeddict-item]
    read = False

    async def again() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        nonlocal read
        if read:
            return await receive()
        read = True
        return message

    return again, str(content[subject.name])


def require_id(subject: Subject, named: str) -> None:
    """Raise InvalidRequest unless `named` has the form of the record's id: nothing else is made part of an address."""
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
