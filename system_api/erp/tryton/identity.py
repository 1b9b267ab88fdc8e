"""Finds the party of an account: by our ids in every spelling, deactivated and merged parties included, or by
similarity.

"Not found" is not "does not exist". Tryton hides deactivated records unless asked for them, and merging two parties
moves one's identifiers to the other and deactivates them.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from shared.canonical import CustomerDraft, CustomerEntry
from shared.canonical.record_ids import canonical_spelling, spellings
from system_api.erp.tryton.addresses import invoice_address
from system_api.erp.tryton.records import ACCOUNT_PREFIX, PARTY_FIELDS, PartyRecord
from system_api.erp.tryton.rest import VENDOR, TrytonRest
from system_api.erp.tryton.tax_ids import compact_forms
from system_api.vendor.decimals import unit_price
from system_api.vendor.redaction import note_person
from system_api.vendor.replies import understanding
from system_api.vendor.same_text import name_words, same_text
from system_api.vendor.vat import tax_id_of

CODE_PREFIX = "SF-"
"""The prefix of the account's id in the code of a party that the gateway has created."""
_PAGE, _MERGES_MAX = 50, 10
# For the many parties in a large city only the names are read, until one is similar.
_NAMES_PAGE = 500
_ID_DIGITS_MAX = 18  # the digits of PostgreSQL's bigint
_BY_TAX_ID, _BY_NAME = "tax id", "name and postal code"
_LIKE_SPECIAL = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


class _Named(msgspec.Struct, frozen=True):
    id: int
    name: str | None = None


P = TypeVar("P", PartyRecord, _Named)


