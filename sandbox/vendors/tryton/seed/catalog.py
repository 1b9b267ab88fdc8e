"""The catalogue: accounting categories and products, with a price per company."""

from dataclasses import dataclass

from sandbox.vendors.tryton.data import Product
from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.seed.company import EXPENSE_GOODS, EXPENSE_SERVICES, REVENUE_GOODS, REVENUE_SERVICES


@dataclass(frozen=True, slots=True)
class CompanyBooks:
    """A company for the catalogue: its id, its currency's ISO 4217 code, account ids by code, default tax."""

    company: int
    currency: str
    accounts: dict[str, int]
    default_tax: int


def seed_categories(session: TrytonSession) -> dict[bool, int]:
    """Create the accounting categories that all companies share: for services (False) and for goods (True)."""
    services, goods = session.create(
        "product.category", {"name": "Services", "accounting": True}, {"name": "Goods", "accounting": True}
    )
    return {False: services, True: goods}


def seed_category_accounts(session: TrytonSession, categories: dict[bool, int], book: CompanyBooks) -> None:
    """Set the company's accounts for sales of each category."""
    session.company = book.company
    for category, revenue, expense in (
        (categories[False], REVENUE_SERVICES, EXPENSE_SERVICES),
        (categories[True], REVENUE_GOODS, EXPENSE_GOODS),
    ):
        values = {
            "account_revenue": book.accounts[revenue],
            "account_expense": book.accounts[expense],
            "customer_taxes": [("add", [book.default_tax])],
        }
        session.write("product.category", [category], values)


def seed_products(session: TrytonSession, products: tuple[Product, ...], categories: dict[bool, int]) -> dict[str, int]:
    """Create each product under its SKU, counted in units; return the templates' ids by SKU."""
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
    return dict(zip((product.sku for product in products), templates, strict=True))


def seed_list_prices(
    session: TrytonSession, products: tuple[Product, ...], templates: dict[str, int], book: CompanyBooks
) -> None:
    """Set the company's list price of each product, in its own currency."""
    session.company = book.company
    for product in products:
        price = {"list_price": product.prices[book.currency]}
        session.write("product.template", [templates[product.sku]], price)
