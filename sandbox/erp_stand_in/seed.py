"""The same companies, products, taxes and customers that the real ERP is given: from `sandbox/data/*.toml`."""

from sandbox.erp_stand_in.books import Books
from sandbox.tryton.countries import COUNTRIES, US_STATES
from sandbox.tryton.data import SeedData
from sandbox.tryton.seed_parties import SALESFORCE_PREFIX

_SEEDING = "seed"


def seed(books: Books, data: SeedData) -> dict[str, int]:
    """Enter everything. Returns the companies' ids by legal entity."""
    records = books.records
    currencies = {code: records.add("currency.currency", {"code": code}) for code in data.currency_rates}
    countries = {code: records.add("country.country", {"code": code, "name": name}) for code, name in COUNTRIES.items()}
    states = {
        f"US-{code}": records.add("country.subdivision", {"code": f"US-{code}", "name": name})
        for code, name in US_STATES.items()
    }
    term = records.add("account.invoice.payment_term", {"name": data.payment_term, "days": data.payment_days})
    unit = records.add("product.uom", {"name": "Unit"})
    companies = {}
    for entity in data.legal_entities:
        company = records.add("company.company", {"code": entity.code, "currency": currencies[entity.currency]})
        companies[entity.code] = company
        for code in entity.tax_codes:
            records.add("account.tax", {"company": company, "name": code, "rate": data.taxes[code].rate})
    for product in data.products:
        prices = {companies[entity.code]: product.prices[entity.currency] for entity in data.legal_entities}
        values = {"code": product.sku, "salable": True, "sale_uom": unit, "list_price_used": prices}
        records.add("product.product", values)
    for customer in data.customers:
        address = {
            "street": customer.street,
            "postal_code": customer.postal_code,
            "city": customer.city,
            "country": countries[customer.country],
            "subdivision": states.get(f"US-{customer.region}"),
        }
        identifiers = [{"code": SALESFORCE_PREFIX + customer.salesforce_id}]
        if customer.vat_id is not None:
            identifiers.append({"type": "eu_vat", "code": customer.vat_id})
        values = {
            "code": customer.party_code,
            "name": customer.name,
            "addresses": [["create", [address]]],
            "identifiers": [["create", identifiers]],
            "customer_payment_term": term,
            "credit_limit_amount": {companies[customer.legal_entity]: customer.credit_limit},
        }
        books.create("party.party", values, _SEEDING)
    return companies
