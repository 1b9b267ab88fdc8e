"""The recipe of the ERP's database: its modules, and the data entered in order, over HTTP only."""

from datetime import UTC, date, datetime, timedelta

from sandbox.vendors.tryton.credentials import TenantAccess, TrytonCredentials
from sandbox.vendors.tryton.data import LegalEntity, SeedData
from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.seed.access import seed_integration_user
from sandbox.vendors.tryton.seed.catalog import (
    CompanyBooks,
    seed_categories,
    seed_category_accounts,
    seed_list_prices,
    seed_products,
)
from sandbox.vendors.tryton.seed.company import (
    TAX_DUE,
    seed_accounts,
    seed_company,
    seed_currencies,
    seed_fiscal_years,
    seed_payment_term,
    seed_sale_grace,
    seed_tax_rule,
    seed_taxes,
)
from sandbox.vendors.tryton.seed.geography import Geography, seed_geography
from sandbox.vendors.tryton.seed.parties import seed_customer

ADMIN_LOGIN = "admin"

MODULES = ("sale_credit_limit", "account_tax_rule_country")
"""The modules to activate; their dependencies (sale, account_invoice, stock, party, …) come with them."""

GRACE = timedelta(minutes=10)
"""How long a confirmed sale can be withdrawn. An order's later steps (billing, the status in Salesforce) end well
within it, so if one fails, the sale has no invoice and no shipment yet.
"""


def seed(
    url: str, database: str, admin_password: str, data: SeedData, others: tuple[SeedData, ...] = ()
) -> TrytonCredentials:
    """Enter everything that the ERP needs before its first order into a database with the modules activated.

    `others` are further tenants, each with companies and a user of its own. What a database has only once (currencies,
    products, payment terms) comes from `data`; the others sell those products that they have a price for.
    """
    session = TrytonSession(url, database, ADMIN_LOGIN, admin_password)
    this_year = datetime.now(UTC).year
    geography = seed_geography(session)
    currencies = seed_currencies(session, data, date(this_year - 1, 1, 1))
    payment_term = seed_payment_term(session, data)
    seed_sale_grace(session, GRACE)
    years = range(this_year - 1, this_year + 2)
    categories = seed_categories(session)
    templates = seed_products(session, data.products, categories)
    tenants: dict[str, TenantAccess] = {}
    for tenant in (data, *others):
        companies: dict[str, int] = {}
        for entity in tenant.legal_entities:
            book = _seed_legal_entity(session, entity, tenant, currencies[entity.currency], geography, years)
            seed_category_accounts(session, categories, book)
            seed_list_prices(session, tenant.products, templates, book)
            companies[entity.code] = book.company
        for customer in tenant.customers:
            session.company = companies[customer.legal_entity]
            seed_customer(session, customer, geography, payment_term)
        key = seed_integration_user(session, tenant.tenant, list(companies.values()))
        tenants[tenant.tenant] = TenantAccess(key, companies)
    return TrytonCredentials(ADMIN_LOGIN, admin_password, tenants)


def _seed_legal_entity(
    session: TrytonSession, entity: LegalEntity, data: SeedData, currency: int, geography: Geography, years: range
) -> CompanyBooks:
    session.company = None
    company = session.company = seed_company(session, entity, currency, geography)
    accounts = seed_accounts(session, company)
    seed_fiscal_years(session, company, entity.code, years)
    taxes = [data.taxes[code] for code in entity.tax_codes]
    tax_ids = seed_taxes(session, company, taxes, accounts[TAX_DUE])
    seed_tax_rule(session, company, taxes, tax_ids, geography)
    # Products have the first tax; the rule above replaces it for buyers elsewhere.
    return CompanyBooks(company, entity.currency, accounts, tax_ids[taxes[0].code])
