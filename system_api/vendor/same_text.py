"""Compares names and addresses of two systems, and guesses whether two names are the same company's."""

import re
import unicodedata

_WORD = re.compile(r"\w+")
# Legal forms, which say little about which company it is.
_LEGAL_FORMS = frozenset(
    {
        *("gmbh", "mbh", "ag", "kg", "kgaa", "ohg", "gbr", "ug", "ev", "eg", "se", "co", "company"),
        *("inc", "incorporated", "llc", "llp", "lp", "ltd", "limited", "plc", "corp", "corporation"),
        *("sa", "sas", "sarl", "srl", "spa", "bv", "nv", "ab", "oy", "oyj", "as", "asa", "aps", "sl", "slu"),
        *("sro", "spzoo", "kft", "zrt", "doo", "pty", "und", "and"),
    }
)


def same_text(one: str | None, other: str | None) -> bool:
    """Return whether both are equal, ignoring case, spaces and Unicode encoding."""
    return _folded(one) == _folded(other)


def name_words(name: str | None) -> tuple[str, ...]:
    """Return the words of a company's name, without punctuation, accents and legal form."""
    plain = unicodedata.normalize("NFKD", (name or "").casefold())
    words = _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))
    return tuple(word for word in words if word not in _LEGAL_FORMS) or tuple(words)


def _folded(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())
