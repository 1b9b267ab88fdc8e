"""The inbound audit policy: which requests become entries, and when.

The audit class of the operation decides. `financial`: the entry is in the log before the answer is sent, and nothing is
begun while the log cannot be written. `access`: noted, and written soon; by an inner tier, what was read under one
correlation id is one entry, since the outer operation has its own. `none`: nothing. What is refused before an
operation begins (no token, no scope, too many requests) is noted for every audited operation, financial or not. So is
what ends with a defect of ours, which becomes a 500: what it had done until then was done by someone.

A vendor's webhook is a write without a token: its principal is the endpoint whose signature it bears, which the handler
finds out. A webhook that fails before that belongs to nobody, and many of those from one sender make one entry.
"""

import asyncio
import time
from collections.abc import Hashable
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

from shared.audit.entry import NOBODY, Entry
from shared.audit.writer import AuditWriter
from shared.operations.chain import Middleware, Operation, matched_operation
from shared.operations.operation import AuditClass, audit_class_of
from shared.problem import OutcomeUnknown, QuotewayError, Unavailable
from shared.telemetry.metrics import AUDIT_REFUSALS

_RECORD_CHARACTERS_MAX = 200
# The operation of an entry that stands for all that an inner tier read for one request or flow.
SUMMED_READS = "reads"
_UNWRITTEN = (
    "it may have been done, but the audit log could not be written; look the record up, or ask again under the same "
    "Idempotency-Key where there is one"
)


def audit(writer: AuditWriter, tier: str) -> Middleware:
    """Inbound policy: write down what callers do. It stands before every policy that may refuse, to record refusals
    too.
    """

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            operation = matched_operation(scope)
            audit_class = _audit_class(operation)
            if operation is None or audit_class == "none":
                await app(scope, receive, send)
                return
            request = _Request(writer, tier, operation, audit_class, scope, receive, send)
            try:
                if audit_class == "financial":
                    writer.require()
                    await app(scope, request.receive, request.send_once_written)
                else:
                    await app(scope, receive, request.send_and_note)
            except QuotewayError as error:
                request.note_refusal(error)
                raise
            except Exception as error:
                await request.note_defect()
                if request.unwritten is not None:
                    raise request.unwritten from error
                raise
            if request.unwritten is not None:
                raise request.unwritten

        return middleware

    return wrap


def _audit_class(operation: Operation | None) -> AuditClass:
    if operation is None:
        return "none"
    return operation.policy.audit if operation.policy is not None else audit_class_of(operation.handler.opt)


