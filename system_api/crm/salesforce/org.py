"""One org through the connection's name map: it is described once, and the queries are planned from that."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.problem import Rejected, Unavailable
from system_api.connections import SalesforceConnection
from system_api.crm.salesforce.accounts import AccountPlan, plan_accounts
from system_api.crm.salesforce.api import SalesforceApi
from system_api.crm.salesforce.errors import ORG_CHANGED, VENDOR
from system_api.crm.salesforce.orders import OrderPlan, plan_orders
from system_api.crm.salesforce.quotes import QuotePlan, plan_quotes
from system_api.crm.salesforce.schema import MISSING_KEPT_S, OrgSchema
from system_api.vendor.salesforce_map import SalesforceFields, SalesforceObjects

P = TypeVar("P", QuotePlan, AccountPlan, OrderPlan)
T = TypeVar("T")
_Planning = Callable[[OrgSchema, SalesforceObjects, SalesforceFields], Awaitable[P]]


class SalesforceOrg:
    """The plans for reading and writing in one org, remade when the org has changed since it was described."""

    def __init__(self, connection: SalesforceConnection, api: SalesforceApi) -> None:
        self.schema = OrgSchema(api)
        self._api = api
        self._connection = connection
        self._plans: dict[object, QuotePlan | AccountPlan | OrderPlan] = {}
        self._currency: str | None = None

    async def with_quotes(self, use: Callable[[QuotePlan], Awaitable[T]]) -> T:
        """Return the result of `use` with the plan for quotes."""
        return await self._with(plan_quotes, use)

    async def with_accounts(self, use: Callable[[AccountPlan], Awaitable[T]]) -> T:
        """Return the result of `use` with the plan for accounts."""
        return await self._with(plan_accounts, use)

    async def with_orders(self, use: Callable[[OrderPlan], Awaitable[T]]) -> T:
        """Return the result of `use` with the plan for orders."""
        return await self._with(plan_orders, use)

    async def currency(self) -> str:
        """Return the currency of amounts in records without one: the connection's setting, or the org's own.

        Raises Unavailable if neither is known.
        """
        if self._currency is None:
            self._currency = self._connection.currency or await self._organizations_currency()
        if self._currency is None:
            raise Unavailable(
                f"{VENDOR} says the currency neither of a record nor of the org: set currency of the connection.",
                reason_code="field_missing",
                vendor=VENDOR,
            )
        return self._currency

    async def _with(self, planning: _Planning[P], use: Callable[[P], Awaitable[T]]) -> T:
        plan = await self._plan(planning)
        try:
            return await use(plan)
        except (Unavailable, Rejected) as error:
            if error.reason_code not in ORG_CHANGED:
                raise
        # A field was deleted or hidden since the org was described. That request read and wrote nothing.
        self._forget()
        return await use(await self._plan(planning))

    async def _plan(self, planning: _Planning[P]) -> P:
        if self.schema.forget_what_is_old():
            self._plans.clear()
        kept = self._plans.get(planning)
        if kept is None:
            try:
                plan = await planning(self.schema, self._connection.objects, self._connection.fields)
            except Unavailable:
                if not self.schema.forget_what_is_old(MISSING_KEPT_S):
                    raise
                plan = await planning(self.schema, self._connection.objects, self._connection.fields)
            self._plans[planning] = plan
            return plan
        return kept  # type: ignore[return-value]  # each planning makes one kind of plan

    def _forget(self) -> None:
        self.schema.forget()
        self._plans.clear()
        self._currency = None

    async def _organizations_currency(self) -> str | None:
        """Return the Organization's default currency; None if the org does not show it."""
        found = await self.schema.find("Organization", "DefaultCurrencyIsoCode")
        if found is None:
            return None
        page = await self._api.rows(f"SELECT {found.path} FROM Organization LIMIT 1")  # noqa: S608 a name of describe's
        value = page.records[0].get(found.path) if page.records else None
        return value if isinstance(value, str) and value else None
