"""The ERP begins with what the sandbox's data files say."""

from decimal import Decimal

import pytest

from sandbox.vendors.tryton.data import SECOND_TENANT_FOLDER, Customer, LegalEntity, load_seed_data, salesforce_id_18
from sandbox.vendors.tryton.server import TrytonServer

DATA = load_seed_data()


@pytest.mark.parametrize("entity", DATA.legal_entities, ids=lambda entity: entity.code)
def test_each_legal_entity_is_a_company_with_its_currency_and_taxes(tryton: TrytonServer, entity: LegalEntity) -> None:
    client = tryton.client(DATA.tenant, entity.code)
    company = tryton.credentials.tenants[DATA.tenant].companies[entity.code]
    found = client.read("company.company", company, ["party.code", "party.name", "currency.code", "timezone"])
    assert (found["party"]["code"], found["party"]["name"]) == (entity.code, entity.name)
    assert (found["currency"]["code"], found["timezone"]) == (entity.currency, entity.timezone)
    taxes = client.search("account.tax", [["company", "=", company]], ["name", "rate"])
    # Other tests share this ERP, and add taxes of their own to it.
    found_rates = {tax["name"]: tax["rate"] for tax in taxes if tax["name"] in DATA.taxes}
    assert found_rates == {code: DATA.taxes[code].rate for code in entity.tax_codes}


@pytest.mark.parametrize("entity", DATA.legal_entities, ids=lambda entity: entity.code)
def test_products_cost_what_the_company_asks_in_its_currency(tryton: TrytonServer, entity: LegalEntity) -> None:
    client = tryton.client(DATA.tenant, entity.code)
    found = client.search("product.product", [], ["code", "name", "list_price_used", "type", "salable"])
    assert {one["code"]: one["list_price_used"] for one in found} == {
        product.sku: product.prices[entity.currency] for product in DATA.products
    }
    assert {one["code"] for one in found if one["type"] == "goods"} == {
        one.sku for one in DATA.products if one.is_goods
    }
    assert all(one["salable"] for one in found)


def test_the_second_tenant_has_a_company_prices_and_a_user_of_its_own(tryton: TrytonServer) -> None:
    second = load_seed_data(SECOND_TENANT_FOLDER)
    (entity,) = second.legal_entities
    client = tryton.client(second.tenant, entity.code)
    company = client.read(
        "company.company", tryton.credentials.tenants[second.tenant].companies[entity.code], ["party.code"]
    )
    assert company["party"]["code"] == entity.code
    taxes = client.search("account.tax", [], ["name"])
    assert [tax["name"] for tax in taxes] == list(entity.tax_codes)
    (product,) = client.search("product.product", [["code", "=", "SENSOR-TEMP"]], ["list_price_used"])
    assert product["list_price_used"] == Decimal("89.50")


def test_a_product_of_other_systems_only_is_unknown(tryton: TrytonServer) -> None:
    client = tryton.client(DATA.tenant, "NW-DE")
    assert client.search("product.product", [["code", "=", "MON-LEGACY"]], ["code"]) == []


@pytest.mark.parametrize("customer", DATA.customers, ids=lambda customer: customer.party_code)
def test_customers_are_found_by_their_salesforce_id(tryton: TrytonServer, customer: Customer) -> None:
    client = tryton.client(DATA.tenant, customer.legal_entity)
    [found] = client.search(
        "party.party",
        [["identifiers.code", "=", f"SF:{customer.salesforce_id}"]],
        [
            *(
                "code",
                "name",
                "credit_limit_amount",
                "customer_payment_term.name",
                "identifiers.type",
                "identifiers.code",
            ),
            *("addresses.city", "addresses.country.code", "addresses.subdivision.code"),
        ],
    )
    assert (found["code"], found["name"]) == (customer.party_code, customer.name)
    assert found["credit_limit_amount"] == customer.credit_limit
    assert found["customer_payment_term"]["name"] == DATA.payment_term
    [address] = found["addresses"]
    assert (address["city"], address["country"]["code"]) == (customer.city, customer.country)
    region = None if customer.region is None else f"{customer.country}-{customer.region}"
    assert (address["subdivision"] or {"code": None})["code"] == region
    vat_ids = [one["code"] for one in found["identifiers"] if one["type"] == "eu_vat"]
    assert vat_ids == ([customer.vat_id] if customer.vat_id else [])


def test_a_credit_limit_holds_in_its_own_company_only(tryton: TrytonServer) -> None:
    elsewhere = tryton.client(DATA.tenant, "NW-US")
    [found] = elsewhere.search("party.party", [["code", "=", "C-1001"]], ["credit_limit_amount"])
    assert found["credit_limit_amount"] is None


def test_a_party_code_can_be_given_once_only(tryton: TrytonServer) -> None:
    client = tryton.client(DATA.tenant, "NW-DE")
    body = {"code": "SF-unique", "name": "Once Only GmbH"}
    assert client.send("POST", "party.party", (), body).status == 200
    again = client.send("POST", "party.party", (), body)
    assert (again.status, again.value["message"]) == (400, "The code on party must be unique.")


def test_a_first_order_may_come_from_another_member_state(tryton: TrytonServer) -> None:
    """Reverse charge is the default there, so that the invoice can be posted by the integration user."""
    client = tryton.client(DATA.tenant, "NW-DE")
    [austria] = client.search("country.country", [["code", "=", "AT"]], ["id"])
    [tax] = client.search("account.tax", [["name", "=", "EU-REVERSE-CHARGE"]], ["id"])
    [product] = client.search("product.product", [["code", "=", "SENSOR-TEMP"]], ["sale_uom.id"])
    party = client.create(
        "party.party",
        {
            "name": "Donau Frischdienst GmbH",
            "addresses": [["create", [{"city": "Wien", "country": austria["id"]}]]],
            "identifiers": [["create", [{"type": "eu_vat", "code": "ATU13585627"}]]],
        },
        ["addresses.id"],
    )
    address = party["addresses"][0]["id"]
    line = {"product": product["id"], "unit": product["sale_uom"]["id"], "quantity": 10.0}
    line |= {"unit_price": Decimal("89.50"), "taxes": [["add", [tax["id"]]]]}
    sale = {"party": party["id"], "invoice_address": address, "shipment_address": address, "currency": 1}
    created = client.create("sale.sale", {**sale, "lines": [["create", [line]]]})["id"]
    for button in ("quote", "confirm", "process"):
        client.act("sale.sale", created, button)
    [invoice] = client.read("sale.sale", created, ["invoices.id"])["invoices"]
    posted = client.act("account.invoice", invoice["id"], "post", ["state", "tax_amount", "total_amount"])
    assert (posted["state"], posted["tax_amount"], posted["total_amount"]) == (
        "posted",
        Decimal("0.00"),
        Decimal("895.00"),
    )


@pytest.mark.parametrize(
    ("short", "long"),
    # The first is in Salesforce's own documentation of the case-safe form.
    [
        ("a0D7000000DDHpb", "a0D7000000DDHpbEAH"),
        ("001QW0000000001", "001QW0000000001YAA"),
        ("0" * 15, "0" * 15 + "AAA"),
    ],
)
def test_salesforce_ids_get_their_case_safe_form(short: str, long: str) -> None:
    assert salesforce_id_18(short) == long
