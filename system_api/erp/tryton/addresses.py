"""A party's addresses in Tryton: which are used for invoices and for delivery, and the changes when a customer
moves.
"""

from typing import Any

from shared.canonical import Address
from shared.problem import Fault, Rejected
from system_api.erp.tryton.errors import missing
from system_api.erp.tryton.records import AddressRecord, Id, PartyRecord
from system_api.erp.tryton.rest import VENDOR, TrytonRest
from system_api.vendor.same_text import same_text


def invoice_address(party: PartyRecord) -> AddressRecord | None:
    """Return the address that Tryton's form would choose for invoices: the first one marked for them, else the
    first.
    """
    return _marked(party, "invoice")


def delivery_address(party: PartyRecord) -> AddressRecord | None:
    """Return the address that Tryton's form would choose for shipments: the first one marked for them, else the
    first.
    """
    return _marked(party, "delivery")


def region_of(address: AddressRecord) -> str | None:
    """Return the subdivision without its country: CA of US-CA."""
    code = address.subdivision.code if address.subdivision else None
    return code.partition("-")[2] or None if code else None


def is_at(address: AddressRecord, stated: Address) -> bool:
    """Return whether the ERP's address equals the CRM's."""
    return (
        same_text(address.street, stated.street)
        and same_text(address.postal_code, stated.postal_code)
        and same_text(address.city, stated.city)
        and (address.country.code if address.country else None) == stated.country
        and stated.region in {None, region_of(address)}
    )


class TrytonAddresses:
    """Builds the values that move a party."""

    def __init__(self, rest: TrytonRest) -> None:
        self._rest = rest

    async def place(self, address: Address) -> dict[str, Any]:
        """Return the values of a new address.

        Raises Rejected if the ERP does not know the country or state, and Unavailable if it knows none at all.
        """
        place: dict[str, Any] = {
            "street": address.street,
            "postal_code": address.postal_code,
            "city": address.city,
            "country": await self._country(address.country),
        }
        if address.region:
            # Taxes follow the address: a lost state would mean the wrong tax on the invoice.
            place["subdivision"] = await self._state(address.country, address.region)
        return place

    async def changes(self, party: PartyRecord, stated: Address) -> list[Any]:
        """Return what to write so that invoices go to the CRM's address; nothing if they do.

        The old invoice address is deactivated, not overwritten, since issued invoices and sales refer to it. It stays
        active if it is marked for deliveries: such addresses are the ERP's own. If it got deliveries only because no
        address is marked, the new one takes those over too.
        """
        before = invoice_address(party)
        if before is not None and is_at(before, stated):
            return []
        marks: dict[str, Any] = {"invoice": True}
        delivered_to = delivery_address(party)
        if delivered_to is None or not delivered_to.delivery:
            marks["delivery"] = True
        there = next((each for each in party.addresses if each.active and is_at(each, stated)), None)
        if there is not None:
            changes: list[Any] = [["write", [there.id], marks]]
        else:
            changes = [["create", [{**await self.place(stated), **marks}]]]
        for each in party.addresses:
            if each.active and each is not there and (each.invoice or each is before):
                values = {"invoice": False} if each.delivery else {"invoice": False, "active": False}
                changes.append(["write", [each.id], values])
        return changes

    async def _country(self, code: str) -> int:
        found = await self._rest.search("country.country", [["code", "=", code]], ["id"], Id, limit=1)
        if found:
            return found[0].id
        if not await self._rest.search("country.country", [], ["id"], Id, limit=1):
            raise missing("no_countries")
        raise _unknown("country", code)

    async def _state(self, country: str, region: str) -> int:
        code = f"{country}-{region}"
        found = await self._rest.search("country.subdivision", [["code", "=", code]], ["id"], Id, limit=1)
        if found:
            return found[0].id
        of_country = [["code", "ilike", f"{country}-%"]]
        if not await self._rest.search("country.subdivision", of_country, ["id"], Id, limit=1):
            raise missing("no_states", country)
        raise _unknown("state", code)


def _unknown(noun: str, code: str) -> Rejected:
    said = f"The ERP knows no {noun} {code}: correct the address, or have it added there."
    error = Rejected(said, reason_code=f"unknown_{noun}", vendor=VENDOR)
    error.faults = [Fault(pointer="/address/region" if noun == "state" else "/address/country", detail=said)]
    return error


def _marked(party: PartyRecord, mark: str) -> AddressRecord | None:
    active = [each for each in party.addresses if each.active]
    return next((each for each in active if getattr(each, mark)), active[0] if active else None)
