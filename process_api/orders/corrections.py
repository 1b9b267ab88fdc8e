"""Editing a parked flow: reads the quote again, applies an operator's corrections, and repeats every check.

    what may be corrected     where it then counts
    the quote in Salesforce   all of it is read anew; another revision has to be named
    a SKU                     the line is priced, booked and charged under the other one
    the tax code              the ERP and billing are told this code; its rate has to be the calculated one

No change of money is silent: the operator must name a differing sum. Nothing that a vendor holds is changed: once the
ERP or billing has anything of the order, editing is refused; discard the flow, which undoes it, and submit the quote
again.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import flow_steps, intents, orders
from process_api.engine.decisions import FlowDecisions, decide
from process_api.engine.flows import StepState, change_flow
from process_api.orders.checks import correct
from process_api.orders.dates import subscription_groups
from process_api.orders.record import OrderRecord, find_order
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.pricing.pricing_preview import quote_net
from process_api.quotes.amounts import check_amounts
from process_api.resources import Resources
from process_api.system_client import SystemClient
from shared.canonical import ErpOrderState, Money, OrderStatus, Quote, QuoteStatus, SubscriptionStatus
from shared.identity.auth import Principal
from shared.problem import Conflict, Fault, InvalidRequest, Rejected

_CUSTOMER = "customer"


@dataclass(frozen=True)
class FlowEdit:
    """An operator's corrections, which replace all earlier ones. `net_total`: the lines' new sum.

    `quote_revision` is needed if Salesforce's differs from the submitted one, `net_total` if the sum differs.
    """

    reason: str
    quote_revision: int | None = None
    skus: dict[str, str] = field(default_factory=dict)
    tax_code: str | None = None
    net_total: Money | None = None


class EditedValues(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The values that an edit can change: the revision, the lines' sum, SKUs and the tax code."""

    quote_revision: int
    net_total: Money | None = None
    skus: dict[str, str] = msgspec.field(default_factory=dict)
    tax_code: str | None = None


@dataclass(frozen=True)
class _Sent:
    """A request that may have reached a vendor: for an `order`, a `subscription` or a `customer`."""

    operation_id: str
    entity: str
    system: str
    external_id: str


