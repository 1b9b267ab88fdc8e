"""The response cache: answers a read before the framework sees it, if its operation allows that.

Only 200 answers to reads are cached, each for one caller: the key holds the tenant, the caller (from the token and the
acting user), the address, the query and the accepted media type. Authentication, scopes and limits come first, so a
revoked token gets nothing from the cache either.

An answer ends by time, by an event about one of its tags, and by a write of the same caller. Redis is shared by all
processes, and each process has a cache of its own before it; without Redis there is only that one, for a short time.
"""

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import logging
import operator
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from shared.cache.cached_answer import CachedAnswer, CacheKey, LocalAnswers, strong_etag
from shared.cache.shared_answers import SharedAnswers
from shared.identity.auth import Principal
from shared.operations.cache_policy import CachePolicy
from shared.operations.chain import Middleware, matched_operation
from shared.operations.operation import OperationPolicy
from shared.problem import Unavailable
from shared.redis_connection import RedisCache
from shared.telemetry.metrics import CACHE_ANSWERS

_log = logging.getLogger(__name__)
BODY_KEPT_BYTES_MAX = 262_144
_ENTRIES_MAX = 4096
_BYTES_MAX = 33_554_432
_CALLERS_MAX = 20_000
# The lifetime of answers while purges cannot reach this process, or it can send none.
_UNLINKED_KEPT_S = 2.0
_RELINK_S = 1.0
# They differ with every request or token of the same caller; no answer depends on them.
_NOT_THE_CALLER = frozenset({"token_id", "issued_at", "own_token", "txn"})
_HEADERS = [(b"cache-control", b"private, no-cache"), (b"vary", b"Authorization, Accept")]
_NOT_KEPT = frozenset({b"cache-control", b"vary", b"age", b"date", b"x-correlation-id"})
_SHARED_BY_ALL = "shared"
_HIT, _STALE, _SHARED, _MISS = (CACHE_ANSWERS.labels(outcome) for outcome in ("hit", "stale", "shared", "miss"))


