"""The caller, as its access token says."""

from dataclasses import dataclass

from shared.problem import Forbidden


@dataclass(frozen=True, slots=True)
class Principal:
    """For which tenant a caller acts, through which client, with which scopes.

    `user` is the Salesforce user (005…, 18 characters) in whose name the token was issued; None for a service.
    `token_id` is the token's `jti`, empty where it has none.
    """

    subject: str
    client_id: str
    tenant: str
    scopes: frozenset[str]
    user: str | None = None
    issuer: str = ""
    token_id: str = ""

    def require(self, scopes: list[str]) -> None:
        """Raise Forbidden unless the token has every one of `scopes`."""
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing:
            raise Forbidden(f"The token lacks the scope {' '.join(missing)}.", scopes=scopes)
