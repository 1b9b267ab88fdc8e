"""Answers that may be sent again, and the process's own cache of them."""

import hashlib
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

Header = tuple[bytes, bytes]
# tenant, caller, path, query, accept
CacheKey = tuple[str, str, str, bytes, bytes]
_ENTRY_OVERHEAD_BYTES = 1000


class CachedAnswer(msgspec.Struct, array_like=True):
    """A 200 answer. Moments are monotonic seconds of this process; `tag_versions` is what Redis knew before it."""

    headers: list[Header]
    body: bytes
    etag: bytes
    tags: tuple[str, ...]
    tag_versions: list[bytes | None]
    made_at: float = 0.0
    fresh_until: float = 0.0
    stale_until: float = 0.0

    def age_s(self, now: float) -> int:
        """Whole seconds since it was made."""
        return max(0, int(now - self.made_at))

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + _ENTRY_OVERHEAD_BYTES


def strong_etag(body: bytes) -> bytes:
    """Return a validator that two answers share only where they are the same, byte for byte."""
    return b'"' + urlsafe_b64encode(hashlib.blake2b(body, digest_size=15).digest()) + b'"'


class LocalAnswers:
    """Answers in this process's memory: the least recently used go first. Knows what was purged a moment ago."""

    def __init__(self, *, entries_max: int, bytes_max: int) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._answers: OrderedDict[CacheKey, CachedAnswer] = OrderedDict()
        self._tagged: dict[tuple[str, str], set[CacheKey]] = {}
        self._purged_at: dict[tuple[str, str], float] = {}
        self._cleared_at = 0.0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: CacheKey) -> CachedAnswer | None:
        """Return the answer, if there is one. The caller decides whether it is still fresh."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: CacheKey, answer: CachedAnswer, *, asked_at: float) -> bool:
        """Keep an answer that was requested at `asked_at`, unless one of its tags has been purged since."""
        if self._cleared_at >= asked_at or any(
            self._purged_at.get((key[0], tag), -1.0) >= asked_at for tag in answer.tags
        ):
            return False
        self._drop(key)
        self._answers[key] = answer
        self._bytes += _size_of(key, answer)
        for tag in answer.tags:
            self._tagged.setdefault((key[0], tag), set()).add(key)
        while self._answers and (len(self._answers) > self._entries_max or self._bytes > self._bytes_max):
            self._drop(next(iter(self._answers)))
        return key in self._answers

    def purge(self, tenant: str, tags: Iterable[str]) -> None:
        """Drop every answer with one of these tags."""
        now = time.monotonic()
        for tag in tags:
            self._purged_at.pop((tenant, tag), None)
            self._purged_at[tenant, tag] = now
            for key in list(self._tagged.get((tenant, tag), ())):
                self._drop(key)
        while len(self._purged_at) > self._entries_max:
            # A request from before the oldest purge that was forgotten here must not keep its answer either.
            self._cleared_at = max(self._cleared_at, self._purged_at.pop(next(iter(self._purged_at))))

    def clear(self) -> None:
        """Drop everything, and any answer that is being fetched now."""
        self._cleared_at = time.monotonic()
        self._answers.clear()
        self._tagged.clear()
        self._purged_at.clear()
        self._bytes = 0

    def _drop(self, key: CacheKey) -> None:
        answer = self._answers.pop(key, None)
        if answer is None:
            return
        self._bytes -= _size_of(key, answer)
        for tag in answer.tags:
            keys = self._tagged.get((key[0], tag))
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._tagged[key[0], tag]


def _size_of(key: CacheKey, answer: CachedAnswer) -> int:
    """Return the answer's size with its key: callers choose the length of query and media type, up to the 32 KiB of
    headers.
    """
    return answer.size + sum(map(len, key))
