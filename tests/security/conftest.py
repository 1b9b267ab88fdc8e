"""The three tiers in front of two tenants' vendors, and everyone who may ask them something."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sandbox.issuer.user_token import user_token
from sandbox.landscape.landscape import Landscape
from tests.app_lifespan import asgi_transport, running_app
from tests.patience import TOKEN_LIFE_S
from tests.running_tiers import TIER_SETTINGS, running_tiers, system_app
from tests.security.two_tenants import write_records


@dataclass(frozen=True)
class Tiers:
    """The tiers by name, each with a client, and the vendors behind them."""

    clients: dict[str, httpx.AsyncClient]
    landscape: Landscape

    def user(self, user_id: str, client_id: str) -> str:
        """A token of the experience API in a Salesforce user's name."""
        return user_token(self.landscape.url("issuer"), self.landscape.run_dir / "issuer", user_id, client_id)

    def service(self, client_id: str, audience: str, **parameters: str) -> str:
        """A service's own token."""
        answer = httpx.post(
            f"{self.landscape.url('issuer')}/token",
            data={"grant_type": "client_credentials", "audience": audience, **parameters},
            auth=(client_id, self.landscape.secret(client_id)),
            timeout=10,
        )
        return str(answer.raise_for_status().json()["access_token"])

    async def ask(
        self, tier: str, token: str, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None
    ) -> httpx.Response:
        """The answer to a request; every one comes with an idempotency key, a new one unless it is given."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or uuid.uuid4().hex}
        return await self.clients[tier].request(method, path, json=body, headers=headers)


@pytest.fixture(scope="package")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """Two tenants' vendors; the ERP is the light stand-in, since nothing here is about its books."""
    landscape = Landscape(
        tmp_path_factory.mktemp("tenants"),
        light_erp=True,
        second_tenant=True,
        unthrottled=True,
        tier_settings=TIER_SETTINGS,
        token_life_s=TOKEN_LIFE_S,
    )
    try:
        landscape.start_vendors()
        write_records(landscape)
        yield landscape
    finally:
        landscape.stop()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def tiers(vendors: Landscape) -> AsyncIterator[Tiers]:
    """The tiers, running."""
    system = system_app(vendors)
    async with (
        running_tiers(vendors) as sales,
        running_app(system),
        httpx.AsyncClient(transport=asgi_transport(system), base_url="http://system") as system_client,
    ):
        clients = {"experience": sales.client, "process": sales.process_client, "system": system_client}
        yield Tiers(clients, vendors)


def draft_invoice(landscape: Landscape, tenant: str, customer: str) -> str:
    """The id of a new draft invoice in that tenant's own Stripe account, of that customer."""
    account = "suedwind-stripe" if tenant == "suedwind" else "stripe"
    key = (landscape.run_dir / f"{account}.key").read_text().strip()
    url = f"{landscape.url(account)}/v1/invoices"
    answer = httpx.post(url, data={"customer": customer, "currency": "eur"}, auth=(key, ""), timeout=10)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])
