"""The way of every API request: key, version, parameters, idempotency, locks, transaction, answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.vendors.stripe.account import Account, Origin
from sandbox.vendors.stripe.gateway.idempotency import KEY_CHARS_MAX, IdempotencyKeys, KeptAnswer
from sandbox.vendors.stripe.gateway.object_locks import ObjectLocks
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire import api_version, form
from sandbox.vendors.stripe.wire.errors import StripeError, invalid, unauthorized, unexpected
from sandbox.vendors.stripe.wire.expansion import render
from sandbox.vendors.stripe.wire.params import parse
from sandbox.vendors.stripe.wire.refusals import Refusals

_log = logging.getLogger(__name__)

_BODY_BYTES_MAX = 1_048_576
_FORM = "application/x-www-form-urlencoded"
# Parameters that name an object which the write changes too.
_LOCKED_PARAMS = ("customer", "invoice", "subscription")


def api_key(request: Request) -> str | None:
    """Return the key that the request presents, as Bearer token or as the user of Basic authentication."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode("ascii").partition(":")[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


class Gateway:
    """Runs operations for HTTP requests."""

    def __init__(self, account: Account) -> None:
        settings = account.settings
        self.account = account
        self.refusals = Refusals()
        self._keys = IdempotencyKeys(account.clock, settings.idempotency_kept_s)
        self._locks = ObjectLocks(settings.lock_wait_s)

    async def answer(self, operation: Operation, request: Request) -> Response:
        """Return the response to a request that was routed to `operation`."""
        try:
            self._authenticate(request)
            version = api_version.negotiate(request.headers.get("stripe-version"))
            tree = await self._parameters(operation, request)
            key = request.headers.get("idempotency-key") if operation.method == "POST" else None
            if key:
                response = await self._once(operation, request, tree, version, key)
            else:
                status, body = await self._execute(operation, request, tree, version, None)
                response = Response(body, status)
        except StripeError as error:
            response = error_response(error)
        return signed(response, request)

    def _authenticate(self, request: Request) -> None:
        presented = api_key(request)
        if presented is None:
            raise unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
        if not hmac.compare_digest(presented.encode(), self.account.settings.secret_key.encode()):
            shown = (
                f"{presented[:8]}{'*' * max(0, len(presented) - 12)}{presented[-4:]}" if len(presented) > 12 else "***"
            )
            raise unauthorized(f"Invalid API Key provided: {shown}")

    async def _parameters(self, operation: Operation, request: Request) -> form.Tree:
        query = request.scope["query_string"]
        body = await request.body()
        if len(body) > _BODY_BYTES_MAX:
            raise invalid(f"Request body too large: at most {_BODY_BYTES_MAX} bytes.", status=413)
        if operation.method == "POST":
            media_type = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
            if body and media_type != _FORM:
                raise invalid(f"Invalid request (check that your POST content type is {_FORM}).")
            if query:
                raise invalid("Parameters of a POST request belong in its body, not in the URL.")
        return form.decode(body if operation.method == "POST" else query + (b"&" + body if query and body else body))

    async def _once(self, operation: Operation, request: Request, tree: form.Tree, version: str, key: str) -> Response:
        kept = self._keys.claim(key, request.url.path, form.fingerprint(tree))
        if kept is not None:
            headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
            return Response(kept.body, kept.status, headers=headers)
        answered = False
        try:
            try:
                status, body = await self._execute(operation, request, tree, version, key)
                response = Response(body, status)
            except StripeError as error:
                response = error_response(error)
                if not error.answer_kept:
                    return response
            self._keys.keep(key, KeptAnswer(response.status_code, bytes(response.body), request.state.request_id))
            answered = True
            return response
        finally:
            if not answered:
                self._keys.release(key)

    async def _execute(
        self, operation: Operation, request: Request, tree: form.Tree, version: str, key: str | None
    ) -> tuple[int, bytes]:
        params = parse(tree, operation.known)
        call = Call(self.account, params, request.path_params, request.url.path, version)
        if operation.method == "GET":
            return 200, self._perform(operation, call)
        refusal = self.refusals.take(operation.method, request.url.path)
        if refusal is not None and not refusal.executed:
            raise refusal.error()
        async with self._locks.held(_locked(call)):
            if self.account.settings.latency_s:
                await asyncio.sleep(self.account.settings.latency_s)
            with self.account.transaction(Origin(request.state.request_id, key)):
                body = self._perform(operation, call)
        if refusal is not None:
            raise refusal.error()
        return 200, body

    def _perform(self, operation: Operation, call: Call) -> bytes:
        try:
            return _encode(render(self.account.store, operation.handler(call), call.params.get("expand", [])))
        except StripeError:
            raise
        except Exception as error:
            _log.exception("%s %s failed", operation.method, call.url)
            raise unexpected() from error


def signed(response: Response, request: Request) -> Response:
    """Return the response with the headers that Stripe puts on every answer."""
    response.headers["Content-Type"] = "application/json"
    response.headers["Request-Id"] = request.state.request_id
    response.headers["Stripe-Version"] = request.headers.get("stripe-version", api_version.DEFAULT)
    key = request.headers.get("idempotency-key")
    if key:
        response.headers["Idempotency-Key"] = key[:KEY_CHARS_MAX]
    return response


def error_response(error: StripeError) -> Response:
    """Stripe's JSON for an error."""
    headers = dict(error.headers)
    # Stripe tells its SDKs not to repeat a request whose answer it would only replay.
    if error.answer_kept:
        headers.setdefault("Stripe-Should-Retry", "false")
    return Response(_encode(error.body()), error.status, headers=headers)


def new_request_id() -> str:
    """Return an id for one request, as Stripe shows it in `Request-Id`."""
    return new_id("req", 14)


def _encode(answer: Mapping[str, Any] | Record) -> bytes:
    return json.dumps(answer, indent=2).encode()


def _locked(call: Call) -> list[str]:
    named = (call.params.get(name) for name in _LOCKED_PARAMS)
    return [*call.path.values(), *(value for value in named if isinstance(value, str))]
