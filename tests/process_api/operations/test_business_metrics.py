"""What Prometheus is told of orders that have not come to an end."""

import uuid

from prometheus_client import REGISTRY
from sqlalchemy import insert, text

from process_api.database.tables import events, flows, orders, webhook_inbox
from process_api.operations.business_metrics import BusinessMetrics
from tests.process_api.conftest import Process


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_what_waits_is_counted_by_tenant_and_what_has_ended_is_not(process: Process) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    store = process.worker.store
    async with store.transaction(tenant) as connection:
        for place, (order_status, flow_status) in enumerate(
            [("parked", "parked"), ("parked", "parked"), ("booking", "running"), ("booked", "succeeded")]
        ):
            order_id = f"ord_{uuid.uuid4().hex}"
            order = {"order_id": order_id, "tenant": tenant, "quote_id": order_id, "quote_revision": 1, "version": 1}
            await connection.execute(insert(orders).values(**order, flow_id=f"{tenant}.{place}", status=order_status))
            flow = {"flow_id": f"{tenant}.{place}", "tenant": tenant, "kind": "order_submission", "subject": order_id}
            ended = text("now()") if flow_status == "succeeded" else None
            await connection.execute(
                insert(flows).values(
                    **flow, status=flow_status, correlation_id="c", requested_by="r", finished_at=ended
                )
            )
        event = {"tenant": tenant, "type": "order.parked", "data": {}, "correlation_id": "c", "subject": "s"}
        for sequence, discarded in ((1, None), (2, None), (3, text("now()"))):
            await connection.execute(
                insert(events).values(
                    **event,
                    event_id=uuid.uuid4(),
                    sequence=sequence,
                    occurred_at=text(f"now() - interval '{60 * sequence} seconds'"),
                    published_at=None,
                    discarded_at=discarded,
                    dead_at=text("now()"),  # so that the running relay leaves them alone
                )
            )
        webhook = {"tenant": tenant, "source": "stripe", "legal_entity": "X", "type": "t", "subject": "s"}
        await connection.execute(
            insert(webhook_inbox).values(**webhook, event_id="evt_1", status="dead", correlation_id="c")
        )
    try:
        await BusinessMetrics(store).count()

        assert told("quoteway_orders_unended", tenant=tenant, status="parked") == 2
        assert told("quoteway_orders_unended", tenant=tenant, status="booking") == 1
        assert told("quoteway_orders_unended", tenant=tenant, status="booked") is None
        assert told("quoteway_flows_unfinished", tenant=tenant, status="parked") == 2
        assert told("quoteway_dead_letters", tenant=tenant, kind="flow") == 2
        assert told("quoteway_dead_letters", tenant=tenant, kind="event") == 2
        assert told("quoteway_dead_letters", tenant=tenant, kind="webhook") == 1
        assert told("quoteway_outbox_waiting", tenant=tenant) == 2
        lag_s = told("quoteway_outbox_lag_seconds", tenant=tenant)
        assert lag_s is not None
        assert 120 <= lag_s < 180
        assert told("quoteway_inbox_waiting", tenant=tenant) == 1
    finally:
        async with store.transaction(tenant) as connection:
            for table in (webhook_inbox, events, flows, orders):
                await connection.execute(table.delete().where(table.c.tenant == tenant))

    await BusinessMetrics(store).count()
    assert told("quoteway_outbox_waiting", tenant=tenant) is None
