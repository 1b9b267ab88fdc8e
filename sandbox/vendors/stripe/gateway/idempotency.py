"""`Idempotency-Key`: an answer is kept under its key and given again to the same request.

Source: Stripe's API reference, "Idempotent requests", and "Advanced error handling": the key may have 255 characters
and is kept for at least 24 hours; whatever an endpoint answered once it began to execute is kept, also a 500; nothing
is kept when the parameters do not pass validation, when the request is rate limited, or while another request with the
key is being worked on.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.vendors.stripe.clock import SandboxClock
from sandbox.vendors.stripe.wire.errors import StripeError, invalid

KEY_CHARS_MAX = 255


@dataclass(frozen=True)
class KeptAnswer:
    """An answer under a key: exactly the bytes that were sent."""

    status: int
    body: bytes
    request_id: str


@dataclass
class _Claim:
    path: str
    fingerprint: str
    made_at: float
    answer: KeptAnswer | None = None


class IdempotencyKeys:
    """The keys of one account."""

    def __init__(self, clock: SandboxClock, kept_s: float) -> None:
        self._clock = clock
        self._kept_s = kept_s
        self._claims: dict[str, _Claim] = {}

    def claim(self, key: str, path: str, fingerprint: str) -> KeptAnswer | None:
        """Return the kept answer; or None, and then the key is held until `keep` or `release`.

        Raises StripeError: 400 for a key that is too long, 400 `idempotency_error` for other parameters or another
        endpoint, 409 `idempotency_key_in_use` while the first request is in flight.
        """
        if len(key) > KEY_CHARS_MAX:
            raise invalid(f"Idempotency keys can have up to {KEY_CHARS_MAX} characters; this one has {len(key)}.")
        self._forget_old()
        held = self._claims.get(key)
        if held is None:
            self._claims[key] = _Claim(path, fingerprint, self._clock.now())
            return None
        if held.path != path:
            raise _mismatch(f"for the same endpoint they were first used for ('{path}' vs '{held.path}')", key)
        if held.fingerprint != fingerprint:
            raise _mismatch("with the same parameters they were first used with", key)
        if held.answer is None:
            raise StripeError(
                409,
                "idempotency_error",
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                "submitted twice, and the other request is still going through): "
                f"{key}. Please try again later.",
                code="idempotency_key_in_use",
                headers={"Stripe-Should-Retry": "true"},
            )
        return held.answer

    def keep(self, key: str, answer: KeptAnswer) -> None:
        """Remember the answer of the request that claimed the key."""
        self._claims[key].answer = answer

    def release(self, key: str) -> None:
        """Give the key back unused: the request never began to execute."""
        self._claims.pop(key, None)

    def _forget_old(self) -> None:
        oldest = self._clock.now() - self._kept_s
        # Insertion order is age, and a claim without an answer is still being worked on.
        expired = []
        for key, claim in self._claims.items():
            if claim.made_at > oldest:
                break
            if claim.answer is not None:
                expired.append(key)
        for key in expired:
            del self._claims[key]


def _mismatch(rule: str, key: str) -> StripeError:
    return StripeError(
        400,
        "idempotency_error",
        f"Keys for idempotent requests can only be used {rule}. Try using a key other than '{key}' if you meant to "
        "execute a different request.",
    )
