"""The Salesforce org of the journeys: quotes as a sales user would make them, through Salesforce's own API."""

import json
import uuid
from dataclasses import dataclass
from typing import Any, Self

import httpx

from sandbox.landscape.landscape import Landscape
from sandbox.running_demo import RunningDemo
from tests.patience import HANG_S

ACCOUNTS = {
    "acme": "001QW0000000001",
    "bluefin": "001QW0000000002",
    "tidewater": "001QW0000000003",
    "donau": "001QW0000000004",
}


@dataclass(frozen=True)
class Line:
    """A line to be quoted."""

    sku: str
    quantity: str
    unit_price: str
    discount_percent: str = "0"
    service_date: str | None = None


@dataclass
class Org:
    """Makes records in the org."""

    landscape: Landscape | RunningDemo

    def __post_init__(self) -> None:
        credentials = json.loads((self.landscape.run_dir / "salesforce.json").read_text())
        base = self.landscape.url("salesforce")
        token = httpx.post(
            f"{base}/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": credentials["client_id"],
                "client_secret": credentials["client_secret"],
            },
            timeout=HANG_S,
        ).raise_for_status()
        self._client = httpx.Client(
            base_url=f"{base}/services/data/v67.0",
            headers={"Authorization": f"Bearer {token.json()['access_token']}"},
            timeout=HANG_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def make_quote(
        self,
        account: str,
        currency: str,
        lines: list[Line],
        *,
        status: str = "Accepted",
        legal_entity: str = "NW-DE",
        fields: dict[str, Any] | None = None,
    ) -> str:
        """A new quote for one of the seeded accounts, at revision 1, with further fields. Returns its id."""
        opportunity = self._create(
            "Opportunity",
            {
                "Name": f"Journey {uuid.uuid4().hex[:8]}",
                "AccountId": ACCOUNTS[account],
                "StageName": "Closed Won",
                "CloseDate": "2026-11-22",
                "CurrencyIsoCode": currency,
            },
        )
        quote = self._create(
            "Quote",
            {
                "Name": "Journey",
                "OpportunityId": opportunity,
                "Status": status,
                "CurrencyIsoCode": currency,
                "Revision__c": 1,
                "Legal_Entity__c": legal_entity,
                "Email": "rechnung@journeys.example",
                **(fields or {}),
            },
        )
        for position, line in enumerate(lines, start=1):
            self._create(
                "QuoteLineItem",
                {
                    "QuoteId": quote,
                    "Product2Id": self._product(line.sku),
                    "Quantity": float(line.quantity),
                    "UnitPrice": float(line.unit_price),
                    "Discount": float(line.discount_percent),
                    "SortOrder": position,
                    "Description": line.sku,
                    "ServiceDate": line.service_date,
                },
            )
        return quote

    def quote(self, quote_id: str) -> dict[str, Any]:
        """A quote as the customer accepted it, with what Salesforce reckons."""
        found: dict[str, Any] = self._client.get(f"/sobjects/Quote/{quote_id}").raise_for_status().json()
        return found

    def refuse(self, **what: Any) -> None:
        """Let the org refuse its next matching requests."""
        answer = httpx.post(f"{self.landscape.url('salesforce')}/_sandbox/refuse", json=what, timeout=HANG_S)
        answer.raise_for_status()

    def _product(self, sku: str) -> str:
        query = f"SELECT Id FROM Product2 WHERE ProductCode = '{sku}'"
        answer = self._client.get("/query", params={"q": query}).raise_for_status()
        return str(answer.json()["records"][0]["Id"])

    def _create(self, kind: str, fields: dict[str, Any]) -> str:
        answer = self._client.post(f"/sobjects/{kind}", json=fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])
