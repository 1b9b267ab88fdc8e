"""Issuers' published keys: which are accepted, and how seldom they are fetched."""

import asyncio
import time
import warnings
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from shared.identity import token_keys
from shared.identity.auth import Authenticator
from shared.identity.token_keys import JwkSet, PublishedKeys, load_keys
from shared.problem import Unauthenticated, Unavailable
from tests.patience import HANG_S
from tests.shared.tokens import AUDIENCE, ISSUER, METADATA_URL, StandInIssuer, public, rsa_key, sign

RSA = rsa_key()
EC = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
ED = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
OTHER_RSA = rsa_key()


@pytest.fixture
def issuer() -> StandInIssuer:
    return StandInIssuer(RSA, EC, ED)


@pytest.fixture
def authenticator(issuer: StandInIssuer) -> Authenticator:
    return Authenticator(METADATA_URL, AUDIENCE, transport=issuer.transport())


@pytest.fixture
def keys(authenticator: Authenticator) -> PublishedKeys:
    return authenticator._sources[0][1]


async def refusal(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {token}")


def a_minute_later(keys: PublishedKeys) -> None:
    assert keys._asked_at is not None
    keys._asked_at -= 61


async def test_keys_are_fetched_once(authenticator: Authenticator, issuer: StandInIssuer) -> None:
    await asyncio.gather(*(authenticator.authenticate(f"Bearer {sign(RSA)}") for _ in range(20)))

    assert issuer.fetches == 1


async def test_a_new_key_is_fetched_when_a_token_names_it(
    authenticator: Authenticator, issuer: StandInIssuer, keys: PublishedKeys
) -> None:
    keys.refetch_min_s = 0
    await authenticator.authenticate(f"Bearer {sign(RSA)}")
    issuer.key_set = public(RSA, OTHER_RSA)

    await authenticator.authenticate(f"Bearer {sign(OTHER_RSA)}")

    assert issuer.fetches == 2


async def test_a_withdrawn_key_is_forgotten_with_the_next_fetch(
    authenticator: Authenticator, issuer: StandInIssuer, keys: PublishedKeys
) -> None:
    keys.refetch_min_s = 0
    await authenticator.authenticate(f"Bearer {sign(RSA)}")
    issuer.key_set = public(OTHER_RSA)
    await authenticator.authenticate(f"Bearer {sign(OTHER_RSA)}")

    await refusal(authenticator, sign(RSA))


async def test_tokens_of_a_withdrawn_key_leave_the_cache(
    authenticator: Authenticator, issuer: StandInIssuer, keys: PublishedKeys
) -> None:
    token = sign(RSA)
    await authenticator.authenticate(f"Bearer {token}")
    issuer.key_set = public(OTHER_RSA)
    a_minute_later(keys)
    await authenticator.authenticate(f"Bearer {sign(OTHER_RSA)}")

    await refusal(authenticator, token)


async def test_old_keys_are_refreshed_in_the_background(
    authenticator: Authenticator, issuer: StandInIssuer, keys: PublishedKeys
) -> None:
    token = sign(RSA)
    await authenticator.authenticate(f"Bearer {token}")
    issuer.key_set = public(OTHER_RSA)
    a_minute_later(keys)
    keys._fetched_at -= keys.refresh_s

    # The first caller does not wait; the refresh that it starts refuses later ones.
    await authenticator.authenticate(f"Bearer {token}")
    assert keys._refresh is not None
    await keys._refresh

    await refusal(authenticator, token)
    assert issuer.fetches == 2


async def test_ten_thousand_invented_key_ids_cause_one_fetch_a_minute(
    authenticator: Authenticator, issuer: StandInIssuer, keys: PublishedKeys
) -> None:
    await authenticator.authenticate(f"Bearer {sign(RSA)}")

    for minute in range(2):
        for number in range(5_000):
            assert await keys.find(f"invented-{minute}-{number}") is None
        await refusal(authenticator, sign(OTHER_RSA, kid="../../etc/passwd"))
        assert issuer.fetches == 1 + minute
        a_minute_later(keys)


async def test_known_keys_stay_valid_while_the_issuer_is_down_for_an_hour(
    authenticator: Authenticator, issuer: StandInIssuer, keys: PublishedKeys
) -> None:
    await authenticator.authenticate(f"Bearer {sign(RSA)}")
    issuer.away = httpx.ConnectError("refused")
    for _ in range(60):
        a_minute_later(keys)
        keys._fetched_at -= 60
        await authenticator.authenticate(f"Bearer {sign(RSA)}")
    assert keys._refresh is not None
    await keys._refresh
    a_minute_later(keys)

    assert await authenticator.ready() is None
    # The unknown key may be a new one, which cannot be checked now: that differs from a wrong token.
    a_minute_later(keys)
    with pytest.raises(Unavailable):
        await authenticator.authenticate(f"Bearer {sign(OTHER_RSA)}")
    await refusal(authenticator, sign(OTHER_RSA))
    await authenticator.close()


async def test_without_keys_an_issuer_that_is_down_is_unavailable_and_asked_once_a_second(
    authenticator: Authenticator, issuer: StandInIssuer, keys: PublishedKeys
) -> None:
    issuer.away = httpx.ConnectError("refused")
    assert keys.retry_min_s == 1.0
    keys.retry_min_s = 600.0  # a busy machine's second passes within the loop below
    with pytest.raises(Unavailable):
        await authenticator.authenticate(f"Bearer {sign(RSA)}")
    assert await authenticator.ready() == "issuer does not answer (ConnectError)"
    issuer.away = None
    for _ in range(100):
        with pytest.raises(Unavailable):
            await authenticator.authenticate(f"Bearer {sign(RSA)}")
    assert issuer.fetches == 0
    assert keys._asked_at is not None
    keys._asked_at -= keys.retry_min_s

    await authenticator.authenticate(f"Bearer {sign(RSA)}")


async def test_an_issuer_that_hangs_keeps_no_caller_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(2 * HANG_S)
        raise AssertionError("unreachable")

    monkeypatch.setattr(token_keys, "KEYS_TIMEOUT_S", 0.1)
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=httpx.MockTransport(hang))
    began = time.monotonic()

    waiting = [authenticator.authenticate(f"Bearer {sign(RSA)}") for _ in range(5)]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
    assert time.monotonic() - began < HANG_S


