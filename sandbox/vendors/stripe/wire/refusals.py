"""Refusals on order: the next matching writes are answered with an error of the test's choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from sandbox.vendors.stripe.wire.errors import StripeError

_TYPES = {402: "card_error", 409: "idempotency_error"}


@dataclass
class Refusal:
    """`times` more requests with this method whose path matches `path` (`*` stands for anything) are refused.

    With `executed` the work is done all the same and only its answer is replaced: what a 500 can mean.
    """

    method: str
    path: str
    status: int
    code: str | None
    message: str
    times: int = 1
    executed: bool = False

    def error(self) -> StripeError:
        """Return the answer that the refused request gets."""
        type_ = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")
        extra = {"decline_code": "generic_decline"} if self.code == "card_declined" else {}
        return StripeError(self.status, type_, self.message, code=self.code, extra=extra)


class Refusals:
    """The refusals that are still to be given."""

    def __init__(self) -> None:
        self._waiting: list[Refusal] = []

    def order(self, request: Mapping[str, Any]) -> Refusal:
        """Add one. Raises ValueError, which says what is wrong, for a request that is not one."""
        known = set(Refusal.__dataclass_fields__)
        if unknown := set(request) - known:
            raise ValueError(f"unknown fields {sorted(unknown)}; a refusal has {sorted(known)}")
        if missing := {"path", "status"} - set(request):
            raise ValueError(f"missing fields {sorted(missing)}")
        status, times = request["status"], request.get("times", 1)
        if type(status) is not int or not 400 <= status <= 599:
            raise ValueError("status must be an HTTP status from 400 to 599")
        if type(times) is not int or times < 1:
            raise ValueError("times must be a positive integer")
        method = str(request.get("method", "POST")).upper()
        if method not in {"POST", "DELETE"}:
            raise ValueError("method must be POST or DELETE: only writes are refused")
        refusal = Refusal(
            method=method,
            path=str(request["path"]),
            status=status,
            code=request.get("code"),
            message=str(request.get("message", "Refused by order of a test.")),
            times=times,
            executed=bool(request.get("executed", False)),
        )
        self._waiting.append(refusal)
        return refusal

    def take(self, method: str, path: str) -> Refusal | None:
        """Return the refusal that this request is due, used up by one."""
        for refusal in self._waiting:
            if refusal.method == method and fnmatchcase(path, refusal.path):
                refusal.times -= 1
                if not refusal.times:
                    self._waiting.remove(refusal)
                return refusal
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """Return what is still to be given."""
        return [asdict(refusal) for refusal in self._waiting]

    def clear(self) -> None:
        """Refuse nothing any more."""
        self._waiting.clear()
