"""Flows of a release, stopped before and after each step, as a file: their rows, their vendors, and how each is to end.

The file beside this module was recorded from the release before. Before the next one, record the present release:

    QUOTEWAY_RECORD=tests/faults/flows_of_the_last_release.json.gz python -m pytest tests/faults/record_release.py
"""

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from shared.canonical import (
    Account,
    ErpOrder,
    ErpOrderDraft,
    Quote,
    ReportedOrderStatus,
    Subscription,
    SubscriptionDraft,
)
from tests.process_api.system_stand_in import SystemStandIn

FILE = Path(__file__).parent / "flows_of_the_last_release.json.gz"
# What a migration writes, and what belongs to processes and not to flows.
_NOT_RECORDED = {
    "alembic_version",
    "application_versions",
    "audit_log",
    "dbos_migrations",
    "executors",
    "notifications",
    "queues",
}
# In an order that foreign keys allow.
_FIRST = ("quoteway.orders", "quoteway.flows", "dbos.workflow_status")
_VENDORS: dict[str, Any] = {
    "more_quotes": list[Quote],
    "more_accounts": list[Account],
    "orders": dict[str, ErpOrder],
    "subscriptions": dict[str, Subscription],
    "reports": dict[str, ReportedOrderStatus],
    "drafts": dict[str, ErpOrderDraft],
    "subscription_drafts": dict[str, SubscriptionDraft],
    "journal": list[tuple[str, str]],
}


class Stopped(msgspec.Struct, frozen=True):
    """Where a flow was stopped, and how its order is to end."""

    point: str
    ends: str


class Release(msgspec.Struct, frozen=True):
    """A recorded release: the flows by the id of their order, the rows by table, and what the vendors hold."""

    flows: dict[str, Stopped]
    tables: dict[str, list[dict[str, Any]]]
    vendors: dict[str, Any]


def read_release(file: Path = FILE) -> Release:
    """Return what was recorded."""
    return msgspec.json.decode(gzip.decompress(file.read_bytes()), type=Release)


def write_release(file: Path, database_url: str, system: SystemStandIn, flows: dict[str, Stopped]) -> None:
    """Record the flows of a database, and their vendors."""
    tables: dict[str, list[dict[str, Any]]] = {}
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        names = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema IN ('quoteway', 'dbos') AND table_type = 'BASE TABLE' ORDER BY 1, 2"
        ).fetchall()
        for name in names:
            if name["table_name"] not in _NOT_RECORDED:
                table = sql.Identifier(name["table_schema"], name["table_name"])
                rows = connection.execute(sql.SQL("SELECT to_json(t) AS row FROM {} t").format(table)).fetchall()
                if rows:
                    tables[f"{name['table_schema']}.{name['table_name']}"] = [row["row"] for row in rows]
    vendors = {field: msgspec.to_builtins(getattr(system, field)) for field in _VENDORS}
    file.write_bytes(gzip.compress(msgspec.json.encode(Release(flows, tables, vendors)), mtime=0))


def restore_rows(release: Release, database_url: str) -> None:
    """Put the rows into a database that is migrated to the release's revision."""
    with psycopg.connect(database_url) as connection:
        for name in sorted(release.tables, key=lambda name: (name not in _FIRST, name)):
            rows = release.tables[name]
            table = sql.Identifier(*name.split("."))
            columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
            connection.execute(
                sql.SQL(
                    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
                    " SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s)"
                ).format(table=table, columns=columns),
                [json.dumps(rows)],
            )
            if "position" in rows[0] and not name.endswith("flow_steps"):
                connection.execute(
                    sql.SQL("SELECT setval(pg_get_serial_sequence(%s, 'position'), max(position)) FROM {}").format(
                        table
                    ),
                    [name],
                )


def restore_vendors(release: Release, system: SystemStandIn) -> None:
    """Have the vendors hold what they held."""
    for field, form in _VENDORS.items():
        setattr(system, field, msgspec.convert(release.vendors[field], form))
