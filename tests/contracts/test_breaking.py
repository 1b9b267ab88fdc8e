"""The gate: every kind of breaking change is found, in both directions, and what cannot be compared fails."""

import json
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from openapi import breaking, gate
from openapi.breaking import breaking_changes, incompatible_event
from openapi.documents import FOLDER
from openapi.event_documents import asyncapi_document, event_schema
from openapi.gate import compare_folders
from shared.events import SubscriptionChanged
from tests.contracts.changed_documents import CHANGES, PATH, UNKNOWN_WORDS, Change, answered, base, put, sent

TODAY = date(2026, 11, 24)


def objections(before: dict[str, Any], after: dict[str, Any]) -> str:
    return "\n".join(breaking_changes(before, after, on=TODAY))


def assert_said(found: str, expected: str | None) -> None:
    if expected is None:
        assert found == ""
    else:
        assert expected in found


@pytest.mark.parametrize("change", CHANGES, ids=[change.name for change in CHANGES])
def test_forwards(change: Change) -> None:
    changed = base()
    change.make(changed)

    assert_said(objections(base(), changed), change.forwards)


@pytest.mark.parametrize("change", CHANGES, ids=[change.name for change in CHANGES])
def test_backwards(change: Change) -> None:
    changed = base()
    change.make(changed)

    assert_said(objections(changed, base()), change.backwards)


def test_with_the_comparison_of_schemas_off_changes_of_types_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaking, "misfits", lambda *_: [])
    changed = base()
    sent(changed)["count"]["type"] = "string"

    assert objections(base(), changed) == ""


@pytest.mark.parametrize(("word", "value"), UNKNOWN_WORDS)
@pytest.mark.parametrize("which", [sent, answered])
@pytest.mark.parametrize("side", ["published", "today", "both"])
def test_a_word_that_nobody_can_judge_fails_even_where_nothing_changed(
    word: str, value: Any, which: Any, side: str
) -> None:
    before, after = base(), base()
    if side != "today":
        which(before)["kind"][word] = value
    if side != "published":
        which(after)["kind"][word] = value

    assert f"`{word}` cannot be compared" in objections(before, after)


def test_another_openapi_cannot_be_compared() -> None:
    assert "cannot be compared" in objections(base(), {**base(), "openapi": "3.2.0"})
    assert objections(base(), {**base(), "openapi": "3.1.1"}) == ""


def test_an_operation_may_go_once_its_sunset_is_past() -> None:
    published = base()
    put(published)["x-quoteway-sunset"] = "2026-11-01"
    today = base()
    del today["paths"][PATH]["put"]

    assert objections(published, today) == ""
    assert "sunset is not past" in "\n".join(breaking_changes(published, today, on=date(2026, 10, 1)))


def test_todays_documents_are_compatible_with_themselves_and_every_word_in_them_is_known() -> None:
    compared = compare_folders(FOLDER, FOLDER, on=TODAY)

    assert compared.breaks == {}
    assert compared.new == []
    assert len(compared.compared) >= 12


# -- events -----------------------------------------------------------------------------------------------------------


def event() -> dict[str, Any]:
    return event_schema(SubscriptionChanged)


