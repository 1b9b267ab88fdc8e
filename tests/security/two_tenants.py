"""Two tenants, territories and legal entities, and the records of each: what the authorization matrix is played with.

    owner     tenant     legal entity   seen by the users                    changed by
    acme      nordwind   NW-DE          ada, cy                              ada
    bluefin   nordwind   NW-US          ada, bo                              ada, bo
    alpina    suedwind   SW-DE          eva                                  eva

Orders, flows and dead letters are written into the database as their tenant's, so that they are the same in every run.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from sandbox.landscape.landscape import Landscape
from sandbox.vendors.salesforce.records.ids import case_safe


@dataclass(frozen=True)
class Owner:
    """An account, and everything under it that a request can name."""

    name: str
    tenant: str
    legal_entity: str
    account_id: str
    quote_id: str
    order_id: str
    flow_id: str
    webhook_id: str

    def record(self, kind: str) -> str:
        """The id of its record of that kind."""
        return {
            "account": self.account_id,
            "quote": self.quote_id,
            "order": self.order_id,
            "flow": self.flow_id,
            "dead letter": self.flow_id,
            "webhook": self.webhook_id,
        }[kind]


def _owner(name: str, tenant: str, legal_entity: str, account_id: str, quote_id: str) -> Owner:
    order_id = f"ord_{uuid.uuid5(uuid.NAMESPACE_DNS, name).hex}"
    webhook = f"stripe:evt_{name}_0000000000000"[:30]
    return Owner(name, tenant, legal_entity, account_id, quote_id, order_id, f"{tenant}.{order_id}", webhook)


OWNERS = [
    _owner("acme", "nordwind", "NW-DE", "001QW0000000001", "0Q0QW0000000001"),
    _owner("bluefin", "nordwind", "NW-US", "001QW0000000002", "0Q0QW0000000002"),
    _owner("alpina", "suedwind", "SW-DE", "001SW0000000001", "0Q0SW0000000001"),
]


def absent(record_id: str) -> str:
    """An id of the same form and length that no record has: its last characters are others."""
    return record_id[:-3] + ("zzz" if record_id.startswith(("001", "0Q0", "stripe")) else "fff")


def write_records(landscape: Landscape) -> None:
    """An order, its parked flow and a dead webhook for each owner."""
    with psycopg.connect(landscape.postgres.url(landscape.database)) as connection:
        for owner in OWNERS:
            connection.execute(
                "INSERT INTO quoteway.orders (order_id, tenant, quote_id, quote_revision, flow_id, status, version,"
                " account_id, legal_entity, currency, reason)"
                " VALUES (%s, %s, %s, 77, %s, 'parked', 1, %s, %s, 'EUR', %s)",
                [
                    owner.order_id,
                    owner.tenant,
                    case_safe(owner.quote_id),
                    owner.flow_id,
                    case_safe(owner.account_id),
                    owner.legal_entity,
                    f"secret of {owner.name}",
                ],
            )
            connection.execute(
                "INSERT INTO quoteway.flows (flow_id, tenant, kind, subject, status, correlation_id, requested_by,"
                " reason, results, account_id, legal_entity)"
                " VALUES (%s, %s, 'order_submission', %s, 'parked', 'c', 'matrix', %s, %s, %s, %s)",
                [
                    owner.flow_id,
                    owner.tenant,
                    owner.order_id,
                    f"secret of {owner.name}",
                    Jsonb({}),
                    case_safe(owner.account_id),
                    owner.legal_entity,
                ],
            )
            source, _, event_id = owner.webhook_id.partition(":")
            connection.execute(
                "INSERT INTO quoteway.webhook_inbox (tenant, source, event_id, legal_entity, type, subject, status,"
                " reason, correlation_id) VALUES (%s, %s, %s, %s, 'invoice.paid', %s, 'dead', %s, 'c')",
                [
                    owner.tenant,
                    source,
                    event_id,
                    owner.legal_entity,
                    f"{owner.order_id}:month",
                    f"secret of {owner.name}",
                ],
            )


def state_of(landscape: Landscape, owner: Owner) -> dict[str, Any]:
    """What the database holds of the owner's records: what a refused write must not change."""
    with psycopg.connect(landscape.postgres.url(landscape.database)) as connection:
        source, _, event_id = owner.webhook_id.partition(":")
        rows = {
            "order": ("SELECT status, version FROM quoteway.orders WHERE order_id = %s", [owner.order_id]),
            "flow": ("SELECT status, generation FROM quoteway.flows WHERE flow_id = %s", [owner.flow_id]),
            "webhook": (
                "SELECT status, attempts FROM quoteway.webhook_inbox WHERE source = %s AND event_id = %s",
                [source, event_id],
            ),
            "decisions": (
                "SELECT count(*) FROM quoteway.dead_letter_decisions WHERE dead_letter_id IN (%s, %s)",
                [owner.flow_id, owner.webhook_id],
            ),
            "orders of its quote": (
                (
                    "SELECT count(*) FROM quoteway.orders"
                    " WHERE quote_id IN (%s, %s) AND quote_revision = 1 AND tenant = %s"
                ),
                [owner.quote_id, case_safe(owner.quote_id), owner.tenant],
            ),
        }
        return {name: connection.execute(query, values).fetchone() for name, (query, values) in rows.items()}
