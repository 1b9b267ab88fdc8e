"""List prices of a real ERP and the simulated billing together."""

import pytest

from sandbox.vendors.tryton.server import TrytonServer
from shared.canonical import ListPrice, Money, Recurrence
from shared.problem import Unavailable
from system_api.billing.stripe.adapter import Stripe
from system_api.erp.tryton.adapter import Tryton
from system_api.pricing.list_prices import ListPrices
from tests.system_api.conftest import Simulator, stripe_connection
from tests.system_api.erp.conftest import connection_of


async def test_each_product_has_the_prices_of_the_systems_that_sell_it(
    tryton: TrytonServer, stripe_account: Simulator
) -> None:
    erp = Tryton(connection_of(tryton, "NW-US", "USD"))
    billing = Stripe(stripe_connection(stripe_account.url, stripe_account.credentials["key"]))

    found = await ListPrices(erp, lambda: billing).look_up(["SUPPORT-PREM", "MON-LEGACY", "GATEWAY-EDGE"], "USD")

    price = Money(amount="1320.00", currency="USD")
    assert found.currency == "USD"
    assert found.prices == [
        ListPrice(sku="SUPPORT-PREM", erp=price, billing=price, billing_recurrence=Recurrence.year, quantity_digits=0),
        ListPrice(sku="MON-LEGACY"),
        ListPrice(sku="GATEWAY-EDGE", erp=Money(amount="1590.00", currency="USD"), quantity_digits=0),
    ]
    await erp.close()
    await billing.close()


async def test_incomplete_list_is_an_error(tryton: TrytonServer, dead_url: str) -> None:
    erp = Tryton(connection_of(tryton, "NW-US", "USD"))
    billing = Stripe(stripe_connection(dead_url))

    with pytest.raises(Unavailable):
        await ListPrices(erp, lambda: billing).look_up(["GATEWAY-EDGE"], "USD")
    await erp.close()
    await billing.close()
