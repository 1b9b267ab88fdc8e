"""Redaction: removes persons from a vendor's messages.

A vendor's message tells an operator what to mend, so it is stored with the attempt and answered. It may name a person:
it quotes a record's name, an address, an e-mail. None of that leaves this tier: the persons that the request is about
are known here, and a text in quotation marks is only kept if it is a code.
"""

import re
from contextvars import ContextVar

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.canonical import CustomerDraft

_persons: ContextVar[list[str] | None] = ContextVar("persons", default=None)
_HIDDEN = "…"
# Shorter ones are initials and house numbers, which every second sentence contains.
_CHARACTERS_MIN = 3
_QUOTED = re.compile(r"""(["“„«])([^"“”„«»]{1,200})(["”“»])|(?<!\w)(')([^']{1,200})(')(?!\w)""")
# A code has one case and no space: MON-STD, and also price_1Q2w; Jane is none.
_CODE = re.compile(r"[A-Z0-9_.:/\[\]-]+|[a-z0-9_.:/\[\]-]+|[a-z]+_[A-Za-z0-9_]+")
_EMAIL = re.compile(r"[^\s\"'<>(),;:@]+@[^\s\"'<>(),;:@]+")


def mind_persons(app: ASGIApp) -> ASGIApp:
    """Return an inbound policy that remembers the persons a request is about until it is answered."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        _persons.set([])
        await app(scope, receive, send)

    return middleware


def note_person(*values: str | None) -> None:
    """Remember names, streets and numbers of a person, or of a company that may be one."""
    persons = _persons.get()
    if persons is not None:
        persons += [value for value in values if value and len(value) >= _CHARACTERS_MIN]


def note_customer(draft: CustomerDraft) -> None:
    """Remember the person or company in a customer's data."""
    note_person(draft.name, draft.vat_id, draft.address.street, draft.address.city)


def redact(sentence: str) -> str:
    """Return the sentence without the persons that the request is about, and without e-mail addresses."""
    for value in sorted(_persons.get() or [], key=len, reverse=True):
        sentence = re.sub(re.escape(value), _HIDDEN, sentence, flags=re.IGNORECASE)
    return _EMAIL.sub(_HIDDEN, _QUOTED.sub(_code_or_nothing, sentence))


def _code_or_nothing(quoted: re.Match[str]) -> str:
    opening, inside, closing = (part for part in quoted.groups() if part is not None)
    return quoted[0] if _CODE.fullmatch(inside) else f"{opening}{_HIDDEN}{closing}"
