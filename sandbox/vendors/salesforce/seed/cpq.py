"""The seeded quotes once more, as Salesforce CPQ holds them: the same numbers, on CPQ's own objects."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.vendors.salesforce import catalogue
from sandbox.vendors.salesforce.catalogue.cpq import CPQ_QUOTE, CPQ_QUOTE_LINE
from sandbox.vendors.salesforce.records.ids import case_safe
from sandbox.vendors.salesforce.records.schema import Value
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.seed.files import SeedFiles

_VALID = timedelta(days=30)
_FREQUENCIES = {"month": "Monthly", "year": "Annual"}


def seed_cpq_quotes(store: Store, files: SeedFiles, accounts: dict[str, str], owner_id: str) -> None:
    """Create the CPQ quotes: the seed's quote 0Q0… is a0Q… here; its lines have ids of their own."""
    for quote in files.salesforce["quote"]:
        account = store.require(catalogue.ACCOUNT, accounts[quote["customer"]])
        values: dict[str, Value] = {
            "Id": case_safe("a0Q" + quote["quote_id"][3:]),
            "SBQQ__Account__c": account["Id"],
            "SBQQ__Opportunity2__c": case_safe(quote["opportunity_id"]),
            "SBQQ__PrimaryContact__c": account.get("Bill_To_Contact__c"),
            "SBQQ__Primary__c": True,
            "SBQQ__Status__c": quote["status"],
            "SBQQ__Type__c": "Quote",
            "SBQQ__ExpirationDate__c": store.now().date() + _VALID,
            "SBQQ__PaymentTerms__c": "Net 30",
            "SBQQ__SubscriptionTerm__c": Decimal(12),
            "CurrencyIsoCode": quote["currency"],
        }
        stored = store.seed(CPQ_QUOTE, values, owner_id)
        for place, line in enumerate(quote["line"], start=1):
            _seed_line(store, str(stored["Id"]), quote, line, place, owner_id)


def _seed_line(
    store: Store, quote_id: str, quote: dict[str, Any], line: dict[str, Any], place: int, owner_id: str
) -> None:
    products = store.records(catalogue.PRODUCT)
    product = next(one for one in products if one["ProductCode"] == line["sku"])
    frequency = _FREQUENCIES.get(str(product.get("Recurrence__c")))
    values: dict[str, Value] = {
        "SBQQ__Quote__c": quote_id,
        "SBQQ__Number__c": Decimal(place),
        "SBQQ__Product__c": product["Id"],
        "SBQQ__Quantity__c": Decimal(line["quantity"]),
        "SBQQ__ListPrice__c": Decimal(line["unit_price"]),
        "SBQQ__Discount__c": Decimal(line["discount_percent"]) if "discount_percent" in line else None,
        "SBQQ__ProrateMultiplier__c": Decimal(1),
        "SBQQ__ChargeType__c": "Recurring" if frequency else "One-Time",
        "SBQQ__BillingFrequency__c": frequency,
        "CurrencyIsoCode": quote["currency"],
    }
    store.seed(CPQ_QUOTE_LINE, values, owner_id)
