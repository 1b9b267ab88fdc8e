"""Decision records have one form: a numbered heading, then context, choice and consequence."""

import re
from pathlib import Path

import pytest

RECORDS = sorted((Path(__file__).parents[1] / "docs" / "decisions").glob("*.md"))
_PARTS = re.compile(r"^\*\*(Context|Choice|Consequence)\.\*\*", re.MULTILINE)


def test_no_two_records_have_one_number() -> None:
    numbers = [record.name[:4] for record in RECORDS]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_begins_with_its_number_and_has_three_parts(record: Path) -> None:
    text = record.read_text()
    assert re.match(rf"# {record.name[:4]} [A-Za-z]", text), text.splitlines()[0]
    assert _PARTS.findall(text) == ["Context", "Choice", "Consequence"]
