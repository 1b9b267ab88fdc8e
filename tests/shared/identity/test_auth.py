"""Access tokens: which are accepted, and which refused."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from shared.identity.auth import LEEWAY_S, Authenticator, Principal
from shared.identity.signed_token import TOKEN_BYTES_MAX
from shared.problem import Forbidden, Unauthenticated
from tests.shared.tokens import (
    ABSENT,
    AUDIENCE,
    ISSUER,
    METADATA_URL,
    FromNow,
    Key,
    StandInIssuer,
    claims,
    rsa_key,
    sign,
    unsigned,
)

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


async def refusal(authenticator: Authenticator, token: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refused:
        await authenticator.authenticate(f"Bearer {token}")
    # The challenge has the reason for the caller; it never contains the token.
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")
    assert len(token) < 20 or token not in str(refused.value.headers)
    return refused.value


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "RS512"), (RSA, "PS256"), (EC, "ES256"), (ED, "Ed25519"), (ED, "EdDSA")]
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")
async def test_a_good_token_is_let_in(authenticator: Authenticator, key: Key, alg: str) -> None:
    said = claims()
    principal = await authenticator.authenticate(f"Bearer {sign(key, said, alg=alg)}")

    assert principal == Principal(
        subject="005QW0000000001AAA",
        client_id="salesforce-lightning",
        tenant="nordwind",
        scopes=frozenset({"orders:read", "orders:write"}),
        issuer=ISSUER,
        issued_at=said["iat"],
    )


async def test_user_token_names_the_user(authenticator: Authenticator) -> None:
    principal = await authenticator.authenticate(f"Bearer {sign(RSA, claims(salesforce_user='005QW0000000001YAA'))}")

    assert principal.user == "005QW0000000001YAA"


@pytest.mark.parametrize("listed", [["NW-US"], ["NW-US", "NW-DE"], []])
async def test_token_limited_to_legal_entities_covers_no_others(
    authenticator: Authenticator, listed: list[str]
) -> None:
    principal = await authenticator.authenticate(f"Bearer {sign(RSA, claims(legal_entities=listed))}")

    assert principal.legal_entities == frozenset(listed)


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}"])
async def test_the_scheme_is_not_case_sensitive(authenticator: Authenticator, header: str) -> None:
    await authenticator.authenticate(header.format(sign(RSA)))


@pytest.mark.parametrize("audience", [[AUDIENCE], ["another", AUDIENCE]])
async def test_a_token_may_name_several_audiences(authenticator: Authenticator, audience: list[str]) -> None:
    await authenticator.authenticate(f"Bearer {sign(RSA, claims(aud=audience))}")


@pytest.mark.parametrize("changes", [{"scope": ""}, {"scope": ABSENT}])
async def test_a_token_without_scopes_may_do_nothing(authenticator: Authenticator, changes: dict[str, Any]) -> None:
    principal = await authenticator.authenticate(f"Bearer {sign(RSA, claims(**changes))}")

    with pytest.raises(Forbidden):
        principal.require(["orders:read"])


def test_every_scope_of_an_operation_is_needed() -> None:
    principal = Principal("s", "c", "t", frozenset({"a", "b"}))

    principal.require(["a", "b"])
    with pytest.raises(Forbidden, match="lacks the scope c d") as refused:
        principal.require(["a", "c", "d"])
    assert refused.value.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="a c d"'


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "quoteway-process"},
        {"aud": [AUDIENCE + "2"]},
        {"aud": AUDIENCE.upper()},
        {"aud": ABSENT},
        {"aud": ""},
        {"aud": []},
        {"aud": 1},
        {"iss": "http://evil.test"},
        {"iss": ISSUER + "/"},
        {"iss": ABSENT},
        {"iss": [ISSUER]},
        {"exp": FromNow(-61)},
        {"exp": ABSENT},
        {"exp": "never"},
        {"exp": None},
        {"iat": ABSENT},
        {"iat": FromNow(3600)},
        {"nbf": FromNow(3600)},
        {"nbf": "later"},
        {"sub": ABSENT},
        {"sub": ""},
        {"tenant": ABSENT},
        {"tenant": ""},
        {"tenant": "*"},
        {"tenant": ["nordwind"]},
        {"tenant": "nord wind"},
        {"tenant": "nordwind\n"},
        {"tenant": "Nordwind"},
        {"tenant": "n" * 41},
        {"scope": ["orders:read"]},
        {"salesforce_user": "005QW0000000001"},
        {"salesforce_user": "001QW0000000001AAB"},
        {"salesforce_user": "005QW0000000001YAA\n"},
        {"salesforce_user": ""},
        {"salesforce_user": 5},
        {"salesforce_user": ["005QW0000000001YAA"]},
        {"legal_entities": "NW-US"},
        {"legal_entities": ["nw-us"]},
        {"legal_entities": [None]},
        {"legal_entities": {"NW-US": True}},
    ],
    ids=", ".join,
)
async def test_a_token_with_a_wrong_claim_is_refused(authenticator: Authenticator, changes: dict[str, Any]) -> None:
    error = await refusal(authenticator, sign(RSA, claims(**changes)))

    assert 'error="invalid_token"' in error.headers["WWW-Authenticate"]


@pytest.mark.parametrize("seconds", [-1, -50])
async def test_clocks_may_differ_by_a_minute(authenticator: Authenticator, seconds: int) -> None:
    now = int(time.time())

    await authenticator.authenticate(f"Bearer {sign(RSA, claims(exp=now + seconds))}")
    await authenticator.authenticate(f"Bearer {sign(RSA, claims(nbf=now - seconds))}")


@pytest.mark.parametrize("typ", ["JWT", "", "id+jwt", "at+jwt2"])
async def test_only_access_tokens_are_let_in(authenticator: Authenticator, typ: object) -> None:
    await refusal(authenticator, sign(RSA, typ=typ))


async def test_an_access_token_may_name_its_type_in_full(authenticator: Authenticator) -> None:
    await authenticator.authenticate(f"Bearer {sign(RSA, typ='application/at+jwt')}")


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", ""])
@pytest.mark.parametrize("signature", [b"", b"x"])
async def test_an_unsigned_token_is_refused(authenticator: Authenticator, alg: str, signature: bytes) -> None:
    await refusal(authenticator, unsigned({"typ": "at+jwt", "alg": alg, "kid": RSA.kid}, claims(), signature))


@pytest.mark.parametrize("alg", ["HS256", "HS512"])
async def test_public_key_is_not_accepted_as_hmac_secret(authenticator: Authenticator, alg: str) -> None:
    """The classic confusion: a token signed by HMAC, with the issuer's public key as its secret."""
    pem = RSA.as_pem(private=False)
    for secret in (pem, pem.strip(), json.dumps(RSA.as_dict(private=False)).encode(), b""):
        signed, _, _ = unsigned({"typ": "at+jwt", "alg": alg, "kid": RSA.kid}, claims()).rpartition(".")
        mac = hmac.digest(secret, signed.encode(), alg.replace("HS", "sha"))
        await refusal(authenticator, f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


async def test_a_token_of_another_key_under_a_known_id_is_refused(authenticator: Authenticator) -> None:
    await refusal(authenticator, sign(OTHER_RSA, kid=RSA.kid))


async def test_key_inside_the_token_is_ignored(authenticator: Authenticator) -> None:
    own: dict[str, Any] = {"jwk": OTHER_RSA.as_dict(private=False), "jku": "http://evil.test/jwks"}

    await refusal(authenticator, sign(OTHER_RSA, **own))
    await refusal(authenticator, sign(OTHER_RSA, kid=RSA.kid, **own))


async def test_a_changed_token_is_refused(authenticator: Authenticator) -> None:
    header, _, signature = sign(RSA).split(".")
    _, richer, _ = sign(RSA, claims(tenant="another")).split(".")

    await refusal(authenticator, f"{header}.{richer}.{signature}")


@pytest.mark.parametrize("kid", [EC.kid, ED.kid], ids=["EC", "Ed25519"])
async def test_an_algorithm_that_does_not_fit_the_key_is_refused(authenticator: Authenticator, kid: str) -> None:
    await refusal(authenticator, sign(RSA, kid=kid))


NO_HEADERS: list[Any] = [[], 1, None, "x", {}, {"alg": None}, {"alg": 1}, {"alg": ["RS256"]}]


@pytest.mark.parametrize(
    "token",
    [
        "a",
        "a.b",
        "a.b.c",
        "..",
        "a.b.c.d.e",
        "é.é.é",
        "%%%.%%%.%%%",
        unsigned(b"\xff\xfe", {}),
        unsigned(b"{", {}),
        *(unsigned(header, {}) for header in NO_HEADERS),
        unsigned({"alg": "RS256", "kid": [1]}, {}),
        unsigned({"alg": "RS256", "kid": RSA.kid, "crit": ["zz"], "zz": 1}, claims()),
        unsigned({"alg": "RS256", "kid": RSA.kid, "crit": ["b64"], "b64": False}, claims()),
    ],
)
async def test_malformed_token_is_refused_without_an_unexpected_error(authenticator: Authenticator, token: str) -> None:
    await refusal(authenticator, token)


@pytest.mark.parametrize("content", [b"[]", b"1", b"null", b'"x"', b"\xff", b""])
async def test_claims_that_are_no_object_are_refused(authenticator: Authenticator, content: bytes) -> None:
    header = {"typ": "at+jwt", "alg": "RS256", "kid": RSA.kid}

    await refusal(authenticator, jws.serialize_compact(header, content, RSA, algorithms=["RS256"]))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "eyJh.b.c"])
