"""Every trick with tokens that we know of: none of them is let in, and none is more than a refusal."""

import base64
import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from shared.identity.auth import Authenticator
from shared.problem import Unauthenticated
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign, unsigned

RSA = rsa_key()
EC = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
EC384 = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
ED = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
BOUND = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
STRANGER = rsa_key()


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(header: bytes, content: bytes, key: RSAKey = RSA) -> str:
    """Exactly these bytes, signed with RS256 as the issuer would."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    message = f"{part(header)}.{part(content)}"
    private = key.private_key
    assert private is not None
    signature = private.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{message}.{part(signature)}"


def header(**changes: Any) -> bytes:
    return json.dumps({"typ": "at+jwt", "alg": "RS256", "kid": RSA.kid, **changes}).encode()


def body(**changes: Any) -> bytes:
    return json.dumps(claims(**changes)).encode()


class Wiretap(StandInIssuer):
    """An issuer that notes every address that it was asked for."""

    def __init__(self) -> None:
        super().__init__(RSA, EC, EC384, ED, BOUND)
        self.addresses: set[str] = set()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.addresses.add(str(request.url))
        return await super()._answer(request)


@pytest.fixture(scope="module")
def issuer() -> Wiretap:
    return Wiretap()


@pytest.fixture(scope="module")
def authenticator(issuer: Wiretap) -> Authenticator:
    return Authenticator(METADATA_URL, AUDIENCE, transport=issuer.transport())


async def is_refused(authenticator: Authenticator, token: str) -> bool:
    try:
        await authenticator.authenticate(f"Bearer {token}")
    except Unauthenticated:
        return True
    return False


async def test_what_these_tests_sign_by_hand_would_be_let_in(authenticator: Authenticator) -> None:
    """Otherwise they would prove nothing."""
    await authenticator.authenticate(f"Bearer {signed(header(), body())}")
    await authenticator.authenticate(f"Bearer {sign(BOUND)}")
    await authenticator.authenticate(f"Bearer {sign(EC384, alg='ES384')}")


GOOD = signed(header(), body(exp=int(time.time()) + 3600))
HEAD, BODY, SIGNATURE = GOOD.split(".")
NOW = int(time.time())
TRICKS = {
    "no signature": f"{HEAD}.{BODY}.",
    "no signature and no dot": f"{HEAD}.{BODY}",
    "alg none, signature kept": f"{part(header(alg='none'))}.{BODY}.{SIGNATURE}",
    "alg none in capitals": f"{part(header(alg='NONE'))}.{BODY}.",
    "signature cut": f"{HEAD}.{BODY}.{SIGNATURE[:-4]}",
    "signature of zeros": f"{HEAD}.{BODY}.{part(bytes(256))}",
    "signature of one": f"{HEAD}.{BODY}.{part(bytes(255) + b'1')}",
    "signature with a newline": f"{GOOD}\n",
    "signature with padding": f"{GOOD}==",
    "signature with junk that decoders pass over": f"{HEAD}.{BODY}.{SIGNATURE[:8]}!*{SIGNATURE[8:]}",
    "signature in the other alphabet": f"{HEAD}.{BODY}.{SIGNATURE.replace('-', '+').replace('_', '/')}="
    if set(SIGNATURE) & set("-_")
    else f"{GOOD}=",
    "spare bits set": f"{HEAD}.{BODY}.{SIGNATURE[:-1]}{chr(ord(SIGNATURE[-1]) + 1)}",
    "a fourth part": f"{GOOD}.{SIGNATURE}",
    "five parts, as if encrypted": f"{HEAD}..{BODY}.{SIGNATURE}.{SIGNATURE}",
    "the header twice": f"{HEAD}.{HEAD}.{BODY}.{SIGNATURE}",
    "a space in front": f" {GOOD}",
    "ECDSA signature of zeros": unsigned({"typ": "at+jwt", "alg": "ES256", "kid": EC.kid}, claims(), bytes(64)),
    "Ed25519 signature of zeros": unsigned({"typ": "at+jwt", "alg": "Ed25519", "kid": ED.kid}, claims(), bytes(64)),
    "another curve than the algorithm's": unsigned(
        {"typ": "at+jwt", "alg": "ES256", "kid": EC384.kid}, claims(), bytes(96)
    ),
    "another algorithm than the key's": jws.serialize_compact(
        {"typ": "at+jwt", "alg": "PS256", "kid": BOUND.kid},
        body(),
        RSAKey.import_key({k: v for k, v in BOUND.as_dict(private=True).items() if k != "alg"}),
        algorithms=["PS256"],
    ),
    "an algorithm for encryption": f"{part(header(alg='RSA-OAEP'))}.{BODY}.{SIGNATURE}",
    "ES256K": f"{part(header(alg='ES256K'))}.{BODY}.{SIGNATURE}",
    "kid climbs": sign(STRANGER, kid="../../../../dev/null"),
    "kid is SQL": sign(STRANGER, kid="x' UNION SELECT 'secret' --"),
    "kid is a command": sign(STRANGER, kid="/proc/sys/kernel/randomize_va_space|id"),
    "kid is an address": sign(STRANGER, kid="http://evil.test/key"),
    "kid is empty": sign(STRANGER, kid=""),
    "kid is no text": signed(header(kid=1), body(), STRANGER),
    "key in the header": sign(STRANGER, jwk=STRANGER.as_dict(private=False)),
    "keys at an address in the header": sign(STRANGER, jku="http://evil.test/jwks"),
    "certificate at an address in the header": sign(STRANGER, x5u="http://evil.test/cert"),
    "certificate in the header": sign(STRANGER, x5c=[part(b"certificate")]),
    "crit that nobody knows": signed(header(crit=["exp2"], exp2=1), body()),
    "crit that is empty": signed(header(crit=[]), body()),
    "unencoded payload": signed(header(crit=["b64"], b64=False), body()),
    "a token within": signed(header(cty="JWT"), GOOD.encode()),
    "a token within, claims beside": signed(header(cty="JWT"), body()),
    "alg twice": signed(b'{"typ":"at+jwt","alg":"none","alg":"RS256","kid":"%s"}' % str(RSA.kid).encode(), body()),
    "tenant twice": signed(header(), body()[:-1] + b',"tenant":"another"}'),
    "scope twice, deep": signed(header(), body()[:-1] + b',"act":{"sub":"a","sub":"b"}}'),
    "two objects": signed(header(), body() + body()),
    "claims with a BOM": signed(header(), b"\xef\xbb\xbf" + body()),
    "claims in UTF-16": signed(header(), body().decode().encode("utf-16")),
    "half a surrogate pair": signed(header(), body()[:-1] + b',"x":"\\ud800"}'),
    "a subject with a null": signed(header(), body(sub="a\u0000b")),
    "a subject with a newline": signed(header(), body(sub="a\nb")),
    "a subject that is long": signed(header(), body(sub="a" * 256)),
    "a client that is no text": signed(header(), body(client_id=["a"])),
    "a token id that is no text": signed(header(), body(jti=7)),
    "exp is text": signed(header(), body(exp=str(NOW + 3000))),
    "exp is true": signed(header(), body(exp=True)),
    "exp is a list": signed(header(), body(exp=[NOW + 3000])),
    "exp is NaN": signed(header(), body()[:-1].replace(b'"exp": ', b'"old": ') + b',"exp":NaN}'),
    "exp is infinite": signed(header(), body()[:-1].replace(b'"exp": ', b'"old": ') + b',"exp":Infinity}'),
    "exp is 1e400": signed(header(), body()[:-1].replace(b'"exp": ', b'"old": ') + b',"exp":1e400}'),
    "exp is enormous": signed(header(), body(exp=10**30)),
    "exp in milliseconds": signed(header(), body(exp=(NOW + 3000) * 1000)),
    "exp has passed": signed(header(), body(exp=NOW - 120, iat=NOW - 300)),
    "exp is below zero": signed(header(), body(exp=-1)),
    "iat lies far ahead": signed(header(), body(iat=NOW + 86_400, exp=NOW + 86_700)),
    "nbf lies ahead": signed(header(), body(nbf=NOW + 86_400)),
    "it lives for a year": signed(header(), body(exp=NOW + 365 * 86_400)),
    "aud begins as ours": signed(header(), body(aud=AUDIENCE + ".evil.test")),
    "aud holds ours": signed(header(), body(aud=f"other {AUDIENCE}")),
    "aud is an object": signed(header(), body(aud={AUDIENCE: 1})),
    "aud is a list with a number": signed(header(), body(aud=[AUDIENCE, 1])),
    "iss with a slash": signed(header(), body(iss="http://issuer.test/")),
    "iss in capitals": signed(header(), body(iss="HTTP://ISSUER.TEST")),
    "an ID token": signed(header(typ="JWT"), body(nonce="n")),
    "a logout token": signed(header(typ="logout+jwt"), body()),
    "a transaction token": signed(header(typ="txntoken+jwt"), body()),
    "no type": signed(json.dumps({"alg": "RS256", "kid": RSA.kid}).encode(), body()),
    "deep nesting": signed(header(), b"[" * 3000 + b"]" * 3000),
    "deep nesting in a claim": signed(header(), body()[:-1] + b',"x":' + b"[" * 2500 + b"]" * 2500 + b"}"),
    "oversized": signed(header(), body(pad="x" * 8192)),
    "a whole JWK set": json.dumps({"keys": [RSA.as_dict(private=False)]}),
    "JSON serialization": json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE}),
}


@pytest.mark.parametrize("token", TRICKS.values(), ids=TRICKS.keys())
async def test_a_trick_is_refused(authenticator: Authenticator, token: str) -> None:
    assert await is_refused(authenticator, token)


async def test_no_address_in_a_token_was_ever_asked(authenticator: Authenticator, issuer: Wiretap) -> None:
    for token in TRICKS.values():
        await is_refused(authenticator, token)

    assert issuer.addresses == {METADATA_URL, "http://issuer.test/jwks"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_change_to_a_token_is_let_in(authenticator: Authenticator, data: st.DataObject) -> None:
    """One character replaced, left out, put in or moved, anywhere; two tokens crossed; a part from elsewhere."""
    other = signed(header(), body(tenant="another", exp=NOW + 3000))
    kind = data.draw(st.sampled_from(["replace", "delete", "insert", "swap", "cross", "case"]))
    place = data.draw(st.integers(0, len(GOOD) - 1))
    character = data.draw(st.one_of(st.sampled_from("AQgw-_.=+/ \n\u00e9"), st.characters(codec="latin-1")))
    if kind == "replace":
        changed = GOOD[:place] + character + GOOD[place + 1 :]
    elif kind == "delete":
        changed = GOOD[:place] + GOOD[place + 1 + data.draw(st.integers(0, 8)) :]
    elif kind == "insert":
        changed = GOOD[:place] + character + GOOD[place:]
    elif kind == "swap":
        changed = GOOD[:place] + GOOD[place + 1 : place + 2] + GOOD[place] + GOOD[place + 2 :]
    elif kind == "cross":
        mine, theirs = GOOD.split("."), other.split(".")
        changed = ".".join(data.draw(st.sampled_from([a, b])) for a, b in zip(mine, theirs, strict=True))
    else:
        changed = GOOD[:place] + GOOD[place].swapcase() + GOOD[place + 1 :]

    if changed not in (GOOD, other):
        assert await is_refused(authenticator, changed)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_NAMES = st.sampled_from(["iss", "aud", "exp", "iat", "sub", "tenant", "scope", "nbf", "client_id", "jti"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=_NAMES, value=_JSON)
async def test_whatever_an_issuer_signs_is_taken_or_refused_and_never_an_error(
    authenticator: Authenticator, name: str, value: Any
) -> None:
    token = signed(header(), json.dumps({**claims(), name: value}).encode())
    try:
        principal = await authenticator.authenticate(f"Bearer {token}")
    except Unauthenticated:
        return
    assert principal.tenant
    assert principal.subject.isprintable()
