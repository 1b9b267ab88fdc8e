"""Fills a new org from the sandbox's data files: users, accounts, products with prices, opportunities, quotes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.vendors.salesforce import catalogue
from sandbox.vendors.salesforce.profiles import OrgProfile
from sandbox.vendors.salesforce.records.ids import case_safe
from sandbox.vendors.salesforce.records.schema import Value
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.seed.cpq import seed_cpq_quotes
from sandbox.vendors.salesforce.seed.files import SeedFiles
from sandbox.vendors.salesforce.soql.record_access import AccessRules

QUOTE_VALID_DAYS = 30
_COUNTRY_NAMES = {"AT": "Austria", "DE": "Germany", "US": "United States"}
# How people write it where no picklist holds them back.
_COUNTRIES_AS_WRITTEN = {"AT": "Österreich", "DE": "Germany", "US": "USA"}
_STATE_NAMES = {"CA": "California", "NY": "New York"}


def seed_org(store: Store, access: AccessRules, files: SeedFiles, profile: OrgProfile) -> None:
    """Ids not named in the files are counted in the files' order, so every run has the same ones."""
    users = files.salesforce["user"]
    _seed_users(store, users, profile)
    owner_id = case_safe(users[0]["user_id"])
    accounts = _seed_accounts(store, files, profile, owner_id)
    _seed_contacts(store, files, accounts, owner_id)
    _seed_access(access, users, accounts)
    prices = _seed_products(store, files.products, owner_id)
    for quote in files.salesforce["quote"]:
        _seed_quote(store, quote, files, accounts, prices, owner_id)
    if profile.has("cpq"):
        seed_cpq_quotes(store, files, accounts, owner_id)


def _seed_users(store: Store, users: list[dict[str, Any]], profile: OrgProfile) -> None:
    first_id = case_safe(users[0]["user_id"])
    for user in users:
        values: dict[str, Value] = {
            "Id": case_safe(user["user_id"]),
            "Username": user["username"],
            "Email": user["username"],
            "Name": user["name"],
        }
        store.seed(catalogue.USER, values, first_id)
    organization: dict[str, Value] = {
        "Id": profile.organization_id,
        "Name": profile.name,
        "InstanceName": "QW0",
        "IsSandbox": True,
        "OrganizationType": "Enterprise Edition",
        "DefaultCurrencyIsoCode": profile.currency,
    }
    store.seed(catalogue.ORGANIZATION, organization, first_id)


def _seed_accounts(store: Store, files: SeedFiles, profile: OrgProfile, owner_id: str) -> dict[str, str]:
    """Returns account ids by the customer's key."""
    countries = _COUNTRIES_AS_WRITTEN if profile.has("no-picklists") else _COUNTRY_NAMES
    currencies = {entity["code"]: entity["currency"] for entity in files.company["legal_entity"]}
    accounts: dict[str, str] = {}
    for customer in files.customers:
        account_id = case_safe(customer["account_id"])
        values: dict[str, Value] = {
            "Id": account_id,
            "Name": customer["name"],
            "Type": "Customer",
            "BillingStreet": customer["street"],
            "BillingCity": customer["city"],
            "BillingState": _STATE_NAMES.get(customer.get("region", "")),
            "BillingStateCode": customer.get("region"),
            "BillingPostalCode": customer["postal_code"],
            "BillingCountry": countries.get(customer["country"]),
            "BillingCountryCode": customer["country"],
            "Legal_Entity__c": customer["legal_entity"],
            "VAT_Id__c": customer.get("vat_id"),
            "CurrencyIsoCode": currencies[customer["legal_entity"]],
        }
        store.seed(catalogue.ACCOUNT, values, owner_id)
        accounts[customer["key"]] = account_id
    return accounts


def _seed_contacts(store: Store, files: SeedFiles, accounts: dict[str, str], owner_id: str) -> None:
    """Create the contacts, each the recipient of its account's invoices."""
    for contact in files.salesforce.get("contact", ()):
        account = store.require(catalogue.ACCOUNT, accounts[contact["customer"]])
        first, _, last = contact["name"].rpartition(" ")
        values: dict[str, Value] = {
            "Id": case_safe(contact["contact_id"]),
            "AccountId": account["Id"],
            "FirstName": first or None,
            "LastName": last,
            "Email": contact["email"],
            "CurrencyIsoCode": account.get("CurrencyIsoCode"),
        }
        store.seed(catalogue.CONTACT, values, owner_id)
        store.seed(catalogue.ACCOUNT, {**account, "Bill_To_Contact__c": values["Id"]}, owner_id)


