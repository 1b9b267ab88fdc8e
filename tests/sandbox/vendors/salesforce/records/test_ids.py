"""Record ids: the checksum that makes them safe without letter case."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vendors.salesforce.records.ids import IdGenerator, case_safe, normalize

SHORT_IDS = st.text(string.ascii_letters + string.digits, min_size=15, max_size=15)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        # From Salesforce's own documentation pages.
        ("001R00000064wdt", "001R00000064wdtIAA"),
        ("001R0000006hfeZ", "001R0000006hfeZIAQ"),
        ("003RO0000016kOu", "003RO0000016kOuYAI"),
        ("005xx000001X83a", "005xx000001X83aAAC"),
        ("0012S00002GWsZ0", "0012S00002GWsZ0QAL"),
    ],
)
def test_known_pairs(short: str, long: str) -> None:
    assert case_safe(short) == long
    assert normalize(short) == normalize(long) == long


@given(SHORT_IDS)
def test_letter_case_can_be_lost_and_restored(short: str) -> None:
    long = case_safe(short)
    assert long[:15] == short
    assert normalize(long.lower()) == normalize(long.upper()) == normalize(long) == long


@given(SHORT_IDS, SHORT_IDS)
def test_different_ids_stay_different_without_case(one: str, other: str) -> None:
    assert (one == other) == (case_safe(one).lower() == case_safe(other).lower())


@pytest.mark.parametrize("text", ["", "001", "001R00000064wd", "001R00000064wdt!", "001R00000064wdtIA", "é" * 15])
def test_what_is_no_id(text: str) -> None:
    assert normalize(text) is None


def test_a_wrong_checksum_is_no_id() -> None:
    assert normalize("001R00000064wdt999") is None
    assert normalize("001000000000000555") is None  # the checksum asks for capitals where digits stand


def test_generated_ids_are_new_and_of_their_object() -> None:
    generator = IdGenerator()
    made = [generator.new_id("a00") for _ in range(5000)]
    assert len({one.lower() for one in made}) == 5000
    assert all(one.startswith("a00") and normalize(one) == one for one in made)
