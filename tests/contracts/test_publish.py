"""Publishing moves a version forward, and nothing else."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from openapi.catalogue import catalogue, numbers_of
from openapi.changes import changes_between
from openapi.documents import operations_of
from openapi.publish import CATALOGUE, CHANGELOG, PublishError, publish
from shared.events import EVENTS
from tests.contracts.changed_documents import PATH, base, get, sent

DAY = date(2026, 11, 24)


def document(number: str = "1.0.0") -> dict[str, Any]:
    found = base()
    found["info"] = {"title": "Parts", "version": number}
    for _, _, operation in operations_of(found):
        operation["summary"] = "A part"
    return found


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    today, published = tmp_path / "today", tmp_path / "published"
    today.mkdir()
    published.mkdir()
    write(today, document())
    publish(today, published, on=DAY)
    return today, published


def write(folder: Path, content: Any) -> None:
    (folder / "parts-v1.json").write_text(json.dumps(content))


def test_the_first_publication_copies_and_says_so(folders: tuple[Path, Path]) -> None:
    today, published = folders

    assert (published / "parts-v1.json").read_bytes() == (today / "parts-v1.json").read_bytes()
    log = (published / CHANGELOG.name).read_text()
    assert "## 2026-11-24" in log
    assert "### parts-v1.json 1.0.0\n- First published." in log


def test_nothing_new_is_nothing_published(folders: tuple[Path, Path]) -> None:
    before = (folders[1] / CHANGELOG.name).read_text()

    assert publish(*folders, on=DAY) == []
    assert (folders[1] / CHANGELOG.name).read_text() == before


def test_an_addition_under_a_higher_number_moves_forward_and_is_written_down(folders: tuple[Path, Path]) -> None:
    today, published = folders
    added = document("1.1.0")
    get(added)["parameters"].append({"name": "q", "in": "query", "schema": {"type": "string"}})
    write(today, added)

    assert publish(today, published, on=date(2026, 12, 1)) == [f"parts-v1.json 1.1.0: GET {PATH} takes q."]
    log = (published / CHANGELOG.name).read_text()
    assert log.index("## 2026-12-01") < log.index("## 2026-11-24")
    assert f"- GET {PATH} takes q." in log


@pytest.mark.parametrize(("number", "needed"), [("1.0.0", "1.1.0"), ("1.0.1", "1.1.0"), ("0.9.0", "1.1.0")])
def test_an_addition_needs_a_higher_number(folders: tuple[Path, Path], number: str, needed: str) -> None:
    added = document(number)
    sent(added)["size"] = {"type": "string"}
    write(folders[0], added)

    with pytest.raises(PublishError, match=f"raise it to {needed}"):
        publish(*folders, on=DAY)
    assert json.loads((folders[1] / "parts-v1.json").read_bytes()) == document()


def test_other_words_need_a_last_part_only(folders: tuple[Path, Path]) -> None:
    worded = document("1.0.0")
    get(worded)["description"] = "In other words."
    write(folders[0], worded)
    with pytest.raises(PublishError, match=r"raise it to 1\.0\.1"):
        publish(*folders, on=DAY)

    worded["info"]["version"] = "1.0.1"
    write(folders[0], worded)

    assert publish(*folders, on=DAY) == ["parts-v1.json 1.0.1: Words and examples only."]


def test_what_breaks_is_not_published_under_any_number(folders: tuple[Path, Path]) -> None:
    broken = document("2.0.0")
    del broken["paths"][PATH]["put"]
    write(folders[0], broken)

    with pytest.raises(PublishError, match="is gone"):
        publish(*folders, on=DAY)
    assert json.loads((folders[1] / "parts-v1.json").read_bytes()) == document()


def test_a_number_that_is_none_is_refused(folders: tuple[Path, Path]) -> None:
    odd = document("next")
    get(odd)["description"] = "x"
    write(folders[0], odd)

    with pytest.raises(PublishError, match="three numbers"):
        publish(*folders, on=DAY)


def test_a_deprecation_is_told_with_its_end_and_what_follows() -> None:
    after = document()
    get(after).update(
        {"deprecated": True, "x-quoteway-sunset": "2027-12-01", "x-quoteway-successor": "GET /v2/parts/{partId}"}
    )

    assert changes_between(document(), after) == [
        f"Deprecated: GET {PATH} ends on 2027-12-01. Use GET /v2/parts/{{partId}}."
    ]


def test_the_catalogue_shows_every_operation_and_event_and_needs_nothing_from_elsewhere(
    documents: dict[str, dict[str, Any]],
) -> None:
    page = catalogue(documents, numbers_of(documents), on=DAY)
    assert "kept by hand in docs/api-consumers.toml (owner: integration-operations)" in page

    for shown in documents.values():
        for _, _, operation in operations_of(shown):
            if operation["security"]:
                for member in ("operationId", "x-quoteway-owner", "x-quoteway-capability"):
                    assert operation[member] in page
    for event in EVENTS:
        assert event.event_type in page
    assert "deprecated, ends 2027-12-01" in page
    assert "http" not in page
    assert "<script" not in page


def test_the_committed_catalogue_is_of_what_is_published() -> None:
    page = CATALOGUE.read_text()

    for path in sorted(CHANGELOG.parent.glob("*-v*.json")):
        if not path.name.endswith(".salesforce.json"):
            published = json.loads(path.read_bytes())
            assert f"published as {published['info']['version']}" in page
            for _, _, operation in operations_of(published):
                assert not operation["security"] or operation["operationId"] in page
