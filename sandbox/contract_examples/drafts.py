"""Request bodies for the system tier: a customer, an order and a subscription as the process tier sends them."""

from typing import Any

ADDRESS = {"street": "Werkstrasse 5", "postalCode": "70435", "city": "Stuttgart", "country": "DE"}


def euros(amount: str) -> dict[str, str]:
    """Return an amount in euro."""
    return {"amount": amount, "currency": "EUR"}


def customer(account_id: str) -> dict[str, Any]:
    """A customer to be known to the ERP or to billing."""
    return {
        "accountId": account_id,
        "name": "Acme Industriewerke GmbH",
        "email": "einkauf@acme.example",
        "address": ADDRESS,
        "currency": "EUR",
    }


def order(customer: str) -> dict[str, Any]:
    """Return an order of two sensors."""
    line = {"sku": "SENSOR-TEMP", "description": "Sensor", "quantity": "2", "netUnitPrice": euros("89.50")}
    return {
        "accountId": "001QW0000000001YAA",
        "customerVendorId": customer,
        "currency": "EUR",
        "taxCode": "DE",
        "lines": [line],
        "expectedTax": euros("34.01"),
        "expectedTotal": euros("213.01"),
    }


def subscription(customer: str) -> dict[str, Any]:
    """Return a subscription of three units of monitoring, by the month."""
    return {
        "accountId": "001QW0000000097",
        "orderId": "ord_example",
        "customerVendorId": customer,
        "currency": "EUR",
        "recurrence": "month",
        "items": [{"sku": "MON-STD", "quantity": "3", "netUnitPrice": euros("4.90")}],
        "taxCode": "DE",
        "taxPercent": "19",
    }
