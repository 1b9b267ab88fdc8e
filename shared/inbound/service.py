"""The inbound policies of all three tiers, in one readable list."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Litestar
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import (
    ASGIApp,
    ControllerRouterHandler,
    HTTPReceiveMessage,
    HTTPRequestEvent,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from shared.audit.policy import audit
from shared.cache.response_cache import cache_reads
from shared.contract.pages import CONTRACT_HANDLERS, contract_config
from shared.identity.auth import Authenticator, Principal
from shared.identity.resource_metadata import publish_resource
from shared.inbound.admission import admit
from shared.inbound.body import BODY_BYTES_MAX, BODY_TIMEOUT_S, check_json_body, check_shape
from shared.inbound.cors import allow_origins
from shared.inbound.health import HealthWatch, health_handlers
from shared.inbound.observers import observers
from shared.inbound.problem_answer import answer_problem
from shared.inbound.query import guard_query
from shared.inbound.request_head import guard_address, guard_headers
from shared.inbound.tier import Tier
from shared.limits.rate_limit import limit_rate
from shared.operations.chain import (
    Middleware,
    answer_options,
    answer_refusals,
    in_order,
    match_operation,
    matched_operation,
    routed_as_matched,
)
from shared.operations.operation import policy_of, raw_body_of
from shared.operations.versions import announce_version
from shared.problem import Fault, InvalidRequest, PayloadTooLarge, RequestTimeout
from shared.telemetry.process_telemetry import set_correlation_id

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# The default for an answer: for this caller, now.
_NO_STORE = (b"cache-control", b"no-store")


def create_service(
    tier: Tier,
    handlers: Sequence[ControllerRouterHandler],
    *,
    state: dict[str, Any],
    on_startup: Sequence[Callable[[], Awaitable[None]]] = (),
    on_shutdown: Sequence[Callable[[], Awaitable[None]]] = (),
) -> Litestar:
    """Return the tier's application. Raises ImproperlyConfiguredException where a handler declares no policy."""

    policies = tier.policies

    async def start() -> None:
        if policies.load is not None:
            await policies.load.start()
        if policies.cache is not None:
            await policies.cache.start()
        if policies.audit is not None:
            await policies.audit.start()

    async def close() -> None:
        await tier.authenticator.close()
        if policies.load is not None:
            await policies.load.stop()
        if policies.cache is not None:
            await policies.cache.stop()
        if policies.rate_limiter is not None:
            await policies.rate_limiter.close()
        if policies.audit is not None:
            await policies.audit.stop()

    watch = tier.authenticator.revocations
    health = _health_watch(tier)
    published, refusals = tier.published, tier.refusals
    resource = publish_resource(published.title, tier.authenticator, published.public_url)
    answer = answer_problem(
        plain=refusals.plain, public_url=published.public_url, redact=refusals.redact, complete=refusals.complete
    )
    app = Litestar(
        route_handlers=[*health_handlers(health), resource, *CONTRACT_HANDLERS, *handlers],
        before_request=routed_as_matched,
        exception_handlers={Exception: answer},
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=contract_config(
            title=published.title, version=published.version, description=published.description
        ),
        on_startup=[*on_startup, *([watch.start] if watch is not None else []), start],
        on_shutdown=[health.stop, *([watch.stop] if watch is not None else []), *on_shutdown, close],
        logging_config=None,  # each process sets up its own logging, once (shared.telemetry.process_telemetry)
    )
    app.state.update({**state, "tier": tier})
    refuse_handlers_without_policy(app)
    chain: list[Middleware] = [
        # First, since they tell of every request; not there at all where nobody listens.
        *observers(tier.name, trust_callers=not tier.refusals.plain),
        # The correlation id first, so that every refusal below carries it.
        correlate,
        *([allow_origins(policies.origins)] if policies.origins else []),
        answer_refusals(answer),
        guard_headers,
        guard_address,
        answer_options(app),
        match_operation(app),
        # Before every policy that may refuse: all answers tell callers of an old version when it ends.
        announce_version,
        # Around whatever may refuse, so that refusals are written down too; a hit in the cache passes it as well.
        *([audit(policies.audit, tier.name)] if policies.audit is not None else []),
        # Before anything that costs: what is refused here must cost nothing.
        *([admit(policies.load)] if policies.load is not None else []),
        # The caller before the body, so that no one without a token makes us read a megabyte.
        authenticate(tier.authenticator),
        policies.acting_user,
        require_scopes,
        # Behind the caller, whom the limits are for, and before all work.
        *([limit_rate(policies.rate_limiter)] if policies.rate_limiter is not None else []),
        guard_query(app),
        # Behind all that may refuse, so that it gives nobody what they may not have; before all work.
        *([cache_reads(policies.cache)] if policies.cache is not None else []),
        guard_body,
        # Last: it may ask Salesforce, so only for what would otherwise be answered.
        *([policies.visibility] if policies.visibility is not None else []),
    ]
    app.asgi_handler = in_order(chain, app.asgi_handler)
    return app


