"""Customers in Tryton: parties that carry the CRM's account id, updated from the CRM, and their credit."""

from typing import Any

from shared.canonical import (
    CreditDecision,
    CreditStatus,
    Customer,
    CustomerDraft,
    CustomerEntry,
    CustomerTax,
    Money,
    OrderFindings,
)
from shared.canonical.record_ids import canonical_spelling, spellings
from shared.problem import NeedsDecision, Rejected, Unavailable
from system_api.connections import TrytonConnection
from system_api.erp.tryton.addresses import TrytonAddresses, delivery_address, region_of
from system_api.erp.tryton.errors import missing
from system_api.erp.tryton.identity import CODE_PREFIX, TrytonIdentity, party_number
from system_api.erp.tryton.records import ACCOUNT_PREFIX, PARTY_FIELDS, Id, PartyRecord
from system_api.erp.tryton.rest import VENDOR, TrytonRest
from system_api.erp.tryton.tax_ids import identifier_of, missing_identifier
from system_api.erp.tryton.tax_rules import TrytonTaxRules
from system_api.vendor.decimals import unit_price
from system_api.vendor.order_faults import TAX_ID, faults_of_refusal, tax_id_fault, tax_id_note
from system_api.vendor.replies import understanding
from system_api.vendor.same_text import same_text

_DECIDE = (
    "Read the account's cross-references, which list the candidates, choose one of them (or a new one) with relink, "
    "then have the flow tried again."
)
_LISTED_MAX = 5