@dataclass(frozen=True)
class OrderCorrections:
    """Puts corrections on flows of orders."""

    decisions: FlowDecisions
    system: SystemClient
    policy: DiscountPolicy

    async def correct(self, principal: Principal, flow: Row[Any], edit: FlowEdit) -> None:
        """Correct a parked flow and have it go on, from its quote on.

        Raises Conflict where a vendor holds anything of it, or somebody else has decided meanwhile; InvalidRequest
        where the corrections do not fit; Unavailable where a vendor cannot say what it holds.
        """
        async with self.decisions.store.transaction(principal.tenant) as connection:
            order = await find_order(connection, flow.tenant, flow.subject)
        if order is None:
            raise AssertionError(f"flow {flow.flow_id} has no order, though both are written in one transaction")
        await self._require_unwritten(order)
        quote = await self._corrected(order, edit)
        await self._require_same_subscriptions(order, quote)
        before = EditedValues(
            quote_revision=order.quote_revision,
            net_total=quote_net(order.quote) if order.quote else None,
            skus=flow.edits.get("skus", {}),
            tax_code=flow.edits.get("taxCode"),
        )
        after = EditedValues(
            quote_revision=quote.revision, net_total=quote_net(quote), skus=edit.skus, tax_code=edit.tax_code
        )
        _require_named_sum(before.net_total, after.net_total, edit.net_total)
        async with self.decisions.store.transaction(principal.tenant) as connection:
            await self._write(connection, principal, flow, edit, before, after)

    async def _write(
        self,
        connection: AsyncConnection,
        principal: Principal,
        seen: Row[Any],
        edit: FlowEdit,
        before: EditedValues,
        after: EditedValues,
    ) -> None:
        flow = await self.decisions.lock_parked(connection, principal.tenant, seen.flow_id)
        if flow.generation != seen.generation:
            raise Conflict(f"Somebody else has decided on flow {flow.flow_id} meanwhile. Look at it again.")
        await _take_revision(connection, flow, after.quote_revision)
        # They name records that were never created, as each vendor has just confirmed; their external ids get other
        # payloads now.
        operations = [sent.operation_id for sent in await _sent_by(connection, flow.flow_id, flow.subject)]
        await connection.execute(delete(intents).where(intents.c.operation_id.in_(operations)))
        await connection.execute(
            update(flow_steps)
            .where(flow_steps.c.flow_id == flow.flow_id)
            .values(state=StepState.begun, finished_at=None)
        )
        edits = {"skus": edit.skus, "taxCode": edit.tax_code}
        await change_flow(connection, flow.flow_id, edits=edits)
        await decide(
            connection,
            principal,
            flow.flow_id,
            "edit",
            reason=edit.reason,
            before=msgspec.to_builtins(before),
            after=msgspec.to_builtins(after),
        )
        message = f"Edited by {principal.subject}, and tried again from its quote: {edit.reason}"
        await self.decisions.begin_again(connection, flow, OrderStatus.validating, "edit", message)

    async def _require_unwritten(self, order: OrderRecord) -> None:
        """Ask every vendor that may have received something. Raises Conflict if it holds anything of the order."""
        for sent in await self._sent(order):
            held, vendor_id = await self._held(order, sent)
            if held:
                raise Conflict(
                    f"{sent.system} already holds {sent.external_id} as {vendor_id}, which an edit would change. "
                    "Discard the flow, which undoes it, and submit the quote again."
                )

    async def _sent(self, order: OrderRecord) -> list[_Sent]:
        """Return what the order may have created at the vendors."""
        async with self.decisions.store.transaction(order.tenant) as connection:
            return await _sent_by(connection, order.flow_id, order.order_id)

    async def _held(self, order: OrderRecord, sent: _Sent) -> tuple[bool, str | None]:
        """Return whether the vendor holds anything under the external id, and what it calls it."""
        legal_entity = sent.system.partition(":")[2]
        if sent.entity == "order":
            erp_order = await self.system.find_order(order.tenant, legal_entity, sent.external_id)
            return erp_order.state is not ErpOrderState.absent, erp_order.vendor_id
        if sent.entity == "subscription":
            subscription = await self.system.find_subscription(order.tenant, legal_entity, sent.external_id)
            return subscription.status is not SubscriptionStatus.absent, subscription.vendor_id
        raise Conflict(
            f"Nobody can be asked here whether {sent.system} holds {sent.external_id}. Discard the flow, which undoes "
            "it, and submit the quote again."
        )

    async def _require_same_subscriptions(self, order: OrderRecord, quote: Quote) -> None:
        """Raise Conflict if a subscription was requested that the corrected quote does not have.

        If that request arrived late, nothing would look for it: neither an undo nor the second look.
        """
        sent = {each.external_id for each in await self._sent(order) if each.entity == "subscription"}
        kept = {group.external_id(order.order_id) for group in subscription_groups(quote)}
        if sent - kept:
            raise Conflict(
                f"Quote {quote.number} begins on another day now than when {min(sent - kept)} was sent to billing. "
                "Discard the flow, which undoes it, and submit the quote again."
            )

    async def _corrected(self, order: OrderRecord, edit: FlowEdit) -> Quote:
        """Return Salesforce's current quote with the corrections. Raises Conflict or InvalidRequest."""
        quote = await self.system.find_quote(order.tenant, order.quote_id)
        if quote is None or quote.quote_id != order.quote_id:
            raise Conflict(f"Salesforce has no quote {order.quote_id} (any more): discard the flow.")
        if quote.status is not QuoteStatus.accepted:
            raise Conflict(
                f"Quote {quote.number} is {quote.status.value} in Salesforce; only an accepted one is ordered."
            )
        if quote.revision != (edit.quote_revision or order.quote_revision):
            raise _fault(
                "/quoteRevision", f"Salesforce has revision {quote.revision} now. Look at it, then name it here."
            )
        if order.quote is not None and _parties(quote) != _parties(order.quote):
            raise Conflict(
                f"Quote {quote.number} is for another account, legal entity or currency than was ordered: discard the "
                "flow, and submit the quote again."
            )
        unknown = sorted(set(edit.skus) - {line.sku for line in quote.lines})
        if unknown:
            raise _fault(f"/skus/{unknown[0]}", f"No line of quote {quote.number} sells {unknown[0]}.")
        try:
            check_amounts(quote)
        except Rejected as error:
            raise Conflict(error.detail) from error
        corrected = correct(quote, edit.skus)
        await self._require_sold(order.tenant, quote, corrected)
        return corrected

    async def _require_sold(self, tenant: str, quote: Quote, corrected: Quote) -> None:
        """Raise InvalidRequest if a corrected line is outside the price policy, or not sold at all."""
        changed = [(old.sku, new) for old, new in zip(quote.lines, corrected.lines, strict=True) if old.sku != new.sku]
        if not changed:
            return
        asked = msgspec.structs.replace(quote, lines=[line for _, line in changed])
        listed = await self.system.look_up_prices(tenant, asked)
        for old_sku, line in changed:
            _, problem = self.policy.judge(line, listed.price_for(line.sku, line.recurrence))
            if problem is not None:
                raise _fault(f"/skus/{old_sku}", problem)


def order_corrections(resources: Resources, decisions: FlowDecisions) -> OrderCorrections:
    """Return what an operator may edit of orders, with what a process has."""
    return OrderCorrections(decisions, resources.system, resources.policy)


async def _take_revision(connection: AsyncConnection, flow: Row[Any], revision: int) -> None:
    """Change the order to that revision. Raises Conflict if another order has it."""
    try:
        async with connection.begin_nested():
            await connection.execute(
                update(orders).where(orders.c.order_id == flow.subject).values(quote_revision=revision)
            )
    except IntegrityError as error:
        raise Conflict(f"Revision {revision} of the quote is another order already: discard this flow.") from error


def _require_named_sum(before: Money | None, after: Money | None, named: Money | None) -> None:
    if after is None or (named or before or after) == after:
        return
    was = f", not to {before.amount} as before" if before is not None else ""
    raise _fault(
        "/netTotal", f"The lines come to {after.amount} {after.currency}{was}. Name that sum here if it is meant."
    )


def _parties(quote: Quote) -> tuple[str, str, str]:
    return quote.account_id, quote.legal_entity, quote.currency


async def _sent_by(connection: AsyncConnection, flow_id: str, order_id: str) -> list[_Sent]:
    """Return what a flow may have created for its order, without the customer, which is independent of it."""
    query = select(intents).where(intents.c.flow_id == flow_id).order_by(intents.c.external_id)
    found = [
        _Sent(row.operation_id, row.entity or _entity_of_before(row, order_id), row.system, row.external_id)
        for row in await connection.execute(query)
    ]
    return [sent for sent in found if sent.entity != _CUSTOMER]


def _entity_of_before(row: Row[Any], order_id: str) -> str:
    """Return the kind of record of an intent from before 0018: the external ids of an order start with its id."""
    if not row.external_id.startswith(order_id):
        return _CUSTOMER
    return "order" if row.system.startswith("erp:") else "subscription"


def _fault(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest("The flow cannot be edited like that.", [Fault(pointer=pointer, detail=detail)])
