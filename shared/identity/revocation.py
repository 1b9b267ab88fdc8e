"""Revoked tokens: every tier knows of a revocation within 5 s.

Operators revoke a token, or everything issued to a subject up to now, at the process API, which stores it in PostgreSQL
(process_api/access/token_revocations.py). Once a second the process API asks its database for news, and the other tiers
ask the process API. Only hashes are sent: they name no token, and a subject only to someone who tries its very id.

A new process lets nobody in until it has the list (503, Retry-After); it asks for it every tenth of a second at first.
A process that loses its source goes on with what it knows for `stale_max_s` seconds, and its health says so; then it
lets nobody in until it can ask again. So a revocation is never unknown for longer than that, restarts or not, and
nothing here depends on Redis.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.identity.principal import OwnToken, Principal
from shared.outbound.http_client import OutboundClient, Transport
from shared.outbound.outbound_settings import OutboundSettings
from shared.problem import QuotewayError, Unauthenticated, Unavailable

# After this long without an answer, health says that new revocations may be missing.
LATE_S = 5.0
EVERY_S = 1.0
# Until the first answer nobody is let in: the first retry comes after this time, then the pauses grow up to `EVERY_S`.
FIRST_S = 0.1
_SLOWER = 1.5
_RETRY_AFTER_S = 2
ANSWER_TIMEOUT_S = 2.0
FEED_PATH = "/v1/revoked-tokens"
# A revocation is kept for as long as the longest life of a token and the leeway of its check, and a little more.
KEPT_S = 86_400.0 + 3_600.0
RevocationsStaleMax = Annotated[
    float,
    Meta(
        ge=5,
        le=86_400,
        description="seconds without news of revoked tokens after which nobody is let in any more",
    ),
]
_log = logging.getLogger(__name__)


class RevokedToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A revocation of everything with this mark; if `issued_before` is given, only of what was issued until then.

    `issued_before` is in seconds since 1970, and includes the leeway for different clocks.
    """

    mark: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    issued_before: float | None = None


