"""An account's customer in a real Tryton and its stand-in: blocked, merged, similar and moved ones."""

import base64
import uuid
from typing import Any

import httpx
import msgspec
import pytest

from sandbox.vendors.tryton.rest import RestClient
from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.server import TrytonServer
from shared.canonical import Address, CustomerDraft, OrderCheck
from shared.canonical.record_ids import spellings
from shared.problem import NeedsDecision, Rejected, Unavailable
from system_api.erp.tryton import identity as tryton_identity
from system_api.erp.tryton.adapter import Tryton
from tests.system_api.erp.conftest import Books
from tests.system_api.erp.drafts import austrian_vat_id, hardware, new_customer, order_id
from tests.system_api.transports import Lossy

ADDRESSES = ("street", "city", "invoice", "delivery", "active")


def change(rest: RestClient, party: str, **values: Any) -> None:
    """Change a party as a person in the ERP would."""
    answer = rest.send("PUT", f"party.party/{party}", [("f", "id")], values)
    assert answer.status == 200, answer.text


def numbered(rest: RestClient, draft: CustomerDraft, number: str, *, linked: bool = True) -> str:
    """Return a party of that number, as the ERP's own people made it: with the account's id on it, or without."""
    [country] = rest.search("country.country", [["code", "=", draft.address.country]], ["id"])
    place = {"street": draft.address.street, "postal_code": draft.address.postal_code, "city": draft.address.city}
    identifiers = [{"code": f"SF:{draft.account_id}"}] if linked else []
    if draft.vat_id:
        identifiers.append({"type": "eu_vat", "code": draft.vat_id})
    values = {
        "code": number,
        "name": draft.name,
        "addresses": [["create", [{**place, "country": country["id"]}]]],
        "identifiers": [["create", identifiers]],
    }
    return str(rest.create("party.party", values)["id"])


def number() -> str:
    return f"C-{uuid.uuid4().hex[:8]}"


def parties(rest: RestClient, draft: CustomerDraft) -> int:
    """Return how many active parties carry the account's id."""
    return len(rest.search("party.party", [["identifiers.code", "=", f"SF:{draft.account_id}"]], ["id"]))


def merge(books: Books, source: str, master: str) -> None:
    """Merge two parties of one name and tax id: by Tryton's own wizard, and in the stand-in by what that writes."""
    if isinstance(books, TrytonServer):
        access = books.credentials
        session = TrytonSession(books.url, books.database, access.admin_login, access.admin_password)
        form = {"source": int(source), "destination": int(master)}
        session.run_wizard("party.replace", [("replace", {"ask": form})])
        return
    rest = books.client("nordwind", "NW-DE")
    there = rest.read("party.party", int(source), ["identifiers.id", "identifiers.code", "identifiers.type"])
    ids = [each["id"] for each in there["identifiers"]]
    change(rest, source, identifiers=[["write", ids, {"active": False}]], active=False, replaced_by=int(master))


async def test_a_sale_to_a_customer_deactivated_meanwhile_is_refused(erp: Tryton, rest: RestClient) -> None:
    customer = await erp.ensure_customer(new_customer())
    change(rest, customer.vendor_id, active=False)

    with pytest.raises(Rejected) as raised:
        await erp.create_order(order_id(), hardware(customer.vendor_id))

    assert raised.value.reason_code == "customer_blocked"


