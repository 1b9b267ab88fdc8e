"""The same companies, products, taxes and customers that the real ERP is given: from `sandbox/data/*.toml`."""

from decimal import Decimal
from typing import Any

from sandbox.vendors.erp_stand_in.books import PRICE_DIGITS, Books
from sandbox.vendors.tryton.countries import COUNTRIES, US_STATES
from sandbox.vendors.tryton.data import SeedData
from sandbox.vendors.tryton.seed.parties import SALESFORCE_PREFIX

_SEEDING = "seed"
# ISO 4217; the sandbox trades in no currency of four.
_DIGITS = {"ISK": 0, "JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3, "TND": 3}


def seed(books: Books, data: SeedData) -> dict[str, int]:
    """Enter everything. Returns the companies' ids by legal entity."""
    records = books.records
    records.add("ir.configuration", {"product_price_decimal": PRICE_DIGITS})
    currencies = {code: records.add("currency.currency", _currency(code)) for code in data.currency_rates}
    countries = {code: records.add("country.country", {"code": code, "name": name}) for code, name in COUNTRIES.items()}
    states = {
        f"US-{code}": records.add("country.subdivision", {"code": f"US-{code}", "name": name})
        for code, name in US_STATES.items()
    }
    term = records.add("account.invoice.payment_term", {"name": data.payment_term, "days": data.payment_days})
    records.add("stock.location", {"name": "Warehouse", "type": "warehouse"})
    unit = records.add("product.uom", {"name": "Unit", "digits": 0})
    companies = {}
    for entity in data.legal_entities:
        kept = {"code": entity.code, "currency": currencies[entity.currency], "timezone": entity.timezone}
        company = records.add("company.company", kept)
        companies[entity.code] = company
        for code in entity.tax_codes:
            records.add("account.tax", {"company": company, "name": code, "rate": data.taxes[code].rate})
    for product in data.products:
        prices = {companies[entity.code]: product.prices[entity.currency] for entity in data.legal_entities}
        kind = "goods" if product.is_goods else "service"
        values = {"code": product.sku, "type": kind, "salable": True, "sale_uom": unit, "list_price_used": prices}
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


def _currency(code: str) -> dict[str, Any]:
    digits = _DIGITS.get(code, 2)
    return {"code": code, "digits": digits, "rounding": Decimal(1).scaleb(-digits)}
