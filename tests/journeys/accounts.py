"""Accounts that a journey makes."""

from tests.journeys.org import ACCOUNTS
from tests.running_tiers import Sales


def make_account(sales: Sales, name: str) -> str:
    """A customer of the German company in Salesforce, for whom the org then makes quotes by name. Returns its id."""
    address = {
        "BillingStreet": "Hafenweg 3",
        "BillingPostalCode": "20457",
        "BillingCity": "Hamburg",
        "BillingCountryCode": "DE",
    }
    account = {"Name": name, "CurrencyIsoCode": "EUR", "Legal_Entity__c": "NW-DE", **address}
    ACCOUNTS[name] = sales.org._create("Account", account)
    return ACCOUNTS[name]
