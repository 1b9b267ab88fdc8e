"""The objects this org has: the standard ones around quotes, and those that Quoteway's package brings along.

An org's profile changes them: sandbox/vendors/salesforce/profiles.py.
"""

from sandbox.vendors.salesforce.catalogue.quotes import QUOTE, QUOTE_LINE_ITEM
from sandbox.vendors.salesforce.catalogue.quoteway import (
    ORDER_OBJECT,
    ORDER_STATUS_EVENT,
    QUOTEWAY_ORDER,
    QUOTEWAY_ORDER_STATUS,
    VERSION_ONLY_GROWS,
)
from sandbox.vendors.salesforce.catalogue.sales import (
    ACCOUNT,
    CONTACT,
    OPPORTUNITY,
    PRICEBOOK,
    PRICEBOOK_ENTRY,
    PRODUCT,
)
from sandbox.vendors.salesforce.catalogue.setup import ORGANIZATION, USER
from sandbox.vendors.salesforce.records.schema import Schema

OBJECTS = (
    ACCOUNT,
    CONTACT,
    OPPORTUNITY,
    QUOTE,
    QUOTE_LINE_ITEM,
    PRODUCT,
    PRICEBOOK,
    PRICEBOOK_ENTRY,
    USER,
    ORGANIZATION,
    QUOTEWAY_ORDER,
    QUOTEWAY_ORDER_STATUS,
)
SCHEMA = Schema(OBJECTS)

__all__ = [
    "ACCOUNT",
    "CONTACT",
    "OBJECTS",
    "OPPORTUNITY",
    "ORDER_OBJECT",
    "ORDER_STATUS_EVENT",
    "ORGANIZATION",
    "PRICEBOOK",
    "PRICEBOOK_ENTRY",
    "PRODUCT",
    "QUOTE",
    "QUOTEWAY_ORDER",
    "QUOTEWAY_ORDER_STATUS",
    "QUOTE_LINE_ITEM",
    "SCHEMA",
    "USER",
    "VERSION_ONLY_GROWS",
]
