"""List prices of ERP and billing, side by side."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody
from msgspec import Meta

from shared.canonical import PriceList, Recurrence
from shared.canonical.wire import CurrencyCode, Sku
from shared.identity.auth import Principal
from shared.operations.operation import operation
from system_api.pricing.list_prices import ListPrices
from system_api.v1.billing import billing_of
from system_api.v1.erp import erp_of
from system_api.v1.parameters import OWNER, LegalEntityPath


class SoldAs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product, and a recurrence at which it is to be sold."""

    sku: Sku
    recurrence: Recurrence


class PriceLookup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The products whose prices are wanted, in one currency.

    `sold_as` says how they are to be sold: billing is only asked for those of them that recur.
    """

    skus: Annotated[list[Sku], Meta(min_length=1, max_length=500)]
    currency: CurrencyCode
    sold_as: Annotated[list[SoldAs], Meta(max_length=1500)] = msgspec.field(default_factory=list)

    def recurrences(self) -> dict[str, set[Recurrence]]:
        """Return how each product in `sold_as` is to be sold."""
        found: dict[str, set[Recurrence]] = {}
        for each in self.sold_as:
            found.setdefault(each.sku, set()).add(each.recurrence)
        return found


@post(
    "/v1/pricing/{legalEntity:str}/price-lookups",
    operation_id="lookUpPrices",
    tags=["pricing"],
    status_code=200,
    opt=operation(owner=OWNER, capability="pricing", scopes=["pricing:read"], problems=[422]),
)
async def look_up_prices(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, data: JSONBody[PriceLookup]
) -> PriceList:
    """Each product's list price in the ERP and in billing; absent where a system does not sell it."""
    prices = ListPrices(erp_of(request, legal_entity), lambda: billing_of(request, legal_entity))
    return await prices.look_up(data.skus, data.currency, data.recurrences())
