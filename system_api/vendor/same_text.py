"""Whether two systems write the same name or address, and whether two names are likely the same company's."""

import re
import unicodedata

_WORD = re.compile(r"\w+")
# What a company's name ends with by law says little about which company it is.
_LEGAL_FORMS = frozenset(
    {
        *("gmbh", "mbh", "ag", "kg", "kgaa", "ohg", "gbr", "ug", "ev", "eg", "se", "co", "company"),
        *("inc", "incorporated", "llc", "llp", "lp", "ltd", "limited", "plc", "corp", "corporation"),
        *("sa", "sas", "sarl", "srl", "spa", "bv", "nv", "ab", "oy", "oyj", "as", "asa", "aps", "sl", "slu"),
        *("sro", "spzoo", "kft", "zrt", "doo", "pty", "und", "and"),
    }
)


def same_text(one: str | None, other: str | None) -> bool:
    """Whether both are the same but for case, blanks and how their letters are encoded."""
    return _folded(one) == _folded(other)


def name_words(name: str | None) -> tuple[str, ...]:
    """The words that a company is known by: no punctuation, no accents, no legal form."""
    plain = unicodedata.normalize("NFKD", (name or "").casefold())
    words = _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))
    return tuple(word for word in words if word not in _LEGAL_FORMS) or tuple(words)


def _folded(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())
