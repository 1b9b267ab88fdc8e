"""One quote has one id, however it is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experience_api.salesforce_id import canonical_id
from sandbox.vendors.salesforce.records.ids import case_safe, normalize
from shared.problem import InvalidRequest

SHORT_IDS = st.text("0123456789ABCXYZabcxyz", min_size=15, max_size=15)


@given(SHORT_IDS)
def test_every_spelling_comes_to_the_same_id(short_id: str) -> None:
    long_id = case_safe(short_id)
    spellings = {short_id, long_id, long_id.lower(), long_id.upper()}
    assert {canonical_id(spelling, "/quoteId") for spelling in spellings} == {long_id}


@given(st.text("0129AEYZaeyz", min_size=18, max_size=18))
def test_it_takes_what_salesforce_takes_and_nothing_else(value: str) -> None:
    known = normalize(value)
    if known is None:
        with pytest.raises(InvalidRequest) as refusal:
            canonical_id(value, "/quoteId")
        assert refusal.value.faults[0].pointer == "/quoteId"
    else:
        assert canonical_id(value, "/quoteId") == known


@given(st.text("0129AEYZaeyz", max_size=40).filter(lambda value: len(value) not in {15, 18}))
def test_an_id_of_another_length_is_refused_with_its_length(value: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        canonical_id(value, "path/quoteId")

    [fault] = refusal.value.faults
    assert f"It has {len(value)} characters" in fault.detail
