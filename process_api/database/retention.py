"""How long each table keeps its rows (docs/operations/retention.md), and the rounds in which a worker forgets them.

A rule is one statement that deletes a batch. Each batch is a transaction of its own with a time limit, followed by a
pause, so that no request waits for housekeeping. An interrupted round keeps what it did; the next one continues.
Several workers may do this at the same time: locked rows are skipped.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from process_api.database.store import Store
from process_api.database.tables import ENDED_ORDERS
from process_api.settings import ProcessSettings
from shared.problem import Unavailable
from shared.telemetry.metrics import ROWS_FORGOTTEN

_log = logging.getLogger(__name__)
_EVERY_S = 3600.0
_PAUSE_S = 0.1
BATCH = 1000
# A batch takes some milliseconds. One that takes this long is blocked, and is retried in an hour.
_STATEMENT_S = 5.0
OLD = "now() - make_interval(days => :days)"
# Durable workflows are named after their flow: process_api.flow_queues.
_FLOW_OF = r"regexp_replace({}, '(\.r[0-9]+)?(\.booking)?$|\.second-look(\.[0-9]+)?$', '')"
# Flows that ended so long ago that nothing is done for them any more. A parked flow has not ended, and one with a
# pending second look has an active workflow.
_ENDED_FLOW = f"""
    flows.finished_at < {OLD} AND flows.status <> 'parked' AND flows.flow_id NOT IN (
        SELECT {_FLOW_OF.format("active.workflow_uuid")} FROM dbos.workflow_status AS active
        WHERE active.status IN ('ENQUEUED', 'PENDING', 'DELAYED')
    )"""  # noqa: S608 constants
_ENGINE = f"""
WITH gone AS MATERIALIZED (
    SELECT workflow.workflow_uuid FROM dbos.workflow_status AS workflow
    JOIN quoteway.flows ON flows.flow_id = {_FLOW_OF.format("workflow.workflow_uuid")}
    WHERE workflow.status NOT IN ('ENQUEUED', 'PENDING', 'DELAYED')
    AND workflow.updated_at < extract(epoch FROM {OLD}) * 1000 AND {_ENDED_FLOW}
    LIMIT :batch FOR UPDATE OF workflow SKIP LOCKED
), outputs AS (
    DELETE FROM dbos.operation_outputs WHERE workflow_uuid IN (SELECT workflow_uuid FROM gone)
), arguments AS (
    DELETE FROM dbos.workflow_input WHERE workflow_uuid IN (SELECT workflow_uuid FROM gone)
), results AS (
    DELETE FROM dbos.workflow_output WHERE workflow_uuid IN (SELECT workflow_uuid FROM gone)
)
DELETE FROM dbos.workflow_status WHERE workflow_uuid IN (SELECT workflow_uuid FROM gone)
"""  # noqa: S608 constants
# The next event of a subject continues the newest one's number, so that one stays while another may come.
_EVENTS = f"""
    event.occurred_at < {OLD} AND (event.published_at < {OLD} OR event.discarded_at < {OLD}) AND (
        EXISTS (
            SELECT FROM quoteway.events AS later WHERE later.tenant = event.tenant AND later.subject = event.subject
            AND later.sequence > event.sequence
        ) OR EXISTS (
            SELECT FROM quoteway.orders WHERE orders.order_id = event.subject AND orders.tenant = event.tenant
            AND orders.status IN ({", ".join(f"'{status}'" for status in ENDED_ORDERS)})
        )
    )"""  # noqa: S608 constants
# A customer's intent is named after its account and serves all its orders; one named after the flow's own subject
# serves that flow alone.
_OWN_INTENT = f"intent.recorded_at < {OLD} AND starts_with(intent.external_id, flows.subject) AND {_ENDED_FLOW}"
_DECISIONS = f"""
    decision.decided_at < {OLD} AND NOT EXISTS (
        SELECT FROM quoteway.flows WHERE flows.flow_id = decision.dead_letter_id AND flows.finished_at IS NULL
    )"""
_REVOCATIONS = f"""
    revocation.revoked_at < {OLD} AND revocation.position < (SELECT max(position) FROM quoteway.token_revocations)"""  # noqa: S608 constants


@dataclass(frozen=True)
class Rule:
    """A retention rule: `statement` deletes `:batch` rows of a table that are older than `:days`."""

    table: str
    days: int
    statement: str


def rules_of(settings: ProcessSettings) -> list[Rule]:
    """Return the rules of all tables, the largest first."""
    history, of_flow = settings.flow_history_kept_days, "JOIN quoteway.flows USING (flow_id)"
    return [
        Rule("dbos.workflow_status", settings.engine_kept_days, _ENGINE),
        old_rows("flow_attempts", "attempt", history, f"attempt.begun_at < {OLD} AND {_ENDED_FLOW}", of_flow),
        old_rows("flow_steps", "step", history, f"step.begun_at < {OLD} AND {_ENDED_FLOW}", of_flow),
        old_rows("intents", "intent", history, _OWN_INTENT, of_flow),
        old_rows(
            "order_timeline",
            "entry",
            settings.order_timeline_kept_days,
            f"entry.at < {OLD} AND {_ENDED_FLOW}",
            "JOIN quoteway.orders USING (order_id) JOIN quoteway.flows ON flows.flow_id = orders.flow_id",
        ),
        old_rows("events", "event", settings.event_kept_days, _EVENTS),
        # The application may not update these rows, so it cannot lock them either: a second worker waits for the first.
        old_rows("dead_letter_decisions", "decision", settings.decisions_kept_days, _DECISIONS, locked=False),
        old_rows("token_revocations", "revocation", settings.decisions_kept_days, _REVOCATIONS, locked=False),
    ]


def old_rows(table: str, row: str, days: int, old: str, joined: str = "", *, locked: bool = True) -> Rule:
    """Return a rule for those rows of our table, aliased `row`, for which `old` is true."""
    lock = f"FOR UPDATE OF {row} SKIP LOCKED" if locked else ""
    found = f"SELECT {row}.ctid FROM quoteway.{table} AS {row} {joined} WHERE {old} LIMIT :batch {lock}"  # noqa: S608 constants
    return Rule(f"quoteway.{table}", days, f"DELETE FROM quoteway.{table} WHERE ctid = ANY(ARRAY({found}))")  # noqa: S608 constants


async def forget(store: Store, rule: Rule, *, pause_s: float = _PAUSE_S) -> int:
    """Delete a batch of a table's old rows. Returns how many. Raises Unavailable."""
    statement, forgotten = text(rule.statement), 0
    limit = text("SELECT set_config('statement_timeout', :limit, true)")
    while True:
        async with store.transaction_across_tenants() as connection:
            await connection.execute(limit, {"limit": f"{round(_STATEMENT_S * 1000)}ms"})
            deleted = (await connection.execute(statement, {"days": rule.days, "batch": BATCH})).rowcount
        ROWS_FORGOTTEN.labels(rule.table).inc(deleted)
        forgotten += deleted
        if deleted < BATCH:
            return forgotten
        await asyncio.sleep(pause_s)


async def forget_all(store: Store, rules: Sequence[Rule]) -> dict[str, int]:
    """Process all tables once. Returns how many rows of each were deleted; a failure does not stop the rest."""
    forgotten = {}
    for rule in rules:
        try:
            forgotten[rule.table] = await forget(store, rule)
        except Unavailable as error:
            _log.warning("old rows of %s stay until the next round: %s", rule.table, error.detail)
        except Exception:  # noqa: BLE001 a defect in one table's rule must not let the others grow
            _log.exception("old rows of %s could not be deleted", rule.table)
        else:
            if forgotten[rule.table]:
                _log.info("%d rows of %s deleted after %d days", forgotten[rule.table], rule.table, rule.days)
    return forgotten


async def keep_tables_small(store: Store, rules: Sequence[Rule], every_s: float = _EVERY_S) -> None:
    """Delete old rows now and then every hour, until cancelled."""
    while True:
        await forget_all(store, rules)
        await asyncio.sleep(every_s)
