"""The error for a vendor's refusal: it depends on whose fault it is, and a seller can read the sentence."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.problem import NeedsDecision, Rejected, Unavailable, VendorError
from shared.seller_words import is_plain
from system_api.billing.stripe import errors as stripe_errors
from system_api.erp.tryton import errors as tryton_errors
from system_api.vendor.meaning import Meaning, refusal

TABLES: dict[str, list[Meaning]] = {
    "stripe": [
        *stripe_errors.BY_CODE.values(),
        *stripe_errors.BY_STATUS.values(),
        *stripe_errors.BY_SENTENCE.values(),
        *(meaning for _, meaning in stripe_errors.OF_THE_ACCOUNT),
        stripe_errors.ANYTHING_ELSE,
    ],
    "tryton": [
        *tryton_errors.BY_STATUS.values(),
        tryton_errors.LOCKED[1],
        *(meaning for _, meaning in tryton_errors.BY_SENTENCE),
        tryton_errors.ANYTHING_ELSE,
    ],
}
ROWS = [(name, meaning) for name, table in TABLES.items() for meaning in table]
FAMILIES = {"record": Rejected, "passing": Unavailable, "setup": Unavailable, "our_request": NeedsDecision}
TECHNICAL = [
    "SELECT Id FROM Quote WHERE Id = 'x'",
    "No such column 'Legal_Entity__c' on entity 'Quote'",
    "must match ^[A-Z]{3}$",
    "The field {field} of {model} is wrong",
    'The value of "%(field)s" is not valid',
    "sale.line.quantity is required",
    "items[0][price] is unknown",
    "book_erp_order failed",
    "<html>502</html>",
]


@pytest.mark.parametrize(("name", "meaning"), ROWS)
def test_every_row_becomes_its_family_with_a_plain_sentence(name: str, meaning: Meaning) -> None:
    error = refusal(meaning, name.capitalize(), code="some_code", sentence=TECHNICAL[0])

    assert type(error) is FAMILIES[meaning.about]
    assert isinstance(error, VendorError)
    assert is_plain(error.detail), error.detail
    assert error.detail.endswith(".")
    assert error.vendor_said == TECHNICAL[0]
    assert error.reason_code == (meaning.reason_code or "some_code")


@pytest.mark.parametrize(("name", "meaning"), [row for row in ROWS if row[1].about in {"setup", "our_request"}])
def test_fault_of_ours_says_what_the_integration_team_has_to_do(name: str, meaning: Meaning) -> None:
    error = refusal(meaning, name, code="some_code", sentence="said so")

    assert isinstance(error, VendorError)
    assert error.what_to_do.endswith(".")


@pytest.mark.parametrize("reason_code", tryton_errors.MISSING)
def test_what_the_erps_company_lacks_is_named_in_a_plain_sentence(reason_code: str) -> None:
    error = tryton_errors.missing(reason_code, "NW 30")

    assert error.reason_code == reason_code
    assert is_plain(error.detail), error.detail
    assert error.what_to_do.startswith("Have the ERP's administrator ")
    assert "{" not in error.detail + error.what_to_do


@pytest.mark.parametrize("said", TECHNICAL)
def test_technical_message_is_kept_out_of_the_sentence(said: str) -> None:
    error = refusal(Meaning("record"), "Tryton", code="refused", sentence=said)

    assert isinstance(error, Rejected)
    assert said not in error.detail
    assert error.vendor_said == said


@pytest.mark.parametrize(
    "said",
    [
        "The customer must have an email address.",
        'The party "…" will exceed their €5000.00 credit limit by €17880.00.',
        "Your card was declined.",
        "No such customer: 'cus_…'",
    ],
)
def test_a_vendors_plain_sentence_is_told_as_it_is(said: str) -> None:
    error = refusal(Meaning("record"), "Stripe", code="refused", sentence=said)

    assert isinstance(error, Rejected)
    assert error.detail == f"Stripe refused: {said}"


@given(st.text())
def test_whatever_a_vendor_says_the_sentence_is_plain(said: str) -> None:
    error = refusal(Meaning("record"), "Stripe", code="refused", sentence=said)

    assert isinstance(error, Rejected)
    assert is_plain(error.detail)


# -- the sentences in our own code -----------------------------------------------------------------------------------

RAISED = {"Rejected", "Unavailable", "OutcomeUnknown", "NeedsDecision", "NotFound", "Conflict", "ReadinessFault"}
RAISED |= {"Refused", "_rejected", "incomplete", "line_fault", "NotReady"}
TOLD = {"detail", "message", "said", "problem"}


def sentences() -> list[tuple[str, str]]:
    """Return the constant parts of each sentence that our code raises or finds, with where it stands."""
    found = []
    for path in sorted([*Path("process_api").rglob("*.py"), *Path("system_api").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                told = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg in TOLD)]
                for part in told:
                    words = [each.value for each in ast.walk(part) if isinstance(each, ast.Constant)]
                    found.append((f"{path}:{node.lineno}", "…".join(str(word) for word in words)))
    return found


# For operators and developers, who know these names; no flow ends with them.
FOR_OPERATORS = (
    "process_api/v1",
    "process_api/operations/dead_letters.py",
    "process_api/orders/corrections.py",
    "process_api/engine/flows.py",
)


def test_no_sentence_of_ours_shows_a_seller_our_insides() -> None:
    checked = [each for each in sentences() if not each[0].startswith(FOR_OPERATORS)]

    assert len(checked) > 60
    assert [each for each in checked if not is_plain(each[1])] == []
