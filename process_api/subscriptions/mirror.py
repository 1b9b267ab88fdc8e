"""The mirror of subscriptions: what billing says of each of ours, kept so that a change of it becomes an event."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import orders, subscription_states
from process_api.outbox.event_log import append_event
from process_api.system_client import SystemClient
from shared.canonical import Subscription
from shared.events import SubscriptionChanged


@dataclass(frozen=True)
class SubscriptionMirror:
    """Applies webhooks about subscriptions. See InboxHandler."""

    system: SystemClient
    vendor: str = "billing"

    async def read(self, row: Row[Any]) -> Subscription:
        """Return the subscription as billing has it now."""
        return await self.system.find_subscription(row.tenant, row.legal_entity, row.subject)

    async def write(self, connection: AsyncConnection, row: Row[Any], record: Subscription) -> None:
        """Keep the subscription's status, and append an event where it is another than before."""
        await mirror(connection, row, record)


async def mirror(connection: AsyncConnection, row: Row[Any], subscription: Subscription) -> None:
    """Keep the subscription's status, and append an event where it is another than before."""
    key = (subscription_states.c.tenant == row.tenant, subscription_states.c.external_id == row.subject)
    known = (await connection.execute(select(subscription_states).where(*key).with_for_update())).one_or_none()
    if known is not None and known.status == subscription.status:
        await connection.execute(update(subscription_states).where(*key).values(observed_at=func.now()))
        return
    version = 1 if known is None else known.version + 1
    order = await _order_of(connection, row.tenant, subscription)
    order_id = order.order_id if order is not None else None
    account_id = order.account_id if order is not None else None
    values = {
        # One account of the vendor's may serve several legal entities, and tells of all of them at one address.
        "legal_entity": (order.legal_entity if order is not None else None) or row.legal_entity,
        "vendor_id": subscription.vendor_id,
        "order_id": order_id,
        "status": subscription.status,
        "version": version,
        "observed_at": func.now(),
    }
    if known is None:
        await connection.execute(
            insert(subscription_states).values(tenant=row.tenant, external_id=row.subject, **values)
        )
    else:
        await connection.execute(update(subscription_states).where(*key).values(**values))
    changed = SubscriptionChanged(
        external_id=row.subject,
        version=version,
        status=subscription.status,
        vendor_id=subscription.vendor_id,
        order_id=order_id,
        account_id=account_id,
        quote_id=order.quote_id if order is not None else None,
        erp_order_number=order.erp_order_number if order is not None else None,
    )
    await append_event(
        connection, tenant=row.tenant, subject=row.subject, data=changed, correlation_id=row.correlation_id
    )


async def _order_of(
    connection: AsyncConnection, tenant: str, subscription: Subscription
) -> Row[Any, Any, Any, Any, Any] | None:
    """Our order that started the subscription, if one did; it may not have been told the subscription's id yet."""
    known = [orders.c.order_id == subscription.order_id] if subscription.order_id else []
    if subscription.vendor_id is not None:
        known.append(orders.c.subscription_ids.contains([subscription.vendor_id]))
    columns = (orders.c.order_id, orders.c.account_id, orders.c.legal_entity, orders.c.quote_id)
    query = select(*columns, orders.c.erp_order_number).where(orders.c.tenant == tenant, or_(False, *known))
    return (await connection.execute(query.limit(1))).one_or_none()
