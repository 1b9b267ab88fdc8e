"""Quotes of hundreds of products: each system is only asked for what it sells, within its quota, and once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl

import httpx
import pytest

from sandbox.vendors.erp_stand_in.app import create_app
from sandbox.vendors.tryton.data import Product, load_seed_data
from shared.canonical import Address, CustomerDraft, ErpOrderDraft, ErpOrderLine, ErpOrderState, Recurrence
from shared.limits import vendor_quota
from shared.limits.vendor_quota import Limits, QuotaTransport, VendorQuota
from shared.problem import Unavailable
from system_api.billing.contract import Billing
from system_api.billing.stripe.adapter import Stripe
from system_api.erp.tryton.adapter import Tryton
from system_api.pricing.list_prices import ListPrices
from tests.sandbox.vendors.stripe.running_sandbox import KEY, SEED, running_sandbox
from tests.system_api.conftest import stripe_connection
from tests.system_api.erp.conftest import tryton_connection
from tests.system_api.erp.drafts import euros

# The longest SKUs: if these fit, all do.
SKUS = [f"SKU-{number:03d}-".ljust(64, "X") for number in range(200)]
ONE_OFF = dict.fromkeys(SKUS, (Recurrence.none,))
MONTHLY = dict.fromkeys(SKUS, (Recurrence.month,))
# The common limit of proxies and servers on a request line.
ADDRESS_BYTES_MAX = 8000


class Watched(httpx.AsyncBaseTransport):
    """A network that records requests and answers."""

    def __init__(self, network: httpx.AsyncBaseTransport) -> None:
        self.network = network
        self.asked: list[httpx.Request] = []
        self.statuses: Counter[int] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = await self.network.handle_async_request(request)
        self.statuses[answer.status_code] += 1
        return answer

    async def aclose(self) -> None:
        await self.network.aclose()


def light_erp() -> tuple[Tryton, Watched]:
    """Return the ERP's stand-in with 200 more products, in this process."""
    data = load_seed_data()
    products = tuple(
        Product(sku=sku, name=sku, is_goods=True, prices={"EUR": Decimal("10.00"), "USD": Decimal("11.00")})
        for sku in SKUS
    )
    app = create_app("tryton", "key", replace(data, products=(*data.products, *products)))
    network = Watched(httpx.ASGITransport(app))
    return Tryton(tryton_connection("http://erp.test"), network), network


def no_billing() -> Billing:
    """For a legal entity that none is connected for."""
    raise AssertionError("billing is asked for what it does not sell")


async def test_billing_is_not_asked_for_what_is_sold_once() -> None:
    erp, network = light_erp()

    found = await ListPrices(erp, no_billing).look_up(SKUS, "EUR", ONE_OFF)

    assert {price.sku: price.erp for price in found.prices} == dict.fromkeys(SKUS, euros("10.00"))
    assert max(len(str(request.url)) for request in network.asked) < ADDRESS_BYTES_MAX


async def test_billing_is_asked_for_the_periods_at_which_a_product_is_sold() -> None:
    asked: list[str] = []
    billing = Stripe(stripe_connection("http://stripe.test"), httpx.MockTransport(selling_everything(asked)))
    erp, _ = light_erp()
    recurrences = {"A": (Recurrence.none, Recurrence.year), "B": (Recurrence.none,)}

    await ListPrices(erp, lambda: billing).look_up(["A", "B", "C"], "EUR", recurrences)

    assert sorted(asked) == ["A-EUR-year", "C-EUR-month", "C-EUR-year"]


async def test_an_order_of_200_different_products_is_booked() -> None:
    erp, network = light_erp()
    customer = await erp.ensure_customer(customer_draft())
    lines = [ErpOrderLine(sku=sku, description=sku, quantity="1", net_unit_price=euros("10.00")) for sku in SKUS]
    draft = ErpOrderDraft(
        account_id=customer.account_id,
        customer_vendor_id=customer.vendor_id,
        currency="EUR",
        tax_code="DE",
        lines=lines,
        expected_tax=euros("380.00"),
        expected_total=euros("2380.00"),
    )

    await erp.create_order("ord-long", draft)
    booked = await erp.confirm_order("ord-long")

    assert (booked.state, booked.line_count) == (ErpOrderState.confirmed, 200)
    assert max(len(str(request.url)) for request in network.asked) < ADDRESS_BYTES_MAX


async def test_mutation_one_query_for_all_makes_the_url_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation of the tests above."""
    monkeypatch.setattr("system_api.erp.tryton.rest._VALUES_A_PAGE", 1000)
    erp, network = light_erp()

    await erp.list_prices(SKUS, "EUR")

    assert max(len(str(request.url)) for request in network.asked) > ADDRESS_BYTES_MAX


def customer_draft() -> CustomerDraft:
    """Return a customer of the stand-in's."""
    address = Address(street="Werkstrasse 5", postal_code="70435", city="Stuttgart", country="DE")
    return CustomerDraft(account_id="001QW0000000077AAA", name="Acme", address=address, currency="EUR")


async def looked_up_within_the_quota() -> Counter[int]:
    """Return the answers of a Stripe sandbox with its real quotas to a look-up of 200 recurring products, twice
    over.
    """
    with running_sandbox("--seed", str(SEED)) as stripe:
        network = Watched(httpx.AsyncHTTPTransport())
        quota = VendorQuota("nordwind/billing/NW-DE", "Stripe", Limits(20, 25.0, local_share=1.0), None)
        billing = Stripe(stripe_connection(stripe.url, KEY), QuotaTransport(network, quota))
        try:
            for _ in range(2):
                await billing.list_prices(dict.fromkeys(SKUS, (Recurrence.month, Recurrence.year)), "EUR")
        finally:
            await billing.close()
    return network.statuses


async def test_200_recurring_products_are_looked_up_within_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_quota, "_WAIT_MAX_S", 60.0)  # however slow the machine is

    assert await looked_up_within_the_quota() == {200: 80}


def selling_everything(asked: list[str], refused: int = 0) -> Callable[[httpx.Request], httpx.Response]:
    """Return a Stripe that sells everything at 4.90, and answers one request, by its number, with 429."""
    requests = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1
        keys = [value for name, value in parse_qsl(request.url.query.decode()) if name.startswith("lookup_keys")]
        if requests == refused:
            return httpx.Response(429, json={"error": {"type": "invalid_request_error", "code": "rate_limit"}})
        asked.extend(keys)
        prices = [
            {"id": f"price_{key}", "lookup_key": key, "unit_amount_decimal": "490", "currency": "eur", "product": "p"}
            for key in keys
        ]
        return httpx.Response(200, json={"data": prices, "has_more": False})

    return answer


async def test_retry_asks_only_for_unanswered_pages() -> None:
    asked: list[str] = []
    billing = Stripe(stripe_connection("http://stripe.test"), httpx.MockTransport(selling_everything(asked, 9)))

    with pytest.raises(Unavailable):
        await billing.list_prices(MONTHLY, "EUR")
    assert 50 <= len(asked) < 200
    found = await billing.list_prices(MONTHLY, "EUR")

    assert len(found) == 200
    assert max(Counter(asked).values()) == 1, "what was answered is asked for again"


async def test_charged_price_is_read_again() -> None:
    asked: list[str] = []
    billing = Stripe(stripe_connection("http://stripe.test"), httpx.MockTransport(selling_everything(asked)))

    await billing.list_prices({"A": (Recurrence.month,)}, "EUR")
    await billing._catalogue.prices({"A": (Recurrence.month,)}, "EUR")

    assert asked == ["A-EUR-month", "A-EUR-month"]
