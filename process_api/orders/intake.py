"""Order intake: creates key, order, flow and queue entry in one transaction."""

import uuid
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.access.idempotency import IdempotencyKey, KeyScope, body_hash, claim_key, is_claimed
from process_api.database.store import Store
from process_api.database.tables import order_timeline, orders
from process_api.engine.flows import authority_of
from process_api.engine.intake import NewFlow, start_flow
from process_api.orders.readiness.examination import Submitted
from process_api.orders.readiness.faults import NotReady
from process_api.orders.readiness.quote_state import changed_total
from process_api.orders.record import OrderRecord, order_record
from process_api.orders.submission import ORDER_SUBMISSION
from process_api.orders.submission_check import SubmissionCheck
from shared.canonical import OrderStatus
from shared.identity.principal import ActingUser, Principal

ORDER_FLOW = ORDER_SUBMISSION.name


class Submission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A caller's submission. Omitted fields are not part of the body's hash, so that keys of earlier releases stay
    valid.
    """

    quote_id: str
    quote_revision: int
    expected_total: str | None = None
    expected_currency: str | None = None

    def submitted(self) -> Submitted:
        """Return the submission for an examination of the quote."""
        total = None if self.expected_total is None else Decimal(self.expected_total)
        return Submitted(self.quote_id, self.quote_revision, total, self.expected_currency)


@dataclass(frozen=True)
class Accepted:
    """The order behind a submission. `replayed`: it existed before."""

    order_id: str
    status: OrderStatus
    replayed: bool


@dataclass(frozen=True)
class OrderIntake:
    """Accepts submissions; workers do the rest."""

    store: Store
    check: SubmissionCheck

    async def accept(
        self,
        principal: Principal,
        key: IdempotencyKey,
        submission: Submission,
        acting_user: ActingUser | None = None,
    ) -> Accepted:
        """Create an order, or return the one that this key or this quote revision already has.

        The flow outlives every token: it stores its acting user and authority.

        Raises IdempotencyMismatch where the key was used with another body, Conflict while another request with it is
        being worked on, Unavailable without a database: sent again with the same key, the request then finds what the
        first one committed, if it did. Raises NotReady where what was ordered before comes to another total than this
        request expects. Raises as `SubmissionCheck.require` does where the quote cannot be ordered;
        no key is claimed then, so that the same request may be sent again once it can.
        """
        scope = KeyScope.of(principal, acting_user, ORDER_FLOW)
        while True:
            async with self.store.transaction(principal.tenant) as connection:
                known = await self._known_order(connection, principal.tenant, submission)
                answered = await is_claimed(connection, scope, key)
            if not answered and known is None:
                await self.check.require(principal.tenant, submission.submitted())
            elif not answered and known is not None:  # whatever became of the quote since, but for what the user saw
                await self._require_total(known, submission)
            accepted = await self._take_in(principal, key, submission, acting_user, known)
            if accepted is not None:
                return accepted
            # Another request has taken the same quote revision meanwhile, or its order has ended: nothing was done.

    async def _require_total(self, known: OrderRecord, submission: Submission) -> None:
        """Refuse a submission whose user saw another total than the order's quote comes to. Raises as the check."""
        submitted = submission.submitted()
        if submitted.expected_total is None:
            return
        if known.quote is not None:
            faults = changed_total(known.quote, submitted)
            if faults:
                raise NotReady(faults)
        elif (known.expected_total, known.expected_currency) != (submitted.expected_total, submitted.expected_currency):
            # Its flow has not read the quote yet, and will hold it against the first request's total only.
            await self.check.require_total(known.tenant, submitted)

    async def _take_in(
        self,
        principal: Principal,
        key: IdempotencyKey,
        submission: Submission,
        acting_user: ActingUser | None,
        checked: OrderRecord | None,
    ) -> Accepted | None:
        """The order; None where the quote revision stands for another order by now than the one that was checked."""
        order_id = f"ord_{uuid.uuid4().hex}"
        async with self.store.transaction(principal.tenant) as connection:
            known = await self._known_order(connection, principal.tenant, submission)
            if (known and known.order_id) != (checked and checked.order_id):
                return None
            scope = KeyScope.of(principal, acting_user, ORDER_FLOW)
            claimed = await claim_key(
                connection, scope, key, body_hash(submission), known.order_id if known else order_id
            )
            if claimed is not None and (known is None or claimed != known.order_id):
                # The key's own order, even if the quote revision has another one since: that was the answer.
                return await self._accepted(connection, claimed)
            if known is not None:
                return Accepted(known.order_id, known.status, replayed=True)
            if await self._insert(connection, principal, acting_user, order_id, submission):
                return Accepted(order_id, OrderStatus.received, replayed=False)
        return None

    async def _known_order(
        self, connection: AsyncConnection, tenant: str, submission: Submission
    ) -> OrderRecord | None:
        query = select(orders).where(
            orders.c.tenant == tenant,
            orders.c.quote_id == submission.quote_id,
            orders.c.quote_revision == submission.quote_revision,
            orders.c.status != OrderStatus.rejected,
        )
        row = (await connection.execute(query)).one_or_none()
        return order_record(row) if row is not None else None

    async def _accepted(self, connection: AsyncConnection, order_id: str) -> Accepted:
        row = (await connection.execute(select(orders).where(orders.c.order_id == order_id))).one()
        return Accepted(order_id, order_record(row).status, replayed=True)

    async def _insert(
        self,
        connection: AsyncConnection,
        principal: Principal,
        acting_user: ActingUser | None,
        order_id: str,
        submission: Submission,
    ) -> bool:
        flow_id = f"{principal.tenant}.{order_id}"
        inserted = await connection.scalar(
            insert(orders)
            .values(
                order_id=order_id,
                tenant=principal.tenant,
                quote_id=submission.quote_id,
                quote_revision=submission.quote_revision,
                expected_total=submission.submitted().expected_total,
                expected_currency=submission.expected_currency,
                flow_id=flow_id,
                status=OrderStatus.received,
                version=1,
            )
            .on_conflict_do_nothing()
            .returning(orders.c.order_id)
        )
        if inserted is None:
            await connection.rollback()
            return False
        await connection.execute(
            insert(order_timeline).values(
                order_id=order_id,
                version=1,
                status=OrderStatus.received,
                step="receive",
                message=f"Order received for revision {submission.quote_revision} of quote {submission.quote_id}.",
            )
        )
        flow = NewFlow(
            flow_id=flow_id,
            tenant=principal.tenant,
            subject=order_id,
            requested_by=principal.subject if acting_user is None else acting_user.user_id,
            authority=authority_of(principal, acting_user),
        )
        await start_flow(connection, ORDER_SUBMISSION, flow)
        return True
