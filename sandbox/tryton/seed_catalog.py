"""What can be sold: accounting categories and products, with a price per company."""

from dataclasses import dataclass

from sandbox.tryton.data import Product
from sandbox.tryton.rpc import TrytonSession
from sandbox.tryton.seed_company import EXPENSE_GOODS, EXPENSE_SERVICES, REVENUE_GOODS, REVENUE_SERVICES


@dataclass(frozen=True, slots=True)
class CompanyBooks:
    """A company as the catalogue needs it: its id, its currency's ISO 4217 code, account ids by code, default tax."""

    company: int
    currency: str
    accounts: dict[str, int]
    default_tax: int


def seed_categories(session: TrytonSession, books: list[CompanyBooks]) -> dict[bool, int]:
    """Create an accounting category for services (False) and one for goods (True), with accounts in every company."""
    services, goods = session.create(
        "product.category", {"name": "Services", "accounting": True}, {"name": "Goods", "accounting": True}
    )
    for book in books:
        session.company = book.company
        for category, revenue, expense in (
            (services, REVENUE_SERVICES, EXPENSE_SERVICES),
            (goods, REVENUE_GOODS, EXPENSE_GOODS),
        ):
            values = {
                "account_revenue": book.accounts[revenue],
                "account_expense": book.accounts[expense],
                "customer_taxes": [("add", [book.default_tax])],
            }
            session.write("product.category", [category], values)
    return {False: services, True: goods}


def seed_products(
    session: TrytonSession, products: tuple[Product, ...], categories: dict[bool, int], books: list[CompanyBooks]
) -> None:
    """Create each product under its SKU, counted in units, at each company's list price in its own currency."""
    unit = session.by_xml_id("product", "uom_unit")
    templates = session.create(
        "product.template",
        *(
            {
                "code": product.sku,
                "name": product.name,
                "type": "goods" if product.is_goods else "service",
                "default_uom": unit,
                "salable": True,
                "sale_uom": unit,
                "account_category": categories[product.is_goods],
                "products": [("create", [{}])],
            }
            for product in products
        ),
    )
    for book in books:
        session.company = book.company
        for template, product in zip(templates, products, strict=True):
            session.write("product.template", [template], {"list_price": product.prices[book.currency]})
