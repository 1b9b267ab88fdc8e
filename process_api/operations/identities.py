"""An account's records in each system, and persons' decisions on them.

A decision moves the link and is recorded in its history; the person who decided then retries the waiting flow. Details
of candidates (name, place, limit) are read from the ERP on request, and stored nowhere.
"""

import re
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.access.idempotency import IdempotencyKey, KeyScope, body_hash, claim_key, claimed
from process_api.customers.cross_reference import (
    Known,
    Link,
    LinkChange,
    Pair,
    forget,
    history_of,
    known,
    links_of,
    move,
    require_nobodys,
)
from process_api.customers.drafts import BILLING_CUSTOMER_SHARED, billing_system, customer_draft, erp_system
from process_api.database.store import Store
from process_api.database.tables import flows, orders
from process_api.engine.flows import FlowStatus
from process_api.legal_entities import LegalEntities
from process_api.orders.record import OrderRecord, order_record
from process_api.system_client import SystemClient
from shared.canonical import Account, CustomerEntry
from shared.identity.principal import ActingUser, Principal
from shared.problem import Conflict, NeedsDecision, NotFound, QuotewayError

NEW = "new"
RELINK = "relinkAccount"
SYSTEM_PATTERN = r"^(erp:[A-Z0-9][A-Z0-9-]{0,31}|billing:[A-Z0-9][A-Z0-9-]{0,31}:[A-Z]{3})"
_SYSTEM = re.compile(r"(?P<capability>erp|billing):(?P<legal_entity>[A-Z0-9-]+)(?::(?P<currency>[A-Z]{3}))?")
# The reasons of flows that are parked until a person chooses the account's customer.
UNDECIDED = ("customer_ambiguous", "customer_gone", "customer_shared", BILLING_CUSTOMER_SHARED)
BILLING_STEP = "start_billing"
_HISTORY_MAX, _UNDECIDED_MAX = 100, 20


class Relinking(msgspec.Struct, frozen=True, kw_only=True):
    """A person's decision: the account's record in a system, or that it is a new one there."""

    account_id: str
    system: str
    vendor_id: str
    reason: str


