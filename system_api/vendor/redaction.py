"""What a vendor says, without whom it speaks of.

A vendor's sentence tells an operator what to mend, so it is kept with the attempt and answered. It may name a person:
it quotes a record's name, an address, an e-mail. None of that leaves this tier: what the request itself is about is
known here, and what a vendor puts into quotation marks is let through only where it is a code.
"""

import re
from contextvars import ContextVar

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.canonical import CustomerDraft

_persons: ContextVar[list[str] | None] = ContextVar("persons", default=None)
_HIDDEN = "…"
# Shorter ones are initials and house numbers, which would be found in every second sentence.
_CHARACTERS_MIN = 3
_QUOTED = re.compile(r"""(["“„«])([^"“”„«»]{1,200})(["”“»])|(?<!\w)(')([^']{1,200})(')(?!\w)""")
# A code has one case and no blank: MON-STD, price_1Q2w is one too, Jane is not.
_CODE = re.compile(r"[A-Z0-9_.:/\[\]-]+|[a-z0-9_.:/\[\]-]+|[a-z]+_[A-Za-z0-9_]+")
_EMAIL = re.compile(r"[^\s\"'<>(),;:@]+@[^\s\"'<>(),;:@]+")


def mind_persons(app: ASGIApp) -> ASGIApp:
    """An inbound policy: whom a request is about is remembered until it is answered."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        _persons.set([])
        await app(scope, receive, send)

    return middleware


def note_person(*values: str | None) -> None:
    """Remember what a person, or a company that may be one, can be known by: names, streets, numbers of theirs."""
    persons = _persons.get()
    if persons is not None:
        persons += [value for value in values if value and len(value) >= _CHARACTERS_MIN]


def note_customer(draft: CustomerDraft) -> None:
    """Remember whom a customer's data is about."""
    note_person(draft.name, draft.vat_id, draft.address.street, draft.address.city)


def redact(sentence: str) -> str:
    """The sentence without them."""
    for value in sorted(_persons.get() or [], key=len, reverse=True):
        sentence = re.sub(re.escape(value), _HIDDEN, sentence, flags=re.IGNORECASE)
    return _EMAIL.sub(_HIDDEN, _QUOTED.sub(_code_or_nothing, sentence))


def _code_or_nothing(quoted: re.Match[str]) -> str:
    opening, inside, closing = (part for part in quoted.groups() if part is not None)
    return quoted[0] if _CODE.fullmatch(inside) else f"{opening}{_HIDDEN}{closing}"
