"""The accepted token issuers, and which claims of each name tenant, scopes, client and user.

The first issuer is the one in QUOTEWAY_ISSUER_METADATA_URL: it uses this project's claim names and may issue tokens for
every tenant. Further ones are in the TOML file of QUOTEWAY_ISSUERS_FILE, a block each:

    [[issuer]]
    issuer = "https://login.example.com"          # exactly as in the tokens' `iss`
    metadata_url = "https://login.example.com/.well-known/openid-configuration"
    tenants = ["nordwind"]                        # that it may issue tokens for; ["*"]: every tenant
    audience = "api://quoteway"                   # default: the tier's own
    token_type = "JWT"                            # the header's `typ`, at+jwt or JWT; default at+jwt (RFC 9068)
    tenant_claim = "org"                          # default tenant; "" if it has one tenant and no such claim
    scope_claim = "scp"                           # default scope; a list or a text with spaces
    client_claim = "azp"                          # default client_id
    user_claim = "salesforce_user"                # the default; 005…, 18 characters; absent from a service's token
    legal_entities_claim = "companies"            # default legal_entities; a list of codes; absent: all of the tenant's

A block with the metadata address of the first issuer sets that one's claim names.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.identity.principal import USER_ID, Principal, read_legal_entities
from shared.identity.signed_token import TokenRefused, read_name
from shared.settings import SettingsError, variable

ANY_TENANT = "*"
_TENANT = re.compile(r"[a-z0-9-]{1,40}")

IssuersFile = Annotated[
    str,
    Meta(description="a TOML file of further token issuers; the form is at the head of `shared/identity/issuers.py`"),
]


class TrustedIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An issuer, and how its tokens are read. An empty `issuer` stands for the name in its metadata."""

    metadata_url: Annotated[str, Meta(pattern="^https?://")]
    issuer: str = ""
    tenants: Annotated[list[str], Meta(min_length=1)] = msgspec.field(default_factory=lambda: [ANY_TENANT])
    audience: str = ""
    token_type: Literal["at+jwt", "JWT"] = "at+jwt"  # noqa: S105 the name of a type
    tenant_claim: str = "tenant"
    scope_claim: str = "scope"
    client_claim: str = "client_id"
    user_claim: str = "salesforce_user"
    legal_entities_claim: str = "legal_entities"

    def takes_type(self, header: Mapping[str, Any]) -> bool:
        """Return whether the header's `typ` is this issuer's for access tokens (RFC 7515, section 4.1.9)."""
        typ = header.get("typ")
        return isinstance(typ, str) and typ.lower().removeprefix("application/") == self.token_type.lower()

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Return the caller. Raises TokenRefused if a claim is missing or wrong."""
        subject = read_name(claims, "sub")
        client_id = read_name(claims, self.client_claim) if self.client_claim in claims else subject
        return Principal(
            subject=subject,
            client_id=client_id,
            tenant=self._tenant(claims),
            scopes=self._scopes(claims),
            user=self._user(claims),
            issuer=str(claims["iss"]),
            token_id=read_name(claims, "jti") if "jti" in claims else "",
            legal_entities=self._legal_entities(claims),
            issued_at=float(claims["iat"]),
        )

    def _tenant(self, claims: Mapping[str, Any]) -> str:
        tenant = claims.get(self.tenant_claim) if self.tenant_claim else self.tenants[0]
        if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
            raise TokenRefused("it names no tenant")
        if ANY_TENANT not in self.tenants and tenant not in self.tenants:
            raise TokenRefused(f"its issuer does not speak for the tenant {tenant}")
        return tenant

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        scopes = claims.get(self.scope_claim, "")
        words = scopes.split() if isinstance(scopes, str) else scopes
        if self.scope_claim == "scope" and not isinstance(scopes, str):
            raise TokenRefused("its scope is no text, as RFC 8693 has it")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise TokenRefused("its scopes are no text")
        return frozenset(words)

    def _legal_entities(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        try:
            return read_legal_entities(claims.get(self.legal_entities_claim))
        except ValueError as error:
            raise TokenRefused(str(error)) from error

    def _user(self, claims: Mapping[str, Any]) -> str | None:
        user = claims.get(self.user_claim)
        if user is None:
            return None
        if not isinstance(user, str) or not USER_ID.fullmatch(user):
            # As a service's token it would let the user see what only services may.
            raise TokenRefused("it names a user in no known way")
        return user


def load_issuers(path: str, first_metadata_url: str) -> list[TrustedIssuer]:
    """Return the first issuer, then those of the file at `path`, if any.

    Raises SettingsError with every fault of the file.
    """
    first = TrustedIssuer(metadata_url=first_metadata_url)
    if not path:
        return [first]
    try:
        blocks = tomllib.loads(Path(path).read_text()).get("issuer", [])
    except (OSError, ValueError) as error:
        raise SettingsError([f"{variable('issuers_file')} is wrong, {path} cannot be read: {error}"]) from error
    faults: list[str] = []
    further: list[TrustedIssuer] = []
    for number, block in enumerate(blocks, start=1):
        try:
            issuer = msgspec.convert(block, TrustedIssuer)
            _check(issuer, block, first_metadata_url, [*further])
        except ValueError as error:  # msgspec's own is one too
            faults.append(f"{variable('issuers_file')} is wrong, issuer {number} of {path}: {error}")
            continue
        further.append(issuer)
    if faults:
        raise SettingsError(faults)
    own = [issuer for issuer in further if issuer.metadata_url == first_metadata_url]
    return [*(own or [first]), *(issuer for issuer in further if issuer not in own)]


def _check(
    issuer: TrustedIssuer, block: Mapping[str, Any], first_metadata_url: str, before: list[TrustedIssuer]
) -> None:
    if issuer.metadata_url in {other.metadata_url for other in before}:
        raise ValueError("its metadata_url stands twice")
    if issuer.issuer and issuer.issuer in {other.issuer for other in before}:
        raise ValueError("its name stands twice")
    if issuer.metadata_url != first_metadata_url and not (issuer.issuer and "tenants" in block):
        raise ValueError("name the issuer exactly, and the tenants for whom it may speak")
    if not issuer.tenant_claim and (len(issuer.tenants) != 1 or ANY_TENANT in issuer.tenants):
        raise ValueError("without a tenant_claim it has to have exactly one tenant")
