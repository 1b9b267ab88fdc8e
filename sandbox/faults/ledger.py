"""Compares the vendors' records with the acknowledged orders: nothing twice, nothing lost, nothing left over.

Read from outside Quoteway: Tryton's own database (or its stand-in's journal), billing's and Salesforce's own APIs past
every proxy. Of Quoteway's own data only the events are read, since others rely on them.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
import psycopg

from sandbox.landscape.landscape import Landscape

_ASKED_TOO_OFTEN_S = 0.2
LIVE_SALES = frozenset({"draft", "quotation", "confirmed", "processing", "done"})
LIVE_SUBSCRIPTIONS = frozenset({"active", "trialing", "past_due", "unpaid", "paused", "incomplete"})
CONFIRMED_SALES = frozenset({"confirmed", "processing", "done"})
_SALES = """
SELECT sale.reference, sale.state, count(line.id)
FROM sale_sale AS sale LEFT JOIN sale_line AS line ON line.sale = sale.id
WHERE sale.reference LIKE 'ord\\_%' GROUP BY sale.id ORDER BY sale.id
"""
_PARTIES = "SELECT code, count(DISTINCT party) FROM party_identifier WHERE code LIKE 'SF:%' GROUP BY code"
_EVENTS = "SELECT subject, type FROM quoteway.events ORDER BY subject, sequence"
_ENDINGS = {"booked": "order.booked", "rejected": "order.rejected", "parked": "order.parked"}


@dataclass(frozen=True)
class Acknowledged:
    """An order as its caller knows it: its quote, its end, and what had to be created."""

    order_id: str
    quote_id: str
    status: str
    one_off_lines: int
    periods: tuple[str, ...]


@dataclass(frozen=True)
class Holdings:
    """The vendors' records by order id: sales as (state, lines), subscriptions as (period, status)."""

    sales: dict[str, list[tuple[str, int]]]
    subscriptions: dict[str, list[tuple[str, str]]]
    crm: dict[str, list[str]]
    parties: dict[str, int]
    billing_customers: dict[str, int]
    events: dict[str, list[str]]


@dataclass
class Findings:
    """What is wrong, one sentence each. `parked` is no violation: a person has been asked."""

    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """Everything that must not happen."""
        return [*self.duplicates, *self.lost, *self.leftovers]


def read_holdings(landscape: Landscape) -> Holdings:
    """Read everything from a landscape's vendors that came from orders."""
    events: dict[str, list[str]] = defaultdict(list)
    sales, parties = _of_the_stand_in(landscape) if landscape.light_erp else _of_tryton(landscape)
    with psycopg.connect(landscape.postgres.url(landscape.database)) as connection:
        for subject, kind in connection.execute(_EVENTS):
            events[subject].append(kind)
    subscriptions: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for each in _stripe_all(landscape, "subscriptions", {"status": "all"}):
        external_id = each["metadata"].get("quoteway_external_id", "")
        if external_id.startswith("ord_"):
            order_id, _, period = external_id.rpartition("-")
            subscriptions[order_id].append((period, each["status"]))
    customers: dict[str, int] = defaultdict(int)
    for each in _stripe_all(landscape, "customers", {}):
        if account_id := each["metadata"].get("quoteway_account_id"):
            customers[account_id] += 1
    crm: dict[str, list[str]] = defaultdict(list)
    for record in _crm_orders(landscape):
        crm[record["Order_Id__c"]].append(record["Status__c"])
    return Holdings(sales, subscriptions, crm, parties, customers, events)


def compare(acknowledged: Iterable[Acknowledged], holdings: Holdings, *, complete: bool = False) -> Findings:
    """Return what is wrong.

    `complete`: there are no other orders, so everything else at the vendors is wrong too.
    """
    findings, orders = Findings(), list(acknowledged)
    by_quote: dict[str, set[str]] = defaultdict(set)
    for order in orders:
        if order.status != "rejected":  # a rejection frees the quote for another order
            by_quote[order.quote_id].add(order.order_id)
        _compare_order(order, holdings, findings)
    findings.duplicates += [
        f"quote {quote} became {len(ids)} orders" for quote, ids in by_quote.items() if len(ids) > 1
    ]
    counted = {"ERP": holdings.parties, "billing": holdings.billing_customers}
    for system, customers in counted.items():
        findings.duplicates += [
            f"{system} has {count} customers for {account}" for account, count in customers.items() if count > 1
        ]
    if complete:
        known = {order.order_id for order in orders}
        unknown = (set(holdings.sales) | set(holdings.subscriptions) | set(holdings.crm)) - known
        findings.leftovers += [f"{order_id} is at a vendor, but was never acknowledged" for order_id in sorted(unknown)]
    return findings


