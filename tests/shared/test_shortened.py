"""Shortened texts end with a whole word and an ellipsis, and never exceed their limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.shortened import ELLIPSIS, shortened


@given(text=st.text(alphabet="ab \n.é😀", max_size=40), chars_max=st.integers(1, 45))
def test_shortened_text_is_whole_words_and_an_ellipsis(text: str, chars_max: int) -> None:
    found = shortened(text, chars_max)

    assert len(found) <= chars_max
    if len(text) <= chars_max:
        assert found == text
        return
    assert found.endswith(ELLIPSIS)
    kept = found.removesuffix(ELLIPSIS)
    assert text.startswith(kept)
    if text[: chars_max - 1].strip() and any(letter.isspace() for letter in text[:chars_max].lstrip()):
        assert text[len(kept)].isspace(), "cut inside a word"


@pytest.mark.parametrize(
    ("text", "chars_max", "found"),
    [
        ("The ERP refuses the order.", 26, "The ERP refuses the order."),
        ("The ERP refuses the order.", 25, "The ERP refuses the…"),
        ("The ERP refuses the order.", 20, "The ERP refuses the…"),
        ("The ERP refuses the order.", 19, "The ERP refuses…"),
        ("Unavailable", 5, "Unav…"),
        ("a\nb c", 4, "a\nb…"),
        ("", 3, ""),
    ],
)
def test_a_text_is_cut_at_a_word(text: str, chars_max: int, found: str) -> None:
    assert shortened(text, chars_max) == found
