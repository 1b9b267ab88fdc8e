"""The acting user is handed inward by the outer tier, and accepted from nowhere else."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from shared.identity.acting_user import handed_on, narrowed_to
from shared.identity.auth import Principal
from shared.identity.principal import ActingClient, ActingUser, OwnToken
from shared.identity.revocation import RevocationWatch, RevokedToken, RevokedTokens, mark
from shared.identity.signing_keys import rotate_keys
from shared.identity.transaction_token import TransactionTokenSigner, TransactionTokenVerifier
from shared.problem import Unauthenticated, Unavailable
from tests.shared.tokens import ABSENT, FromNow, claim_values, rsa_key, sign
from tests.shared.transaction_tokens import ADA, DESK, EXPERIENCE, OWN_TOKEN, Publisher

KEY = rsa_key()


def requester(**changes: Any) -> dict[str, Any]:
    """Return the requester context of a good token, changed; ABSENT leaves something out."""
    found = {
        "client_id": "salesforce-lightning",
        "sub": OWN_TOKEN.subject,
        "iat": OWN_TOKEN.issued_at,
        "jti": OWN_TOKEN.token_id,
        **changes,
    }
    return {name: value for name, value in found.items() if value is not ABSENT}


def content(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token, changed; ABSENT leaves one out."""
    now = int(time.time())
    found = {
        "iss": "experience-api",
        "aud": "quoteway",
        "iat": now,
        "exp": now + 30,
        "txn": "txn-1",
        "sub": ADA.user_id,
        "scope": "orders:read",
        "req_wl": "experience-api",
        "tctx": {"tenant": "nordwind"},
        "rctx": requester(),
        **changes,
    }
    return claim_values(found, now)


async def test_the_user_arrives_as_it_was_handed_on(
    signer: TransactionTokenSigner, verifier: TransactionTokenVerifier
) -> None:
    assert await verifier.verify(signer.sign(ADA), EXPERIENCE) == ADA


@pytest.mark.parametrize("acting", [replace(ADA, legal_entities=frozenset({"NW-DE"})), DESK])
async def test_legal_entities_are_handed_on_with_the_requester(
    signer: TransactionTokenSigner, verifier: TransactionTokenVerifier, acting: ActingUser | ActingClient
) -> None:
    assert await verifier.verify(signer.sign(acting), EXPERIENCE) == acting


@pytest.mark.parametrize(
    ("own", "handed", "left"),
    [
        (None, None, None),
        (None, {"NW-US"}, {"NW-US"}),
        ({"NW-US"}, None, {"NW-US"}),
        ({"NW-US", "NW-DE"}, {"NW-US", "NW-AT"}, {"NW-US"}),
        ({"NW-DE"}, {"NW-US"}, set()),
    ],
)
def test_caller_is_limited_to_legal_entities_of_both_tokens(
    own: set[str] | None, handed: set[str] | None, left: set[str] | None
) -> None:
    caller = replace(EXPERIENCE, legal_entities=None if own is None else frozenset(own))
    narrowed = narrowed_to(caller, None if handed is None else frozenset(handed))
    assert narrowed.legal_entities == left


@pytest.mark.parametrize("legal_entities", [None, frozenset({"NW-US"}), frozenset()])
async def test_service_without_user_is_handed_on_by_its_client(
    signer: TransactionTokenSigner, verifier: TransactionTokenVerifier, legal_entities: frozenset[str] | None
) -> None:
    assert handed_on(EXPERIENCE, ADA) is ADA
    desk = handed_on(Principal("desk", "desk", "nordwind", frozenset({"x"}), legal_entities=legal_entities), None)

    assert isinstance(desk, ActingClient)
    assert (desk.client_id, desk.legal_entities) == ("desk", legal_entities)
    assert await verifier.verify(signer.sign(desk), EXPERIENCE) == desk


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another-api"},
        {"iss": ABSENT},
        {"aud": "another-domain"},
        {"aud": "quoteway-process"},
        {"aud": ABSENT},
        {"req_wl": "another-api"},
        {"req_wl": ABSENT},
        {"tctx": {"tenant": "another"}},
        {"tctx": {}},
        {"tctx": {"tenant": "nordwind", "legal_entities": "NW-US"}},
        {"tctx": {"tenant": "nordwind", "service": True}},
        {"sub": "us-desk"},
        {"sub": "us-desk", "tctx": {"tenant": "nordwind", "legal_entities": ["NW-US"]}},
        {"tctx": "nordwind"},
        {"tctx": ABSENT},
        {"rctx": {}},
        {"rctx": requester(client_id=ABSENT)},
        {"rctx": requester(sub=ABSENT)},
        {"rctx": requester(iat=ABSENT)},
        {"rctx": requester(iat="yesterday")},
        {"rctx": requester(jti=7)},
        {"rctx": ABSENT},
        {"exp": FromNow(-6), "iat": FromNow(-30)},
        {"exp": FromNow(600)},
        {"exp": ABSENT},
        {"iat": ABSENT},
        {"iat": FromNow(600), "exp": FromNow(630)},
        {"sub": ABSENT},
        {"sub": ""},
        {"sub": "005QW0000000001"},
        {"sub": "experience-api"},
        {"txn": ABSENT},
        {"scope": ["orders:read"]},
    ],
    ids=", ".join,
)
async def test_a_token_with_a_wrong_claim_is_refused(
    publisher: Publisher, verifier: TransactionTokenVerifier, changes: dict[str, Any]
) -> None:
    good = publisher.keys.sign({"typ": "txntoken+jwt"}, content())
    assert await verifier.verify(good, EXPERIENCE) == ADA

    with pytest.raises(Unauthenticated):
        await verifier.verify(publisher.keys.sign({"typ": "txntoken+jwt"}, content(**changes)), EXPERIENCE)


