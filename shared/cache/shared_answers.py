"""Answers in Redis that all processes of a tier share, and the purges that end them.

Each tag has a version in Redis, which a purge raises. An answer is stored with the versions from before it was fetched,
and counts only while they are current. So an answer that was being fetched when its subject changed is never sent
again, in any process, and nothing has to be found and deleted.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from shared.cache.cached_answer import CachedAnswer, CacheKey
from shared.operations.cache_policy import KEPT_MAX_S, CachePolicy
from shared.problem import Unavailable
from shared.redis_connection import PURGES, RedisCache, tag_key

_log = logging.getLogger(__name__)
_WITHOUT_REDIS_S = 5.0
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CachedAnswer).decode
_decode_purge = msgspec.msgpack.Decoder(tuple[str, list[str]]).decode


class SharedAnswers:
    """The shared answers of one tier. While Redis is down there are none, and nobody waits for it."""

    def __init__(self, redis: RedisCache, tier: str) -> None:
        self._redis = redis
        self._tier = tier
        self._redis_from = 0.0
        self._believed_from = 0.0

    async def get(
        self, key: CacheKey, tags: Sequence[str], policy: CachePolicy
    ) -> tuple[CachedAnswer | None, list[bytes | None] | None]:
        """Return the answer and the current versions of its tags, which a newly fetched answer is stored with.

        The versions are None while Redis is down: such an answer must not be shared.
        """
        asked_at = time.monotonic()
        if asked_at < max(self._redis_from, self._believed_from):
            return None, None
        try:
            (stored, *versions), left_ms = await self._redis.read(
                self._entry(key), [tag_key(key[0], tag) for tag in tags]
            )
        except Unavailable as away:
            self._give_up(away)
            return None, None
        answer = self._read(stored)
        if answer is None or answer.tags != tuple(tags) or answer.tag_versions != versions:
            return None, versions
        # By the remaining lifetime in Redis, so that no two clocks have to agree.
        answer.stale_until = asked_at + left_ms / 1000
        answer.fresh_until = answer.stale_until - policy.stale_s
        answer.made_at = answer.fresh_until - policy.fresh_s
        return answer, versions

    async def put(self, key: CacheKey, answer: CachedAnswer, kept_s: float) -> None:
        """Share an answer. Does nothing while Redis is down."""
        if time.monotonic() < self._redis_from:
            return
        try:
            await self._redis.write(self._entry(key), _encode(answer), int(kept_s * 1000))
        except Unavailable as away:
            self._give_up(away)

    async def purge(self, tenant: str, tags: Sequence[str]) -> None:
        """End every answer with one of these tags, in all processes of all tiers.

        If Redis cannot be reached, this process ignores it until everything it may hold now has expired.
        """
        if time.monotonic() >= self._redis_from:
            try:
                await self._redis.purge(tenant, tags)
            except Unavailable as away:
                self._give_up(away)
            else:
                return
        self._believed_from = time.monotonic() + KEPT_MAX_S

    async def follow_purges(self, linked: Callable[[], None], purged: Callable[[str, Iterable[str]], None]) -> None:
        """Report every purge until the connection is lost, then raise Unavailable. `linked` is called once purges
        arrive.
        """
        async for notice in self._redis.listen(PURGES):
            if notice is None:
                linked()
                continue
            try:
                tenant, tags = _decode_purge(notice)
            except (msgspec.DecodeError, UnicodeDecodeError):
                _log.warning("a purge cannot be read")
                continue
            purged(tenant, tags)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()

    def _read(self, stored: bytes | None) -> CachedAnswer | None:
        try:
            return _decode(stored) if stored is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError):  # written by another release
            return None

    def _entry(self, key: CacheKey) -> str:
        digest = hashlib.sha256(_encode(key)).hexdigest()
        return f"quoteway:cache:{self._tier}:{key[0]}:{digest}"

    def _give_up(self, away: Unavailable) -> None:
        self._redis_from = time.monotonic() + _WITHOUT_REDIS_S
        _log.warning("the cache is this process's own: %s", away.detail)