class ResponseCache:
    """The cached answers of one tier."""

    def __init__(self, shared: SharedAnswers, *, entries_max: int = _ENTRIES_MAX, bytes_max: int = _BYTES_MAX) -> None:
        self.local = LocalAnswers(entries_max=entries_max, bytes_max=bytes_max)
        self._shared = shared
        self._linked = False
        self._flights: dict[CacheKey, tuple[asyncio.Future[CachedAnswer | None], tuple[str, ...]]] = {}
        self._callers: dict[Any, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start listening for purges."""
        self._keep(self._follow_purges())

    async def stop(self) -> None:
        """Stop listening and refreshing, and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._shared.close()

    def key_of(self, scope: Any, policy: CachePolicy, accept: bytes) -> CacheKey:
        """Return the cache key of a request."""
        principal: Principal = scope["user"]
        caller = _SHARED_BY_ALL if policy.shared else self.caller_of(scope)
        query: bytes = scope["query_string"]
        if b"&" in query:
            # Sorted by name only: the order of two values of one name may matter.
            query = b"&".join(sorted(query.split(b"&"), key=_name_of))
        return (principal.tenant, caller, scope["path"], query, accept)

    def caller_of(self, scope: Any) -> str:
        """Return who asks, and for whom: everything in the tokens except their own ids."""
        acting_user = scope["state"].get("acting_user")
        who = (_said_of(scope["user"]), None if acting_user is None else _said_of(acting_user))
        caller = self._callers.get(who)
        if caller is None:
            if len(self._callers) >= _CALLERS_MAX:
                self._callers.clear()
            encoded = msgspec.json.encode(who, order="deterministic")
            caller = self._callers[who] = hashlib.sha256(encoded).hexdigest()[:32]
        return caller

    async def answer(
        self, key: CacheKey, policy: CachePolicy, tags: tuple[str, ...], ask: Callable[[], Any], *, anew: bool
    ) -> CachedAnswer | None:
        """Return a fresh answer, cached or fetched; None if the fetched one cannot be cached.

        `ask` returns an answer that can be cached, or None. Concurrent requests for the same answer share one `ask`.
        """
        under_way = self._flights.get(key)
        if under_way is not None:
            return await asyncio.shield(under_way[0])
        flight: asyncio.Future[CachedAnswer | None] = asyncio.get_running_loop().create_future()
        own = self._flights[key] = (flight, tags)
        answer = None
        try:
            asked_at = monotonic()
            found, versions = await self._shared.get(key, tags, policy)
            if found is not None and not anew and asked_at < found.fresh_until:
                answer = found
                self.local.put(key, answer, asked_at=asked_at)
            else:
                answer = await ask()
                if answer is not None:
                    self._store(key, policy, answer, tags, versions, asked_at)
            return answer
        finally:
            if self._flights.get(key) is own:
                del self._flights[key]
            if not flight.done():
                flight.set_result(answer)

    def renew(self, key: CacheKey, policy: CachePolicy, tags: tuple[str, ...], ask: Callable[[], Any]) -> None:
        """Fetch a new answer while the old one is sent."""
        if key not in self._flights:
            self._keep(self._renew(key, policy, tags, ask))

    async def forget_caller(self, scope: Any) -> None:
        """Drop the caller's answers after a write, so that callers see what they wrote."""
        principal: Principal = scope["user"]
        await self.purge(principal.tenant, [_caller_tag(self.caller_of(scope))])

    async def purge(self, tenant: str, tags: list[str]) -> None:
        """Drop every answer with one of these tags, in all processes."""
        self._end_here(tenant, tags)
        await self._shared.purge(tenant, tags)

    def _end_here(self, tenant: str, tags: Iterable[str]) -> None:
        """Drop the answers here, and detach fetches under way: later callers must not wait for what may be the old
        answer.
        """
        ended = list(tags)
        self.local.purge(tenant, ended)
        for key, (_, speaks_of) in list(self._flights.items()):
            if key[0] == tenant and not set(ended).isdisjoint(speaks_of):
                del self._flights[key]

    def _store(
        self,
        key: CacheKey,
        policy: CachePolicy,
        answer: CachedAnswer,
        tags: tuple[str, ...],
        versions: list[bytes | None] | None,
        asked_at: float,
    ) -> None:
        answer.tags = tags
        answer.made_at = asked_at
        fresh_s, stale_s = policy.fresh_s, policy.stale_s
        if versions is None or not self._linked:
            fresh_s, stale_s = min(fresh_s, _UNLINKED_KEPT_S), 0.0
        answer.fresh_until = asked_at + fresh_s
        answer.stale_until = answer.fresh_until + stale_s
        if not self.local.put(key, answer, asked_at=asked_at) or versions is None:
            return
        answer.tag_versions = versions
        kept_s = asked_at + policy.fresh_s + policy.stale_s - monotonic()
        if kept_s > 0:
            self._keep(self._shared.put(key, answer, kept_s))  # in the background

    async def _renew(self, key: CacheKey, policy: CachePolicy, tags: tuple[str, ...], ask: Callable[[], Any]) -> None:
        try:
            await self.answer(key, policy, tags, ask, anew=True)
        except Exception:  # noqa: BLE001 the old answer is still good, and the next caller asks again
            _log.exception("an answer could not be renewed")

    async def _follow_purges(self) -> None:
        """Follow purges forever. After a time without them, distrust what was cached meanwhile."""
        while True:
            with contextlib.suppress(Unavailable):
                await self._shared.follow_purges(self._link, self._end_here)
            if self._linked:
                self._linked = False
                self.local.clear()
                _log.warning("Redis sends no purges: answers are kept for %g s", _UNLINKED_KEPT_S)
            await asyncio.sleep(_RELINK_S)

    def _link(self) -> None:
        self._linked = True
        self.local.clear()

    def _keep(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def open_cache(redis_url: str, tier: str) -> ResponseCache:
    """The cache of a tier."""
    return ResponseCache(SharedAnswers(RedisCache(redis_url), tier))


def cache_reads(cache: ResponseCache) -> Middleware:
    """Inbound policy: answer reads from the cache, or with 304 if the caller has the current answer."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            operation = matched_operation(scope)
            if operation is None or operation.policy is None:
                await app(scope, receive, send)
            elif operation.method != "GET":
                # A search or a preview by POST changes nothing.
                changes = operation.policy.rate == "write"
                await (_answer_write(cache, app, scope, receive, send) if changes else app(scope, receive, send))
            else:
                await _answer_read(cache, app, scope, receive, send, operation.policy)

        return middleware

    return wrap


async def _answer_read(
    cache: ResponseCache, app: ASGIApp, scope: Any, receive: Receive, send: Send, operation: OperationPolicy
) -> None:
    accept, known, anew = _wishes(scope)
    policy = operation.cache
    if policy is None:
        answer = await _ask(app, scope, receive, send)
        if answer is not None:
            await _send(send, answer, known, [])
        return
    key = cache.key_of(scope, policy, accept)
    answer = cache.local.get(key)
    now = monotonic()
    if answer is not None and not anew and now < answer.stale_until:
        (_HIT if now < answer.fresh_until else _STALE).inc()
        if now >= answer.fresh_until:
            behind: Any = {**scope, "state": dict(scope["state"])}
            cache.renew(key, policy, answer.tags, lambda: _ask(app, behind, _nothing_comes, _nobody_listens))
        await _send(send, answer, known, [(b"age", b"%d" % answer.age_s(now))])
        return
    asked = False

    async def ask() -> CachedAnswer | None:
        nonlocal asked
        asked = True
        return await _ask(app, scope, receive, send)

    tags = (*policy.tags_of(scope["state"]["path_params"]), _caller_tag(key[1]))
    answer = await cache.answer(key, policy, tags, ask, anew=anew)
    if answer is None and not asked:
        # The shared request failed for its own caller; this one tries by itself.
        answer = await ask()
    (_MISS if asked else _SHARED).inc()
    if answer is not None:
        # A new answer has no age yet.
        await _send(send, answer, known, [] if asked else [(b"age", b"%d" % answer.age_s(monotonic()))])


async def _answer_write(cache: ResponseCache, app: ASGIApp, scope: Any, receive: Receive, send: Send) -> None:
    async def send_after_purge(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 300:
            await cache.forget_caller(scope)
        await send(message)

    await app(scope, receive, send_after_purge)


def _wishes(scope: Any) -> tuple[bytes, bytes, bool]:
    """Return the accepted media type, the validators that the caller has, and whether it wants a new answer."""
    accept, known, anew = b"", b"", False
    for name, value in scope["headers"]:
        if name == b"accept":
            accept = value
        elif name == b"if-none-match":
            known = value
        elif name == b"cache-control":
            anew = b"no-cache" in value or b"no-store" in value
    return accept, known, anew


async def _ask(app: ASGIApp, scope: Any, receive: Receive, send: Send) -> CachedAnswer | None:
    """Return the handler's answer if it is a 200 that may be cached.

    Any other answer is sent on, and None returned: one that is no success, is too large, or says `no-store` because a
    part of it is missing.
    """
    start: Any = None
    body = bytearray()
    passes = False

    async def take(message: Message) -> None:
        nonlocal start, passes
        if passes:
            await send(message)
        elif message["type"] == "http.response.start":
            if message["status"] == 200 and (b"cache-control", b"no-store") not in message["headers"]:
                start = message
            else:
                passes = True
                await send(message)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            if len(body) > BODY_KEPT_BYTES_MAX:
                passes = True
                await send(start)
                await send({**message, "body": bytes(body)})

    await app(scope, receive, take)
    if passes or start is None:
        return None
    content = bytes(body)
    headers = [(name.lower(), value) for name, value in start["headers"]]
    etag = next((value for name, value in headers if name == b"etag"), b"")
    if not etag:
        etag = strong_etag(content)
        headers.append((b"etag", etag))
    kept = [(name, value) for name, value in headers if name not in _NOT_KEPT]
    return CachedAnswer([*kept, *_HEADERS], content, etag, (), [])


async def _send(send: Send, answer: CachedAnswer, known: bytes, age: list[tuple[bytes, bytes]]) -> None:
    if known and _is_known(answer.etag, known):
        headers = [(b"etag", answer.etag), *_HEADERS, *age]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [*answer.headers, *age]})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _is_known(etag: bytes, known: bytes) -> bool:
    """Return whether If-None-Match names this validator (RFC 9110, 13.1.2: compared weakly)."""
    return known.strip() == b"*" or any(each.strip().removeprefix(b"W/") == etag for each in known.split(b","))


def _caller_tag(caller: str) -> str:
    return f"caller:{caller}"


def _name_of(pair: Any) -> Any:
    return pair.partition(b"=")[0]


def _said_of(part: Any) -> Any:
    """Return the identity that a principal or an acting user states: all fields, including future ones."""
    kind: Any = type(part)
    return _getter_of(kind)(part)


@functools.cache
def _getter_of(kind: Any) -> Callable[[Any], Any]:
    return operator.attrgetter(*(each.name for each in dataclasses.fields(kind) if each.name not in _NOT_THE_CALLER))


async def _nothing_comes() -> Any:
    return {"type": "http.disconnect"}


async def _nobody_listens(_message: Message) -> None:
    return None
