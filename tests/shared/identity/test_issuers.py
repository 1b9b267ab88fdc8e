"""Several issuers: each issues for its own tenants, with its own claim names."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.identity.auth import Authenticator, Principal
from shared.identity.issuers import TrustedIssuer, load_issuers
from shared.problem import Unauthenticated
from shared.settings import SettingsError
from tests.shared.tokens import ABSENT, AUDIENCE, ISSUER, METADATA_URL, StandInIssuer, claims, public, rsa_key, sign

FIRST, SECOND = rsa_key(), rsa_key()
OTHER = "https://login.partner.test"
OTHER_METADATA = f"{OTHER}/.well-known/openid-configuration"
PARTNER = TrustedIssuer(
    issuer=OTHER,
    metadata_url=OTHER_METADATA,
    tenants=["partner"],
    audience="api://quoteway",
    token_type="JWT",
    tenant_claim="org",
    scope_claim="scp",
    client_claim="azp",
    user_claim="sf",
)


async def answer(request: httpx.Request) -> httpx.Response:
    here = OTHER if request.url.host == "login.partner.test" else ISSUER
    if request.url.path == "/jwks":
        return httpx.Response(200, json=public(SECOND if here == OTHER else FIRST))
    return httpx.Response(200, json={"issuer": here, "jwks_uri": f"{here}/jwks", "token_endpoint": f"{here}/token"})


@pytest.fixture
def authenticator() -> Authenticator:
    issuers = [TrustedIssuer(metadata_url=METADATA_URL), PARTNER]
    return Authenticator(METADATA_URL, AUDIENCE, issuers=issuers, transport=httpx.MockTransport(answer))


def partners(**changes: Any) -> dict[str, Any]:
    own = {"iss": OTHER, "aud": "api://quoteway", "org": "partner", "scp": ["orders:read"], "azp": "shop", **changes}
    return claims(tenant=ABSENT, scope=ABSENT, client_id=ABSENT, **own)


async def test_claims_are_read_by_each_issuers_names(authenticator: Authenticator) -> None:
    first = await authenticator.authenticate(f"Bearer {sign(FIRST)}")
    user = "005QW0000000001YAA"
    said = partners(sf=user, jti="j")
    second = await authenticator.authenticate(f"Bearer {sign(SECOND, said, typ='JWT')}")

    assert (first.tenant, first.issuer) == ("nordwind", ISSUER)
    scopes = frozenset({"orders:read"})
    assert second == Principal("005QW0000000001AAA", "shop", "partner", scopes, user, OTHER, "j", issued_at=said["iat"])


@pytest.mark.parametrize(
    "token",
    [
        sign(SECOND, partners(org="nordwind"), typ="JWT"),
        sign(SECOND, partners(aud=AUDIENCE), typ="JWT"),
        sign(SECOND, partners(), typ="at+jwt"),
        sign(SECOND, partners(scp=[1]), typ="JWT"),
        sign(SECOND, partners(azp=""), typ="JWT"),
        sign(SECOND, partners(sf="ada"), typ="JWT"),
        # One issuer's key under the other's name, with and without the other's key id.
        sign(SECOND, claims()),
        sign(SECOND, claims(), kid=FIRST.kid),
        sign(FIRST, partners(), typ="JWT"),
        sign(FIRST, partners(), typ="JWT", kid=SECOND.kid),
    ],
    ids=[
        "another's tenant",
        "another's audience",
        "another's type",
        "scopes that are no text",
        "no client",
        "a user of no known kind",
        "second as first",
        "second as first with its key id",
        "first as second",
        "first as second with its key id",
    ],
)
async def test_issuer_is_limited_to_its_tenants(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {token}")


async def test_an_issuer_of_one_tenant_need_not_name_it() -> None:
    issuer = TrustedIssuer(metadata_url=METADATA_URL, tenants=["nordwind"], tenant_claim="")
    stand_in = StandInIssuer(FIRST)
    authenticator = Authenticator(METADATA_URL, AUDIENCE, issuers=[issuer], transport=stand_in.transport())

    principal = await authenticator.authenticate(f"Bearer {sign(FIRST, claims(tenant='another'))}")

    assert principal.tenant == "nordwind"


def test_without_a_file_only_the_first_issuer_is_accepted() -> None:
    assert load_issuers("", METADATA_URL) == [TrustedIssuer(metadata_url=METADATA_URL)]


def test_the_file_adds_issuers_and_says_how_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "issuers.toml"
    path.write_text(
        f'[[issuer]]\nissuer = "{OTHER}"\nmetadata_url = "{OTHER_METADATA}"\ntenants = ["partner"]\n'
        f'[[issuer]]\nmetadata_url = "{METADATA_URL}"\ntoken_type = "JWT"\n'
    )

    first, second = load_issuers(str(path), METADATA_URL)

    assert first == TrustedIssuer(metadata_url=METADATA_URL, token_type="JWT")
    assert (second.issuer, second.tenants) == (OTHER, ["partner"])


def test_every_fault_of_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "issuers.toml"
    blocks = [
        f'issuer = "{OTHER}"\nmetadata_url = "{OTHER_METADATA}"\ntenants = ["partner"]',
        f'issuer = "https://third.test"\nmetadata_url = "{OTHER_METADATA}"\ntenants = ["*"]',
        'metadata_url = "https://fourth.test"\ntenants = ["*"]',
        'issuer = "f"\nmetadata_url = "https://fifth.test"',
        'issuer = "s"\nmetadata_url = "https://sixth.test"\ntenants = ["a", "b"]\ntenant_claim = ""',
        'issuer = "v"\nmetadata_url = "ftp://seventh.test"\ntenants = ["a"]',
        'issuer = "e"\nmetadata_url = "https://eighth.test"\ntenants = ["a"]\ntype = "x"',
    ]
    path.write_text("\n".join(f"[[issuer]]\n{block}" for block in blocks))

    with pytest.raises(SettingsError) as refused:
        load_issuers(str(path), METADATA_URL)

    assert [fault.split(" of ")[0][-1] for fault in refused.value.faults] == list("234567")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_issuers(str(tmp_path / "none.toml"), METADATA_URL)