async def test_linked_customer_is_looked_up_before_any_creation(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer(vat_id=None)
    party = numbered(rest, draft, number(), linked=False)

    customer = await erp.ensure_customer(msgspec.structs.replace(draft, known_vendor_id=party))

    assert (customer.vendor_id, customer.created) == (party, False)
    assert parties(rest, draft) == 1, "and carries the account's id from now on"


@pytest.mark.parametrize("spelling", [0, 1, 5, -1], ids=["canonical", "one small letter", "more", "15 characters"])
async def test_a_customer_is_found_under_every_spelling_of_the_account(
    erp: Tryton, rest: RestClient, spelling: int
) -> None:
    draft = new_customer()
    written = spellings(draft.account_id)[spelling]
    party = numbered(rest, msgspec.structs.replace(draft, account_id=written), number())

    assert (await erp.ensure_customer(draft)).vendor_id == party


async def test_a_likely_duplicate_by_tax_id_waits_for_a_decision(erp: Tryton, rest: RestClient) -> None:
    first, there = new_customer(), number()
    party = numbered(rest, first, there)
    second = new_customer(vat_id=f"at {first.vat_id[2:] if first.vat_id else ''}")

    with pytest.raises(NeedsDecision) as raised:
        await erp.ensure_customer(second)

    assert raised.value.reason_code == "customer_ambiguous"
    assert f"{there} ({first.name}, Wien, no limit, the same tax id)" in raised.value.detail
    [candidate] = await erp.customer_candidates(second)
    assert (candidate.vendor_id, candidate.city, candidate.matched_by) == (party, "Wien", ["tax id"])
    assert candidate.account_ids == [first.account_id]
    assert parties(rest, second) == 0


@pytest.mark.parametrize(
    ("match", "name", "ambiguous"),
    [
        ("name_and_postal_code", "{} AG", True),
        ("name_and_postal_code", "{} Handel", False),
        ("strict", "{} GmbH", False),
    ],
)
async def test_the_rules_say_whether_a_name_makes_a_likely_duplicate(
    erp: Tryton, rest: RestClient, match: Any, name: str, ambiguous: bool
) -> None:
    word = f"Älpler {uuid.uuid4().hex[:8]}"
    numbered(rest, new_customer(name=f"{word} GmbH"), number())
    draft = new_customer(name=name.format(word.replace("Ä", "ä")), match=match)

    candidates = await erp.customer_candidates(draft)

    assert [each.matched_by for each in candidates] == [["name and postal code"]] * ambiguous


async def test_a_look_alike_is_found_behind_many_others_of_its_city(
    erp: Tryton, rest: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two stand for the fifty and more parties with a large city's postal code."""
    monkeypatch.setattr(tryton_identity, "_NAMES_PAGE", 2)
    monkeypatch.setattr(tryton_identity, "_PAGE", 2)
    place = Address(street="Ring 1", postal_code=f"{uuid.uuid4().hex[:8]}", city="Wien", country="AT")
    for index in range(5):
        numbered(rest, new_customer(name=f"Donau {index} Handel", address=place), number())
    alike = [numbered(rest, new_customer(name="Donau Logistik GmbH", address=place), number()) for _ in range(3)]

    with pytest.raises(NeedsDecision) as raised:
        await erp.ensure_customer(draft := new_customer(name="Donau Logistik AG", address=place))

    assert len(raised.value.candidates) == 3
    assert {each.vendor_id for each in await erp.customer_candidates(draft)} == set(alike)
    assert parties(rest, draft) == 0


async def test_nothing_is_created_after_an_incomplete_search(
    erp: Tryton, rest: RestClient, network: Lossy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryton_identity, "_NAMES_PAGE", 1)
    place = Address(street="Ring 1", postal_code=f"{uuid.uuid4().hex[:8]}", city="Wien", country="AT")
    for index in range(2):
        numbered(rest, new_customer(name=f"Donau {index} Handel", address=place), number())
    draft, asked = new_customer(name="Donau Logistik AG", address=place), []

    def second_page_is_lost(request: httpx.Request) -> bool:
        query = base64.urlsafe_b64decode(request.url.params.get("d", "")).decode()
        asked.append(query)
        return '["id",">"' in query

    with network.losing_if(second_page_is_lost), pytest.raises(Unavailable):
        await erp.ensure_customer(draft)

    assert any('["id",">"' in query for query in asked)
    assert parties(rest, draft) == 0


async def test_a_deactivated_look_alike_is_a_candidate_too(erp: Tryton, rest: RestClient) -> None:
    draft, blocked = new_customer(), number()
    change(rest, numbered(rest, draft, blocked, linked=False), active=False)

    with pytest.raises(NeedsDecision, match=rf"{blocked} \(.*deactivated"):
        await erp.ensure_customer(draft)


async def test_customer_created_by_decision_carries_its_number(erp: Tryton) -> None:
    draft = new_customer(new_as="17")

    assert (await erp.ensure_customer(draft)).code == f"SF-{draft.account_id}-17"


async def test_a_merged_customer_is_its_master(erp: Tryton, books: Books, rest: RestClient) -> None:
    draft = new_customer(vat_id=None)
    source = (await erp.ensure_customer(draft)).vendor_id
    master = numbered(rest, draft, number(), linked=False)
    merge(books, source, master)

    by_account = await erp.find_customer(draft.account_id)
    known = await erp.ensure_customer(msgspec.structs.replace(draft, known_vendor_id=source))
    order = await erp.create_order(order_id(), hardware(source))

    assert by_account is not None
    assert by_account.vendor_id == known.vendor_id == master
    [sale] = rest.search("sale.sale", [["id", "=", int(order.vendor_id or 0)]], ["party.id"])
    assert str(sale["party"]["id"]) == master
    assert parties(rest, draft) == 1


async def test_moved_identifier_moves_the_account(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()
    before = (await erp.ensure_customer(draft)).vendor_id
    other = numbered(rest, draft, number(), linked=False)

    await erp.ensure_customer(msgspec.structs.replace(draft, known_vendor_id=other))

    found = await erp.find_customer(draft.account_id)
    assert found is not None
    assert found.vendor_id == other != before


async def test_only_crm_mastered_fields_are_written(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()
    customer = await erp.ensure_customer(draft)
    kept = ["customer_payment_term.id", "credit_limit_amount", "customer_tax_rule.id"]
    before = rest.read("party.party", int(customer.vendor_id), kept)
    moved = Address(street="Praterstern 3", postal_code="1020", city="Wien", country="AT")

    renamed = await erp.ensure_customer(msgspec.structs.replace(draft, name=f"{draft.name} & Co", address=moved))

    assert (renamed.vendor_id, renamed.name) == (customer.vendor_id, f"{draft.name} & Co")
    party = rest.read("party.party", int(customer.vendor_id), ["name", *(f"addresses.{each}" for each in ADDRESSES)])
    assert party["name"] == f"{draft.name} & Co"
    assert [(each["street"], each["invoice"]) for each in party["addresses"]] == [("Praterstern 3", True)]
    assert rest.read("party.party", int(customer.vendor_id), kept) == before


async def test_nothing_is_written_where_nothing_differs(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()
    customer = await erp.ensure_customer(draft)
    shown = ["name", "addresses.id", "identifiers.id"]
    before = rest.read("party.party", int(customer.vendor_id), shown)
    spaced = draft.address.street.replace(" ", "  ").upper()

    await erp.ensure_customer(
        msgspec.structs.replace(draft, address=msgspec.structs.replace(draft.address, street=spaced))
    )

    assert rest.read("party.party", int(customer.vendor_id), shown) == before


async def test_a_move_keeps_the_address_that_is_delivered_to(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()
    party = int((await erp.ensure_customer(draft)).vendor_id)
    [address] = rest.read("party.party", party, ["addresses.id"])["addresses"]
    change(rest, str(party), addresses=[["write", [address["id"]], {"delivery": True}]])
    moved = Address(street="Praterstern 3", postal_code="1020", city="Wien", country="AT")

    customer = await erp.ensure_customer(msgspec.structs.replace(draft, address=moved))
    order = await erp.create_order(order_id(), hardware(customer.vendor_id))

    [sale] = rest.search(
        "sale.sale", [["id", "=", int(order.vendor_id or 0)]], ["invoice_address.street", "shipment_address.street"]
    )
    assert sale["invoice_address"]["street"] == "Praterstern 3"
    assert sale["shipment_address"]["street"] == draft.address.street


async def test_a_sale_is_invoiced_to_the_address_marked_for_it(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()
    customer = await erp.ensure_customer(draft)
    [first] = rest.read("party.party", int(customer.vendor_id), ["addresses.id", "addresses.country.id"])["addresses"]
    head_office = {"street": "Ring 1", "postal_code": "1010", "city": "Wien", "country": first["country"]["id"]}
    change(rest, customer.vendor_id, addresses=[["create", [{**head_office, "invoice": True}]]])

    order = await erp.create_order(order_id(), hardware(customer.vendor_id))

    [sale] = rest.search(
        "sale.sale", [["id", "=", int(order.vendor_id or 0)]], ["invoice_address.street", "shipment_address.street"]
    )
    assert (sale["invoice_address"]["street"], sale["shipment_address"]["street"]) == ("Ring 1", "Handelskai 94")


# -- tax ids ----------------------------------------------------------------------------------------------------------


def tax_ids(rest: RestClient, party: str) -> list[tuple[str, str]]:
    """Return the official identifiers that the ERP shows of a party."""
    fields = ["identifiers.type", "identifiers.code_compact"]
    held = rest.read("party.party", int(party), fields)["identifiers"]
    return sorted((each["type"], each["code_compact"]) for each in held if each["type"])


async def test_a_tax_id_stated_after_the_first_order_is_added_once(erp: Tryton, rest: RestClient) -> None:
    stated = austrian_vat_id()
    draft = new_customer(vat_id=None)
    customer = await erp.ensure_customer(draft)

    for vat_id in (stated, f"at {stated[2:]}", stated[3:], None):
        await erp.ensure_customer(msgspec.structs.replace(draft, vat_id=vat_id))

    assert tax_ids(rest, customer.vendor_id) == [("eu_vat", stated)]


async def test_a_tax_id_of_another_register_is_added_beside_the_first(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()
    customer = await erp.ensure_customer(draft)

    await erp.ensure_customer(msgspec.structs.replace(draft, vat_id="GB980780684"))

    assert tax_ids(rest, customer.vendor_id) == [("eu_vat", draft.vat_id), ("gb_vat", "980780684")]


async def test_different_tax_id_of_the_same_register_is_refused_before_any_write(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()
    customer = await erp.ensure_customer(draft)
    otherwise = msgspec.structs.replace(draft, vat_id=austrian_vat_id(), name=f"{draft.name} & Co")

    found = await erp.check_order(OrderCheck(customer=otherwise))
    assert [(fault.code, fault.field) for fault in found.faults] == [("tax_id_differs", "vatId")]
    assert (await erp.check_order(OrderCheck(customer=draft))).faults == []
    with pytest.raises(
        Rejected, match=f"Customer {customer.code} has another tax id in the ERP .* both of AT"
    ) as raised:
        await erp.ensure_customer(otherwise)

    assert raised.value.reason_code == "tax_id_differs"
    assert tax_ids(rest, customer.vendor_id) == [("eu_vat", draft.vat_id)]
    assert rest.read("party.party", int(customer.vendor_id), ["name"])["name"] == draft.name


async def test_a_tax_id_taken_out_of_use_is_put_back_and_not_doubled(erp: Tryton, rest: RestClient) -> None:
    """A merge deactivates the tax ids of the party that is given up."""
    draft = new_customer()
    customer = await erp.ensure_customer(draft)
    held = rest.read("party.party", int(customer.vendor_id), ["identifiers.id", "identifiers.type"])["identifiers"]
    ids = [each["id"] for each in held if each["type"]]
    change(rest, customer.vendor_id, identifiers=[["write", ids, {"active": False}]])
    assert tax_ids(rest, customer.vendor_id) == []

    await erp.ensure_customer(draft)

    held = rest.read("party.party", int(customer.vendor_id), ["identifiers.id", "identifiers.type"])["identifiers"]
    assert [each["id"] for each in held if each["type"]] == ids


async def test_a_customer_that_another_request_makes_meanwhile_is_no_look_alike(
    erp: Tryton, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It appears between the look by the account's id and the look for others that are like it."""
    draft = new_customer()
    made = await erp.ensure_customer(draft)
    identity = erp._parties._identity
    related = identity.related

    async def nobody(*_: Any) -> list[Any]:
        monkeypatch.setattr(identity, "related", related)
        return []

    monkeypatch.setattr(identity, "related", nobody)

    with pytest.raises(Unavailable) as raised:
        await erp.ensure_customer(draft)

    assert raised.value.reason_code == "concurrent_change"
    assert (await erp.ensure_customer(draft)).vendor_id == made.vendor_id