class _Request:
    """A request whose outcome becomes an audit entry."""

    __slots__ = (
        "_audit_class",
        "_body",
        "_operation",
        "_receive",
        "_scope",
        "_send",
        "_tier",
        "_told",
        "_writer",
        "unwritten",
    )

    def __init__(
        self,
        writer: AuditWriter,
        tier: str,
        operation: Operation,
        audit_class: AuditClass,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._writer = writer
        self._tier = tier
        self._operation = operation
        self._audit_class = audit_class
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body: Any = None
        self._told = False
        self.unwritten: OutcomeUnknown | None = None
        """The answer instead of a success that could not be written: it may have happened, but the caller must not rely
        on it.
        """

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        """Return the next part of the body, hashing it on the way."""
        message = await self._receive()
        part = message.get("body", b"") if message["type"] == "http.request" else b""
        if part:
            self._body = self._body or sha256()
            self._body.update(part)
        return message

    async def send_and_note(self, message: Message) -> None:
        """Send the answer and buffer its outcome, which is written soon (audit class `access`)."""
        if message["type"] == "http.response.start" and not self._told:
            self._told = True
            entry = self._entry(message["status"], _location(message))
            if self._note_as_nobodys(entry):
                await self._send(message)
                return
            self._writer.access.add(*self._summed(entry))
        await self._send(message)

    def _summed(self, entry: Entry) -> tuple[Hashable, Entry]:
        """An access, and what makes others the same: at an inner tier, that they have one correlation id."""
        told = entry.outcome == "succeeded" or entry.status == HTTPStatus.NOT_FOUND
        if self._writer.sums_reads and told and entry.correlation_id:
            entry.operation, entry.record, entry.status, entry.payload_hash = SUMMED_READS, "", HTTPStatus.OK, ""
            entry.outcome, entry.reason = "succeeded", ""
            return (entry.tenant, entry.subject, entry.on_behalf_of, entry.correlation_id), entry
        return (entry.tenant, entry.subject, entry.on_behalf_of, entry.operation, entry.record, entry.status), entry

    async def send_once_written(self, message: Message) -> None:
        """Write the outcome of a financial operation, then send its answer; if it cannot be written, send `unwritten`
        instead.

        Never raises: the caller of `send` would take that for a defect of its own.
        """
        if self.unwritten is not None:
            return
        if message["type"] == "http.response.start" and not self._told:
            self._told = True
            entry = self._entry(message["status"], _location(message))
            if self._note_as_nobodys(entry):
                await self._send(message)
                return
            try:
                await self._writer.write_durably(entry)
            except asyncio.CancelledError:
                # The client has disconnected; what was done is written all the same.
                self._writer.access.add(id(entry), entry)
                raise
            except Unavailable as error:
                # It is written later, whether something was done or not: an entry twice is better than none.
                self._writer.access.add(id(entry), entry)
                if message["status"] < 400:
                    AUDIT_REFUSALS.inc()
                    self.unwritten = OutcomeUnknown(_UNWRITTEN, reason_code="audit_unavailable")
                    self.unwritten.__cause__ = error
                    return
        await self._send(message)

    def note_refusal(self, error: QuotewayError) -> None:
        """Note a refusal before the operation started. Many alike become one entry."""
        if self._told:
            return
        self._told = True
        self._note_refused(self._entry(error.status, "", str(getattr(error, "reason_code", "") or error.slug)))

    async def note_defect(self) -> None:
        """Note a defect of ours, answered with 500. What it did before it failed may have lasted."""
        if self._told:
            return
        self._told = True
        entry = self._entry(500, "", "unexpected")
        if self._note_as_nobodys(entry):
            return
        if self._audit_class == "financial":
            with suppress(Unavailable):
                await self._writer.write_durably(entry)
                return
        self._writer.access.add(id(entry), entry)

    def _note_as_nobodys(self, entry: Entry) -> bool:
        """Note an answer to an unauthenticated sender among the refusals: however many there are, they make one
        entry.
        """
        if self._scope.get("user") is not None:
            return False
        self._note_refused(entry)
        return True

    def _note_refused(self, entry: Entry) -> None:
        key = (entry.tenant, entry.subject, entry.on_behalf_of, entry.operation, entry.status, entry.reason)
        self._writer.refusals.add(key, entry)

    def _entry(self, status: int, location: str, reason: str = "") -> Entry:
        scope, state = self._scope, self._scope["state"]
        principal, user = scope.get("user"), state.get("acting_user")
        record = location or "/".join(str(value) for value in state.get("path_params", {}).values())
        problem = state.get("problem")
        if problem is not None and not reason:
            reason = problem.reason_code or problem.type.rpartition(":")[2]
        return Entry(
            at=time.time(),
            tier=self._tier,
            operation=self._operation.operation_id,
            audit_class=self._audit_class,
            outcome="succeeded" if status < 400 else "refused" if status < 500 else "failed",
            status=status,
            correlation_id=state.get("correlation_id", ""),
            payload_hash=f"sha256:{self._body.hexdigest()}" if self._body is not None else "",
            record=record[:_RECORD_CHARACTERS_MAX],
            reason=reason,
            tenant=NOBODY if principal is None else principal.tenant,
            subject="" if principal is None else principal.subject,
            client_id="" if principal is None else principal.client_id,
            on_behalf_of=_user(principal, user),
        )


def _user(principal: Any, user: Any) -> str:
    """Return the acting user: as handed on by another tier of ours, or as named in the token itself."""
    if user is not None:
        return str(user.user_id)
    return (getattr(principal, "user", None) or "") if principal is not None else ""


def _location(message: Message) -> str:
    """Return the address of the created record, if the answer names one."""
    if message["type"] == "http.response.start":
        for name, value in message["headers"]:
            if name.lower() == b"location":
                return value.decode("latin-1").rpartition("/")[2]
    return ""
