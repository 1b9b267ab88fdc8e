"""Texts that are longer than where they go: cut at a word, and with a sign that they were."""

ELLIPSIS = "…"
DETAIL_CHARS_MAX = 1000
"""Of what is kept of an attempt, a webhook or an event that failed: a sentence of ours and what the vendor said."""


def shortened(text: str, chars_max: int) -> str:
    """Return the text as it is where it fits; else as many of its words as do, and an ellipsis.

    A first word that is too long by itself is cut: there is nothing else to show.
    """
    if len(text) <= chars_max:
        return text
    head = text[: chars_max - len(ELLIPSIS) + 1]  # one more: it may be the blank behind the last word
    words = head if head[-1].isspace() else head[: _last_blank(head) + 1]
    return (words.rstrip() or head[:-1]) + ELLIPSIS


def _last_blank(text: str) -> int:
    return max((place for place, letter in enumerate(text) if letter.isspace()), default=-1)
