"""Makes accepted quotes in the org, and submits them as a Salesforce developer would: the same key until answered."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from sandbox.demo import access_token
from sandbox.faults.ledger import Acknowledged, salesforce_client
from sandbox.landscape import Landscape

# Known to Salesforce only, so the first order creates it in the ERP; and no credit limit stops many orders.
ACCOUNT = "001QW0000000004"
ENDED = frozenset({"booked", "rejected", "compensated", "parked"})
_LINES = (("SENSOR-TEMP", 1.0, 89.5), ("MON-STD", 1.0, 4.9))
_RETRY_S = 0.3


def make_quotes(landscape: Landscape, count: int) -> list[str]:
    """Accepted quotes with one line for the ERP and one for billing."""
    with salesforce_client(landscape) as client:
        products = {sku: _product(client, sku) for sku, _, _ in _LINES}
        fields = {
            "Name": "Faults",
            "AccountId": ACCOUNT,
            "StageName": "Closed Won",
            "CloseDate": "2026-11-22",
            "CurrencyIsoCode": "EUR",
        }
        opportunity = _create(client, "Opportunity", fields)
        return [_quote(client, opportunity, products) for _ in range(count)]


@dataclass
class Customers:
    """Submits quotes, repeats what was not answered, and waits for every end."""

    landscape: Landscape
    end_within_s: float
    _token: str = field(default="", init=False)
    _client: httpx.AsyncClient | None = field(default=None, init=False)

    async def order(self, quote_id: str, key: str | None = None) -> Acknowledged:
        """Submit a quote and follow its order; `submitted` where no end came in time."""
        deadline = time.monotonic() + self.end_within_s
        order_id = await self.submit(quote_id, key or uuid.uuid4().hex, deadline)
        status = "submitted"
        while status not in ENDED and time.monotonic() < deadline:
            await asyncio.sleep(_RETRY_S)
            status = await self._status(order_id) or status
        return Acknowledged(order_id, quote_id, status, one_off_lines=1, periods=("month",))

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def submit(self, quote_id: str, key: str, deadline: float) -> str:
        """The order's id, once it has been acknowledged. Raises TimeoutError where it never is."""
        body = {"quoteId": quote_id, "quoteRevision": 1}
        while time.monotonic() < deadline:
            answer = await self._send("POST", "/v1/orders", {"Idempotency-Key": key}, body)
            if answer is not None and answer.status_code == 202:
                return str(answer.json()["orderId"])
            if answer is not None and answer.status_code in {400, 403, 404, 422}:
                raise RuntimeError(f"{quote_id} was refused: {answer.text}")
            await asyncio.sleep(_RETRY_S)
        raise TimeoutError(f"{quote_id} was never acknowledged")

    async def _status(self, order_id: str) -> str | None:
        answer = await self._send("GET", f"/v1/orders/{order_id}", {}, None)
        return str(answer.json()["status"]) if answer is not None and answer.status_code == 200 else None

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, object] | None
    ) -> httpx.Response | None:
        """The answer, or None where none came: a tier is being killed, and the caller asks again."""
        if not self._token:
            self._token = access_token(self.landscape, "salesforce-lightning", "quoteway-experience")
        if self._client is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
            self._client = httpx.AsyncClient(base_url=self.landscape.url("experience"), timeout=30, limits=limits)
        try:
            bearer = {"Authorization": f"Bearer {self._token}"}
            answer = await self._client.request(method, path, json=body, headers={**bearer, **headers})
        except httpx.TransportError:
            return None
        if answer.status_code == 401:
            self._token = ""
        return answer


def _quote(client: httpx.Client, opportunity: str, products: dict[str, str]) -> str:
    fields = {
        "Name": "Faults",
        "OpportunityId": opportunity,
        "Status": "Accepted",
        "CurrencyIsoCode": "EUR",
        "Revision__c": 1,
        "Legal_Entity__c": "NW-DE",
    }
    quote = _create(client, "Quote", fields)
    for position, (sku, quantity, price) in enumerate(_LINES, start=1):
        line = {
            "QuoteId": quote,
            "Product2Id": products[sku],
            "Quantity": quantity,
            "UnitPrice": price,
            "SortOrder": position,
            "Description": sku,
        }
        _create(client, "QuoteLineItem", line)
    return quote


def _product(client: httpx.Client, sku: str) -> str:
    query = f"SELECT Id FROM Product2 WHERE ProductCode = '{sku}'"  # noqa: S608 one of ours
    answer = client.get("/services/data/v67.0/query", params={"q": query}).raise_for_status()
    return str(answer.json()["records"][0]["Id"])


def _create(client: httpx.Client, kind: str, fields: Mapping[str, object]) -> str:
    return str(client.post(f"/services/data/v67.0/sobjects/{kind}", json=fields).raise_for_status().json()["id"])