def data(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"]["data"]
    return found


EVENT_CHANGES = [
    ("required member added", lambda s: data(s)["required"].append("vendorId"), "an event still in a stream"),
    ("member removed", lambda s: data(s)["properties"].pop("orderId"), "orderId is gone"),
    ("member optional", lambda s: data(s)["required"].remove("status"), "status may be missing"),
    ("type changed", lambda s: data(s)["properties"]["version"].update(type="string"), "version may be string"),
    ("value added", lambda s: data(s)["properties"]["status"]["enum"].append("paused"), "may be 'paused'"),
    ("value removed", lambda s: data(s)["properties"]["status"]["enum"].remove("active"), "may be 'active'"),
    ("renamed", lambda s: s["properties"]["type"].update(const="subscription.moved"), "subscription.moved"),
    ("unknown word", lambda s: data(s).update({"not": {}}), "`not` cannot be compared"),
]


@pytest.mark.parametrize(("name", "change", "expected"), EVENT_CHANGES, ids=[name for name, *_ in EVENT_CHANGES])
def test_an_event_that_its_consumers_cannot_read_is_found(name: str, change: Any, expected: str) -> None:
    changed = deepcopy(event())
    change(changed)

    assert expected in "\n".join(incompatible_event(event(), changed)), name


def test_a_new_optional_member_of_an_event_is_no_break() -> None:
    changed = deepcopy(event())
    data(changed)["properties"]["reason"] = {"type": "string"}

    assert incompatible_event(event(), changed) == []


# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A published folder and today's, alike."""
    both = (tmp_path / "published", tmp_path / "today")
    for folder in both:
        (folder / "events").mkdir(parents=True)
        write(folder / "parts-v1.json", base())
        write(folder / "asyncapi.json", asyncapi_document())
        write(folder / "events" / "subscription.changed.json", event())
    return both


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def test_alike_is_compared_and_breaks_nothing(folders: tuple[Path, Path]) -> None:
    verdict = compare_folders(*folders, on=TODAY)

    assert verdict.breaks == {}
    assert verdict.compared == ["asyncapi.json", "events/subscription.changed.json", "parts-v1.json"]


@pytest.mark.parametrize("name", ["asyncapi.json", "events/subscription.changed.json", "parts-v1.json"])
def test_a_document_that_is_gone_fails(folders: tuple[Path, Path], name: str) -> None:
    (folders[1] / name).unlink()

    assert compare_folders(*folders, on=TODAY).breaks == {name: ["The document is gone."]}


@pytest.mark.parametrize("name", ["parts.proto", "parts.json", "notes.json", "events/order.avsc", "parts-v1.raml"])
@pytest.mark.parametrize("where", [0, 1])
def test_a_kind_of_file_that_nobody_can_compare_fails(folders: tuple[Path, Path], name: str, where: int) -> None:
    (folders[where] / name).write_text("{}")

    assert name in compare_folders(*folders, on=TODAY).breaks


@pytest.mark.parametrize("content", ["not JSON", "[]", "{}", '{"openapi": "3.1.0"}'])
@pytest.mark.parametrize("where", [0, 1])
def test_a_document_that_cannot_be_read_fails(folders: tuple[Path, Path], content: str, where: int) -> None:
    (folders[where] / "parts-v1.json").write_text(content)

    assert "parts-v1.json" in compare_folders(*folders, on=TODAY).breaks


def test_a_new_document_is_named_and_breaks_nothing(folders: tuple[Path, Path]) -> None:
    write(folders[1] / "parts-v2.json", base())

    verdict = compare_folders(*folders, on=TODAY)

    assert (verdict.breaks, verdict.new) == ({}, ["parts-v2.json"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["channels"]["tenantEvents"].update(address="elsewhere"), "The channel tenantEvents"),
        (lambda d: d["channels"].clear(), "The channel tenantEvents"),
        (lambda d: d["channels"]["tenantEvents"]["messages"].pop("orderBooked"), "carries no orderBooked"),
        (lambda d: d.update(asyncapi="2.6.0"), "cannot be compared"),
        (lambda d: payload(d)["properties"]["data"]["properties"].pop("orderId"), "orderId is gone"),
        (lambda d: d["components"]["messages"]["orderBooked"]["payload"].update(schemaFormat="x"), "another language"),
    ],
)
def test_the_stream_is_compared_too(folders: tuple[Path, Path], change: Any, expected: str) -> None:
    document = asyncapi_document()
    change(document)
    write(folders[1] / "asyncapi.json", document)

    assert expected in "\n".join(compare_folders(*folders, on=TODAY).breaks["asyncapi.json"])


def payload(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["messages"]["orderBooked"]["payload"]["schema"]
    return found


def test_salesforces_own_rule_is_part_of_the_gate(tmp_path: Path) -> None:
    profile = json.loads((FOLDER / "experience-v1.salesforce.json").read_bytes())
    published, today = tmp_path / "published", tmp_path / "today"
    for folder in (published, today):
        folder.mkdir()
        write(folder / "experience-v1.salesforce.json", profile)
    profile["components"]["schemas"]["Renamed"] = profile["components"]["schemas"].pop("CurrencyTotal")
    write(
        today / "experience-v1.salesforce.json", json.loads(json.dumps(profile).replace("/CurrencyTotal", "/Renamed"))
    )

    found = compare_folders(published, today, on=TODAY).breaks["experience-v1.salesforce.json"]

    assert found == ["Rule 10: The type CurrencyTotal is gone."]


def test_the_published_documents_still_hold() -> None:
    assert compare_folders(gate.PUBLISHED, FOLDER, on=TODAY).breaks == {}
