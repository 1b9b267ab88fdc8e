"""What the tables keep and forget: months of orders go by, and only what is a business record grows."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from process_api.access.idempotency import prune_keys
from process_api.database import retention
from process_api.database.retention import Rule, forget, forget_all, keep_tables_small, rules_of
from process_api.database.store import Store
from process_api.inbox.webhook_inbox import prune
from process_api.migrate import migrate
from process_api.settings import ProcessSettings
from sandbox.engines.postgres import PostgresEngine
from tests.patience import HANG_S, until
from tests.process_api.conftest import Process

PAGE = Path(__file__).parents[3] / "docs" / "operations" / "retention.md"
# Business records, and what there is one of for each account, subscription or process: they stay.
STAYS = {"orders", "flows", "cross_references", "cross_reference_history", "subscription_states"}
MONTH_DAYS, MONTHS, ORDERS_A_MONTH = 30, 18, 20

# What an order leaves: how many rows in which table, and what is in them. `made` has an order's id and when it ended.
FLOW, OF_FLOW, WORKFLOW = "'nordwind.' || order_id", {"flow_id": "'nordwind.' || order_id"}, "workflow_uuid"
LAST_CHANGE = "SELECT coalesce(max(sequence), 0) FROM quoteway.events WHERE subject = 'sub_1'"
ROWS: list[tuple[str, int, dict[str, str]]] = [
    (
        "quoteway.flows",
        1,
        {
            "flow_id": FLOW,
            "tenant": "'nordwind'",
            "kind": "'order_submission'",
            "subject": "order_id",
            "status": "status",
        }
        | {"correlation_id": "'c'", "requested_by": "'r'", "started_at": "at"}
        | {"finished_at": "CASE WHEN status <> 'parked' THEN at END"},
    ),
    (
        "quoteway.orders",
        1,
        {"order_id": "order_id", "tenant": "'nordwind'", "quote_id": "order_id", "quote_revision": "1", "flow_id": FLOW}
        | {"status": "CASE status WHEN 'succeeded' THEN 'booked' ELSE status END", "version": "1", "created_at": "at"},
    ),
    (
        "quoteway.order_timeline",
        3,
        {"order_id": "order_id", "version": "n", "status": "'booked'", "step": "'end'", "message": "'m'", "at": "at"},
    ),
    (
        "quoteway.flow_attempts",
        3,
        {**OF_FLOW, "step": "'step_' || n", "direction": "'forward'", "attempt": "1", "outcome": "'done'"}
        | {"executor_id": "'w'", "begun_at": "at"},
    ),
    (
        "quoteway.flow_steps",
        3,
        {**OF_FLOW, "step": "'step_' || n", "position": "n", "state": "'done'", "begun_at": "at"},
    ),
    (
        "quoteway.intents",
        1,
        {**OF_FLOW, "operation_id": "order_id || ':erp'", "tenant": "'nordwind'", "system": "'erp'"}
        | {"external_id": "order_id", "payload_hash": "'h'", "recorded_at": "at"},
    ),
    # Of the order itself, and of a subscription that all of them change.
    *(
        (
            "quoteway.events",
            1,
            {"event_id": "gen_random_uuid()", "tenant": "'nordwind'", "subject": subject, "sequence": sequence}
            | {
                "type": "'t'",
                "data": "'{}'::jsonb",
                "correlation_id": "'c'",
                "occurred_at": "at",
                "published_at": "at",
            },
        )
        for subject, sequence in (
            ("order_id", "1"),
            (
                "'sub_1'",
                f"row_number() OVER () + ({LAST_CHANGE})",
            ),
        )
    ),
    (
        "quoteway.request_keys",
        1,
        {"tenant": "'nordwind'", "client_id": "'c'", "acting_user": "''", "operation": "'o'", "body_hash": "'h'"}
        | {"idempotency_key": "order_id", "record_id": "order_id", "created_at": "at"},
    ),
    (
        "quoteway.idempotency_keys",
        1,
        {"tenant": "'nordwind'", "idempotency_key": "order_id", "body_hash": "'h'", "order_id": "order_id"}
        | {"created_at": "at"},
    ),
    (
        "quoteway.webhook_inbox",
        1,
        {"tenant": "'nordwind'", "source": "'s'", "event_id": "order_id", "legal_entity": "'NW-DE'", "type": "'t'"}
        | {"subject": "''", "status": "'applied'", "correlation_id": "'c'", "received_at": "at", "finished_at": "at"},
    ),
    (
        "quoteway.dead_letter_decisions",
        1,
        {"decision_id": "gen_random_uuid()", "tenant": "'nordwind'", "dead_letter_id": FLOW, "action": "'retry'"}
        | {"decided_by": "'o'", "correlation_id": "'c'", "decided_at": "at"},
    ),
    (
        "quoteway.token_revocations",
        1,
        {"tenant": "'nordwind'", "token_id": "order_id", "mark": "'m'", "reason": "'r'", "revoked_by": "'o'"}
        | {"correlation_id": "'c'", "revoked_at": "at"},
    ),
    *(
        entry
        for suffix in ("", ".booking", ".r2", ".r2.booking", ".second-look", ".second-look.2")
        for entry in (
            (
                "dbos.workflow_status",
                1,
                {WORKFLOW: f"{FLOW} || '{suffix}'", "status": "look" if suffix == ".second-look.2" else "'SUCCESS'"}
                | {"created_at": "ms", "updated_at": "ms", "priority": "0"},
            ),
            ("dbos.workflow_input", 1, {WORKFLOW: f"{FLOW} || '{suffix}'", "retention_timestamp": "ms"}),
            ("dbos.workflow_output", 1, {WORKFLOW: f"{FLOW} || '{suffix}'", "retention_timestamp": "ms"}),
            (
                "dbos.operation_outputs",
                3,
                {WORKFLOW: f"{FLOW} || '{suffix}'", "function_id": "n", "function_name": "'f'"}
                | {"retention_timestamp": "ms"},
            ),
        )
    ),
]
MADE = """
WITH made AS (
    SELECT 'ord_' || %(batch)s || '_' || number AS order_id, %(status)s AS status, %(look)s AS look,
        now() - make_interval(days => %(age)s) AS at,
        (extract(epoch FROM now() - make_interval(days => %(age)s)) * 1000)::bigint AS ms
    FROM generate_series(1, %(orders)s) AS number
)
"""


class History:
    """A database in which time passes."""

    def __init__(self, url: str, settings: ProcessSettings) -> None:
        self.store, self.settings = Store(url), settings
        self.owner = psycopg.connect(url, autocommit=True)

    def orders(self, age: int, count: int, status: str = "succeeded", look: str = "SUCCESS") -> str:
        """Make what that many orders leave which ended `age` days ago. Returns what their ids have in common."""
        batch = uuid.uuid4().hex[:8]
        values = {"batch": batch, "age": age, "orders": count, "status": status, "look": look}
        with self.owner.transaction():
            for table, rows, columns in ROWS:
                selected = f"SELECT {', '.join(columns.values())} FROM made, generate_series(1, {rows}) AS n"
                self.owner.execute(f"{MADE} INSERT INTO {table} ({', '.join(columns)}) {selected}".encode(), values)
        return batch

    def pass_days(self, days: int) -> None:
        """Make every row older, whatever triggers say."""
        with self.owner.transaction():
            self.owner.execute("SET LOCAL session_replication_role = replica")
            columns = self.owner.execute(
                "SELECT table_name, string_agg(format('%1$I = %1$I - make_interval(days => $1)', column_name), ', ')"
                " FROM information_schema.columns WHERE table_schema = 'quoteway'"
                " AND data_type = 'timestamp with time zone' GROUP BY table_name"
            ).fetchall()
            for table, changes in columns:
                self.owner.execute(f"UPDATE quoteway.{table} SET {changes.replace('$1', str(days))}".encode())
            ms = days * 86_400_000
            self.owner.execute(f"UPDATE dbos.workflow_status SET updated_at = updated_at - {ms}".encode())

    async def keep_house(self) -> None:
        """A round of everything that forgets."""
        await forget_all(self.store, rules_of(self.settings))
        await prune_keys(self.store, self.settings.idempotency_kept_days)
        await prune(self.store, self.settings.inbox_kept_days)

    def count(self, table: str, where: str = "true") -> int:
        row = self.owner.execute(f"SELECT count(*) FROM {table} WHERE {where}".encode()).fetchone()
        return int(row[0]) if row else 0

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        names = self.owner.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_schema IN ('quoteway', 'dbos') AND table_type = 'BASE TABLE'"
        )
        return {name: self.count(name) for (name,) in names.fetchall()}


@pytest.fixture(scope="module")
def migrated(postgres: PostgresEngine) -> str:
    name = f"retention_{uuid.uuid4().hex[:8]}"
    postgres.create_database(name)
    migrate(postgres.url(name))
    return name


@pytest_asyncio.fixture
async def history(postgres: PostgresEngine, migrated: str, process_settings: ProcessSettings) -> AsyncIterator[History]:
    name = f"retention_{uuid.uuid4().hex[:8]}"
    postgres.create_database(name, migrated)
    made = History(
        postgres.url(name),
        msgspec.structs.replace(process_settings, decisions_kept_days=365, order_timeline_kept_days=180),
    )
    yield made
    made.owner.close()
    await made.store.close()


async def test_over_a_year_and_a_half_only_business_records_grow(history: History) -> None:
    by_month = []
    for _ in range(MONTHS):
        history.orders(0, ORDERS_A_MONTH)
        history.pass_days(MONTH_DAYS)
        await history.keep_house()
        by_month.append(history.counts())

    year, end = by_month[-5], by_month[-1]
    assert year["quoteway.orders"] < end["quoteway.orders"] == MONTHS * ORDERS_A_MONTH
    for table, rows in end.items():
        if table.removeprefix("quoteway.") not in STAYS:
            assert rows == year[table], f"{table} grows"
    filled = {table for table, rows in by_month[0].items() if rows}
    assert {rule.table for rule in rules_of(history.settings)} - {"dbos.workflow_status"} <= filled
    assert end["dbos.workflow_status"] == end["dbos.operation_outputs"] == end["dbos.workflow_input"] == 0


async def test_the_engines_rows_of_a_flow_that_may_go_on_stay(history: History) -> None:
    parked = history.orders(300, 2, status="parked")
    looked_for = [history.orders(300, 1, look=status) for status in ("DELAYED", "ENQUEUED", "PENDING")]
    young = history.orders(6, 2)
    gone = history.orders(8, 2)

    await history.keep_house()

    for table in ("workflow_status", "workflow_input", "workflow_output", "operation_outputs"):
        each = 18 if table == "operation_outputs" else 6
        kept = {
            batch: history.count(f"dbos.{table}", f"workflow_uuid LIKE '%{batch}%'")
            for batch in (parked, young, gone, *looked_for)
        }
        assert kept == {parked: 2 * each, young: 2 * each, gone: 0, **dict.fromkeys(looked_for, each)}, table
    for batch, flows in ((parked, 2), *((batch, 1) for batch in looked_for)):
        of_it = f"flow_id LIKE '%{batch}%'"
        for table in ("flow_attempts", "flow_steps"):
            assert history.count(f"quoteway.{table}", of_it) == flows * 3
        assert history.count("quoteway.intents", of_it) == flows


async def test_the_next_event_of_a_subject_goes_on_with_the_sequence(history: History) -> None:
    history.orders(60, 4)
    open_order = history.orders(60, 1, status="parked")

    await history.keep_house()

    left = "SELECT subject, sequence FROM quoteway.events ORDER BY subject"
    assert history.owner.execute(left).fetchall() == [(f"ord_{open_order}_1", 1), ("sub_1", 5)]


async def test_an_event_that_is_not_published_stays(history: History) -> None:
    history.orders(300, 3)
    history.owner.execute("UPDATE quoteway.events SET published_at = NULL")

    await history.keep_house()

    assert history.count("quoteway.events") == 6


async def test_a_customers_intent_serves_its_later_orders_and_stays(history: History) -> None:
    history.orders(300, 1)
    history.owner.execute("UPDATE quoteway.intents SET external_id = '001QW0000000001AAA'")

    await history.keep_house()

    assert history.count("quoteway.intents") == 1


async def test_decisions_about_a_flow_that_is_still_parked_stay(history: History) -> None:
    parked = history.orders(500, 1, status="parked")
    history.orders(500, 1)

    await history.keep_house()

    assert history.count("quoteway.dead_letter_decisions") == 1
    assert history.count("quoteway.dead_letter_decisions", f"dead_letter_id LIKE '%{parked}%'") == 1


@pytest.mark.parametrize("table", ["dead_letter_decisions", "token_revocations"])
async def test_nobody_deletes_a_decision_within_a_year(history: History, table: str) -> None:
    history.orders(364, 1)
    history.orders(366, 1)
    for role in ("quoteway_app", None):
        with history.owner.transaction(force_rollback=True):
            if role:
                history.owner.execute(f"SET LOCAL ROLE {role}".encode())
                history.owner.execute("SELECT set_config('quoteway.tenant', '*', true)")
            with pytest.raises(psycopg.errors.RaiseException, match="append-only for a year"):
                history.owner.execute(f"DELETE FROM quoteway.{table}".encode())
    with history.owner.transaction(), pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        history.owner.execute(f"UPDATE quoteway.{table} SET reason = ''".encode())

    moment = "decided_at" if table == "dead_letter_decisions" else "revoked_at"
    history.owner.execute(f"DELETE FROM quoteway.{table} WHERE {moment} < now() - interval '365 days'".encode())
    assert history.count(f"quoteway.{table}") == 1


async def test_rows_that_another_holds_are_passed_over_and_deleted_later(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    history.orders(300, 3)
    rule = next(rule for rule in rules_of(history.settings) if rule.table == "quoteway.flow_attempts")
    with psycopg.connect(history.store.engine.url.set(drivername="postgresql").render_as_string(False)) as other:
        other.execute("SELECT FROM quoteway.flow_attempts WHERE step = 'step_1' FOR UPDATE")
        assert await forget(history.store, rule, pause_s=0) == 6

    assert await forget(history.store, rule, pause_s=0) == 3


async def test_a_round_that_breaks_off_keeps_what_it_did(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.orders(300, 3)
    rule = next(rule for rule in rules_of(history.settings) if rule.table == "quoteway.flow_attempts")
    before = history.count("quoteway.flow_attempts")
    monkeypatch.setattr(retention, "BATCH", 4)
    round_ = asyncio.create_task(forget(history.store, rule, pause_s=2 * HANG_S))
    await until(lambda: history.count("quoteway.flow_attempts") < before)
    round_.cancel()
    await asyncio.gather(round_, return_exceptions=True)

    assert (before, history.count("quoteway.flow_attempts")) == (9, 5)
    assert await forget(history.store, rule, pause_s=0) == 5


async def test_a_rule_that_fails_or_takes_too_long_leaves_the_others_at_work(
    history: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    history.orders(300, 1)
    monkeypatch.setattr(retention, "_STATEMENT_S", 0.2)
    slow = Rule("quoteway.slow", 1, "DELETE FROM quoteway.events WHERE pg_sleep(600) IS NULL AND :days + :batch > 0")
    wrong = Rule("quoteway.wrong", 1, "DELETE FROM quoteway.no_such_table WHERE :days + :batch > 0")
    attempts = next(rule for rule in rules_of(history.settings) if rule.table == "quoteway.flow_attempts")
    before = _deleted(attempts)

    with caplog.at_level("INFO", logger="process_api.database.retention"):
        forgotten = await forget_all(history.store, [slow, wrong, attempts])

    assert forgotten == {"quoteway.flow_attempts": 3}
    assert _deleted(attempts) - before == 3
    said = [record.getMessage() for record in caplog.records]
    assert any("old rows of quoteway.slow stay until the next round" in line for line in said)
    assert any("old rows of quoteway.wrong could not be deleted" in line for line in said)
    assert "3 rows of quoteway.flow_attempts deleted after 180 days" in said


def _deleted(rule: Rule) -> float:
    return REGISTRY.get_sample_value("quoteway_rows_forgotten_total", {"table": rule.table}) or 0


async def test_an_order_whose_history_is_forgotten_can_still_be_read(process: Process) -> None:
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    long_ago = [
        "UPDATE quoteway.flows SET finished_at = now() - interval '500 days' WHERE flow_id = %(flow)s",
        "UPDATE quoteway.order_timeline SET at = now() - interval '500 days' WHERE order_id = %(order)s",
        "UPDATE quoteway.flow_attempts SET begun_at = now() - interval '500 days' WHERE flow_id = %(flow)s",
        "UPDATE quoteway.flow_steps SET begun_at = now() - interval '500 days' WHERE flow_id = %(flow)s",
        "UPDATE dbos.workflow_status SET updated_at = 0 WHERE starts_with(workflow_uuid, %(flow)s)",
    ]
    with psycopg.connect(process.settings.database_url) as owner:
        for statement in long_ago:
            owner.execute(statement.encode(), {"flow": order["flowId"], "order": order["orderId"]})

    await forget_all(process.worker.store, rules_of(process.settings))

    after = await process.order(order["orderId"])
    flow = await process.flow(order["flowId"])
    assert order["timeline"]
    assert after == {**order, "timeline": []}
    assert (flow["flow"]["status"], flow["steps"], flow["attempts"]) == ("succeeded", [], [])
    with psycopg.connect(process.settings.database_url) as owner:
        found = owner.execute("SELECT FROM dbos.workflow_status WHERE workflow_uuid LIKE %s", [f"{order['flowId']}%"])
        assert found.fetchall() == []
    again = await process.submit()
    assert again.json()["orderId"] == order["orderId"]


async def test_a_worker_deletes_at_once_and_again_and_again(history: History) -> None:
    rounds = asyncio.create_task(keep_tables_small(history.store, rules_of(history.settings), every_s=0.02))
    for _ in range(2):
        history.orders(300, 1)
        async with asyncio.timeout(HANG_S):
            while history.count("quoteway.flow_attempts"):  # noqa: ASYNC110 the database has no way to wait
                await asyncio.sleep(0.02)
    rounds.cancel()
    await asyncio.gather(rounds, return_exceptions=True)


def _tables(url: str) -> Iterator[str]:
    with psycopg.connect(url) as owner:
        found: Any = owner.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_schema IN ('quoteway', 'quoteway_audit', 'dbos') AND table_type = 'BASE TABLE'"
        )
        for (name,) in found:
            yield name


def test_every_table_has_a_retention_on_the_page(postgres: PostgresEngine, migrated: str) -> None:
    page = PAGE.read_text(encoding="utf-8")

    missing = [table for table in _tables(postgres.url(migrated)) if f"`{table.removeprefix('quoteway.')}`" not in page]
    assert missing == [], "say on docs/operations/retention.md how long its rows are kept"
