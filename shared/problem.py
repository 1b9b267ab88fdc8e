"""Every error that Quoteway raises on purpose, and its form on the wire (RFC 9457).

    QuotewayError
    ├── InvalidRequest        400  the request itself is wrong; a pointer per fault
    ├── Unauthenticated       401  no token, or not a valid one
    ├── Forbidden             403  a valid token without the scope
    ├── NotPermitted          403  the caller sees it, but may not do this with it
    ├── NotFound              404  nothing there, or nothing you may see
    ├── NoSuchAddress         404  not an address of this service: a wrong URL, not a missing record
    ├── MethodNotAllowed      405
    ├── Conflict              409  the request is right, the record's state is not
    ├── RequestTimeout        408  the body did not arrive in time
    ├── PayloadTooLarge       413
    ├── HeadersTooLarge       431
    ├── IdempotencyMismatch   422  the key was used with another body
    ├── QuotaExceeded         429  too many requests of this caller
    └── VendorError           what a vendor's answer means for a flow:
        ├── Rejected          422  the vendor said no; nothing happened (Refused: Quoteway itself did)
        ├── Unavailable       503  known not done; the same request may be sent again
        ├── OutcomeUnknown    504  sent, and no trustworthy answer: look it up, never repeat it blindly
        └── NeedsDecision     409  known not done, and only a person can say how it goes on

A `detail` is a plain sentence that a seller can read. The vendor's own words are kept apart in `vendor_said`: they are
for operators, and leave the system tier for our own tiers only.

The vendor families decide what a saga does next, so they survive the hop between tiers: the system tier answers them as
problems, and `shared.outbound.http_client` raises them again on the other side. So do the errors that the outermost
caller can act on: a wrong request, a missing record, a conflict, a reused idempotency key.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

PROBLEM_MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:quoteway:problem:"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of a request. `pointer` is a JSON pointer into the body (RFC 6901), or names a parameter."""

    pointer: Annotated[str, Meta(examples=["/lines/0/quantity"])]
    detail: Annotated[str, Meta(examples=["Expected a text, got a number."])]


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An error answer (RFC 9457). `type` is stable; `reason_code` gives the reason in one word if a type has several.

    Members that do not apply are left out, never null: clients such as Salesforce External Services want one type per
    field.
    """

    type: Annotated[str, Meta(examples=["urn:quoteway:problem:invalid-request"])]
    title: Annotated[str, Meta(examples=["The request is not valid"])]
    status: Annotated[int, Meta(ge=400, le=599, examples=[400])]
    detail: Annotated[str, Meta(examples=["One field is wrong."])]
    correlation_id: Annotated[str, Meta(examples=["0f8e0c5e2a6f4f43a2b5c77d6a1d3b10"])]
    reason_code: str = ""
    errors: list[Fault] = []
    retry_after_seconds: int = 0
    vendor_said: str = ""
    what_to_do: str = ""
    attempts_max: int = 0
    vendor: str = ""


class QuotewayError(Exception):
    """The parent of every error that has a problem type of its own."""

    status = 500
    type_prefix = _TYPE_PREFIX
    slug = "internal-error"
    title = "Something went wrong on our side"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}

    def problem(self, correlation_id: str) -> Problem:
        """Return this error as it is sent."""
        return Problem(
            type=self.type_prefix + self.slug,
            title=self.title,
            status=self.status,
            detail=self.detail,
            correlation_id=correlation_id,
            **self._members(),
        )

    @property
    def for_operators(self) -> str:
        """What happened, with the technical words."""
        return self.detail

    def _members(self) -> dict[str, Any]:
        return {}


class InvalidRequest(QuotewayError):
    """The request itself is wrong: a retry will not help."""

    status, slug, title = 400, "invalid-request", "The request is not valid"

    def __init__(self, detail: str, faults: list[Fault] | None = None) -> None:
        super().__init__(detail)
        self.faults = faults or []

    def _members(self) -> dict[str, Any]:
        return {"errors": self.faults}


class Unauthenticated(QuotewayError):
    """No token, or not a valid one. `WWW-Authenticate` says which (RFC 6750)."""

    status, slug, title = 401, "unauthenticated", "A valid access token is needed"

    def __init__(self, detail: str, *, error: str | None = None) -> None:
        challenge = "Bearer"
        if error:
            challenge = f'Bearer error="{error}", error_description="{detail}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class Forbidden(QuotewayError):
    """A valid token that lacks a scope."""

    status, slug, title = 403, "forbidden", "The access token does not allow this"

    def __init__(self, detail: str, *, scopes: list[str]) -> None:
        needed = " ".join(scopes)
        super().__init__(detail, headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'})


class NotPermitted(QuotewayError):
    """The caller sees the record and lacks no scope, but may not do this with it, or not in this user's name."""

    status, slug, title = 403, "not-permitted", "You may not do this"