class TrytonParties:
    """The parties of one database, seen from one company."""

    def __init__(self, rest: TrytonRest, connection: TrytonConnection) -> None:
        self._rest = rest
        self._currency = connection.currency
        self._payment_term = connection.payment_term
        self._identity = TrytonIdentity(rest, connection.currency)
        self._addresses = TrytonAddresses(rest)
        self._tax_rules = TrytonTaxRules(rest, connection.company)

    async def find(self, account_id: str) -> PartyRecord | None:
        """Return the account's party, active or not; a merged one's successor."""
        return await self._identity.by_account(account_id)

    async def by_id(self, party: str) -> PartyRecord:
        """Return the party that an order names; a merged one's successor.

        Raises Rejected if there is none (`unknown_customer`) or it is deactivated (`customer_blocked`).
        """
        number = party_number(party)
        found = None if number is None else await self._identity.by_id(number)
        if found is None:
            raise _rejected(f"There is no customer {party} in the ERP.", "unknown_customer")
        return _active(await self._identity.master(found))

    async def entry(self, party: str) -> CustomerEntry | None:
        """Return a party, described so that a person recognises it; None if there is none.

        For a merged one, its successor.
        """
        number = party_number(party)
        found = None if number is None else await self._identity.by_id(number)
        return None if found is None else self._identity.entry(await self._identity.master(found))

    async def candidates(self, draft: CustomerDraft) -> list[CustomerEntry]:
        """Return the parties that may be the account, the likeliest first."""
        return await self._identity.candidates(draft)

    async def ensure(self, draft: CustomerDraft) -> Customer:
        """Return the account's party, updated from the CRM; create it if the ERP has none.

        Checked in this order: the party in the cross reference, one that carries the account's id, and similar ones.
        Raises Rejected (`customer_blocked`) if the party is deactivated; NeedsDecision if other parties may be it
        (`customer_ambiguous`), or its former party no longer exists (`customer_gone`).
        """
        parties = await self._identity.related(draft.account_id, draft.known_vendor_id)
        known = next((each for each in parties if str(each.id) == draft.known_vendor_id), None)
        if known is not None:
            return await self._kept(draft, _active(await self._identity.master(known)), parties)
        if draft.new_as is not None:
            return await self._made_anew(draft, f"{CODE_PREFIX}{draft.account_id}-{draft.new_as}", parties)
        linked = await self._identity.of_account(parties, draft.account_id)
        if linked is not None:
            return await self._kept(draft, _active(linked), parties)
        await self._require_unlike_others(draft)
        return await self._made(draft, f"{CODE_PREFIX}{draft.account_id}")

    async def check(self, draft: CustomerDraft) -> OrderFindings:
        """What `ensure` would be refused, or would refuse, for what the account states. Nothing is written.

        Who the party is (blocked, one of several) is not asked here.
        """
        parties = await self._identity.related(draft.account_id, draft.known_vendor_id)
        known = next((each for each in parties if str(each.id) == draft.known_vendor_id), None)
        if known is not None:
            party: PartyRecord | None = await self._identity.master(known)
        else:
            party = None if draft.new_as else await self._identity.of_account(parties, draft.account_id)
        tax_id, note = tax_id_fault(draft), tax_id_note(draft)
        faults = [] if tax_id is None else [tax_id]
        try:
            if party is not None and tax_id is None:
                missing_identifier(party, draft)
        except Rejected as refusal:
            faults += faults_of_refusal(refusal, TAX_ID)
        try:
            if party is None:
                await self._addresses.place(draft.address)
            else:
                await self._addresses.changes(party, draft.address)
        except Rejected as refusal:
            faults += faults_of_refusal(refusal, "billingAddress")
        return OrderFindings(faults=faults, notes=[] if note is None else [note])

    async def payment_term(self) -> int:
        """Return the id of new customers' payment term. Raises Unavailable if the ERP has none of that name."""
        domain = [["name", "=", self._payment_term]]
        found = await self._rest.search("account.invoice.payment_term", domain, ["id"], Id, limit=1)
        if not found:
            raise missing("unknown_payment_term", self._payment_term)
        return found[0].id

    def credit(self, party: PartyRecord, account_id: str, amount: Money) -> CreditStatus:
        """Return whether `amount` more fits under the limit; `unknown` for a currency other than the company's."""
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

    # -- updating -----------------------------------------------------------------------------------------------------

    async def _kept(self, draft: CustomerDraft, party: PartyRecord, parties: list[PartyRecord]) -> Customer:
        """Return the party after updating what the CRM masters: name, invoice address, and our id.

        A missing tax id is added. Credit limit, payment terms and tax rule are the ERP's own, and stay. Raises Rejected
        (`tax_id_differs`) if the ERP has another tax id of the same register.
        """
        registered = missing_identifier(party, draft)
        await self._release(draft.account_id, party, parties)
        codes = {ACCOUNT_PREFIX + each for each in spellings(draft.account_id)}
        changes: dict[str, Any] = {}
        if not same_text(party.name, draft.name):
            changes["name"] = draft.name
        if moves := await self._addresses.changes(party, draft.address):
            changes["addresses"] = moves
        identifiers = [registered] if registered else []
        if not any(each.active and each.code in codes for each in party.identifiers):
            identifiers.append(["create", [{"code": ACCOUNT_PREFIX + draft.account_id}]])
        if identifiers:
            changes["identifiers"] = identifiers
        if changes:
            party = await self._rest.update("party.party", party.id, changes, PARTY_FIELDS, PartyRecord)
        return await self._customer(party, draft)

    async def _release(self, account_id: str, party: PartyRecord, parties: list[PartyRecord]) -> None:
        """Take the account's id off the other parties, so that a search for it finds only the current one."""
        codes = {ACCOUNT_PREFIX + each for each in spellings(account_id)}
        for other in parties:
            carried = [each.id for each in other.identifiers if each.active and each.code in codes]
            if other.id != party.id and carried:
                changes = {"identifiers": [["write", carried, {"active": False}]]}
                await self._rest.update("party.party", other.id, changes, ["id"], Id)

    # -- creating -----------------------------------------------------------------------------------------------------

    async def _require_unlike_others(self, draft: CustomerDraft) -> None:
        candidates = await self._identity.candidates(draft)
        if any(canonical_spelling(draft.account_id) in each.account_ids for each in candidates):
            said = f"The customer of account {draft.account_id} is being made by another request"
            raise Unavailable(said, reason_code="concurrent_change", vendor=VENDOR, retry_after_s=1)
        if candidates:
            listed = "; ".join(_described(each) for each in candidates[:_LISTED_MAX])
            more = f"; and {len(candidates) - _LISTED_MAX} more" if len(candidates) > _LISTED_MAX else ""
            raise NeedsDecision(
                f"The ERP may know account {draft.account_id} already: {listed}{more}. Choose the customer that it is, "
                "or say that it is a new one.",
                reason_code="customer_ambiguous",
                what_to_do=_DECIDE,
                candidates=[_described(each) for each in candidates],
                vendor=VENDOR,
            )
        if draft.known_vendor_id is not None:
            raise NeedsDecision(
                f"Account {draft.account_id} was customer record {draft.known_vendor_id} in the ERP, which is not "
                "there any more. Choose the customer that it is now, or say that it is a new one.",
                reason_code="customer_gone",
                what_to_do=_DECIDE,
                vendor=VENDOR,
            )

    async def _made_anew(self, draft: CustomerDraft, code: str, parties: list[PartyRecord]) -> Customer:
        """Return the new party that a person has decided on, beside similar ones and former ones."""
        made = await self._identity.by_code(code)
        if made is not None:
            return await self._kept(draft, _active(await self._identity.master(made)), parties)
        customer = await self._made(draft, code)
        made = await self._identity.by_id(int(customer.vendor_id))
        if made is not None:
            await self._release(draft.account_id, made, parties)
        return customer

    async def _made(self, draft: CustomerDraft, code: str) -> Customer:
        values = {**await self._values(draft), "code": code}
        try:
            made = await self._rest.create("party.party", values, PARTY_FIELDS, PartyRecord)
        except Rejected:
            # The code is derived from the account id and unique: the second of two creations of one customer is
            # refused.
            other = await self._identity.by_code(code)
            if other is None:
                raise
            return await self._customer(_active(await self._identity.master(other)), draft)
        return await self._customer(made, draft, created=True)

    async def _values(self, draft: CustomerDraft) -> dict[str, Any]:
        identifiers: list[dict[str, Any]] = [{"code": ACCOUNT_PREFIX + draft.account_id}]
        registered = identifier_of(draft.vat_id, draft.address.country)
        if registered is not None:
            identifiers.append(registered)
        return {
            "name": draft.name,
            "addresses": [["create", [await self._addresses.place(draft.address)]]],
            "identifiers": [["create", identifiers]],
            "customer_payment_term": await self.payment_term(),
        }

    async def _customer(self, party: PartyRecord, draft: CustomerDraft, *, created: bool = False) -> Customer:
        """Return the party, with the tax that the ERP itself would charge for deliveries to it."""
        rule, place = party.customer_tax_rule, delivery_address(party)
        country = place.country.code if place and place.country else None
        region = region_of(place) if place and country else draft.address.region
        tax = await self._tax_rules.tax(rule.id, country or draft.address.country, region) if rule else None
        return customer_of(party, draft.account_id, created=created, tax=tax)


def customer_of(
    party: PartyRecord, account_id: str, *, created: bool = False, tax: CustomerTax | None = None
) -> Customer:
    """Return the party as a customer."""
    return Customer(
        account_id=account_id,
        vendor_id=str(party.id),
        code=party.code,
        name=party.name or party.code,
        created=created,
        blocked=not party.active,
        tax=tax,
    )


def _active(party: PartyRecord) -> PartyRecord:
    if not party.active:
        raise _rejected(
            f"Customer {party.code} is blocked in the ERP: it was deactivated there. Have it activated by those who "
            "keep the customers, then submit the quote again.",
            "customer_blocked",
        )
    return party


def _described(candidate: CustomerEntry) -> str:
    limit = candidate.credit_limit
    facts = [
        *([candidate.name] if candidate.name else []),
        *([candidate.city] if candidate.city else []),
        f"limit {limit.amount} {limit.currency}" if limit else "no limit",
        "" if candidate.active else "deactivated",
        f"the same {' and the same '.join(candidate.matched_by)}",
    ]
    return f"{candidate.number} ({', '.join(fact for fact in facts if fact)})"


def _rejected(said: str, reason_code: str) -> Rejected:
    return Rejected(said, reason_code=reason_code, vendor=VENDOR)
