"""Whatever went wrong, at whichever step, for whichever reason: a seller reads sentences, none of our insides."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experience_api import process_answers
from experience_api.v1.orders import order_view
from process_api.engine.failures import Failure
from process_api.engine.steps import Direction, Ending, OutcomeKind
from process_api.kinds import KINDS
from process_api.orders.reports.seller_endings import delay_for_seller, reason_for_seller
from shared.canonical import OrderStatus
from shared.problem import NeedsDecision, OutcomeUnknown, Rejected, Unavailable, VendorError
from shared.seller_words import OWN_PARTS, REASON_TEXTS, in_sellers_words, put_plainly

FAMILIES = (Rejected, Unavailable, OutcomeUnknown, NeedsDecision)
STEPS = sorted(
    {
        step.name
        for kind in KINDS.values()
        for step in (*kind.steps, kind.report_ending, kind.late_request_sweep)
        if step is not None
    }
)
SYSTEMS = [*sorted(OWN_PARTS), "Tryton", "Stripe", "Salesforce"]
# Written down here anew, and not taken from the code that is tested.
EXCEPTIONS = ("ConnectError", "ReadTimeout", "PoolTimeout", "KeyError", "RuntimeException", "LeaseLost", "UserWarning")
SOQL = "SELECT Id, SBQQ__Net__c FROM Quote WHERE Id = 'x'"
PATTERNS = ("^[A-Z]{3}$(?!\\n)", "[0-9]+", "(a|b)*", "\\d+")
PLACEHOLDERS = ("{0}", "{field}", "%(name)s", "<missing ERROR>", "{!Quote.Name}")
SNAKE = ("price_unit", "field_custom_validation_exception", "INVALID_FIELD_FOR_INSERT_UPDATE", "Frozen__c", "a_b_c")
ADDRESSES = ("api.stripe.com", "HTTP status 502", "system API answered 500")
INSIDES = (*EXCEPTIONS, SOQL, *PATTERNS, *PLACEHOLDERS, *SNAKE, *ADDRESSES, *STEPS)
UNREADABLE = re.compile(
    r"\b[A-Z][a-z]+[A-Za-z]*(Error|Exception|Timeout|Warning|Lost)\b|\bSELECT\b|\bFROM\b|[\\^$|{}<>*]|%\(|\[[^\]]*\]"
    r"|\b[A-Za-z]+_[A-Za-z_]+|\bHTTP\b|\bAPI\b|\w\.\w+\.\w"
)


def reason_codes() -> list[str]:
    """Every word in our code that could be a reason code: those of all adapters, checks and steps are among them."""
    found = set(REASON_TEXTS)
    for tier in ("process_api", "system_api", "shared"):
        for path in Path(tier).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= {node.value} if re.fullmatch(r"[a-z]+(_[a-z]+)*", node.value) else set()
    return sorted(found)


CODES = reason_codes()
SENTENCES = st.one_of(
    st.sampled_from(INSIDES),
    st.builds("{0} {1} {2}".format, st.sampled_from(["Tryton said", "No:", ""]), st.sampled_from(INSIDES), st.text()),
    st.sampled_from(["The customer is blocked.", "Stripe does not answer.", ""]),
)


def error_of(family: type[VendorError], said: str, code: str, vendor: str) -> VendorError:
    more: dict[str, Any] = {"what_to_do": "Look."} if family is NeedsDecision else {}
    return family(said, reason_code=code, vendor=vendor, **more)


def assert_readable(told: str, about: Any) -> None:
    assert told, about
    assert not UNREADABLE.search(told), (told, about)


def test_the_codes_that_are_tried_are_those_that_there_are() -> None:
    assert {"credit_limit", "intent_changed", "row_locked", "refused_by_erp", "tax_id_differs"} <= set(CODES)
    assert {"load_quote", "check_terms", "book_erp_order", "start_billing", "report_to_crm", "report_ending"} <= set(
        STEPS
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_no_inside_of_ours_comes_through_with_any_reason(family: type[VendorError]) -> None:
    for code in CODES:
        for said in INSIDES:
            error = error_of(family, said, code, "Tryton")
            assert_readable(in_sellers_words(error), (family, code, said))
            put_plainly(error)
            assert said in error.for_operators, "operators are told what was said"


@settings(max_examples=300)
@given(family=st.sampled_from(FAMILIES), code=st.sampled_from(CODES), said=SENTENCES, vendor=st.sampled_from(SYSTEMS))
def test_whatever_is_said_by_whom(family: type[VendorError], code: str, said: str, vendor: str) -> None:
    if said:
        assert_readable(in_sellers_words(error_of(family, said, code, vendor)), (family, code, said, vendor))


def endings() -> Iterator[tuple[Ending, Failure | None, str]]:
    kinds = [kind for kind in get_args(OutcomeKind) if kind not in {"done", "absent", "waiting"}]
    ends: tuple[Literal["rejected", "compensated", "parked"], ...] = ("rejected", "compensated", "parked")
    for end in ends:
        for step in STEPS:
            yield Ending(end, step, "unavailable", "preamble"), None, ""
            for kind in kinds:
                for direction in get_args(Direction):
                    for vendor in SYSTEMS:
                        failure = Failure(step, direction, kind, vendor, 3, 3)
                        yield Ending(end, step, "unavailable", "preamble"), failure, "rejected"


def test_no_ending_at_any_step_shows_a_seller_our_insides() -> None:
    for said in ("Tryton does not answer (ConnectError)", f"book_erp_order: {SOQL}", ""):
        for ending, failure, undoing_to in endings():
            told = reason_for_seller(ending, said, failure, undoing_to=undoing_to)
            assert_readable(told, (ending, failure))


def test_no_ending_for_any_reason_shows_a_seller_our_insides() -> None:
    for code in CODES:
        for kind in ("rejected", "unavailable", "unknown", "decision", "defect"):
            failure = Failure("book_erp_order", "forward", kind, "Tryton", 3, 3)
            ends: tuple[Literal["rejected", "parked"], ...] = ("rejected", "parked")
            for end in ends:
                told = reason_for_seller(Ending(end, "book_erp_order", code), "price_unit {0}", failure)
                assert_readable(told, (code, kind, end))


@settings(max_examples=200)
@given(said=SENTENCES, vendor=st.sampled_from(SYSTEMS))
def test_no_delay_shows_a_seller_our_insides(said: str, vendor: str) -> None:
    if said:
        assert_readable(delay_for_seller(said, vendor), (said, vendor))


@settings(max_examples=300, deadline=None)
@given(
    status=st.sampled_from(list(OrderStatus)),
    code=st.one_of(st.none(), st.sampled_from(CODES)),
    reason=st.one_of(st.none(), SENTENCES),
    message=SENTENCES,
    late=st.booleans(),
)
def test_an_order_of_an_earlier_release_shows_a_seller_none_either(
    status: OrderStatus, code: str | None, reason: str | None, message: str, *, late: bool
) -> None:
    """Its reason was written down in the words of that time: the experience tier minds it again."""
    delay = process_answers.OrderDelay(
        system="Stripe", message=message, attempt=1, attempts_max=3, next_attempt_at="2026-03-02T09:15:00Z"
    )
    order = process_answers.Order(
        order_id="ord-1",
        quote_id="0Q0",
        quote_revision=1,
        status=status,
        version=1,
        created_at="2026-03-02T09:15:00Z",
        updated_at="2026-03-02T09:15:00Z",
        timeline=[process_answers.TimelineEntry(at="2026-03-02T09:15:00Z", status=status, message=message)],
        reason_code=code,
        reason=reason,
        delay=delay if late else None,
    )

    view = order_view(order, [])

    shown = [view.status_text, view.what_went_wrong, view.reason_detail, view.next_step, view.delay_reason]
    for told in [*shown, *(entry.message for entry in view.timeline)]:
        assert not UNREADABLE.search(told), told