def _seed_access(access: AccessRules, users: list[dict[str, Any]], accounts: dict[str, str]) -> None:
    for user in users:
        for key, account_id in accounts.items():
            level = "Edit" if key in user["sees"] else "Read" if key in user.get("reads", ()) else "None"
            access.grant(case_safe(user["user_id"]), account_id, level)


def _seed_products(store: Store, products: list[dict[str, Any]], owner_id: str) -> dict[tuple[str, str], str]:
    """Returns price book entry ids by (sku, currency)."""
    book_values: dict[str, Value] = {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True}
    book = store.seed(catalogue.PRICEBOOK, book_values, owner_id)
    entries: dict[tuple[str, str], str] = {}
    for product in products:
        if "salesforce" not in product.get("systems", ["salesforce"]):
            continue
        values: dict[str, Value] = {
            "Name": product["name"],
            "ProductCode": product["sku"],
            "IsActive": True,
            "Family": product["kind"],
            "Recurrence__c": product["recurrence"],
        }
        stored = store.seed(catalogue.PRODUCT, values, owner_id)
        for currency, price in product["price"].items():
            entry_values: dict[str, Value] = {
                "Pricebook2Id": book["Id"],
                "Product2Id": stored["Id"],
                "UnitPrice": Decimal(price),
                "CurrencyIsoCode": currency,
                "IsActive": True,
            }
            entry = store.seed(catalogue.PRICEBOOK_ENTRY, entry_values, owner_id)
            entries[product["sku"], currency] = str(entry["Id"])
    return entries


def _seed_quote(
    store: Store,
    quote: dict[str, Any],
    files: SeedFiles,
    accounts: dict[str, str],
    prices: dict[tuple[str, str], str],
    owner_id: str,
) -> None:
    today = store.now().date()
    customer = next(one for one in files.customers if one["key"] == quote["customer"])
    opportunity: dict[str, Value] = {
        "Id": case_safe(quote["opportunity_id"]),
        "Name": quote["name"],
        "AccountId": accounts[quote["customer"]],
        "StageName": "Closed Won" if quote["status"] == "Accepted" else "Proposal/Price Quote",
        "CloseDate": today,
        "CurrencyIsoCode": quote["currency"],
    }
    store.seed(catalogue.OPPORTUNITY, opportunity, owner_id)
    values: dict[str, Value] = {
        "Id": case_safe(quote["quote_id"]),
        "Name": quote["name"],
        "QuoteNumber": quote["number"],
        "OpportunityId": opportunity["Id"],
        "Status": quote["status"],
        # Relative to the start, or the demo's quotes would be out of date one day.
        "ExpirationDate": today + timedelta(days=QUOTE_VALID_DAYS),
        "Revision__c": Decimal(quote["revision"]),
        "Legal_Entity__c": customer["legal_entity"],
        "CurrencyIsoCode": quote["currency"],
        "ShippingHandling": Decimal(quote["shipping"]) if "shipping" in quote else None,
    }
    store.seed(catalogue.QUOTE, values, owner_id)
    store.skip_numbers_to(catalogue.QUOTE, "QuoteNumber", int(quote["number"]))
    for place, line in enumerate(quote["line"], start=1):
        _seed_line(store, values, line, place, prices, owner_id)
    if quote["status"] == "Accepted":
        # After its lines: what is changed later than the acceptance was not accepted.
        store.seed(catalogue.QUOTE, {**values, "Accepted_At__c": store.now()}, owner_id)


def _seed_line(
    store: Store,
    quote: dict[str, Value],
    line: dict[str, Any],
    place: int,
    prices: dict[tuple[str, str], str],
    owner_id: str,
) -> None:
    entry_id = prices[line["sku"], str(quote["CurrencyIsoCode"])]
    entry = store.require(catalogue.PRICEBOOK_ENTRY, entry_id)
    product = store.require(catalogue.PRODUCT, str(entry["Product2Id"]))
    discount = line.get("discount_percent")
    values: dict[str, Value] = {
        "QuoteId": quote["Id"],
        "Product2Id": product["Id"],
        "PricebookEntryId": entry_id,
        "Quantity": Decimal(line["quantity"]),
        "UnitPrice": Decimal(line["unit_price"]),
        "Discount": Decimal(discount) if discount else None,
        "Description": product["Name"],
        "SortOrder": place,
        "CurrencyIsoCode": quote["CurrencyIsoCode"],
    }
    store.seed(catalogue.QUOTE_LINE_ITEM, values, owner_id)
