"""Revoked tokens are known to every process in time, or nobody is let in."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.identity.auth import Authenticator, Principal
from shared.identity.revocation import (
    FEED_PATH,
    RevocationFeed,
    RevocationWatch,
    RevokedToken,
    RevokedTokens,
    mark,
    marks_of,
)
from shared.problem import Unauthenticated, Unavailable
from tests.patience import HANG_S
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

KEY = rsa_key()


class Revoker:
    """A list of revocations, which can be down."""

    def __init__(self) -> None:
        self.revoked: list[RevokedToken] = []
        self.away = False
        self.asked: list[int] = []

    def revoke(self, marked: bytes, issued_before: float | None = None) -> None:
        self.revoked.append(RevokedToken(mark=marked.hex(), issued_before=issued_before))

    async def read(self, after: int) -> RevokedTokens:
        self.asked.append(after)
        if self.away:
            raise Unavailable("away")
        return RevokedTokens(revoked=self.revoked[after : after + 2], position=min(after + 2, len(self.revoked)))


@pytest.fixture
def revoker() -> Revoker:
    return Revoker()


@pytest.fixture
async def watch(revoker: Revoker) -> AsyncIterator[RevocationWatch]:
    watch = RevocationWatch(revoker.read, stale_max_s=60, every_s=0.01)
    await watch.start()
    yield watch
    await watch.stop()


@pytest.fixture
def authenticator(watch: RevocationWatch) -> Authenticator:
    return Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport(), revocations=watch)


async def refused(authenticator: Authenticator, token: str) -> None:
    async with asyncio.timeout(HANG_S):
        while True:
            try:
                await authenticator.authenticate(token)
            except Unauthenticated:
                return
            await asyncio.sleep(0.01)


async def test_cached_token_is_refused_once_it_is_revoked(authenticator: Authenticator, revoker: Revoker) -> None:
    revoked, other = (f"Bearer {sign(KEY, claims(jti=jti))}" for jti in ("one", "two"))
    await authenticator.authenticate(revoked)

    revoker.revoke(mark("token", "nordwind", "one"))

    await refused(authenticator, revoked)
    await authenticator.authenticate(other)


@pytest.mark.parametrize("name", ["005QW0000000001AAA", "005QW0000000009ZZZ", "salesforce-lightning"])
async def test_subject_revocation_covers_users_and_clients(
    authenticator: Authenticator, revoker: Revoker, name: str
) -> None:
    token = f"Bearer {sign(KEY, claims(salesforce_user='005QW0000000009ZZZ'))}"
    await authenticator.authenticate(token)

    revoker.revoke(mark("subject", "nordwind", name), time.time())

    await refused(authenticator, token)


async def test_token_issued_after_a_subject_revocation_is_valid(authenticator: Authenticator, revoker: Revoker) -> None:
    now = int(time.time())
    before, after = (f"Bearer {sign(KEY, claims(iat=iat, exp=now + 300))}" for iat in (now - 100, now))
    revoker.revoke(mark("subject", "nordwind", "salesforce-lightning"), now - 50)

    await refused(authenticator, before)
    await authenticator.authenticate(after)


async def test_revocation_is_limited_to_its_tenant(
    authenticator: Authenticator, revoker: Revoker, watch: RevocationWatch
) -> None:
    revoker.revoke(mark("subject", "another", "salesforce-lightning"), time.time())
    await watch.ask()

    await authenticator.authenticate(f"Bearer {sign(KEY)}")


async def test_latest_revocation_of_a_subject_wins_in_any_order(watch: RevocationWatch, revoker: Revoker) -> None:
    subject = mark("subject", "t", "s")
    for until in (100.0, 300.0, 200.0):
        revoker.revoke(subject, until)
    await watch.ask()

    with pytest.raises(Unauthenticated):
        watch.check([subject], 300)
    watch.check([subject], 301)


async def test_news_are_read_page_by_page_and_only_once(watch: RevocationWatch, revoker: Revoker) -> None:
    for number in range(5):
        revoker.revoke(mark("token", "t", str(number)))
    await watch.ask()
    revoker.asked.clear()
    await watch.ask()

    assert revoker.asked == [5]
    for number in range(5):
        with pytest.raises(Unauthenticated):
            watch.check([mark("token", "t", str(number))], 0)


async def test_expired_revocations_are_dropped(
    watch: RevocationWatch, revoker: Revoker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.identity.revocation.KEPT_S", -1.0)
    revoker.revoke(mark("token", "t", "old"))
    await watch.ask()
    watch._forget_old()

    assert watch._revoked == {}


async def test_without_news_known_revocations_apply_until_stale_then_nobody_is_let_in(
    authenticator: Authenticator, watch: RevocationWatch, revoker: Revoker
) -> None:
    good, bad = (f"Bearer {sign(KEY, claims(jti=jti))}" for jti in ("good", "bad"))
    revoker.revoke(mark("token", "nordwind", "bad"))
    await watch.ask()
    assert await watch.ready() is None
    revoker.away = True
    await watch.ask()

    watch._confirmed_at = time.monotonic() - 59
    await authenticator.authenticate(good)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(bad)
    assert "not been known for 59 s; nobody is let in from 1 s on" in str(await watch.late())
    assert await watch.ready() is None

    watch._confirmed_at = time.monotonic() - 61
    for token in (good, bad):
        with pytest.raises(Unavailable):
            await authenticator.authenticate(token)
    assert str(await watch.ready()).endswith("not been known for 61 s; nobody is let in")
    assert await watch.late() is None

    revoker.away = False
    await watch.ask()
    await authenticator.authenticate(good)


async def test_new_process_lets_nobody_in_until_it_has_the_list(
    revoker: Revoker,
) -> None:
    revoker.revoke(mark("token", "nordwind", "revoked"))
    revoker.away = True
    watch = RevocationWatch(revoker.read, stale_max_s=60)
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport(), revocations=watch)
    good, bad = (f"Bearer {sign(KEY, claims(jti=jti))}" for jti in ("good", "revoked"))
    await watch.start()

    for token in (good, bad):
        with pytest.raises(Unavailable) as refusal:
            await authenticator.authenticate(token)
        assert (refusal.value.reason_code, refusal.value.retry_after_s) == ("revocations_unknown", 2)
    assert await watch.ready() == "the list of revoked tokens is not loaded yet; nobody is let in"
    assert await watch.late() is None

    revoker.away = False
    async with asyncio.timeout(HANG_S):
        while await watch.ready() is not None:  # noqa: ASYNC110 as a load balancer would
            await asyncio.sleep(0.01)
    await refused(authenticator, bad)
    await authenticator.authenticate(good)
    assert await watch.ready() is None
    await watch.stop()


async def test_polling_starts_fast_and_slows_down_until_the_first_answer(
    revoker: Revoker, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    asleep = asyncio.sleep

    async def note(wait_s: float) -> None:
        waits.append(wait_s)
        revoker.away = len(waits) < 9
        await asleep(0)

    revoker.away = True
    watch = RevocationWatch(revoker.read, stale_max_s=60)
    monkeypatch.setattr("shared.identity.revocation.asyncio.sleep", note)
    await watch.start()
    async with asyncio.timeout(HANG_S):
        while len(waits) < 11:
            await asleep(0)
    await watch.stop()

    assert waits[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert max(waits) == 1.0
    assert waits[9:11] == [1.0, 1.0]


async def test_a_defect_does_not_end_the_watch(revoker: Revoker, caplog: pytest.LogCaptureFixture) -> None:
    async def break_once(after: int) -> RevokedTokens:
        if len(revoker.asked) == 1:
            revoker.asked.append(after)
            raise RuntimeError("a defect")
        return await revoker.read(after)

    watch = RevocationWatch(break_once, stale_max_s=60, every_s=0.01)
    await watch.start()
    revoker.revoke(mark("token", "t", "x"))
    async with asyncio.timeout(HANG_S):
        while not watch._revoked:  # noqa: ASYNC110 the watch tells nobody
            await asyncio.sleep(0.01)
    await watch.stop()

    assert "asking for revoked tokens failed" in caplog.text


def test_marks_reveal_nothing_and_cover_token_subject_user_and_client() -> None:
    principal = Principal("sub", "client", "t", frozenset(), "005QW0000000001YAA", "iss", "jti")

    assert set(marks_of(principal)) == {
        mark("subject", "t", "sub"),
        mark("subject", "t", "client"),
        mark("subject", "t", "005QW0000000001YAA"),
        mark("token", "t", "jti"),
    }
    assert len(marks_of(Principal("one", "one", "t", frozenset()))) == 1


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(200, text="<p>"), httpx.Response(200, json={})])
async def test_a_list_that_cannot_be_read_is_unavailable(answer: httpx.Response) -> None:
    async def answered(request: httpx.Request) -> httpx.Response:
        assert (request.url.path, request.url.params["after"]) == (FEED_PATH, "7")
        return answer

    feed = RevocationFeed("http://process.test", httpx.MockTransport(answered))
    with pytest.raises(Unavailable):
        await feed.read(7)
    await feed.close()
