"""The ERP's customers before the first order."""

from sandbox.vendors.tryton.data import Customer
from sandbox.vendors.tryton.rpc import TrytonSession, Values
from sandbox.vendors.tryton.seed.geography import Geography

SALESFORCE_PREFIX = "SF:"
"""Marks the identifier that holds the Salesforce account id. Tryton's identifier types are official registers, so
another system's id has no type, and starts with its origin.
"""


def seed_customer(session: TrytonSession, customer: Customer, geography: Geography, payment_term: int) -> int:
    """Create the customer in the company that the session works in; return the party's id."""
    address: Values = {
        "street": customer.street,
        "postal_code": customer.postal_code,
        "city": customer.city,
        "country": geography.countries[customer.country],
    }
    if customer.region is not None:
        address["subdivision"] = geography.subdivisions[f"{customer.country}-{customer.region}"]
    identifiers: list[Values] = [{"code": SALESFORCE_PREFIX + customer.salesforce_id}]
    if customer.vat_id is not None:
        identifiers.append({"type": "eu_vat", "code": customer.vat_id})
    return session.create_one(
        "party.party",
        {
            "code": customer.party_code,
            "name": customer.name,
            "addresses": [("create", [address])],
            "identifiers": [("create", identifiers)],
            "customer_payment_term": payment_term,
            "credit_limit_amount": customer.credit_limit,
        },
    )
