"""Orgs of any profile, each in this process, and a sales user's access to create records in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from sandbox.vendors.salesforce.app import create_app
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings
from shared.canonical import Money, OrderStatus, ReportedOrderStatus
from shared.problem import VendorError
from system_api.connections import SalesforceConnection
from system_api.crm.salesforce.adapter import Salesforce
from tests.system_api.conftest import salesforce_connection

URL = "http://org.test"
ACME, BLUEFIN = "001QW0000000001YAA", "001QW0000000002YAA"
ACME_OPPORTUNITY = "006QW0000000001"


@dataclass
class Org:
    """A running org: `rest` is its API as its integration user, `crm` the adapter in front of it."""

    rest: httpx.AsyncClient
    crm: Salesforce
    connection: SalesforceConnection
    network: httpx.AsyncBaseTransport

    async def create(self, kind: str, **fields: Any) -> str:
        answer = await self.rest.post(f"/data/v67.0/sobjects/{kind}", json=fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def change(self, kind: str, record_id: str, **fields: Any) -> None:
        answer = await self.rest.patch(f"/data/v67.0/sobjects/{kind}/{record_id}", json=fields)
        assert answer.status_code == 204, answer.text

    async def records(self, soql: str) -> list[dict[str, Any]]:
        answer = await self.rest.get("/data/v67.0/query", params={"q": soql})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["records"]
        return found

    async def control(self, method: str, path: str, /, **content: Any) -> None:
        answer = await self.rest.request(method, f"{URL}/_sandbox/{path}", json=content)
        assert answer.is_success, answer.text

    async def product(self, sku: str) -> str:
        (found,) = await self.records(f"SELECT Id FROM Product2 WHERE ProductCode = '{sku}'")
        return str(found["Id"])

    async def quote(self, *lines: dict[str, Any], **fields: Any) -> str:
        """Return a quote of Acme's; each line names its `sku`."""
        quote_id = await self.create("Quote", Name="Q", OpportunityId=ACME_OPPORTUNITY, Status="Accepted", **fields)
        for place, line in enumerate(lines, start=1):
            product = await self.product(line.pop("sku"))
            await self.create("QuoteLineItem", QuoteId=quote_id, Product2Id=product, SortOrder=place, **line)
        return quote_id

    def adapter(self, **settings: Any) -> Salesforce:
        """Another adapter in front of the same org, with other settings of its connection."""
        return Salesforce(msgspec.structs.replace(self.connection, **settings), self.network)


@asynccontextmanager
async def org_of(folder: Path, *profiles: str, seed: str = "sandbox/data", **settings: Any) -> AsyncIterator[Org]:
    """An org with these profiles; `settings` are the connection's."""
    credentials = folder / f"{'-'.join(profiles) or 'org'}.json"
    network = httpx.ASGITransport(
        create_app(SalesforceSandboxSettings(URL, Path(seed), credentials, profiles=tuple(profiles)))
    )
    known: dict[str, str] = msgspec.json.decode(credentials.read_bytes())
    connection = msgspec.structs.replace(salesforce_connection(URL, known), **settings)
    async with httpx.AsyncClient(transport=network, base_url=f"{URL}/services") as rest:
        login = {key: known[key] for key in ("client_id", "client_secret")}
        answer = await rest.post("/oauth2/token", data={"grant_type": "client_credentials", **login})
        rest.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield Org(rest, Salesforce(connection, network), connection, network)


def report(version: int = 1, **changes: Any) -> ReportedOrderStatus:
    """Return what an org is told of an order of Acme's."""
    told: dict[str, Any] = {
        "account_id": ACME,
        "quote_id": "0Q0QW00000000010AA",
        "status": OrderStatus.booked,
        "currency": "EUR",
        "total": Money(amount="214.20", currency="EUR"),
        "erp_order_id": "17",
        "erp_order_number": "NW-DE-17",
    }
    return ReportedOrderStatus(version=version, **{**told, **changes})


async def refused(crm: Salesforce, call: str, *arguments: Any) -> VendorError:
    """Return the error that a call of the adapter raises."""
    with pytest.raises(VendorError) as raised:
        await getattr(crm, call)(*arguments)
    return raised.value
