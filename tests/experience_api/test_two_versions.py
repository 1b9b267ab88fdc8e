"""v1 and v2 of the account overview, side by side: v1 answers byte for byte as it did before there was a v2.

`v1_answers/` holds what the experience tier sent before the change, recorded from it on the same answers of the
process API. One thing may differ, and was made for it: `warnings`, which was empty.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from experience_api.versions import VERSIONS
from experience_api.views.account_overview import AccountSummary
from shared.operations.versions import Version
from tests.experience_api import recorded_answers as recorded
from tests.experience_api.conftest import Experience

FOLDER = Path(__file__).parent / "v1_answers"
CORRELATION_ID = "0f8e0c5e2a6f4f43a2b5c77d6a1d3b10"
UNKNOWN_CUSTOMER: dict[str, Any] = {
    **recorded.OVERVIEW,
    "credit": {"status": "available", "reason": None, "credit": None},
}
NOTHING_READ: dict[str, Any] = {
    **recorded.OVERVIEW_WITHOUT_ERP,
    "openOrders": {"status": "unavailable", "reason": "x", "orders": []},
    "subscriptions": {"status": "unavailable", "reason": "y", "subscriptions": []},
}
STATES: dict[str, tuple[Any, int]] = {
    "overview": (recorded.OVERVIEW, 200),
    "overview_without_erp": (recorded.OVERVIEW_WITHOUT_ERP, 200),
    "unknown_customer": (UNKNOWN_CUSTOMER, 200),
    "nothing_read": (NOTHING_READ, 200),
    "no_such_account": (recorded.problem("not-found", 404, "There is no account."), 404),
}
WARNING = (
    "This operation is deprecated since 2026-11-24 and ends on 2027-12-01."
    " Move to GET /v2/accounts/{accountId}/overview."
)
# RFC 9745 and RFC 8594, and what later policies add to every answer of every version.
ADDED_HEADERS = {"deprecation", "sunset", "ratelimit", "ratelimit-policy", "vary", "etag", "cache-control"}


def before(state: str) -> tuple[int, dict[str, str], bytes]:
    """What v1 answered: status, headers and body."""
    head, _, body = (FOLDER / f"{state}.http").read_bytes().partition(b"\n\n")
    status, *headers = head.decode().splitlines()
    return int(status), dict(line.split(": ", 1) for line in headers), body


async def ask(experience: Experience, version: str, state: str) -> Any:
    body, status = STATES[state]
    experience.process.will_answer(body, status)
    path = f"/{version}/accounts/{recorded.ACCOUNT_ID}/overview"
    return await experience.get(path, **{"X-Correlation-Id": CORRELATION_ID})


@pytest.mark.parametrize("state", STATES)
async def test_v1_answers_byte_for_byte_as_before(experience: Experience, state: str) -> None:
    status, headers, body = before(state)

    answer = await ask(experience, "v1", state)

    warnings = json.dumps([WARNING], separators=(",", ":")).encode()
    assert answer.status_code == status
    assert answer.content.replace(b'"warnings":' + warnings, b'"warnings":[]') == body
    assert (warnings in answer.content) is (status == 200)
    now = dict(answer.headers)
    for name in ("content-length", "date", "server"):
        now.pop(name, None)
        headers.pop(name, None)
    assert {name: value for name, value in now.items() if name not in ADDED_HEADERS} == headers


@pytest.mark.parametrize("state", STATES)
async def test_v1_says_when_it_ends_and_v2_does_not(experience: Experience, state: str) -> None:
    old = await ask(experience, "v1", state)
    new = await ask(experience, "v2", state)

    assert old.headers["deprecation"] == "@1795478400"
    assert old.headers["sunset"] == "Wed, 01 Dec 2027 00:00:00 GMT"
    assert "deprecation" not in new.headers
    assert "sunset" not in new.headers


async def test_only_the_operation_that_was_replaced_is_deprecated(experience: Experience) -> None:
    experience.process.will_answer(recorded.CREDIT)

    answer = await experience.get(f"/v1/accounts/{recorded.ACCOUNT_ID}/credit-status")

    assert "deprecation" not in answer.headers
    assert answer.json()["warnings"] == []


async def test_without_its_retirement_in_the_table_v1_would_say_nothing(
    experience: Experience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Version, "retirement_of", lambda *_: None)

    assert "deprecation" not in (await ask(experience, "v1", "overview")).headers


@pytest.mark.parametrize(
    ("state", "availability", "complete", "explanation"),
    [
        ("overview", "available", True, "43115.62 EUR are left of 50000.00 EUR."),
        ("overview_without_erp", "unavailable", False, "the ERP does not answer (ConnectError)"),
        ("unknown_customer", "unknown_customer", True, ""),
        ("nothing_read", "unavailable", False, "the ERP does not answer (ConnectError)"),
    ],
)
async def test_v2_tells_apart_what_v1_could_not(
    experience: Experience, state: str, availability: str, complete: bool, explanation: str
) -> None:
    answer = await ask(experience, "v2", state)

    summary = msgspec.json.decode(answer.content, type=AccountSummary)
    assert answer.status_code == 200
    assert (summary.credit.availability, summary.credit.explanation) == (availability, explanation)
    assert summary.complete is complete
    assert summary.warnings == []


async def test_what_did_not_change_is_the_same_in_both(experience: Experience) -> None:
    old = (await ask(experience, "v1", "overview")).json()
    new = (await ask(experience, "v2", "overview")).json()

    for part in ("accountId", "accountName", "legalEntity", "openOrders", "unpaidInvoices", "subscriptions"):
        assert old[part] == new[part]
    for part in ("decision", "limitAmount", "exposureAmount", "availableAmount", "currencyIsoCode", "limited"):
        assert old["credit"]["credit"][part] == new["credit"][part]


def test_v2_holds_only_what_changed() -> None:
    assert len(VERSIONS["v2"].handlers) == 1
    assert VERSIONS["v1"].retirements.keys() == {"getAccountOverview"}