class RevokedTokens(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The revocations after the requested position. `position` is the one to ask for next."""

    revoked: list[RevokedToken]
    position: int


ReadRevoked = Callable[[int], Awaitable[RevokedTokens]]


def mark(kind: Literal["token", "subject"], tenant: str, name: str) -> bytes:
    """Return the hash that stands for a token or a subject in the list of revocations."""
    return hashlib.sha256(f"{kind}\n{tenant}\n{name}".encode()).digest()


def marks_of(principal: Principal) -> tuple[bytes, ...]:
    """Return the marks by which a principal's token can be revoked: of its id, subject, user and client."""
    own_token = OwnToken(principal.subject, principal.issued_at, principal.token_id)
    return marks_of_token(own_token, principal.tenant, principal.client_id, principal.user)


def marks_of_token(own_token: OwnToken, tenant: str, client_id: str, user: str | None) -> tuple[bytes, ...]:
    """Return the marks of a token that another tier has checked and described."""
    subjects = {own_token.subject, client_id, user or own_token.subject}
    marks = [mark("subject", tenant, subject) for subject in sorted(subjects)]
    if own_token.token_id:
        marks.append(mark("token", tenant, own_token.token_id))
    return tuple(marks)


@dataclass
class RevocationWatch:
    """A process's copy of the revocations. `read` fetches those after a position."""

    read: ReadRevoked
    stale_max_s: float
    every_s: float = EVERY_S
    _revoked: dict[bytes, tuple[float, float]] = field(default_factory=dict, init=False)
    """By mark: until when issued tokens are revoked (since 1970), and when the entry may be dropped (monotonic)."""
    _position: int = field(default=0, init=False)
    _confirmed_at: float = field(default=float("-inf"), init=False)
    """When the list was last known to be complete (monotonic); minus infinity: never yet."""
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _failing: bool = field(default=False, init=False)

    async def start(self) -> None:
        """Ask for the list, then poll every `every_s` seconds until `stop`; more often until the first answer."""
        await self.ask()
        self._task = asyncio.create_task(self._watch(), name="revoked tokens")

    async def stop(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def check(self, marks: Iterable[bytes], issued_at: float) -> None:
        """Raise Unauthenticated if one of the marks is revoked, Unavailable if the list is too old to tell."""
        if time.monotonic() - self._confirmed_at > self.stale_max_s:
            raise Unavailable(
                "the list of revoked tokens is not available",
                reason_code="revocations_unknown",
                retry_after_s=_RETRY_AFTER_S,
            )
        if not self._revoked:
            return
        for each in marks:
            found = self._revoked.get(each)
            if found is not None and issued_at <= found[0]:
                raise Unauthenticated("The token was revoked.", error="invalid_token")

    def age_s(self) -> float:
        """Return the age of the list in seconds; infinity before the first answer."""
        return time.monotonic() - self._confirmed_at

    async def ready(self) -> str | None:
        """Return None, or a sentence while nobody is let in because the list is missing or too old."""
        age_s = self.age_s()
        if age_s <= self.stale_max_s:
            return None
        if age_s == float("inf"):
            return "the list of revoked tokens is not loaded yet; nobody is let in"
        return f"which tokens were revoked has not been known for {age_s:.0f} s; nobody is let in"

    async def late(self) -> str | None:
        """Return None, or a sentence while new revocations may be missing but callers are still let in."""
        age_s = self.age_s()
        if age_s <= LATE_S or age_s > self.stale_max_s:
            return None
        left_s = self.stale_max_s - age_s
        return (
            f"which tokens were revoked has not been known for {age_s:.0f} s; nobody is let in from {left_s:.0f} s on"
        )

    async def ask(self) -> None:
        """Fetch the news now. A failure is logged: the next poll tries again."""
        async with self._asking:
            began = time.monotonic()
            try:
                while True:
                    async with asyncio.timeout(ANSWER_TIMEOUT_S):
                        news = await self.read(self._position)
                    self._learn(news)
                    if not news.revoked:
                        break
            except (QuotewayError, TimeoutError) as error:
                self._note_failure(str(error) or "no answer in time")
                return
            self._confirmed_at = began
            if self._failing:
                self._failing = False
                _log.warning("revoked tokens are known again")

    def _learn(self, news: RevokedTokens) -> None:
        forget_at = time.monotonic() + KEPT_S
        for each in news.revoked:
            key = bytes.fromhex(each.mark)
            before = float("inf") if each.issued_before is None else each.issued_before
            known, _ = self._revoked.get(key, (before, 0.0))
            self._revoked[key] = (max(before, known), forget_at)
        self._position = news.position

    def _note_failure(self, reason: str) -> None:
        if not self._failing:
            self._failing = True
            known = self._confirmed_at > float("-inf")
            then = "what is known goes on for now" if known else "nobody is let in until they are known"
            _log.warning("revoked tokens cannot be asked for (%s): %s", reason, then)

    def _forget_old(self) -> None:
        now = time.monotonic()
        self._revoked = {key: kept for key, kept in self._revoked.items() if kept[1] > now}

    async def _watch(self) -> None:
        wait_s = min(FIRST_S, self.every_s)
        while True:
            known = self._confirmed_at > float("-inf")
            await asyncio.sleep(self.every_s if known else wait_s)
            wait_s = min(wait_s * _SLOWER, self.every_s)
            try:
                await self.ask()
                self._forget_old()
            except Exception:  # noqa: BLE001 an end of the watch would close the door for good
                _log.exception("asking for revoked tokens failed")


@dataclass
class RevocationFeed:
    """The process API's list of revocations, as read by the other tiers."""

    process_url: str
    transport: Transport | None = None

    def __post_init__(self) -> None:
        # No retries here: the caller polls anyway.
        settings = OutboundSettings(read_attempts_max=1)
        self._client = OutboundClient("process API", self.process_url, transport=self.transport, settings=settings)

    async def read(self, after: int) -> RevokedTokens:
        """Return the revocations after a position. Raises Unavailable."""
        response = await self._client.send("GET", FEED_PATH, params={"after": after})
        if not response.is_success:
            raise Unavailable(f"the list of revoked tokens answers {response.status_code}", vendor="process API")
        try:
            return msgspec.json.decode(response.content, type=RevokedTokens)
        except msgspec.DecodeError as error:
            raise Unavailable(f"the list of revoked tokens is not usable: {error}", vendor="process API") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