class TrytonIdentity:
    """Finds the parties of one database."""

    def __init__(self, rest: TrytonRest, currency: str) -> None:
        self._rest = rest
        self._currency = currency

    async def related(self, account_id: str, party_id: str | None = None) -> list[PartyRecord]:
        """Return every party that carries the account's id in any spelling, and the one with that id; active or not."""
        ids = spellings(account_id)
        domain: list[Any] = [
            "OR",
            ["identifiers.code", "in", [ACCOUNT_PREFIX + each for each in ids]],
            ["code", "in", [CODE_PREFIX + each for each in ids]],
        ]
        known = party_number(party_id or "")
        if known is not None:
            domain.append(["id", "=", known])
        return await self._search(domain)

    async def by_account(self, account_id: str) -> PartyRecord | None:
        """Return the account's party, active or not; a merged one's successor."""
        return await self.of_account(await self.related(account_id), account_id)

    async def of_account(self, parties: list[PartyRecord], account_id: str) -> PartyRecord | None:
        """Return the account's party among these: the one that carries its id now, else one that has carried it."""
        codes = {ACCOUNT_PREFIX + each for each in spellings(account_id)}
        made = {CODE_PREFIX + each for each in spellings(account_id)}

        def carries(party: PartyRecord, *, now: bool) -> bool:
            return any(each.code in codes and (each.active or not now) for each in party.identifiers)

        chosen = next((party for party in parties if carries(party, now=True)), None)
        chosen = chosen or next((party for party in parties if carries(party, now=False) or party.code in made), None)
        return await self.master(chosen) if chosen is not None else None

    async def master(self, party: PartyRecord) -> PartyRecord:
        """Return the party that this one was merged into, or the party itself."""
        for _ in range(_MERGES_MAX):
            if party.replaced_by is None:
                return party
            found = await self.by_id(party.replaced_by.id)
            if found is None:
                return party
            party = found
        return party

    async def by_id(self, party: int) -> PartyRecord | None:
        """Return the party with that id, active or not."""
        return next(iter(await self._search([["id", "=", party]])), None)

    async def by_code(self, code: str) -> PartyRecord | None:
        """Return the party with that number, active or not."""
        return next(iter(await self._search([["code", "=", code]])), None)

    async def candidates(self, draft: CustomerDraft) -> list[CustomerEntry]:
        """Return the parties that may be the account, without merged and with deactivated ones.

        They have the same tax id or, if the rules say so, the same name and postal code.
        """
        stated = tax_id_of(draft.vat_id, draft.address.country)
        matched: dict[int, tuple[PartyRecord, list[str]]] = {}
        if stated is not None:
            for party in await self._search([["identifiers.code_compact", "in", compact_forms(stated)]]):
                matched.setdefault(party.id, (party, []))[1].append(_BY_TAX_ID)
        if draft.match == "name_and_postal_code":
            for party in await self._alike(draft):
                matched.setdefault(party.id, (party, []))[1].append(_BY_NAME)
        found = [self.entry(party, by) for party, by in matched.values() if party.replaced_by is None]
        return sorted(found, key=lambda each: (not each.active, -len(each.matched_by), each.number))

    def entry(self, party: PartyRecord, matched_by: list[str] | None = None) -> CustomerEntry:
        """Return the party, described so that a person recognises it."""
        place = invoice_address(party)
        limit = party.credit_limit_amount
        carried = [each.code or "" for each in party.identifiers if each.active]
        with understanding(VENDOR, writes=False):
            return CustomerEntry(
                vendor_id=str(party.id),
                number=party.code,
                name=party.name or "",
                active=party.active,
                city=(place.city or "") if place else "",
                postal_code=(place.postal_code or "")[:20] if place else "",
                currency=self._currency,
                credit_limit=None if limit is None else unit_price(limit.decimal, self._currency),
                matched_by=matched_by or [],
                account_ids=[
                    canonical_spelling(code.removeprefix(ACCOUNT_PREFIX))
                    for code in carried
                    if code.startswith(ACCOUNT_PREFIX)
                ],
            )

    async def _alike(self, draft: CustomerDraft) -> list[PartyRecord]:
        words = name_words(draft.name)
        if not words or not draft.address.postal_code:
            return []
        # Accents and case may differ, so the query only asks for the place, and names are compared here.
        beginning = draft.name.split()[0][:1].translate(_LIKE_SPECIAL)
        domain = [
            ["addresses.postal_code", "=", draft.address.postal_code],
            ["name", "ilike", f"{beginning}%"],
        ]
        named = await self._pages(domain, ["name"], _Named, _NAMES_PAGE)
        alike = [each.id for each in named if name_words(each.name) == words]
        found: list[PartyRecord] = []
        for start in range(0, len(alike), _NAMES_PAGE):
            found += await self._search([["id", "in", alike[start : start + _NAMES_PAGE]]])
        code = draft.address.postal_code
        return [party for party in found if any(same_text(each.postal_code, code) for each in party.addresses)]

    async def _search(self, domain: list[Any]) -> list[PartyRecord]:
        found = await self._pages(domain, PARTY_FIELDS, PartyRecord, _PAGE)
        for party in found:
            note_party(party)
        return found

    async def _pages(self, domain: list[Any], fields: Sequence[str], shape: type[P], page_size: int) -> list[P]:
        """Yield all matches, to the last page: a party that was left out could be created a second time.

        Raises Unavailable if a page is not answered, so that nothing is created after an incomplete search.
        """
        found: list[P] = []
        wanted = domain
        while True:
            page = await self._rest.search("party.party", wanted, fields, shape, limit=page_size, inactive_too=True)
            found += page
            if len(page) < page_size:
                return found
            wanted = [domain, ["id", ">", page[-1].id]]


def party_number(party: str) -> int | None:
    """Return the id of a party as a number; None if it is none, or longer than Tryton's ids can be."""
    return int(party) if party.isdecimal() and len(party) <= _ID_DIGITS_MAX else None


def note_party(party: PartyRecord) -> None:
    """Remember the party's name and addresses, which the ERP's messages may contain while it is worked on."""
    note_person(party.name)
    for address in party.addresses:
        note_person(address.street, address.city)
