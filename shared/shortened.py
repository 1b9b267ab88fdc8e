"""Shortens long texts at a word, with an ellipsis."""

ELLIPSIS = "…"
DETAIL_CHARS_MAX = 1000
"""The most that is stored of an error of an attempt, webhook or event: our sentence and the vendor's."""


def shortened(text: str, chars_max: int) -> str:
    """Return the text if it fits; else its first words, and an ellipsis.

    A first word that is too long by itself is cut: there is nothing else to show.
    """
    if len(text) <= chars_max:
        return text
    head = text[: chars_max - len(ELLIPSIS) + 1]  # one more, which may be the blank after the last word
    words = head if head[-1].isspace() else head[: _last_blank(head) + 1]
    return (words.rstrip() or head[:-1]) + ELLIPSIS


def _last_blank(text: str) -> int:
    return max((place for place, letter in enumerate(text) if letter.isspace()), default=-1)
