"""Customers in Tryton: parties that carry the CRM's account id, and their credit."""

from typing import Any

from shared.canonical import CreditDecision, CreditStatus, Customer, CustomerDraft, Money
from shared.problem import Rejected
from system_api.connections import TrytonConnection
from system_api.decimal_text import unit_price
from system_api.discretion import note_person
from system_api.erp.tryton_records import ACCOUNT_PREFIX, PARTY_FIELDS, Id, PartyRecord
from system_api.erp.tryton_rest import VENDOR, TrytonRest
from system_api.vat import compact_vat_id, member_state_of
from system_api.vendor_reply import understanding


class TrytonParties:
    """The parties of one database, seen from one company."""

    def __init__(self, rest: TrytonRest, connection: TrytonConnection) -> None:
        self._rest = rest
        self._currency = connection.currency
        self._payment_term = connection.payment_term

    async def find(self, account_id: str) -> PartyRecord | None:
        """The party with that account's identifier; identifiers are not unique, so the oldest of several."""
        domain = [["identifiers.code", "=", ACCOUNT_PREFIX + account_id]]
        found = await self._rest.search("party.party", domain, PARTY_FIELDS, PartyRecord, limit=1)
        if not found:
            return None
        _note(found[0])
        return found[0]

    async def by_id(self, party: str) -> PartyRecord:
        """The party that an order names. Raises Rejected (`unknown_customer`) where there is none."""
        domain = [["id", "=", int(party) if party.isdecimal() else -1]]
        found = await self._rest.search("party.party", domain, PARTY_FIELDS, PartyRecord, limit=1)
        if not found:
            raise _rejected(f"There is no customer {party} in the ERP.", "unknown_customer")
        _note(found[0])
        return found[0]

    async def ensure(self, draft: CustomerDraft) -> Customer:
        """The account's party, created where there is none. One that is there is left as the ERP keeps it."""
        found = await self.find(draft.account_id)
        if found is not None:
            return customer_of(found, draft.account_id)
        values = await self._values(draft)
        try:
            made = await self._rest.create("party.party", values, PARTY_FIELDS, PartyRecord)
        except Rejected:
            # The code is made from the account id and unique: whoever creates the same customer second is refused.
            other = await self.find(draft.account_id)
            if other is None:
                raise
            return customer_of(other, draft.account_id)
        return customer_of(made, draft.account_id, created=True)

    async def payment_term(self) -> int:
        """The id of the terms that new customers get. Raises Rejected where the ERP has none of that name."""
        return await self._id("account.invoice.payment_term", "name", self._payment_term, "payment term")

    def credit(self, party: PartyRecord, account_id: str, amount: Money) -> CreditStatus:
        """Whether `amount` more fits under the limit; `unknown` for another currency than the company's."""
        with understanding(VENDOR, writes=False):
            exposure = party.credit_amount.decimal if party.credit_amount else None
            limit = party.credit_limit_amount.decimal if party.credit_limit_amount else None
            if exposure is None:
                raise ValueError(f"party {party.code} has no credit amount")
            decision, reason = CreditDecision.unknown, f"The ERP keeps credit in {self._currency}."
            if amount.currency == self._currency and limit is None:
                decision, reason = CreditDecision.approved, "The ERP sets no credit limit."
            elif amount.currency == self._currency and limit is not None:
                fits = exposure + amount.value <= limit
                decision = CreditDecision.approved if fits else CreditDecision.refused
                reason = (
                    f"{amount.amount} {amount.currency} {'fits' if fits else 'does not fit'} under the limit of "
                    f"{limit:f} {self._currency}, of which {exposure:f} {self._currency} is used."
                )
            return CreditStatus(
                account_id=account_id,
                decision=decision,
                reason=reason,
                exposure=unit_price(exposure, self._currency),
                limit=None if limit is None else unit_price(limit, self._currency),
                available=None if limit is None else unit_price(limit - exposure, self._currency),
            )

    async def _values(self, draft: CustomerDraft) -> dict[str, Any]:
        address = draft.address
        place: dict[str, Any] = {
            "street": address.street,
            "postal_code": address.postal_code,
            "city": address.city,
            "country": await self._id("country.country", "code", address.country, "country"),
        }
        if address.region:
            # Taxes follow the address: a state that got lost here would be the wrong tax on the invoice.
            code = f"{address.country}-{address.region}"
            place["subdivision"] = await self._id("country.subdivision", "code", code, "state")
        identifiers = [{"code": ACCOUNT_PREFIX + draft.account_id}]
        if draft.vat_id and member_state_of(draft.vat_id):
            identifiers.append({"type": "eu_vat", "code": compact_vat_id(draft.vat_id)})
        return {
            "code": f"SF-{draft.account_id}",
            "name": draft.name,
            "addresses": [["create", [place]]],
            "identifiers": [["create", identifiers]],
            "customer_payment_term": await self.payment_term(),
        }

    async def _id(self, model: str, field: str, value: str, noun: str) -> int:
        found = await self._rest.search(model, [[field, "=", value]], ["id"], Id, limit=1)
        if not found:
            raise _rejected(f"The ERP knows no {noun} {value}: add it there.", f"unknown_{noun.replace(' ', '_')}")
        return found[0].id


def customer_of(party: PartyRecord, account_id: str, *, created: bool = False) -> Customer:
    """The party as a customer."""
    return Customer(account_id=account_id, vendor_id=str(party.id), code=party.code, name=party.name, created=created)


def _note(party: PartyRecord) -> None:
    """Whatever the ERP says while this party is worked on may name it, or where it lives."""
    note_person(party.name)
    for address in party.addresses:
        note_person(address.street, address.city)


def _rejected(said: str, reason_code: str) -> Rejected:
    return Rejected(said, reason_code=reason_code, vendor=VENDOR)
