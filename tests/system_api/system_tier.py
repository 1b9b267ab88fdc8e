"""The system tier as the process tier sees it, and bodies for its operations."""

from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.processes.process import RunningProcess

ACME, DEMO_QUOTE = "001QW0000000001YAA", "0Q0QW00000000010AA"


@dataclass
class System:
    """The system tier, as the process tier sees it."""

    client: httpx.AsyncClient
    issuer: RunningProcess
    headers: dict[str, str]

    async def call(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return await self.client.request(method, path, json=body, params=params or None, headers=self.headers)

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = await self.call("GET", path, **params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def euros(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def customer_draft(account_id: str) -> dict[str, Any]:
    address = {"street": "Werkstrasse 5", "postalCode": "70435", "city": "Stuttgart", "country": "DE"}
    name = "Acme Industriewerke GmbH" if account_id == ACME else f"Acme {account_id}"
    return {"accountId": account_id, "name": name, "address": address, "currency": "EUR", "email": "ap@kunde.example"}


def order_draft(customer: str) -> dict[str, Any]:
    line = {"sku": "SENSOR-TEMP", "description": "Sensor", "quantity": "2", "netUnitPrice": euros("89.50")}
    return {
        "accountId": ACME,
        "customerVendorId": customer,
        "currency": "EUR",
        "taxCode": "DE",
        "lines": [line],
        "expectedTax": euros("34.01"),
        "expectedTotal": euros("213.01"),
    }


def subscription_draft(customer: str) -> dict[str, Any]:
    return {
        "accountId": ACME,
        "orderId": "ord-1",
        "customerVendorId": customer,
        "currency": "EUR",
        "recurrence": "month",
        "items": [{"sku": "MON-STD", "quantity": "3", "netUnitPrice": euros("4.90")}],
        "taxCode": "DE",
        "taxPercent": "19",
    }


BODIES = {
    "reportOrderStatus": {
        "accountId": ACME,
        "quoteId": DEMO_QUOTE,
        "status": "booked",
        "version": 2,
        "currency": "EUR",
    },
    "ensureCustomer": customer_draft("NW-DE"),
    "ensureBillingCustomer": customer_draft("NW-DE"),
    "findCustomerCandidates": customer_draft("NW-DE"),
    "checkErpOrder": {"customer": customer_draft("NW-DE")},
    "checkBillingOrder": {"customer": customer_draft("NW-DE")},
    "createOrder": order_draft("1"),
    "createSubscription": subscription_draft("cus_1"),
    "calculateTax": {
        "legalEntity": "NW-DE",
        "buyer": customer_draft(ACME)["address"],
        "lines": [{"lineId": "1", "net": euros("100.00")}],
    },
    "verifyBillingWebhook": {"payload": "e30=", "signature": "t=1,v1=0"},
    "lookUpPrices": {"skus": ["MON-STD", "MON-LEGACY"], "currency": "EUR"},
}
