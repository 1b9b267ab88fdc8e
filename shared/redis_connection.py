"""Connections to Redis or Valkey. Correctness never depends on it: callers go on without it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    DataError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from shared.problem import Unavailable

VENDOR = "redis"
_CONNECT_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 5.0
# Requests wait for these on their way to a vendor, so they time out soon.
_SCRIPT_TIMEOUT_S = 0.25
# The channel of purges, and how long a tag's version is kept: far longer than any answer.
PURGES = "quoteway:cache:purges"
_TAG_KEPT_S = 3600
# After so long a silence, the subscription is probed.
_SILENCE_S = 1.0
_PROBE = "redis.call('XDEL', KEYS[1], redis.call('XADD', KEYS[1], '*', 'probe', ''))"
# Errors about the server's state, and not about what it was sent.
_BUSY = (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)


class EntriesRefusedError(Exception):
    """Redis answers, and accepts none of these entries; the message says why."""


class RedisStreams:
    """Streams of a Redis server: append-only, read by any number of consumer groups."""

    def __init__(self, url: str) -> None:
        # The writer decides what is retried, so the driver retries nothing.
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    async def append(self, stream: str, entries: Sequence[bytes], *, length: int) -> None:
        """Append the entries in order, all or none, each as the field `event`; keep about the last `length`.

        Raises Unavailable if the outcome is unknown or Redis is down: the same entries are sent again. Raises
        EntriesRefusedError if Redis accepts none of them.
        """
        with _appending():
            async with self._redis.pipeline(transaction=True) as pipeline:
                for entry in entries:
                    pipeline.xadd(stream, {"event": entry}, maxlen=length, approximate=True)
                await pipeline.execute()

    async def probe(self, stream: str) -> None:
        """Append an entry and delete it at once, unread. Raises as `append`."""
        with _appending():
            await self._redis.eval(_PROBE, 1, stream)

    async def purge_cache(self, tenant: str, tags: Sequence[str]) -> None:
        """End the cached answers with these tags. Raises Unavailable."""
        await _purge(self._redis, tenant, tags)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


@contextmanager
def _appending() -> Iterator[None]:
    """Turn a failure into Unavailable (unknown, or refused for now) or EntriesRefusedError."""
    try:
        yield
    except _BUSY as error:
        raise Unavailable(f"Redis takes no entries now ({type(error).__name__})", vendor=VENDOR) from error
    except (ResponseError, DataError) as error:
        raise EntriesRefusedError(str(error)) from error
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not take entries ({type(error).__name__})", vendor=VENDOR) from error


def request_pool(url: str) -> Any:
    """Return a connection pool for a library that requests wait for, with a timeout of a quarter of a second."""
    return ConnectionPool.from_url(
        url,
        socket_connect_timeout=_SCRIPT_TIMEOUT_S,
        socket_timeout=_SCRIPT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


class RedisScripts:
    """Atomic Redis scripts that requests wait for, with a timeout of a quarter of a second."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=_SCRIPT_TIMEOUT_S,
            socket_timeout=_SCRIPT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    async def run(self, script: str, keys: Sequence[str], values: Sequence[str | int | float]) -> Any:
        """Run the script and return its result. Raises Unavailable; it may have run nevertheless."""
        try:
            return await self._redis.eval(script, len(keys), *keys, *values)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis does not answer ({type(error).__name__})", vendor=VENDOR) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


_Command = tuple[str | bytes | int, ...]


class RedisCache:
    """Answers with an expiry, and versions of their tags, with a timeout of a quarter of a second."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis = Redis(connection_pool=request_pool(url))
        self._waiting: list[tuple[list[_Command], asyncio.Future[list[Any]]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def read(self, key: str, others: Sequence[str]) -> tuple[list[bytes | None], int]:
        """Return the values of `key` and the others, and the remaining milliseconds of `key`.

        Raises Unavailable.
        """
        values, left_ms = await self._together(("MGET", key, *others), ("PTTL", key))
        return values, max(0, left_ms)

    async def write(self, key: str, value: bytes, kept_ms: int) -> None:
        """Store a value for this long. Raises Unavailable."""
        await self._together(("SET", key, value, "PX", kept_ms))

    async def purge(self, tenant: str, tags: Sequence[str]) -> None:
        """End the cached answers with these tags. Raises Unavailable."""
        await _purge(self._redis, tenant, tags)

    async def listen(self, channel: str) -> AsyncIterator[bytes | None]:
        """Yield None once subscribed, then each message. Raises Unavailable when the connection is lost."""
        redis = Redis.from_url(
            self._url,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        subscription = redis.pubsub()
        try:
            await subscription.subscribe(channel)
            silent = 0
            while True:
                message = await subscription.get_message(timeout=_SILENCE_S)
                if message is None:
                    if silent:
                        raise Unavailable("Redis sends nothing any more", vendor=VENDOR)
                    silent += 1
                    await subscription.ping()
                    continue
                silent = 0
                if message["type"] == "subscribe":
                    yield None
                elif message["type"] == "message":
                    yield message["data"]
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis does not answer ({type(error).__name__})", vendor=VENDOR) from error
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]  # untyped in redis-py
            await redis.aclose()

    async def close(self) -> None:
        """Close the connections."""
        if self._sending is not None:
            await self._sending
        await self._redis.aclose()
        await self._redis.connection_pool.aclose()

    async def _together(self, *commands: _Command) -> list[Any]:
        """Run commands in a pipeline shared with other requests, and return their results.

        Alone, each command costs four times as much.
        """
        answers: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(commands), answers))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_waiting())
        return await answers

    async def _send_waiting(self) -> None:
        """Send the queued commands, then those that arrived meanwhile."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                commands = [command for those, _ in batch for command in those]
                try:
                    async with self._redis.pipeline(transaction=False) as pipeline:
                        for command in commands:
                            pipeline.execute_command(*command)
                        told = iter(await pipeline.execute())
                    found: list[Any] = [[next(told) for _ in those] for those, _ in batch]
                except (RedisError, OSError, TimeoutError) as error:
                    away = f"Redis does not answer ({type(error).__name__})"
                    found = [Unavailable(away, vendor=VENDOR) for _ in batch]
                for (_, answers), each in zip(batch, found, strict=True):
                    if answers.done():  # its caller has given up
                        continue
                    if isinstance(each, Unavailable):
                        answers.set_exception(each)
                    else:
                        answers.set_result(each)
        finally:
            self._sending = None


def tag_key(tenant: str, tag: str) -> str:
    """Return the key of a tag's version."""
    return f"quoteway:cache:tag:{tenant}:{tag}"


async def _purge(redis: Redis, tenant: str, tags: Sequence[str]) -> None:
    if not tags:
        return
    try:
        async with redis.pipeline(transaction=True) as pipeline:
            for tag in tags:
                pipeline.incr(tag_key(tenant, tag))
                pipeline.expire(tag_key(tenant, tag), _TAG_KEPT_S)
            # In the same transaction: a reader of the purge finds the new versions.
            pipeline.publish(PURGES, msgspec.msgpack.encode((tenant, list(tags))))
            await pipeline.execute()
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not answer ({type(error).__name__})", vendor=VENDOR) from error