@pytest.mark.parametrize(
    ("metadata", "key_set"),
    [
        (httpx.Response(500), None),
        (httpx.Response(200, text="<h1>Maintenance</h1>"), None),
        ({"issuer": ISSUER}, None),
        ([], None),
        (None, httpx.Response(404)),
        (None, httpx.Response(200, text="<h1>Maintenance</h1>")),
        (None, []),
        (None, {"keys": "none"}),
        (None, {"keys": [1]}),
        (None, {}),
    ],
)
async def test_an_issuer_that_answers_something_else_is_unavailable(
    authenticator: Authenticator, issuer: StandInIssuer, metadata: Any, key_set: Any
) -> None:
    issuer.metadata = issuer.metadata if metadata is None else metadata
    issuer.key_set = issuer.key_set if key_set is None else key_set

    with pytest.raises(Unavailable):
        await authenticator.authenticate(f"Bearer {sign(RSA)}")


def test_weak_private_and_symmetric_keys_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc only warns of weak keys: that is the point
        weak = RSAKey.generate_key(1024, {"use": "sig"}, auto_kid=True)
        symmetric = OctKey.generate_key(256, {"kid": "symmetric"})
        published: list[Any] = [
            RSA.as_dict(private=False),
            EC.as_dict(private=False),
            ED.as_dict(private=False),
            weak.as_dict(private=False),
            OTHER_RSA.as_dict(private=True),
            symmetric.as_dict(private=True),
            {name: value for name, value in rsa_key().as_dict(private=False).items() if name != "kid"},
            {"kty": "AKP", "kid": "of-the-future"},
            {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
            {"kid": "nothing"},
            {},
        ]
        kept = load_keys(JwkSet(published))

    assert set(kept) == {RSA.kid, EC.kid, ED.kid}
    said = " ".join(record.getMessage() for record in caplog.records)
    assert f"{weak.kid} has fewer than 2048 bits" in said
    assert f"{OTHER_RSA.kid} is private" in said
    assert "symmetric is symmetric" in said


def test_two_keys_of_one_id_are_both_left_out() -> None:
    first = RSA.as_dict(private=False)
    second = {**OTHER_RSA.as_dict(private=False), "kid": str(RSA.kid)}

    assert load_keys(JwkSet([first, second])) == {}
    assert load_keys(JwkSet([{**second, "n": "!"}, first])) == {}


def test_one_key_under_two_ids_is_left_out() -> None:
    first = {**RSA.as_dict(private=False), "kid": "first"}
    second = {**RSA.as_dict(private=False), "kid": "second"}

    assert set(load_keys(JwkSet([first, second, EC.as_dict(private=False)]))) == {EC.kid}


def test_a_key_whose_private_half_was_published_too_is_left_out() -> None:
    secret = {**RSA.as_dict(private=True), "kid": "mistake"}

    assert load_keys(JwkSet([RSA.as_dict(private=False), secret])) == {}


@pytest.mark.parametrize(
    "key",
    [
        {**RSA.as_dict(private=False), "use": "enc"},
        {**RSA.as_dict(private=False), "key_ops": ["encrypt"]},
        ECKey.generate_key("secp256k1", {"kid": "k"}).as_dict(private=False),
        OKPKey.generate_key("X25519", {"kid": "x"}).as_dict(private=False),
        OKPKey.generate_key("Ed448", {"kid": "e"}).as_dict(private=False),
    ],
    ids=["for encryption", "not to verify", "secp256k1", "X25519", "Ed448"],
)
def test_keys_for_something_else_are_left_out(key: dict[str, Any]) -> None:
    assert load_keys(JwkSet([key])) == {}


async def test_metadata_of_another_issuer_is_not_believed(issuer: StandInIssuer) -> None:
    keys = PublishedKeys("issuer", metadata_url=METADATA_URL, issuer="https://other.test", transport=issuer.transport())

    with pytest.raises(Unavailable, match=ISSUER):
        await keys.find(str(RSA.kid))
