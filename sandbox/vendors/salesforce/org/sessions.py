"""Sessions: opaque access tokens, each for one user and a limited time."""

import secrets
import time

from sandbox.vendors.salesforce.errors import SalesforceError


class Sessions:
    """Tokens begin with the org's id, as in `00D...!...`. `life_s` counts from the login."""

    def __init__(self, organization_id: str, life_s: int) -> None:
        self.life_s = life_s
        self._organization_id = organization_id
        self._open: dict[str, tuple[str, float]] = {}

    def open(self, user_id: str) -> str:
        now = time.monotonic()
        self._open = {token: session for token, session in self._open.items() if session[1] > now}
        token = f"{self._organization_id[:15]}!AQ{secrets.token_urlsafe(60)}"
        self._open[token] = (user_id, now + self.life_s)
        return token

    def user_of(self, authorization: str | None) -> str:
        """Return the user behind an Authorization header. Raises INVALID_SESSION_ID or INVALID_AUTH_HEADER (401)."""
        scheme, _, token = (authorization or "").partition(" ")
        if authorization and scheme.lower() not in ("bearer", "oauth"):
            raise SalesforceError("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", status=401)
        user_id, ends_at = self._open.get(token.strip(), ("", 0.0))
        if not user_id or ends_at <= time.monotonic():
            raise SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        return user_id

    def close_all(self) -> int:
        """End every session, as an administrator can; returns how many."""
        closed = len(self._open)
        self._open.clear()
        return closed
