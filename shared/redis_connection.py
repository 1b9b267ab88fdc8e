"""The connection to Redis or Valkey. Nothing about correctness lives there: callers go on without it."""

from collections.abc import Sequence
from typing import Any

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
# What a request waits for must not make it wait: these are asked on the way to a vendor.
_SCRIPT_TIMEOUT_S = 0.25
# Answers that say something of the server, and nothing of what it was sent.
_BUSY = (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)


class EntriesRefusedError(Exception):
    """Redis answers, and takes none of these entries. Says why."""


class RedisStreams:
    """Streams of a Redis server: append-only, read by any number of consumer groups."""

    def __init__(self, url: str) -> None:
        # Whoever writes decides what is repeated, so the driver repeats nothing by itself.
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    async def append(self, stream: str, entries: Sequence[bytes], *, length: int) -> None:
        """Append the entries in their order, all or none, each as the field `event`; keep about the last `length`.

        Raises Unavailable where that is not known to have happened; it may have, so the same entries are sent again.
        Raises EntriesRefusedError where Redis will have none of them.
        """
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for entry in entries:
                    pipeline.xadd(stream, {"event": entry}, maxlen=length, approximate=True)
                await pipeline.execute()
        except _BUSY as error:
            raise Unavailable(f"Redis takes no entries now ({type(error).__name__})", vendor=VENDOR) from error
        except (ResponseError, DataError) as error:
            raise EntriesRefusedError(str(error)) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis does not take entries ({type(error).__name__})", vendor=VENDOR) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def request_pool(url: str) -> Any:
    """Connections for what requests wait for, to be handed to a library: given up after a quarter of a second."""
    return ConnectionPool.from_url(
        url,
        socket_connect_timeout=_SCRIPT_TIMEOUT_S,
        socket_timeout=_SCRIPT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


class RedisScripts:
    """Scripts that Redis runs as one, for what requests wait for: given up after a quarter of a second."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=_SCRIPT_TIMEOUT_S,
            socket_timeout=_SCRIPT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    async def run(self, script: str, keys: Sequence[str], values: Sequence[str | int | float]) -> Any:
        """What the script answers. Raises Unavailable; it may have run nevertheless."""
        try:
            return await self._redis.eval(script, len(keys), *keys, *values)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis does not answer ({type(error).__name__})", vendor=VENDOR) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
