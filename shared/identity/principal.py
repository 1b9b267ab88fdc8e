"""The caller according to its access token, and the user that it calls for."""

import re
from dataclasses import dataclass

from shared.problem import Forbidden

# A Salesforce user's id in the one spelling that is used inside.
USER_ID = re.compile(r"005[A-Za-z0-9]{15}")
_LEGAL_ENTITY = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: its tenant, client and scopes.

    `user` is the Salesforce user (005…, 18 characters) that the token was issued for; None for a service. `token_id` is
    the token's `jti`, empty if it has none, `issued_at` its `iat`. `legal_entities` are those whose accounts, orders
    and flows the caller may see and change; None for all of the tenant's. `for_client` is the application that the
    request came in from, if another tier of ours hands it on; empty if it is the caller.
    """

    subject: str
    client_id: str
    tenant: str
    scopes: frozenset[str]
    user: str | None = None
    issuer: str = ""
    token_id: str = ""
    legal_entities: frozenset[str] | None = None
    issued_at: float = 0.0
    for_client: str = ""

    def require(self, scopes: list[str]) -> None:
        """Raise Forbidden unless the token has every one of `scopes`."""
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing:
            raise Forbidden(f"The token lacks the scope {' '.join(missing)}.", scopes=scopes)


@dataclass(frozen=True, slots=True)
class OwnToken:
    """What a revocation can name of the access token of the outermost call. The tiers behind check this, since the
    token that hands the user on is always new. `issued_at` is in seconds since 1970.
    """

    subject: str
    issued_at: float
    token_id: str = ""


@dataclass(frozen=True, slots=True)
class ActingUser:
    """The Salesforce user that a request is made for: `scope["state"]["acting_user"]`; None for a service.

    `user_id` has 18 characters (005…). `txn` identifies the transaction in every tier's records. `client_id` is the
    application through which the user came in with `own_token`, `scopes` what that token allows, `legal_entities` those
    that it covers; None for all.
    """

    user_id: str
    tenant: str
    txn: str
    client_id: str
    own_token: OwnToken
    scopes: frozenset[str] = frozenset()
    legal_entities: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ActingClient:
    """A service that calls from outside for no user. `legal_entities` are those that it covers; None for all."""

    subject: str
    tenant: str
    txn: str
    client_id: str
    own_token: OwnToken
    scopes: frozenset[str]
    legal_entities: frozenset[str] | None


def read_legal_entities(claim: object) -> frozenset[str] | None:
    """Return the legal entities that a token's claim lists; None where it has none.

    Raises ValueError if the claim is no list.

    An empty list covers none: only a token without the claim covers all.
    """
    if claim is None:
        return None
    codes = claim if isinstance(claim, list) else [None]
    if not all(isinstance(code, str) and _LEGAL_ENTITY.fullmatch(code) for code in codes):
        raise ValueError("its legal entities are no list of codes")
    return frozenset(codes)
