"""The prices that a Stripe account sells at, and its tax rates.

A price is found by its lookup key, `<SKU>-<CURRENCY>-<month|year>` (`MON-STD-EUR-month`): a lookup key is unique in an
account, can be moved to a new price when the price rises, and is read consistently, unlike metadata by search.
"""

import asyncio
from collections.abc import Collection, Mapping
from decimal import Decimal
from time import monotonic

from shared.cache.ttl_cache import TtlCache
from shared.canonical import Recurrence
from shared.problem import Rejected
from system_api.billing.stripe.api import VENDOR, Page, StripeApi, idempotency_key
from system_api.billing.stripe.records import TAX_CODE, PriceRecord, TaxRateRecord
from system_api.vendor.parallel_reads import parallel_reads

_LOOKUP_KEYS_MAX = 10
_REQUESTS_AT_ONCE_MAX = 4
_DISPLAY_NAME_CHARS_MAX = 50


Wanted = Mapping[str, Collection[Recurrence]]


class StripeCatalogue:
    """The prices and tax rates of one account."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api
        self._few_at_once = asyncio.Semaphore(_REQUESTS_AT_ONCE_MAX)
        self._lately: TtlCache[str, PriceRecord] = TtlCache()

    async def prices(self, wanted: Wanted, currency: str) -> dict[tuple[str, Recurrence], PriceRecord]:
        """Return the active recurring prices of the SKUs `wanted` in `currency`, read now."""
        by_key = _lookup_keys(wanted, currency)
        found = await self._read(list(by_key))
        return {by_key[key]: price for key, price in found.items()}

    async def prices_lately(self, wanted: Wanted, currency: str) -> dict[tuple[str, Recurrence], PriceRecord]:
        """Return the same, but prices that were read in the last half minute are not read again.

        A long list takes more requests than Stripe allows at once. Pages that were answered are cached, so that the
        next attempt asks for the others only.
        """
        by_key = _lookup_keys(wanted, currency)
        known = {key: price for key in by_key if (price := self._lately.find(key)) is not None}
        found = await self._read([key for key in by_key if key not in known])
        return {by_key[key]: price for key, price in {**known, **found}.items()}

    async def tax_rate(self, tax_code: str, percent: str) -> str:
        """Return the id of the tax rate of `percent` for that jurisdiction, created if there is none."""
        archived = []
        async for rate in self._api.list_all("/v1/tax_rates", Page[TaxRateRecord], {"inclusive": False}):
            if rate.metadata.get(TAX_CODE) == tax_code and rate.percentage == Decimal(percent):
                if rate.active:
                    return rate.id
                archived.append(rate.id)
        params = {
            "display_name": f"Tax {tax_code}"[:_DISPLAY_NAME_CHARS_MAX],
            "percentage": percent,
            "inclusive": False,
            "metadata": {TAX_CODE: tax_code},
        }
        # Under a fixed key Stripe would return the first one again, even if somebody has archived it since.
        key = idempotency_key("create-tax-rate", tax_code, {**params, "instead_of": archived})
        return (await self._api.post("/v1/tax_rates", TaxRateRecord, params, key=key)).id

    async def _read(self, keys: list[str]) -> dict[str, PriceRecord]:
        pages = [keys[start : start + _LOOKUP_KEYS_MAX] for start in range(0, len(keys), _LOOKUP_KEYS_MAX)]
        async with parallel_reads() as reads:
            answers = [reads.create_task(self._by_lookup_keys(page)) for page in pages]
        return {key: price for answer in answers for key, price in answer.result().items()}

    async def _by_lookup_keys(self, keys: list[str]) -> dict[str, PriceRecord]:
        async with self._few_at_once:
            asked_at = monotonic()
            params = {"lookup_keys": keys, "active": True, "limit": len(keys)}
            prices = (await self._api.get("/v1/prices", Page[PriceRecord], params)).data
        # Prices with tiers, packages or usage are ignored: they do not say what a line of a quote costs.
        found = {price.lookup_key: price for price in prices if price.lookup_key in keys and price.is_by_the_unit}
        for key, price in found.items():
            self._lately.keep(key, price, asked_at)
        return found


def _lookup_keys(wanted: Wanted, currency: str) -> dict[str, tuple[str, Recurrence]]:
    """Return the lookup keys to ask for, and the price that each stands for."""
    return {f"{sku}-{currency}-{period.value}": (sku, period) for sku, periods in wanted.items() for period in periods}


def price_in(prices: dict[tuple[str, Recurrence], PriceRecord], sku: str, recurrence: Recurrence) -> PriceRecord:
    """Return the price of a SKU. Raises Rejected (`product_not_sold`) if there is none."""
    found = prices.get((sku, recurrence))
    if found is None:
        raise Rejected(
            f"{VENDOR} sells no {sku} by the {recurrence.value}.",
            reason_code="product_not_sold",
            vendor=VENDOR,
        )
    return found
