"""The group's companies in Tryton: currencies, charts of accounts, fiscal years, taxes and terms of payment."""

from datetime import date, timedelta
from decimal import Decimal

from sandbox.vendors.tryton.data import LegalEntity, SeedData, Tax
from sandbox.vendors.tryton.rpc import TrytonSession, Values
from sandbox.vendors.tryton.seed.geography import Geography

# Accounts of the "Universal Chart of Accounts", the only one that Tryton contains, by their codes.
RECEIVABLE, PAYABLE, TAX_DUE = "1.2.1", "2.1.1", "2.2.3"
REVENUE_GOODS, REVENUE_SERVICES = "4.1.1", "4.1.2"
EXPENSE_GOODS, EXPENSE_SERVICES = "5.1.1", "5.1.3"

_CURRENCIES: dict[str, Values] = {
    "EUR": {"name": "Euro", "symbol": "€", "numeric_code": "978"},
    "USD": {"name": "US dollar", "symbol": "$", "numeric_code": "840"},
}


def seed_currencies(session: TrytonSession, data: SeedData, first_day: date) -> dict[str, int]:
    """Create the currencies with one rate each, valid from `first_day`, and return their ids by ISO 4217 code."""
    codes = list(data.currency_rates)
    records = [
        {
            "code": code,
            **_CURRENCIES[code],
            "digits": 2,
            "rounding": Decimal("0.01"),
            "rates": [("create", [{"date": first_day, "rate": data.currency_rates[code]}])],
        }
        for code in codes
    ]
    return dict(zip(codes, session.create("currency.currency", *records), strict=True))


def seed_payment_term(session: TrytonSession, data: SeedData) -> int:
    """Create the one payment term: the whole amount, so many days after the invoice."""
    delta = {"days": data.payment_days, "weeks": 0, "months": 0}
    line = {"type": "remainder", "relativedeltas": [("create", [delta])]}
    return session.create_one(
        "account.invoice.payment_term", {"name": data.payment_term, "lines": [("create", [line])]}
    )


def seed_company(session: TrytonSession, entity: LegalEntity, currency: int, geography: Geography) -> int:
    """Create the company behind a legal entity and let the session's user work in it; return its id."""
    address = {
        "street": entity.street,
        "postal_code": entity.postal_code,
        "city": entity.city,
        "country": geography.countries[entity.country],
    }
    party = session.create_one(
        "party.party", {"code": entity.code, "name": entity.name, "addresses": [("create", [address])]}
    )
    company = session.create_one("company.company", {"party": party, "currency": currency, "timezone": entity.timezone})
    [user] = session.search("res.user", [("login", "=", "admin")])
    session.write("res.user", [user], {"companies": [("add", [company])], "company": company, "company_filter": "all"})
    return company


def seed_accounts(session: TrytonSession, company: int) -> dict[str, int]:
    """Create the company's chart of accounts and name its defaults; return the accounts' ids by code."""
    template = session.find("account.account.template", ("parent", "=", None))
    session.run_wizard(
        "account.create_chart",
        [("create_account", {"account": {"company": company, "account_template": template}})],
    )
    found = session.search("account.account", [("company", "=", company), ("code", "!=", None)])
    accounts = {account["code"]: account["id"] for account in session.read("account.account", found, ["code"])}
    session.write(
        "account.configuration",
        [1],
        {
            "default_account_receivable": accounts[RECEIVABLE],
            "default_account_payable": accounts[PAYABLE],
            "default_category_account_revenue": accounts[REVENUE_GOODS],
            "default_category_account_expense": accounts[EXPENSE_GOODS],
        },
    )
    return accounts


def seed_fiscal_years(session: TrytonSession, company: int, code: str, years: range) -> None:
    """Open fiscal years by month, each with sequences of its own: numbers read like `NW-DE-2026-000017`."""
    move_type = session.by_xml_id("account", "sequence_type_account_move")
    invoice_type = session.by_xml_id("account_invoice", "sequence_type_account_invoice")
    kinds = {"move": "M-", "out_invoice": "", "out_credit_note": "CN-", "in_invoice": "SI-", "in_credit_note": "SCN-"}
    for year in years:
        sequences = session.create(
            "ir.sequence.strict",
            *(
                {
                    "name": f"{code} {year} {kind.replace('_', ' ')}",
                    "sequence_type": move_type if kind == "move" else invoice_type,
                    "company": company,
                    "prefix": f"{code}-{year}-{mark}",
                    "padding": 6,
                }
                for kind, mark in kinds.items()
            ),
        )
        by_kind = dict(zip(kinds, sequences, strict=True))
        fiscal_year = session.create_one(
            "account.fiscalyear",
            {
                "name": str(year),
                "company": company,
                "start_date": date(year, 1, 1),
                "end_date": date(year, 12, 31),
                "move_sequence": by_kind.pop("move"),
                "invoice_sequences": [
                    ("create", [{"company": company, **{f"{kind}_sequence": of for kind, of in by_kind.items()}}])
                ],
            },
        )
        session.press("account.fiscalyear", "create_period", [fiscal_year])


def seed_taxes(session: TrytonSession, company: int, taxes: list[Tax], account: int) -> dict[str, int]:
    """Create the company's taxes, named by their codes; return their ids by code."""
    records = [
        {
            "name": tax.code,
            "description": tax.name,
            "company": company,
            "type": "percentage",
            "rate": tax.rate,
            "invoice_account": account,
            "credit_note_account": account,
        }
        for tax in taxes
    ]
    return dict(zip((tax.code for tax in taxes), session.create("account.tax", *records), strict=True))


def seed_tax_rule(
    session: TrytonSession, company: int, taxes: list[Tax], ids: dict[str, int], geography: Geography
) -> None:
    """Let the ERP find the same tax as the gateway by the buyer's place, for every customer of the company.

    An invoice whose taxes differ from these defaults can only be posted by a person who confirms it.
    """
    lines: list[Values] = []
    for tax in taxes:
        line: Values = {"tax": ids[tax.code]}
        if tax.buyer == "EU":
            line["to_organization"] = geography.european_union
        else:
            line["to_country"] = geography.countries[tax.buyer]
        if tax.region is not None:
            line["to_subdivision"] = geography.subdivisions[f"{tax.buyer}-{tax.region}"]
        lines.append(line)
    rule = session.create_one(
        "account.tax.rule",
        {"name": "By the buyer's address", "company": company, "kind": "sale", "lines": [("create", lines)]},
    )
    session.write("account.configuration", [1], {"default_customer_tax_rule": rule})


def seed_sale_grace(session: TrytonSession, grace: timedelta) -> None:
    """Set how long a confirmed sale can be withdrawn, before the worker creates its invoice and shipment."""
    session.write("sale.configuration", [1], {"sale_process_after": grace})
