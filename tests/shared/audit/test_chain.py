"""The chain finds every single change of a log, at its place."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.audit.chain import Finding, Head, Row, check_log
from shared.audit.checkpoint import Checkpoint
from tests.shared.audit.logs import TENANT, checkpoint_of, head_of, log_of, rechained

KINDS = ["text", "moment", "leaf", "chain", "sequence", "delete", "swap", "double", "insert", "cut"]
TEXTS = st.lists(st.text(max_size=12), min_size=1, max_size=24)


def findings(rows: list[Row], head: Head | None, checkpoints: list[Checkpoint] | None = None) -> list[Finding]:
    return list(check_log(TENANT, rows, head, checkpoints or []))


@st.composite
def mutations(draw: st.DrawFn) -> tuple[list[Row], list[Row], int]:
    """Yield a log, the log with one change, and the first entry that this concerns."""
    rows = log_of(draw(TEXTS))
    place = draw(st.integers(0, len(rows) - 1))
    row = rows[place]
    match draw(
        st.sampled_from(["text", "moment", "leaf", "chain", "sequence", "delete", "swap", "double", "insert", "cut"])
    ):
        case "text":
            text = draw(st.text(max_size=12))
            assume(text != row.text)
            changed = [*rows[:place], replace(row, text=text), *rows[place + 1 :]]
        case "moment":
            shift = timedelta(microseconds=draw(st.integers(1, 10**9)))
            changed = [*rows[:place], replace(row, recorded_at=row.recorded_at + shift), *rows[place + 1 :]]
        case "leaf":
            changed = [*rows[:place], replace(row, leaf_hash=_flipped(row.leaf_hash, draw)), *rows[place + 1 :]]
        case "chain":
            changed = [*rows[:place], replace(row, chain_hash=_flipped(row.chain_hash, draw)), *rows[place + 1 :]]
        case "sequence":
            moved = replace(row, sequence=draw(st.integers(len(rows) + 1, len(rows) + 9)))
            changed = [*rows[:place], *rows[place + 1 :], moved]
        case "delete":
            changed = [*rows[:place], *rows[place + 1 :]]
        case "swap":
            assume(place + 1 < len(rows))
            other = rows[place + 1]
            assume(row.text != other.text)
            changed = [*rows[:place], replace(row, text=other.text), replace(other, text=row.text), *rows[place + 2 :]]
        case "double":
            changed = [*rows[: place + 1], row, *rows[place + 1 :]]
        case "insert":
            extra = replace(row, text="put in")
            later = [replace(each, sequence=each.sequence + 1) for each in rows[place:]]
            changed = [*rows[:place], extra, *later]
        case _:
            changed = rows[:place]
    return rows, changed, place + 1


def _flipped(digest: bytes, draw: Any) -> bytes:
    bit: int = draw(st.integers(0, 255))
    return (int.from_bytes(digest) ^ (1 << bit)).to_bytes(32)


@given(TEXTS, st.data())
def test_untouched_log_has_no_findings(texts: list[str], data: st.DataObject) -> None:
    rows = log_of(texts)
    sizes = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))

    assert findings(rows, head_of(rows), [checkpoint_of(rows, size) for size in sizes]) == []


@given(mutations())
def test_chain_finds_any_single_change(mutation: tuple[list[Row], list[Row], int]) -> None:
    rows, changed, first = mutation

    found = findings(changed, head_of(rows))

    assert found
    assert found[0].first == first, [str(each) for each in found]


@given(TEXTS, st.data())
def test_checkpoint_finds_a_recomputed_chain(texts: list[str], data: st.DataObject) -> None:
    """Someone with every right can recompute the whole chain, head included, but not what was signed elsewhere."""
    rows = log_of(texts)
    place = data.draw(st.integers(0, len(rows) - 1))
    held = data.draw(st.integers(0, place))
    signed = data.draw(st.integers(place + 1, len(rows)))
    forged = data.draw(
        st.sampled_from(
            [
                [*rows[:place], replace(rows[place], text=rows[place].text + "!"), *rows[place + 1 :]],
                [*rows[:place], *(replace(row, sequence=row.sequence - 1) for row in rows[place + 1 :])],
                rows[:place],
            ]
        )
    )
    # Leaving out an entry can leave the signed ones unchanged, if all later ones are equal to it.
    changed = rechained(forged)
    assume(checkpoint_of(changed, signed) != checkpoint_of(rows, signed) or len(changed) < signed)

    found = findings(changed, head_of(changed), [checkpoint_of(rows, held), checkpoint_of(rows, signed)])

    assert found
    assert found[0].first <= place + 1 <= found[0].last
    assert found[0].first > held
    assert findings(changed, head_of(changed)) == []  # without the checkpoint nobody could tell


def test_each_finding_names_its_place() -> None:
    rows = log_of(["a", "b", "c", "d", "e"])
    head = head_of(rows)

    def said(changed: list[Row], head: Head | None = head) -> list[str]:
        return [str(each) for each in findings(changed, head)]

    assert said([*rows[:1], *rows[3:]]) == ["nordwind: entries 2 to 3: missing"]
    assert said(rows[:3]) == ["nordwind: entries 4 to 5: missing: the log was cut off"]
    assert said([rows[0], replace(rows[1], text="x"), *rows[2:]]) == [
        "nordwind: entry 2: was changed: it is not what was hashed"
    ]
    assert said(rows, Head(4, rows[3].chain_hash)) == ["nordwind: entry 5: put in behind the log's end"]
    assert said(rows, Head(5, rows[3].chain_hash)) == ["nordwind: entry 5: is not what the log's head was made of"]
    assert said(rows, None) == ["nordwind: entries 1 to 5: the log has no head: it was removed"]


@pytest.mark.parametrize("size", [6, 100])
def test_checkpoint_over_more_entries_than_exist_is_a_finding(size: int) -> None:
    rows = log_of(["a", "b", "c", "d", "e"])
    ahead = replace(checkpoint_of(rows, 5), size=size)

    [found] = findings(rows, head_of(rows), [checkpoint_of(rows, 4), ahead])

    assert (found.first, found.last) == (5, size)
    assert "only 5 entries" in found.what
