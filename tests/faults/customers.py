"""Whose record is whose: accounts made in Salesforce, customers made in the ERP, and what each system holds of them."""

import uuid
from decimal import Decimal
from typing import Any

import httpx

from sandbox.engines.postgres import PostgresEngine
from sandbox.vendors.tryton.credentials import FILE_NAME, TrytonCredentials
from sandbox.vendors.tryton.rest import RestClient
from sandbox.vendors.tryton.rpc import TrytonSession
from shared.canonical.record_ids import canonical_spelling
from tests.faults.ordering import Ordering
from tests.journeys.org import ACCOUNTS, Line

GATEWAYS = Line("GATEWAY-EDGE", "10", "1490.00")
"""14,900.00 EUR."""
US_GATEWAY, US_MONTHLY = Line("GATEWAY-EDGE", "1", "1590.00"), Line("MON-STD", "5", "5.50")
OAKLAND = {
    "BillingStreet": "88 Wharf Road",
    "BillingPostalCode": "94607",
    "BillingCity": "Oakland",
    "BillingStateCode": "CA",
    "BillingCountryCode": "US",
}
NEW_YORK = {
    "BillingStreet": "1 Fulton Street",
    "BillingPostalCode": "10038",
    "BillingCity": "New York",
    "BillingStateCode": "NY",
    "BillingCountryCode": "US",
}
HAMBURG = {
    "BillingStreet": "Kai 1",
    "BillingPostalCode": "20457",
    "BillingCity": "Hamburg",
    "BillingCountryCode": "DE",
}


class Books:
    """The ERP as its own people see it."""

    def __init__(self, ordering: Ordering, legal_entity: str = "NW-DE") -> None:
        landscape = ordering.sales.landscape
        assert isinstance(landscape.postgres, PostgresEngine)
        server, access = landscape.tryton, TrytonCredentials.read(landscape.postgres.data_dir / FILE_NAME)
        tenant = access.tenants["nordwind"]
        company = tenant.companies[legal_entity]
        self.rest = RestClient(server.url, server.database, tenant.rest_key, company)
        self.admin = TrytonSession(server.url, server.database, access.admin_login, access.admin_password)
        self.admin.company = company

    def customer(self, number: str, name: str, account_id: str, limit: str, **identifiers: str) -> int:
        """A customer of that number, with a credit limit."""
        [country] = self.rest.search("country.country", [["code", "=", "DE"]], ["id"])
        place = {"street": "Kai 1", "postal_code": "20457", "city": "Hamburg", "country": country["id"]}
        codes: list[dict[str, str]] = [{"code": f"SF:{canonical_spelling(account_id)}"}]
        codes += [{"type": each, "code": code} for each, code in identifiers.items()]
        return self.admin.create_one(
            "party.party",
            {
                "code": number,
                "name": name,
                "addresses": [("create", [place])],
                "identifiers": [("create", codes)],
                "credit_limit_amount": Decimal(limit),
            },
        )

    def parties(self, account_id: str) -> list[dict[str, Any]]:
        """Every active party that carries the account's id."""
        return self.rest.search(
            "party.party", [["identifiers.code", "=", f"SF:{canonical_spelling(account_id)}"]], ["code"]
        )

    def sale(self, number: str | None) -> dict[str, Any]:
        """A sale with its addresses and tax."""
        fields = [
            *("tax_amount", "party.code", "invoice_address.city", "invoice_address.subdivision.code"),
            *("shipment_address.city", "lines.taxes.name"),
        ]
        [found] = self.rest.search("sale.sale", [["number", "=", number]], fields)
        return dict(found)


def new_number() -> str:
    """A customer number of the ERP's that no other test uses."""
    return f"C-{uuid.uuid4().hex[:6]}"


def new_account(ordering: Ordering, place: dict[str, str], name: str = "", **fields: str) -> str:
    """A Salesforce account that no other test orders for. Returns its id."""
    american = place["BillingCountryCode"] == "US"
    values = {
        "Name": name or f"Kaikontor {uuid.uuid4().hex[:8]} GmbH",
        "Type": "Customer",
        "Legal_Entity__c": "NW-US" if american else "NW-DE",
        "CurrencyIsoCode": "USD" if american else "EUR",
        **place,
        **fields,
    }
    account_id = ordering.sales.org._create("Account", values)
    ACCOUNTS[account_id] = account_id
    return account_id


def change(ordering: Ordering, account_id: str, **fields: str) -> None:
    """Change the account in Salesforce."""
    answer = ordering.sales.org._client.patch(f"/sobjects/Account/{account_id}", json=fields)
    assert answer.is_success, answer.text


async def order(ordering: Ordering, account_id: str, *lines: Line, american: bool = False) -> dict[str, Any]:
    """An order of the account's, once it has come to an end."""
    currency, entity = ("USD", "NW-US") if american else ("EUR", "NW-DE")
    quote = ordering.sales.org.make_quote(account_id, currency, list(lines), legal_entity=entity)
    return await ordering.sales.submit_and_end(quote)


def german_vat_id() -> str:
    """A VAT id with a check digit that Tryton takes (python-stdnum, de.vat: ISO 7064, mod 11, 10)."""
    digits = str(10_000_000 + uuid.uuid4().int % 90_000_000)
    check = 5
    for digit in digits:
        check = (((check or 10) * 2) % 11 + int(digit)) % 10
    return f"DE{digits}{(1 - ((check or 10) * 2) % 11) % 10}"


def stripe(ordering: Ordering, method: str, path: str, **form: str) -> dict[str, Any]:
    """A request to Stripe, as a person in its dashboard would make it."""
    landscape = ordering.sales.landscape
    key = (landscape.run_dir / "stripe.key").read_text().strip()
    answer = httpx.request(method, f"{landscape.url('stripe')}{path}", data=form or None, auth=(key, ""))
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def billed(ordering: Ordering, order: dict[str, Any]) -> dict[str, Any]:
    """The customer of an order's subscription."""
    subscription = stripe(ordering, "GET", f"/v1/subscriptions/{order['subscriptionIds'][0]}")
    return stripe(ordering, "GET", f"/v1/customers/{subscription['customer']}")


# -- row 28 -----------------------------------------------------------------------------------------------------------