def _compare_order(order: Acknowledged, holdings: Holdings, findings: Findings) -> None:
    order_id = order.order_id
    sales = [sale for sale in holdings.sales.get(order_id, []) if sale[0] in LIVE_SALES]
    periods = [period for period, status in holdings.subscriptions.get(order_id, []) if status in LIVE_SUBSCRIPTIONS]
    told = holdings.crm.get(order_id, [])
    findings.duplicates += [
        f"{order_id} has {count} {what}"
        for what, count, allowed in (
            ("sales", len(sales), 1),
            ("subscriptions", len(periods), max(1, len(set(periods)))),
            ("CRM records", len(told), 1),
        )
        if count > allowed
    ]
    match order.status:
        case "booked":
            findings.lost += _missing(order, sales, periods, told)
        case "rejected" | "compensated":
            if sales or periods:
                findings.leftovers.append(f"{order_id} is {order.status}, but {sales} {periods} is left")
        case "parked":
            findings.parked.append(order_id)
        case _:
            findings.lost.append(f"{order_id} never ended: it is {order.status}")
    _compare_events(order, holdings.events.get(order_id, []), findings)


def _missing(order: Acknowledged, sales: list[tuple[str, int]], periods: list[str], told: list[str]) -> list[str]:
    """Return what a booked order lacks."""
    confirmed = [lines for state, lines in sales if state in CONFIRMED_SALES]
    whole = {
        "the ERP": (sales, not order.one_off_lines or confirmed[:1] == [order.one_off_lines]),
        "billing": (periods, set(order.periods) <= set(periods)),
        "Salesforce": (told, told[:1] == ["booked"]),
    }
    return [
        f"{order.order_id} is booked, but {system} holds {held or 'nothing'}"
        for system, (held, right) in whole.items()
        if not right
    ]


def _compare_events(order: Acknowledged, events: list[str], findings: Findings) -> None:
    if order.status not in _ENDINGS:
        return
    endings = [kind for kind in events if kind in _ENDINGS.values()]
    if endings != [_ENDINGS[order.status]]:
        wrong = findings.duplicates if len(endings) > 1 else findings.lost
        wrong.append(f"{order.order_id} is {order.status}, but its events say {endings or 'nothing'}")


def _of_tryton(landscape: Landscape) -> tuple[dict[str, list[tuple[str, int]]], dict[str, int]]:
    """Return sales by reference, and each account's number of parties, from the ERP's own database."""
    sales: dict[str, list[tuple[str, int]]] = defaultdict(list)
    with psycopg.connect(landscape.postgres.url(landscape.tryton.database)) as connection:
        for reference, state, lines in connection.execute(_SALES):
            sales[reference].append((state, lines))
        return sales, {str(code): int(count) for code, count in connection.execute(_PARTIES)}


def _of_the_stand_in(landscape: Landscape) -> tuple[dict[str, list[tuple[str, int]]], dict[str, int]]:
    """Return the same from the stand-in's journal: the last entry of a sale is its current state."""
    journal = f"{landscape.erp_server.url}/_sandbox/journal"
    answer = httpx.get(journal, timeout=60).raise_for_status()
    latest: dict[str, tuple[str, str, int]] = {}
    parties: dict[str, int] = defaultdict(int)
    for entry in answer.json()["entries"]:
        external_id, data = entry["external_id"] or "", entry["data"]
        if entry["object_type"] == "sale.sale" and external_id.startswith("ord_"):
            latest[entry["object_id"]] = (external_id, data["state"], data["lines"])
        elif entry["object_type"] == "party.party" and external_id.startswith("SF:"):
            parties[external_id] += 1
    sales: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for reference, state, lines in latest.values():
        sales[reference].append((state, lines))
    return sales, parties


def _stripe_all(landscape: Landscape, kind: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    key = (landscape.run_dir / "stripe.key").read_text().strip()
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    with httpx.Client(
        base_url=landscape.url("stripe"), headers={"Authorization": f"Bearer {key}"}, timeout=20
    ) as client:
        while True:
            answer = client.get(f"/v1/{kind}", params={"limit": 100, **params, **after})
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                time.sleep(_ASKED_TOO_OFTEN_S)  # Quoteway's own requests use the same quota
                continue
            page = answer.raise_for_status().json()
            found += page["data"]
            if not page["has_more"]:
                return found
            after = {"starting_after": found[-1]["id"]}


def _crm_orders(landscape: Landscape) -> list[dict[str, Any]]:
    with salesforce_client(landscape) as client:
        address = "/services/data/v67.0/query?q=SELECT+Order_Id__c,+Status__c+FROM+Quoteway_Order__c"
        found: list[dict[str, Any]] = []
        while address:
            page = client.get(address).raise_for_status().json()
            found += page["records"]
            address = page.get("nextRecordsUrl", "")
    return found


def salesforce_client(landscape: Landscape) -> httpx.Client:
    """Return a session in the org, past every proxy."""
    credentials = json.loads((landscape.run_dir / "salesforce.json").read_text())
    token = httpx.post(
        f"{landscape.url('salesforce')}/services/oauth2/token",
        data={
            "grant_type": "client_credentials",
            "client_id": credentials["client_id"],
            "client_secret": credentials["client_secret"],
        },
        timeout=20,
    ).raise_for_status()
    bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
    return httpx.Client(base_url=landscape.url("salesforce"), headers=bearer, timeout=20)
