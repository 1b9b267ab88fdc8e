"""Metrics of unfinished work for Prometheus, counted in the database every few seconds.

Every worker reports the same numbers, so a query takes their maximum, not their sum. They are only counted if metrics
are served, and never while a request waits.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.database.tables import ENDED_ORDERS, events, flows, orders, webhook_inbox
from process_api.engine.flows import FlowStatus
from process_api.inbox.webhook_inbox import InboxStatus
from shared.problem import Unavailable

ORDERS_UNENDED = Gauge(
    "quoteway_orders_unended", "Orders that have not come to an end, by tenant and status.", ["tenant", "status"]
)
FLOWS_UNFINISHED = Gauge(
    "quoteway_flows_unfinished",
    "Flows that wait, are at work or are parked, by tenant and status.",
    ["tenant", "status"],
)
DEAD_LETTERS = Gauge("quoteway_dead_letters", "What waits for a person, by tenant and kind.", ["tenant", "kind"])
OUTBOX_WAITING = Gauge("quoteway_outbox_waiting", "Events that are not published yet.", ["tenant"])
OUTBOX_LAG_S = Gauge("quoteway_outbox_lag_seconds", "How long the oldest of them waits.", ["tenant"])
INBOX_WAITING = Gauge("quoteway_inbox_waiting", "Webhooks that are not applied yet.", ["tenant"])
INBOX_LAG_S = Gauge("quoteway_inbox_lag_seconds", "How long the oldest of them waits.", ["tenant"])
_GAUGES = (
    ORDERS_UNENDED,
    FLOWS_UNFINISHED,
    DEAD_LETTERS,
    OUTBOX_WAITING,
    OUTBOX_LAG_S,
    INBOX_WAITING,
    INBOX_LAG_S,
)
_log = logging.getLogger(__name__)


@dataclass
class BusinessMetrics:
    """Counts until cancelled, every `every_s` seconds."""

    store: Store
    every_s: float = 5.0

    async def run(self) -> None:
        """Count repeatedly. A number that cannot be counted keeps its last value, and is logged once a round."""
        while True:
            try:
                await self.count()
            except Unavailable as error:
                _log.warning("metrics of orders are old: %s", error.detail)
            except Exception:  # noqa: BLE001 what is counted must not end what counts
                _log.exception("metrics of orders could not be counted")
            await asyncio.sleep(self.every_s)

    async def count(self) -> None:
        """Count once. Raises Unavailable."""
        async with self.store.transaction_across_tenants() as connection:
            counted = await _by_status(connection)
            counted += await _waiting(connection)
        for gauge in _GAUGES:
            gauge.clear()  # drop series that have no rows any more
        for gauge, labels, value in counted:
            gauge.labels(*labels).set(value)


Counted = list[tuple[Gauge, tuple[str, ...], float]]


async def _by_status(connection: AsyncConnection) -> Counted:
    unended = (
        select(orders.c.tenant, orders.c.status, func.count())
        .where(orders.c.status.not_in(ENDED_ORDERS))
        .group_by(orders.c.tenant, orders.c.status)
    )
    unfinished = (
        select(flows.c.tenant, flows.c.status, func.count())
        .where(flows.c.finished_at.is_(None))
        .group_by(flows.c.tenant, flows.c.status)
    )
    counted: Counted = [(ORDERS_UNENDED, (row[0], row[1]), row[2]) for row in await connection.execute(unended)]
    for tenant, status, number in (await connection.execute(unfinished)).all():
        counted.append((FLOWS_UNFINISHED, (tenant, status), number))
        if status == FlowStatus.parked:
            counted.append((DEAD_LETTERS, (tenant, "flow"), number))
    return counted


async def _waiting(connection: AsyncConnection) -> Counted:
    outbox = select(events.c.tenant, func.count(), _age_s(events.c.occurred_at), func.count(events.c.dead_at)).where(
        events.c.published_at.is_(None), events.c.discarded_at.is_(None)
    )
    inbox = select(
        webhook_inbox.c.tenant,
        func.count(),
        _age_s(webhook_inbox.c.received_at),
        func.count().filter(webhook_inbox.c.status == InboxStatus.dead),
    ).where(webhook_inbox.c.finished_at.is_(None))
    counted: Counted = []
    for query, table, number_of, lag_of, kind in (
        (outbox, events, OUTBOX_WAITING, OUTBOX_LAG_S, "event"),
        (inbox, webhook_inbox, INBOX_WAITING, INBOX_LAG_S, "webhook"),
    ):
        for tenant, number, lag_s, dead in (await connection.execute(query.group_by(table.c.tenant))).all():
            counted += [(number_of, (tenant,), number), (lag_of, (tenant,), float(lag_s))]
            counted += [(DEAD_LETTERS, (tenant, kind), dead)] if dead else []
    return counted


def _age_s(moment: Any) -> Any:
    return func.extract("epoch", func.now() - func.min(moment))