class NotFound(QuotewayError):
    """There is no such record, or the caller may not see it: the answers are the same."""

    status, slug, title = 404, "not-found", "There is no such record"


class NoSuchAddress(QuotewayError):
    """Not an address of this service. A type of its own, so that a tier with a wrong URL does not read it as "no
    record".
    """

    status, slug, title = 404, "no-such-address", "There is nothing at this address"


class MethodNotAllowed(QuotewayError):
    """The address exists, but not with this method; `Allow` names those it has."""

    status, slug, title = 405, "method-not-allowed", "The method is not allowed here"


class Conflict(QuotewayError):
    """The request is right, but the record's current state does not allow it."""

    status, slug, title = 409, "conflict", "The record's state does not allow this"

    def __init__(self, detail: str, *, retry_after_s: int | None = None, reason_code: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)} if retry_after_s else {})
        self.retry_after_s = retry_after_s
        self.reason_code = reason_code

    def _members(self) -> dict[str, Any]:
        return {"retry_after_seconds": self.retry_after_s or 0, "reason_code": self.reason_code}


class RequestTimeout(QuotewayError):
    """The body did not arrive in time; the connection is closed."""

    status, slug, title = 408, "request-timeout", "The request did not arrive in time"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Connection": "close"})


class PayloadTooLarge(QuotewayError):
    """The body is larger than any request may be."""

    status, slug, title = 413, "payload-too-large", "The body is too large"


class HeadersTooLarge(QuotewayError):
    """The headers have more bytes than this service takes."""

    status = 431
    slug = "headers-too-large"
    title = "The headers are too large"


class IdempotencyMismatch(QuotewayError):
    """The idempotency key has been used with another body."""

    status, slug, title = 422, "idempotency-key-reused", "The idempotency key was used for another request"


class QuotaExceeded(QuotewayError):
    """A caller asks too often. `limit` names the limit: client, user, tenant or the operation's class.

    The type is the one registered for it (draft-ietf-httpapi-ratelimit-headers, "Problem Types").
    """

    status, slug, title = 429, "quota-exceeded", "Too many requests"
    type_prefix = "https://iana.org/assignments/http-problem-types#"

    def __init__(self, detail: str, *, limit: str, retry_after_s: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)})
        self.limit = limit
        self.retry_after_s = retry_after_s

    def _members(self) -> dict[str, Any]:
        return {"reason_code": f"limit_{self.limit}", "retry_after_seconds": self.retry_after_s}


class VendorError(QuotewayError):
    """The parent of the vendor families. `vendor` is the system's name for operators.

    `detail` is a plain sentence; `vendor_said` has the vendor's own words, and `what_to_do` tells an operator how a
    flow that parks over it goes on. `what_to_do` names no person: unlike a vendor's words it is kept with the flow.
    `faults` name what is wrong with a record, by a JSON pointer into it in the canonical model, where that is known.
    """

    # Whether `detail` was written for sellers, whatever names of the quote are in it (shared.seller_words).
    is_for_sellers = False

    def __init__(
        self,
        detail: str,
        *,
        reason_code: str,
        vendor: str = "",
        retry_after_s: int | None = None,
        vendor_said: str | None = None,
        what_to_do: str = "",
    ) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)} if retry_after_s else {})
        self.faults: list[Fault] = []
        self.reason_code = reason_code
        self.vendor = vendor
        self.retry_after_s = retry_after_s
        self.vendor_said = vendor_said
        self.what_to_do = what_to_do
        # How often in all a step that meets this is tried; None: the process tier's setting.
        self.attempts_max: int | None = None

    @property
    def for_operators(self) -> str:
        """What happened, with the vendor's own words behind it."""
        return f"{self.detail.rstrip('.')} ({self.vendor_said})" if self.vendor_said else self.detail

    def _members(self) -> dict[str, Any]:
        return {
            "reason_code": self.reason_code,
            "errors": self.faults,
            "retry_after_seconds": self.retry_after_s or 0,
            "vendor_said": self.vendor_said or "",
            "what_to_do": self.what_to_do,
            "attempts_max": self.attempts_max or 0,
            "vendor": self.vendor,
        }