async def test_malformed_authorization_header_is_refused(authenticator: Authenticator, header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(header)


async def test_a_large_token_is_refused_before_it_is_decoded(
    authenticator: Authenticator, issuer: StandInIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(_: str) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("shared.identity.auth.read_token", decode)

    error = await refusal(authenticator, "x" * (TOKEN_BYTES_MAX + 1))

    assert "larger than 8192 bytes" in error.detail
    assert issuer.fetches == 0


async def test_token_just_below_the_size_limit_is_verified(authenticator: Authenticator) -> None:
    padded = sign(RSA, claims(pad="x" * 5300))

    assert 7500 < len(padded) <= TOKEN_BYTES_MAX
    await authenticator.authenticate(f"Bearer {padded}")


# -- tokens that were seen before ---------------------------------------------------------------------------------


async def test_a_token_is_verified_once(authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
    token = f"Bearer {sign(RSA)}"
    first = await authenticator.authenticate(token)
    monkeypatch.setattr("shared.identity.auth.read_token", None)

    assert await authenticator.authenticate(token) is first


async def test_cached_token_expires(authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
    token = f"Bearer {sign(RSA, claims(exp=int(time.time()) + 5))}"
    await authenticator.authenticate(token)
    later = time.time() + 5 + LEEWAY_S
    monkeypatch.setattr("shared.identity.auth.time.time", lambda: later)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(token)
    assert not authenticator._verified


async def test_token_cache_is_bounded_and_drops_the_least_used(
    authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.identity.auth.VERIFIED_MAX", 2)
    one, two, three = (f"Bearer {sign(ED, claims(jti=str(number)), alg='Ed25519')}" for number in range(3))
    for token in (one, two, one, three):
        await authenticator.authenticate(token)

    assert {verified.principal.token_id for verified in authenticator._verified.values()} == {"0", "2"}


async def test_refused_token_is_not_cached(authenticator: Authenticator) -> None:
    await refusal(authenticator, sign(RSA, claims(aud="another")))

    assert not authenticator._verified


async def test_a_token_that_lives_for_longer_than_a_day_is_refused(authenticator: Authenticator) -> None:
    now = int(time.time())
    await authenticator.authenticate(f"Bearer {sign(RSA, claims(iat=now, exp=now + 86_400))}")
    await refusal(authenticator, sign(RSA, claims(iat=now, exp=now + 86_401)))


async def test_an_expired_token_says_so_and_a_forged_one_that_has_expired_does_not() -> None:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(RSA).transport())
    past = {"iat": FromNow(-900), "exp": FromNow(-600)}
    good, forged = sign(RSA, claims(**past)), sign(rsa_key(), claims(**past))

    said = []
    for token in (good, forged, sign(RSA, claims(aud="another", **past))):
        with pytest.raises(Unauthenticated) as refused:
            await authenticator.authenticate(f"Bearer {token}")
        said.append(refused.value.detail)
    await authenticator.close()

    assert said[0] == "The access token has expired. Get a new one from the issuer."
    assert set(said[1:]) == {"The token is not valid for this service."}