class Undecided(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A flow that waits for a decision: the system, and the customers to choose from.

    `candidatesKnown` is false while that system, or Salesforce, is down.
    """

    system: str
    flow_id: str
    order_id: str
    reason_code: str
    candidates_known: bool
    candidates: list[CustomerEntry] = []


class Identity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An account's records in every system, its earlier ones (newest first), and pending decisions."""

    account_id: str
    cross_references: list[Link]
    history: list[LinkChange]
    undecided: list[Undecided]


class Relinked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a decision. Without a `vendorId` the next order creates a new customer."""

    account_id: str
    system: str
    vendor_id: str | None = None
    before: str | None = None


@dataclass(frozen=True)
class Identities:
    """Shows accounts' records, and carries out persons' decisions about them."""

    store: Store
    system: SystemClient
    legal_entities: LegalEntities

    async def identity(self, tenant: str, account_id: str, legal_entities: frozenset[str] | None) -> Identity:
        """Return an account's records in the systems of these legal entities (None: of all).

        Raises NotFound if there is no such account.
        """
        await self._require_account(tenant, account_id)
        async with self.store.transaction(tenant) as connection:
            links = await links_of(connection, tenant, account_id)
            history = await history_of(connection, tenant, account_id, _HISTORY_MAX)
            query = (
                select(orders, flows.c.reason_code.label("waits_for"), flows.c.current_step)
                .join(flows, (flows.c.tenant == orders.c.tenant) & (flows.c.subject == orders.c.order_id))
                .where(
                    orders.c.tenant == tenant,
                    orders.c.account_id == account_id,
                    flows.c.status == FlowStatus.parked,
                    flows.c.reason_code.in_(UNDECIDED),
                )
                .order_by(flows.c.started_at)
                .limit(_UNDECIDED_MAX)
            )
            rows = await connection.execute(query)
            waiting = [(order_record(row), str(row.waits_for), str(row.current_step)) for row in rows]
        return Identity(
            account_id=account_id,
            cross_references=[each for each in links if _is_of(each.system, legal_entities)],
            history=[each for each in history if _is_of(each.system, legal_entities)],
            undecided=[
                await self._undecided(order, reason, step)
                for order, reason, step in waiting
                if legal_entities is None or order.legal_entity in legal_entities
            ],
        )

    async def relink(
        self, principal: Principal, acting_user: ActingUser | None, key: IdempotencyKey, decision: Relinking
    ) -> Relinked:
        """Link an account to that record of a system from now on, or to a new one. Repeating a decision changes
        nothing.

        A decision sent again with its key gets its first answer, whatever the systems say by now. Raises NotFound where
        there is no such account, or the system is of no legal entity that it buys from and the caller sees; Conflict
        where the record is not there, is blocked, is for another currency, or is another account's already.
        """
        nothing = NotFound(f"Account {decision.account_id} is nothing in {decision.system}.")
        place = _SYSTEM.fullmatch(decision.system)
        if place is None or not _is_of(decision.system, principal.legal_entities):
            raise nothing
        scope, digest = KeyScope.of(principal, acting_user, RELINK), body_hash(decision)
        async with self.store.transaction(principal.tenant) as connection:
            answered = await claimed(connection, scope, key, digest)
        if answered is not None:
            return msgspec.json.decode(answered, type=Relinked)
        pair = Pair(principal.tenant, decision.account_id, decision.system)
        account = await self._require_account(principal.tenant, decision.account_id)
        if place["legal_entity"] != account.legal_entity and not await self._was_linked(pair):
            raise nothing
        if decision.vendor_id != NEW:
            await self._require_usable(principal.tenant, place, decision.vendor_id)
        async with self.store.transaction(principal.tenant) as connection:
            held = await known(connection, pair)
            after = None if decision.vendor_id == NEW else decision.vendor_id
            answer = Relinked(
                account_id=decision.account_id, system=decision.system, vendor_id=after, before=held.vendor_id
            )
            answered = await claim_key(connection, scope, key, digest, msgspec.json.encode(answer).decode())
            if answered is not None:  # by the same request, which was still running when this one came
                return msgspec.json.decode(answered, type=Relinked)
            by = principal.subject if acting_user is None else acting_user.user_id
            await _carry_out(connection, by, pair, held, decision)
        return answer

    async def _require_account(self, tenant: str, account_id: str) -> Account:
        account = await self.system.find_account(tenant, account_id)
        if account is None:
            raise NotFound(f"There is no account {account_id}.")
        return account

    async def _was_linked(self, pair: Pair) -> bool:
        async with self.store.transaction(pair.tenant) as connection:
            changes = await history_of(connection, pair.tenant, pair.canonical_id, _HISTORY_MAX)
            return any(each.system == pair.system for each in changes) or await known(connection, pair) != Known()

    async def _require_usable(self, tenant: str, place: re.Match[str], vendor_id: str) -> None:
        found = await self.system.find_customer_record(tenant, place["capability"], place["legal_entity"], vendor_id)
        if found is None:
            raise Conflict(f"{place[0]} has no customer {vendor_id} (any more).")
        if found.vendor_id != vendor_id:
            raise Conflict(f"Customer {vendor_id} of {place[0]} was merged into {found.vendor_id}: name that.")
        if not found.active:
            raise Conflict(f"Customer {found.number} of {place[0]} is blocked there: have it activated first.")
        if place["currency"] and found.currency not in {None, place["currency"]}:
            raise Conflict(f"Customer {found.number} of {place[0]} is charged in {found.currency}.")

    async def _undecided(self, order: OrderRecord, reason_code: str, step: str) -> Undecided:
        candidates: list[CustomerEntry] | None = None
        in_billing = step == BILLING_STEP or reason_code == BILLING_CUSTOMER_SHARED
        legal_entity, quote = order.legal_entity or "", order.quote
        try:
            account = await self.system.find_account(order.tenant, order.account_id or "")
            if not in_billing and account is not None and quote is not None:
                rules = self.legal_entities.of(order.tenant, legal_entity)
                draft = customer_draft(account, quote, rules)
                candidates = await self.system.find_customer_candidates(order.tenant, legal_entity, draft)
        except QuotewayError:
            candidates = None
        currency = quote.currency if quote is not None else ""
        return Undecided(
            system=billing_system(legal_entity, currency) if in_billing else erp_system(legal_entity),
            flow_id=order.flow_id,
            order_id=order.order_id,
            reason_code=reason_code,
            candidates_known=candidates is not None,
            candidates=candidates or [],
        )


async def _carry_out(
    connection: AsyncConnection, decided_by: str, pair: Pair, held: Known, decision: Relinking
) -> None:
    if decision.vendor_id == NEW:
        if held.new_as is None:
            await forget(connection, pair, held.vendor_id, reason=decision.reason, decided_by=decided_by)
        return
    if held.vendor_id == decision.vendor_id:
        return
    try:
        await require_nobodys(connection, pair, decision.vendor_id)
    except NeedsDecision as error:
        raise Conflict(error.detail) from error
    await move(
        connection,
        pair,
        held.vendor_id,
        decision.vendor_id,
        cause="relinked",
        reason=decision.reason,
        decided_by=decided_by,
    )


def _is_of(system: str, legal_entities: frozenset[str] | None) -> bool:
    return legal_entities is None or system.split(":")[1] in legal_entities