class Rejected(VendorError):
    """The vendor said no and nothing happened. Never retried; earlier steps are compensated."""

    status, slug, title = 422, "rejected", "The request was refused"


class Refused(Rejected):
    """A refusal of Quoteway's own: its sentence is for sellers, whatever the names of products and taxes in it are."""

    is_for_sellers = True


class Unavailable(VendorError):
    """Known not done: refused, 429, or 503 before acceptance. May be retried after `retry_after_s` seconds."""

    status, slug, title = 503, "unavailable", "A system we depend on is not available"

    def __init__(
        self,
        detail: str,
        *,
        reason_code: str = "unavailable",
        vendor: str = "",
        retry_after_s: int | None = None,
        vendor_said: str | None = None,
        what_to_do: str = "",
    ) -> None:
        super().__init__(
            detail,
            reason_code=reason_code,
            vendor=vendor,
            retry_after_s=retry_after_s,
            vendor_said=vendor_said,
            what_to_do=what_to_do,
        )


class OutcomeUnknown(VendorError):
    """Sent, without a trustworthy answer. It may have happened: look it up by its external id.

    `retry_after_s` is the vendor's settle time: a look-up before it may miss the record.
    """

    status, slug, title = 504, "outcome-unknown", "It is not known whether this happened"

    def __init__(
        self,
        detail: str,
        *,
        reason_code: str = "outcome_unknown",
        vendor: str = "",
        retry_after_s: int | None = None,
        vendor_said: str | None = None,
        what_to_do: str = "",
    ) -> None:
        super().__init__(
            detail,
            reason_code=reason_code,
            vendor=vendor,
            retry_after_s=retry_after_s,
            vendor_said=vendor_said,
            what_to_do=what_to_do,
        )


class NeedsDecision(VendorError):
    """Known not done, and a retry would fail alike: a person decides, or mends what `what_to_do` names.

    A flow parks over it at once. `candidates` are the choices, each in a few words with its id.
    """

    status, slug, title = 409, "needs-decision", "A person has to decide how this goes on"

    def __init__(
        self,
        detail: str,
        *,
        reason_code: str,
        what_to_do: str,
        candidates: Sequence[str] = (),
        vendor: str = "",
        vendor_said: str | None = None,
    ) -> None:
        super().__init__(detail, reason_code=reason_code, vendor=vendor, vendor_said=vendor_said, what_to_do=what_to_do)
        self.candidates = tuple(candidates)

    def _members(self) -> dict[str, Any]:
        faults = [Fault(pointer="", detail=candidate) for candidate in self.candidates]
        return {**super()._members(), "errors": faults}


_BY_TYPE: dict[str, type[QuotewayError]] = {
    _TYPE_PREFIX + family.slug: family
    for family in (
        NeedsDecision,
        Rejected,
        Unavailable,
        OutcomeUnknown,
        InvalidRequest,
        NotFound,
        NotPermitted,
        Conflict,
        IdempotencyMismatch,
    )
}


def error_from_problem(problem: Problem) -> QuotewayError | None:
    """Return the error that another tier of ours sent; None for one that only a defect of ours can cause."""
    family = _BY_TYPE.get(problem.type)
    if family is None:
        return None
    if family is NeedsDecision:
        return NeedsDecision(
            problem.detail,
            reason_code=problem.reason_code or "needs_decision",
            candidates=[fault.detail for fault in problem.errors],
            what_to_do=problem.what_to_do,
            vendor=problem.vendor,
            vendor_said=problem.vendor_said or None,
        )
    if issubclass(family, VendorError):
        error = family(
            problem.detail,
            reason_code=problem.reason_code or family.slug.replace("-", "_"),
            vendor=problem.vendor,
            retry_after_s=problem.retry_after_seconds or None,
            vendor_said=problem.vendor_said or None,
            what_to_do=problem.what_to_do,
        )
        error.attempts_max = problem.attempts_max or None
        error.faults = problem.errors
        return error
    if family is Conflict:
        retry_after_s = problem.retry_after_seconds or None
        return Conflict(problem.detail, retry_after_s=retry_after_s, reason_code=problem.reason_code)
    if family is InvalidRequest:
        return InvalidRequest(problem.detail, problem.errors)
    return family(problem.detail)
