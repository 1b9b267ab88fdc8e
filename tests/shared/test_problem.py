"""Errors on the wire: as RFC 9457 defines, and raised again in the next tier."""

import msgspec
import pytest

from shared.problem import (
    Conflict,
    Fault,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    MethodNotAllowed,
    NeedsDecision,
    NotFound,
    OutcomeUnknown,
    PayloadTooLarge,
    Problem,
    QuotewayError,
    Rejected,
    RequestTimeout,
    Unauthenticated,
    Unavailable,
    error_from_problem,
)

ID = "0f8e0c5e2a6f4f43a2b5c77d6a1d3b10"
HOPPING = [
    InvalidRequest("Wrong.", [Fault(pointer="/a", detail="No."), Fault(pointer="query/b", detail="No.")]),
    InvalidRequest("Wrong."),
    NotFound("Nothing there."),
    Conflict("Not now.", retry_after_s=3),
    Conflict("Not so."),
    IdempotencyMismatch("Another body."),
    Rejected("No.", reason_code="credit_refused"),
    Unavailable("Away.", retry_after_s=7),
    Unavailable("Away.", reason_code="concurrency_limit"),
    OutcomeUnknown("Lost."),
    OutcomeUnknown("Lost.", reason_code="deadline_exceeded"),
    OutcomeUnknown("Lost.", retry_after_s=90),
    Rejected("No.", reason_code="refused", vendor_said="field__c: /^a+$/", what_to_do="Look."),
    Unavailable("Away.", vendor_said="API_DISABLED", what_to_do="Switch the API on."),
    NeedsDecision("Which one?", reason_code="similar", what_to_do="Pick.", candidates=["party 7", "party 9"]),
    NeedsDecision("Ours.", reason_code="malformed", what_to_do="Mend it.", vendor_said="unknown parameter"),
]
STAYING = [
    Unauthenticated("No token."),
    Forbidden("No scope.", scopes=["a"]),
    MethodNotAllowed("No."),
    PayloadTooLarge("Large."),
    RequestTimeout("Slow."),
    QuotewayError("A defect."),
]


def over_the_wire(error: QuotewayError) -> QuotewayError | None:
    return error_from_problem(msgspec.json.decode(msgspec.json.encode(error.problem(ID)), type=Problem))


def as_raised(error: QuotewayError) -> dict[str, object]:
    unseen = {"vendor"}  # an operator's word, not sent
    return {name: value for name, value in vars(error).items() if name not in unseen}


@pytest.mark.parametrize("error", HOPPING, ids=lambda error: type(error).__name__)
def test_actionable_errors_are_raised_again_in_the_next_tier(error: QuotewayError) -> None:
    raised = over_the_wire(error)

    assert type(raised) is type(error)
    assert raised is not None
    assert as_raised(raised) == as_raised(error)
    assert raised.problem(ID) == error.problem(ID)


@pytest.mark.parametrize("error", STAYING, ids=lambda error: type(error).__name__)
def test_errors_of_our_own_defects_are_not_raised_again(error: QuotewayError) -> None:
    assert over_the_wire(error) is None


def test_foreign_problem_is_no_error_of_ours() -> None:
    problem = Problem(type="about:blank", title="Not Found", status=404, detail="", correlation_id=ID)

    assert error_from_problem(problem) is None


@pytest.mark.parametrize("error", [*HOPPING, *STAYING], ids=lambda error: type(error).__name__)
def test_a_problem_names_its_type_status_and_correlation_id_and_no_null(error: QuotewayError) -> None:
    sent = msgspec.json.decode(msgspec.json.encode(error.problem(ID)))

    assert sent["type"] == f"urn:quoteway:problem:{error.slug}"
    assert (sent["status"], sent["detail"], sent["correlationId"]) == (error.status, error.detail, ID)
    assert sent["title"]
    assert None not in sent.values()
    assert not {"reasonCode", "errors", "retryAfterSeconds"} & {name for name, value in sent.items() if not value}


@pytest.mark.parametrize("error", [Conflict("x", retry_after_s=3), Unavailable("x", retry_after_s=3)])
def test_retry_after_is_in_header_and_body(error: QuotewayError) -> None:
    assert error.headers["Retry-After"] == "3"
    assert error.problem(ID).retry_after_seconds == 3


def test_types_and_statuses_are_the_published_ones() -> None:
    """Clients may depend on these: a change is a breaking one."""
    published = {
        (type(error).slug, type(error).status) for error in [*HOPPING, *STAYING]
    }  # fmt: skip

    assert published == {
        ("invalid-request", 400),
        ("unauthenticated", 401),
        ("forbidden", 403),
        ("not-found", 404),
        ("method-not-allowed", 405),
        ("request-timeout", 408),
        ("conflict", 409),
        ("needs-decision", 409),
        ("payload-too-large", 413),
        ("idempotency-key-reused", 422),
        ("rejected", 422),
        ("internal-error", 500),
        ("unavailable", 503),
        ("outcome-unknown", 504),
    }
