"""Creates accounts and accepted quotes in the org, many per request: each has a line for the ERP and one for
billing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from sandbox.faults.ledger import salesforce_client
from sandbox.landscape.landscape import Landscape

_DATA = "/services/data/v67.0"
_LINES = (("SENSOR-TEMP", 1.0, 89.5), ("MON-STD", 1.0, 4.9))
_QUOTES_OF_A_TREE = 50  # a tree request takes 200 records


def make_accounts(landscape: Landscape, count: int, name: str) -> list[str]:
    """Create accounts that only Salesforce has: the first order of each creates its customer in the ERP and in
    billing.
    """
    with salesforce_client(landscape) as client:
        records = (
            {
                "Name": f"{name} {number} GmbH",
                "Type": "Customer",
                "BillingStreet": f"Werkstrasse {number}",
                "BillingCity": "Stuttgart",
                "BillingPostalCode": "70435",
                "BillingCountry": "Germany",
                "BillingCountryCode": "DE",
                "Legal_Entity__c": "NW-DE",
                "CurrencyIsoCode": "EUR",
            }
            for number in range(1, count + 1)
        )
        return list(_plant(client, "Account", [_record("Account", each) for each in records]))


def make_quotes(landscape: Landscape, accounts: Sequence[str], count: int) -> list[str]:
    """Create accepted quotes, dealt out to the accounts in turn."""
    with salesforce_client(landscape) as client:
        products = {sku: _product(client, sku) for sku, _, _ in _LINES}
        opportunities = list(_plant(client, "Opportunity", [_opportunity(account) for account in accounts]))
        quotes = [_quote(opportunities[number % len(opportunities)], products) for number in range(count)]
        return list(_plant(client, "Quote", quotes))


def _plant(client: httpx.Client, kind: str, records: list[dict[str, Any]]) -> Iterator[str]:
    """Create records with their children. Yields the ids of the records themselves."""
    for start in range(0, len(records), _QUOTES_OF_A_TREE):
        some = records[start : start + _QUOTES_OF_A_TREE]
        for number, record in enumerate(some):
            record["attributes"]["referenceId"] = f"r{number}"
            for place, child in enumerate(record.get("QuoteLineItems", {}).get("records", ())):
                child["attributes"]["referenceId"] = f"r{number}c{place}"
        answer = client.post(f"{_DATA}/composite/tree/{kind}", json={"records": some}).raise_for_status()
        ids = {each["referenceId"]: each["id"] for each in answer.json()["results"]}
        yield from (ids[record["attributes"]["referenceId"]] for record in some)


def _record(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"attributes": {"type": kind}, **fields}


def _opportunity(account: str) -> dict[str, Any]:
    fields = {
        "Name": "Faults",
        "AccountId": account,
        "StageName": "Closed Won",
        "CloseDate": "2026-11-22",
        "CurrencyIsoCode": "EUR",
    }
    return _record("Opportunity", fields)


def _quote(opportunity: str, products: Mapping[str, str]) -> dict[str, Any]:
    lines = [
        _record(
            "QuoteLineItem",
            {
                "Product2Id": products[sku],
                "Quantity": quantity,
                "UnitPrice": price,
                "SortOrder": position,
                "Description": sku,
            },
        )
        for position, (sku, quantity, price) in enumerate(_LINES, start=1)
    ]
    fields = {
        "Name": "Faults",
        "OpportunityId": opportunity,
        "Status": "Accepted",
        "Email": "rechnung@faults.example",  # billing's invoices are mailed there
        "CurrencyIsoCode": "EUR",
        "Revision__c": 1,
        "Legal_Entity__c": "NW-DE",
        "QuoteLineItems": {"records": lines},
    }
    return _record("Quote", fields)


def _product(client: httpx.Client, sku: str) -> str:
    query = f"SELECT Id FROM Product2 WHERE ProductCode = '{sku}'"  # noqa: S608 one of ours
    answer = client.get(f"{_DATA}/query", params={"q": query}).raise_for_status()
    return str(answer.json()["records"][0]["Id"])
