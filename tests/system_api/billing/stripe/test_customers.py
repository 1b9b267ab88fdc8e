"""An account's customer in Stripe: by currency, after a deletion, and updated from the CRM."""

import uuid

import httpx
import pytest

from shared.canonical import Address, CustomerDraft, OrderCheck
from shared.problem import Rejected
from system_api.billing.stripe import customers as stripe_customers
from system_api.billing.stripe.adapter import Stripe
from system_api.billing.stripe.tax_ids import stripe_tax_id
from tests.system_api.billing.conftest import stripe_get, stripe_post
from tests.system_api.billing.drafts import changed, external_id, item, monthly
from tests.system_api.conftest import Simulator


def delete(stripe_account: Simulator, customer: str) -> None:
    """Delete a customer as a person in the dashboard would."""
    key = stripe_account.credentials["key"]
    httpx.delete(f"{stripe_account.url}/v1/customers/{customer}", auth=(key, "")).raise_for_status()


async def test_customer_that_is_not_indexed_yet_is_found(
    billing: Stripe, customer_draft: CustomerDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search knows only the older customer, in another currency; the other one was created a moment ago."""
    customers = billing._customers
    made = [
        (await customers.ensure(changed(customer_draft, home_currency="EUR", currency=currency))).vendor_id
        for currency in ("EUR", "USD")
    ]
    search = customers._search

    async def behind(account_id: str) -> list[stripe_customers.CustomerRecord]:
        lately = await customers._made_lately(account_id)
        return [each for each in [*await search(account_id), *lately] if each.id == made[0]][:1]

    monkeypatch.setattr(customers, "_search", behind)

    assert [each.id for each in await customers.of_account(customer_draft.account_id)] == made


# -- currencies -------------------------------------------------------------------------------------------------------


async def test_each_currency_has_a_customer_of_its_own(billing: Stripe, customer_draft: CustomerDraft) -> None:
    euros = changed(customer_draft, home_currency="EUR")
    dollars = changed(euros, currency="USD")

    first, second = await billing.ensure_customer(euros), await billing.ensure_customer(dollars)
    again = [(await billing.ensure_customer(each)).vendor_id for each in (euros, dollars)]

    assert first.vendor_id != second.vendor_id
    assert again == [first.vendor_id, second.vendor_id]
    assert stripe_customers.external_id(euros) == euros.account_id
    assert stripe_customers.external_id(dollars) == f"{euros.account_id}:USD"


@pytest.mark.parametrize(("currency", "serves"), [("EUR", True), ("USD", False)])
async def test_customer_without_currency_serves_the_legal_entitys_own(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft, currency: str, serves: bool
) -> None:
    account = {"metadata[quoteway_account_id]": customer_draft.account_id}
    before = stripe_post(stripe_account, "/v1/customers", name="Acme", **account)["id"]

    found = await billing.ensure_customer(changed(customer_draft, currency=currency, home_currency="EUR"))

    assert (found.vendor_id == before) is serves


async def test_customer_without_currency_mark_serves_the_one_it_was_charged_in(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    account = {"metadata[quoteway_account_id]": customer_draft.account_id}
    before = stripe_post(stripe_account, "/v1/customers", name="Acme", email="a@acme.example", **account)["id"]
    await billing.create_subscription(external_id(), monthly(before, customer_draft.account_id))

    euros = await billing.ensure_customer(changed(customer_draft, currency="EUR", home_currency="USD"))
    dollars = await billing.ensure_customer(changed(customer_draft, currency="USD", home_currency="USD"))

    assert euros.vendor_id == before
    assert dollars.vendor_id != before


async def test_customer_linked_before_currencies_is_used_for_its_own_currency(
    billing: Stripe, customer_draft: CustomerDraft
) -> None:
    euros = changed(customer_draft, home_currency="EUR")
    first = (await billing.ensure_customer(euros)).vendor_id

    dollars = await billing.ensure_customer(changed(euros, currency="USD", earlier_vendor_id=first))
    same = await billing.ensure_customer(changed(euros, earlier_vendor_id=first))

    assert dollars.vendor_id != first
    assert same.vendor_id == first


async def test_subscriptions_of_every_currency_are_listed(billing: Stripe, customer_draft: CustomerDraft) -> None:
    for currency in ("EUR", "USD"):
        draft = changed(customer_draft, currency=currency, home_currency="EUR", email="a@acme.example")
        customer = await billing.ensure_customer(draft)
        items = [item("MON-STD", "20", "5.50", currency)]
        ordered = monthly(customer.vendor_id, draft.account_id, currency=currency, items=items)
        await billing.create_subscription(external_id(), ordered)

    found = await billing.list_subscriptions(customer_draft.account_id)
    pages, cursor = [], None
    while True:
        page = await billing.list_invoices(customer_draft.account_id, open_only=False, limit=1, cursor=cursor)
        pages.append([each.total.currency for each in page.invoices])
        cursor = page.next_cursor
        if cursor is None:
            break

    assert sorted(str(each.period_amount.currency) for each in found if each.period_amount) == ["EUR", "USD"]
    assert sorted(currency for page in pages for currency in page) == ["EUR", "USD"]


# -- deleted ones -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knows", [True, False], ids=["the cross-reference knows it", "nobody knows it"])
async def test_a_deleted_customer_is_replaced_the_same_day(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft, knows: bool
) -> None:
    """The first one's idempotency key still replays its creation."""
    first = (await billing.ensure_customer(customer_draft)).vendor_id
    delete(stripe_account, first)

    draft = changed(customer_draft, known_vendor_id=first if knows else None)
    second = await billing.ensure_customer(draft)
    third = await billing.ensure_customer(draft)

    assert second.created
    assert second.vendor_id != first
    assert third.vendor_id == second.vendor_id
    assert stripe_get(stripe_account, f"/v1/customers/{second.vendor_id}")["name"] == customer_draft.name


async def test_a_customer_deleted_twice_is_replaced_twice(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    seen: list[str] = []
    for _ in range(3):
        known = seen[-1] if seen else None
        seen.append((await billing.ensure_customer(changed(customer_draft, known_vendor_id=known))).vendor_id)
        delete(stripe_account, seen[-1])

    assert len(set(seen)) == 3


async def test_linked_customer_is_looked_up_before_the_search(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    linked = stripe_post(stripe_account, "/v1/customers", name="By hand")["id"]

    found = await billing.ensure_customer(changed(customer_draft, known_vendor_id=linked, currency="USD"))

    assert (found.vendor_id, found.created) == (linked, False)
    record = stripe_get(stripe_account, f"/v1/customers/{linked}")
    assert record["metadata"]["quoteway_account_id"] == customer_draft.account_id
    assert record["name"] == customer_draft.name


async def test_decision_for_a_new_customer_creates_exactly_one(billing: Stripe, customer_draft: CustomerDraft) -> None:
    before = (await billing.ensure_customer(customer_draft)).vendor_id

    made = {(await billing.ensure_customer(changed(customer_draft, new_as="4"))).vendor_id for _ in range(2)}

    assert len(made) == 1
    assert before not in made


# -- as the CRM states it ---------------------------------------------------------------------------------------------


async def test_name_address_and_email_follow_the_crm_and_go_back_the_same_day(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    here = changed(customer_draft, email="invoices@acme.example")
    oakland = Address(street="88 Wharf Road", postal_code="94607", city="Oakland", country="US", region="CA")
    there = changed(here, name="Acme Holding Inc.", email="ap@acme.example", address=oakland)
    customer = await billing.ensure_customer(here)

    for draft in (there, here, there, here):
        await billing.ensure_customer(draft)
        held = stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}")

        assert (held["name"], held["email"]) == (draft.name, draft.email)
        assert held["address"]["city"] == draft.address.city
        assert (held["address"]["state"] or None) == draft.address.region


async def test_move_replaces_every_part_of_the_old_address(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    oakland = Address(street="88 Wharf Road", postal_code="94607", city="Oakland", country="US", region="CA")
    customer = await billing.ensure_customer(changed(customer_draft, address=oakland, vat_id=None))
    path = f"/v1/customers/{customer.vendor_id}"
    parts = {f"address[{name}]": text for name, text in stripe_get(stripe_account, path)["address"].items() if text}
    stripe_post(stripe_account, path, **{**parts, "address[line2]": "Suite 5"})

    await billing.ensure_customer(changed(customer_draft, address=oakland, vat_id=None))
    kept = stripe_get(stripe_account, path)["address"]
    await billing.ensure_customer(customer_draft)

    assert kept["line2"] == "Suite 5", "what a person has added to the same address is theirs"
    moved = stripe_get(stripe_account, path)["address"]
    assert [moved[name] or None for name in ("city", "state", "line2")] == ["Stuttgart", None, None]


async def test_email_is_kept_if_the_crm_has_none(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer = await billing.ensure_customer(changed(customer_draft, email="invoices@acme.example"))

    await billing.ensure_customer(changed(customer_draft, email=None))

    assert stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}")["email"] == "invoices@acme.example"


async def test_only_the_erps_tax_exemption_is_written(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer = await billing.ensure_customer(customer_draft)
    await billing.ensure_customer(changed(customer_draft, tax_exempt=True))
    held = stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}")["tax_exempt"]
    stripe_post(stripe_account, f"/v1/customers/{customer.vendor_id}", tax_exempt="reverse")
    await billing.ensure_customer(changed(customer_draft, tax_exempt=True))
    found = await billing.find_customer(customer_draft.account_id, "EUR", known=customer.vendor_id)

    assert held == "exempt"
    assert found is not None
    assert found.tax_exempt
    assert stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}")["tax_exempt"] == "reverse"


async def test_a_customer_can_be_charged_once_it_has_a_default_payment_method(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer, account_id = await billing.ensure_customer(customer_draft), customer_draft.account_id
    told = [customer.has_payment_method]

    method = stripe_post(stripe_account, "/v1/payment_methods/pm_card_visa/attach", customer=customer.vendor_id)
    for chosen in (None, method["id"]):
        if chosen:
            wanted = {"invoice_settings[default_payment_method]": chosen}
            stripe_post(stripe_account, f"/v1/customers/{customer.vendor_id}", **wanted)
        found = await billing.find_customer(account_id, "EUR", known=customer.vendor_id)
        assert found is not None
        told.append(found.has_payment_method)

    assert told == [False, False, True]


@pytest.mark.parametrize("at_first", [True, False], ids=["exempt when it is made", "exempt later"])
async def test_exemption_from_the_erp_ends_with_its_rule(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft, at_first: bool
) -> None:
    exempt = changed(customer_draft, tax_exempt=True)
    customer = await billing.ensure_customer(exempt if at_first else customer_draft)
    path = f"/v1/customers/{customer.vendor_id}"
    held = []
    for draft in (exempt, customer_draft, exempt, customer_draft, customer_draft):
        found = await billing.ensure_customer(draft)
        before = await billing.find_customer(draft.account_id, "EUR", known=customer.vendor_id)
        assert before is not None
        assert not found.tax_exempt, "it is no one else's exemption, which would stop the order"
        assert not before.tax_exempt
        held.append(stripe_get(stripe_account, path)["tax_exempt"])

    assert held == ["exempt", "none", "exempt", "none", "none"]


async def test_exemption_set_by_a_person_stays(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer = await billing.ensure_customer(customer_draft)
    stripe_post(stripe_account, f"/v1/customers/{customer.vendor_id}", tax_exempt="exempt")

    for exempt in (None, True, None):
        found = await billing.ensure_customer(changed(customer_draft, tax_exempt=exempt))

        assert found.tax_exempt
        assert stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}")["tax_exempt"] == "exempt"


# -- tax ids ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "country", "typed"),
    [
        ("DE 811 193 231", "DE", ("eu_vat", "DE811193231")),
        ("811193231", "DE", ("eu_vat", "DE811193231")),
        ("13585627", "AT", ("eu_vat", "ATU13585627")),
        ("094259216", "GR", ("eu_vat", "EL094259216")),
        ("GR094259216", "GR", ("eu_vat", "EL094259216")),
        ("XI980780684", "GB", ("eu_vat", "XI980780684")),
        ("GB 980 7806 84", "GB", ("gb_vat", "GB980780684")),
        ("980780684", "GB", ("gb_vat", "GB980780684")),
        ("GB980780684", "DE", ("gb_vat", "GB980780684")),
        ("CHE-100.155.212 MWST", "CH", ("ch_vat", "CHE-100.155.212 MWST")),
        ("CHE100155212", "CH", ("ch_uid", "CHE-100.155.212")),
        ("995525828", "NO", ("no_vat", "995525828MVA")),
        ("NO 995 525 828 MVA", "NO", ("no_vat", "995525828MVA")),
        ("04-2103594", "US", ("us_ein", "04-2103594")),
        ("980780684", "FR", None),
        ("995525828", "CH", None),
        ("12345", "DE", None),
        ("Acme", "DE", None),
        ("", "DE", None),
        (None, "DE", None),
    ],
)
def test_a_tax_id_has_the_type_of_its_register_or_none(
    stated: str | None, country: str, typed: tuple[str, str] | None
) -> None:
    assert stripe_tax_id(stated, country) == typed


async def test_a_tax_id_is_stored_under_its_own_type(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    london = Address(street="1 Strand", postal_code="WC2N 5HR", city="London", country="GB")
    draft = changed(customer_draft, account_id=f"001{uuid.uuid4().hex[:15]}", address=london, vat_id="980 7806 84")

    customer = await billing.ensure_customer(draft)

    held = stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}/tax_ids")["data"]
    assert [(each["type"], each["value"]) for each in held] == [("gb_vat", "GB980780684")]


def tax_ids(stripe_account: Simulator, customer: str) -> list[tuple[str, str]]:
    held = stripe_get(stripe_account, f"/v1/customers/{customer}/tax_ids")["data"]
    return sorted((each["type"], each["value"]) for each in held)


async def test_a_tax_id_stated_after_the_first_order_is_added_once(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer = await billing.ensure_customer(changed(customer_draft, vat_id=None))

    for vat_id in ("DE 811 193 231", "811193231", "de811193231", None):
        await billing.ensure_customer(changed(customer_draft, vat_id=vat_id))

    assert tax_ids(stripe_account, customer.vendor_id) == [("eu_vat", "DE811193231")]


async def test_a_tax_id_that_somebody_deleted_is_added_again_the_same_day(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer = await billing.ensure_customer(changed(customer_draft, vat_id=None))
    for _ in range(2):
        await billing.ensure_customer(customer_draft)
        [held] = stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}/tax_ids")["data"]
        delete(stripe_account, f"{customer.vendor_id}/tax_ids/{held['id']}")

    await billing.ensure_customer(customer_draft)

    assert len(tax_ids(stripe_account, customer.vendor_id)) == 1


async def test_a_tax_id_of_another_register_is_added_beside_the_first(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer = await billing.ensure_customer(customer_draft)

    await billing.ensure_customer(changed(customer_draft, vat_id="GB980780684"))

    assert tax_ids(stripe_account, customer.vendor_id) == [("eu_vat", "DE811193231"), ("gb_vat", "GB980780684")]


async def test_different_tax_id_of_the_same_register_is_refused_before_any_write(
    billing: Stripe, stripe_account: Simulator, customer_draft: CustomerDraft
) -> None:
    customer = await billing.ensure_customer(customer_draft)
    other = changed(customer_draft, vat_id="DE136695976", name="Acme Holding")

    found = await billing.check_order(OrderCheck(customer=other))
    assert [(fault.code, fault.field) for fault in found.faults] == [("tax_id_differs", "vatId")]
    assert (await billing.check_order(OrderCheck(customer=customer_draft))).faults == []
    with pytest.raises(Rejected, match="another tax id in billing than the account states, both of DE") as raised:
        await billing.ensure_customer(other)

    assert raised.value.reason_code == "tax_id_differs"
    assert tax_ids(stripe_account, customer.vendor_id) == [("eu_vat", "DE811193231")]
    assert stripe_get(stripe_account, f"/v1/customers/{customer.vendor_id}")["name"] == customer_draft.name
