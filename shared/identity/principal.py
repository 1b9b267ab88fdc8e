"""The caller, as its access token says, and on whose behalf it calls."""

import re
from dataclasses import dataclass

from shared.problem import Forbidden

# A Salesforce user's id in the one spelling that everything behind the door uses.
USER_ID = re.compile(r"005[A-Za-z0-9]{15}")
_LEGAL_ENTITY = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Principal:
    """For which tenant a caller acts, through which client, with which scopes.

    `user` is the Salesforce user (005…, 18 characters) in whose name the token was issued; None for a service.
    `token_id` is the token's `jti`, empty where it has none, `issued_at` its `iat`. `legal_entities` are those whose
    accounts, orders and flows the caller may have to do with; None for all of the tenant's. `for_client` is the
    application that the request came in from, where another tier of ours hands it on; empty where it is the caller.
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
    """What a revocation may name of the access token with which someone came in from outside: the tiers behind judge
    by that, and not by the token that hands them on, which is always new. `issued_at` is in seconds since 1970.
    """

    subject: str
    issued_at: float
    token_id: str = ""


@dataclass(frozen=True, slots=True)
class ActingUser:
    """The Salesforce user for whom a request is made; `scope["state"]["acting_user"]`, None where a service asks.

    `user_id` has 18 characters (005…). `txn` names the transaction in every tier's records. `client_id` is the
    application through which the user came in with `own_token`, `scopes` what that allows, `legal_entities` those that
    it is for; None for all.
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
    """A service that calls from outside in nobody's name. `legal_entities` are those that it is for; None for all."""

    subject: str
    tenant: str
    txn: str
    client_id: str
    own_token: OwnToken
    scopes: frozenset[str]
    legal_entities: frozenset[str] | None


def read_legal_entities(claim: object) -> frozenset[str] | None:
    """Return the legal entities that a token's claim lists; None where it has none.

    Raises ValueError where it is no list.

    An empty list is for none at all: only a token that says nothing of them is for all.
    """
    if claim is None:
        return None
    codes = claim if isinstance(claim, list) else [None]
    if not all(isinstance(code, str) and _LEGAL_ENTITY.fullmatch(code) for code in codes):
        raise ValueError("its legal entities are no list of codes")
    return frozenset(codes)