class Revoker:
    """The list of what is revoked, with one entry."""

    def __init__(self, marked: bytes, issued_before: float | None = None) -> None:
        self.revoked = RevokedToken(mark=marked.hex(), issued_before=issued_before)

    async def read(self, after: int) -> RevokedTokens:
        return RevokedTokens(revoked=[] if after else [self.revoked], position=1)


@pytest.mark.parametrize("name", [ADA.user_id, OWN_TOKEN.subject, ADA.client_id])
async def test_inner_tier_checks_revocation_of_the_users_own_token(
    signer: TransactionTokenSigner, verifier: TransactionTokenVerifier, name: str
) -> None:
    """A token issued before a revocation of its subject is refused whenever it is used; later ones are valid."""
    now = time.time()
    watch = RevocationWatch(Revoker(mark("subject", "nordwind", name), now - 50).read, stale_max_s=60)
    await watch.ask()
    judging = replace(verifier, revocations=watch)
    before, after = (replace(ADA, own_token=replace(OWN_TOKEN, issued_at=now - age_s)) for age_s in (60, 40))

    assert await judging.verify(signer.sign(after), EXPERIENCE) == after
    with pytest.raises(Unauthenticated):
        await judging.verify(signer.sign(before), EXPERIENCE)


@pytest.mark.parametrize(
    ("acting", "marked"),
    [(ADA, mark("token", "nordwind", "jti-1")), (DESK, mark("subject", "nordwind", "us-desk"))],
    ids=["a user's token", "a service"],
)
async def test_inner_tier_refuses_a_requester_with_a_revoked_token(
    signer: TransactionTokenSigner,
    verifier: TransactionTokenVerifier,
    acting: ActingUser | ActingClient,
    marked: bytes,
) -> None:
    watch = RevocationWatch(Revoker(marked).read, stale_max_s=60)
    await watch.ask()
    other = RevocationWatch(Revoker(mark("token", "another", "jti-1")).read, stale_max_s=60)
    await other.ask()

    assert await replace(verifier, revocations=other).verify(signer.sign(acting), EXPERIENCE) == acting
    with pytest.raises(Unauthenticated):
        await replace(verifier, revocations=watch).verify(signer.sign(acting), EXPERIENCE)


async def test_revocation_marks_come_from_the_users_own_token() -> None:
    principal = replace(EXPERIENCE, legal_entities=frozenset({"NW-US"}), token_id="j", issued_at=7.0)
    desk = handed_on(principal, None)

    assert desk is not None
    assert desk.own_token == OwnToken("experience-api", 7.0, "j")


@pytest.mark.parametrize("typ", ["at+jwt", "JWT", None])
async def test_a_token_of_another_type_is_refused(
    publisher: Publisher, verifier: TransactionTokenVerifier, typ: str | None
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(publisher.keys.sign({} if typ is None else {"typ": typ}, content()), EXPERIENCE)


async def test_a_token_signed_by_another_key_is_refused(verifier: TransactionTokenVerifier, tmp_path: Path) -> None:
    forger = Publisher(tmp_path / "forged.json")
    assert await verifier.keys.find("") is None
    own_kid = next(iter(verifier.keys._keys))
    forged_key = OKPKey.import_key({**forger.keys._keys[0].as_dict(private=True), "kid": own_kid})
    assert isinstance(forged_key, OKPKey)
    forger.keys._keys = [forged_key]

    for token in (
        Publisher(tmp_path / "other.json").keys.sign({"typ": "txntoken+jwt"}, content()),
        forger.keys.sign({"typ": "txntoken+jwt"}, content()),
        sign(KEY, content(), typ="txntoken+jwt"),
    ):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token, EXPERIENCE)


@pytest.mark.parametrize(
    "principal",
    [
        Principal("experience-api", "experience-api", "another", frozenset()),
        Principal("partner-api", "partner-api", "nordwind", frozenset()),
    ],
    ids=["for another tenant", "from another client"],
)
async def test_token_is_refused_from_another_client(
    signer: TransactionTokenSigner, verifier: TransactionTokenVerifier, principal: Principal
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(signer.sign(ADA), principal)


async def test_missing_keys_are_unavailable_and_not_a_refusal(
    publisher: Publisher, signer: TransactionTokenSigner, verifier: TransactionTokenVerifier
) -> None:
    publisher.away = True

    with pytest.raises(Unavailable):
        await verifier.verify(signer.sign(ADA), EXPERIENCE)


async def test_key_rotation_interrupts_nothing(
    publisher: Publisher, signer: TransactionTokenSigner, verifier: TransactionTokenVerifier
) -> None:
    before = signer.sign(ADA)
    await verifier.verify(before, EXPERIENCE)
    asked_at = verifier.keys._asked_at
    rotate_keys(Path(publisher.keys.path))
    publisher.keys._looked_at -= 10
    after = signer.sign(ADA)

    assert before.split(".")[0] != after.split(".")[0]
    # The next key was published before it signed, so nobody fetches it; tokens of the last one stay valid.
    assert await verifier.verify(after, EXPERIENCE) == ADA
    assert await verifier.verify(before, EXPERIENCE) == ADA
    assert verifier.keys._asked_at == asked_at