def _health_watch(tier: Tier) -> HealthWatch:
    """Return the checks: the tier's own resources, and dependencies whose failure it survives for some callers or some
    time.
    """
    watch = tier.authenticator.revocations
    ready_checks = {"issuer": tier.authenticator.ready, **tier.checks.ready}
    degrading = dict(tier.checks.vendors)
    if watch is not None:
        ready_checks["revocations"], degrading["revocations"] = watch.ready, watch.late
    if tier.policies.audit is not None:
        # Without the audit log reads go on, and writes are refused.
        degrading["audit"] = tier.policies.audit.ready
    return HealthWatch(ready_checks, degrading)


def refuse_handlers_without_policy(app: Litestar) -> None:
    """Raise ImproperlyConfiguredException unless every handler declares who may call it."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method == "OPTIONS":  # Litestar's own OPTIONS handler, which only lists methods
                    continue
                try:
                    policy_of(handler.opt)
                except KeyError:
                    raise ImproperlyConfiguredException(f"{route.path}: {handler} declares no policy") from None
                if handler.resolve_before_request() is not routed_as_matched:
                    # The framework runs only the innermost of these hooks: another one would replace the chain's check.
                    raise ImproperlyConfiguredException(f"{route.path}: {handler} has a before_request of its own")


# -- the list -----------------------------------------------------------------------------------------------------


def correlate(app: ASGIApp) -> ASGIApp:
    """Inbound policy: accept or make the correlation id, and send it back with the headers from `add_headers`.

    Stores the time of arrival (monotonic seconds).
    """

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        correlation_id = set_correlation_id(_header(scope, b"x-correlation-id"))
        added: list[tuple[bytes, bytes]] = []
        scope["state"]["correlation_id"] = correlation_id
        scope["state"]["received_at"] = time.monotonic()
        scope["state"]["answer_headers"] = added

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message["headers"]}
                if b"x-correlation-id" not in named:
                    added.append((b"x-correlation-id", correlation_id.encode()))
                if b"cache-control" not in named:
                    added.append(_NO_STORE)
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await app(scope, receive, send_with_headers)

    return middleware


def authenticate(authenticator: Authenticator) -> Middleware:
    """Inbound policy: find the caller, unless the operation is public."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            operation = matched_operation(scope)
            if operation is not None and operation.policy is not None:
                scope["user"] = await authenticator.authenticate(_header(scope, b"authorization"))
            await app(scope, receive, send)

        return middleware

    return wrap


def require_scopes(app: ASGIApp) -> ASGIApp:
    """Inbound policy: require every scope of the operation."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        operation = matched_operation(scope)
        if operation is not None and operation.policy is not None:
            principal: Principal = scope["user"]
            principal.require(list(operation.policy.scopes))
        await app(scope, receive, send)

    return middleware


def guard_body(app: ASGIApp) -> ASGIApp:
    """Inbound policy: read the body once, check it, and pass it on."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        operation = matched_operation(scope)
        if operation is None or operation.method not in _WITH_BODY:
            await app(scope, receive, send)
            return
        try:
            # Our servers have no timeout for a slow body, which would hold its connection for ever.
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read_body(scope, receive)
        except TimeoutError as error:
            raise RequestTimeout(f"The body did not arrive within {BODY_TIMEOUT_S:g} s.") from error
        if body:
            media_type = (_header(scope, b"content-type") or "").split(";")[0].strip().lower()
            if media_type != "application/json":
                raise InvalidRequest("Send the body as application/json.")
            if not raw_body_of(operation.handler.opt):
                # Vendors' bodies are read by handlers that verify their signatures: our limits do not apply.
                check_json_body(body)
                field = operation.handler.parsed_fn_signature.parameters.get("data")
                check_shape(body, field.annotation if field is not None else object)
        elif _takes_body(operation.handler):
            raise InvalidRequest("A JSON body is needed.", [Fault(pointer="", detail="The body is missing.")])
        delivered = False

        async def replay() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return HTTPRequestEvent(type="http.request", body=body, more_body=False)

        await app(scope, replay, send)

    return middleware


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


def _takes_body(handler: BaseRouteHandler) -> bool:
    field = handler.parsed_fn_signature.parameters.get("data")
    return field is not None and field.is_required


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    declared = _header(scope, b"content-length") or "0"
    if declared.isdecimal() and int(declared) > BODY_BYTES_MAX:
        raise PayloadTooLarge(f"The body has {declared} bytes; at most {BODY_BYTES_MAX} are taken.")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidRequest("The body ended early.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_BYTES_MAX:
            raise PayloadTooLarge(f"The body has more than {BODY_BYTES_MAX} bytes.")
        if not message.get("more_body", False):
            return b"".join(chunks)
