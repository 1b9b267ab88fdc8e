"""The part of the sandbox's shared data that the ERP holds, read from `sandbox/data/*.toml`."""

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

DATA_FOLDER = Path(__file__).resolve().parents[2] / "data"
SECOND_TENANT_FOLDER = DATA_FOLDER / "suedwind"
SYSTEM = "erp"


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """A company of the group; it becomes a company in Tryton whose party has the entity's code."""

    code: str
    name: str
    currency: str
    country: str
    timezone: str
    street: str
    postal_code: str
    city: str
    tax_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax jurisdiction: a rate (a fraction of one) and the buyers it holds for.

    `buyer` is an ISO 3166-1 country or "EU"; `region` is an ISO 3166-2 subdivision without the country. The ERP's tax
    carries the code as its name.
    """

    code: str
    name: str
    rate: Decimal
    buyer: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Product:
    """A product. Prices are by ISO 4217 code."""

    sku: str
    name: str
    is_goods: bool
    prices: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Customer:
    """An account that is already in the ERP, with its credit limit in the legal entity's currency."""

    party_code: str
    salesforce_id: str
    name: str
    legal_entity: str
    vat_id: str | None
    street: str
    postal_code: str
    city: str
    region: str | None
    country: str
    credit_limit: Decimal


@dataclass(frozen=True, slots=True)
class SeedData:
    """Everything in the ERP before its first order."""

    tenant: str
    legal_entities: tuple[LegalEntity, ...]
    currency_rates: dict[str, Decimal]
    payment_term: str
    payment_days: int
    taxes: dict[str, Tax]
    products: tuple[Product, ...]
    customers: tuple[Customer, ...]


def load_seed_data(folder: Path = DATA_FOLDER) -> SeedData:
    """Read a tenant's data files. All tenants share one table of taxes."""
    company, taxes = _read(folder / "company.toml"), _read(DATA_FOLDER / "taxes.toml")
    products, customers = _read(folder / "products.toml"), _read(folder / "customers.toml")
    [payment_term] = company["payment_term"]
    return SeedData(
        tenant=company["tenant"],
        legal_entities=tuple(_legal_entity(row) for row in company["legal_entity"]),
        currency_rates={row["code"]: Decimal(row["rate"]) for row in company["currency"]},
        payment_term=payment_term["name"],
        payment_days=payment_term["days"],
        taxes={row["code"]: _tax(row) for row in taxes["jurisdiction"]},
        products=tuple(_product(row) for row in products["product"] if SYSTEM in row.get("systems", [SYSTEM])),
        customers=tuple(_customer(row) for row in customers["customer"] if row["in_erp"]),
    )


def salesforce_id_18(id_15: str) -> str:
    """Return the case-safe form of a 15-character Salesforce id: one letter per five characters encodes their case."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    suffix = ""
    for start in (0, 5, 10):
        capitals = sum(
            1 << place for place, character in enumerate(id_15[start : start + 5]) if "A" <= character <= "Z"
        )
        suffix += letters[capitals]
    return id_15 + suffix


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _legal_entity(row: dict[str, Any]) -> LegalEntity:
    return LegalEntity(
        code=row["code"],
        name=row["name"],
        currency=row["currency"],
        country=row["country"],
        timezone=row["timezone"],
        street=row["street"],
        postal_code=row["postal_code"],
        city=row["city"],
        tax_codes=tuple(row["tax_jurisdictions"]),
    )


def _tax(row: dict[str, Any]) -> Tax:
    return Tax(row["code"], row["name"], Decimal(row["rate"]), row["buyer"], row.get("region"))


def _product(row: dict[str, Any]) -> Product:
    return Product(
        sku=row["sku"],
        name=row["name"],
        is_goods=row["kind"] == "goods",
        prices={code: Decimal(price) for code, price in row["price"].items()},
    )


def _customer(row: dict[str, Any]) -> Customer:
    return Customer(
        party_code=row["party_code"],
        salesforce_id=salesforce_id_18(row["account_id"]),
        name=row["name"],
        legal_entity=row["legal_entity"],
        vat_id=row.get("vat_id"),
        street=row["street"],
        postal_code=row["postal_code"],
        city=row["city"],
        region=row.get("region"),
        country=row["country"],
        credit_limit=Decimal(row["credit_limit"]),
    )
