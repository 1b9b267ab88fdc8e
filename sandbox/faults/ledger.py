"""Compares the vendors' records with the acknowledged orders: nothing twice, nothing lost, nothing left over.

Read from outside Quoteway: Tryton's own database (or its stand-in's journal), billing's and Salesforce's own APIs past
every proxy. Of Quoteway's own data only the events are read, since others rely on them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx
import psycopg

from sandbox.landscape.landscape import Landscape
from sandbox.vendors.salesforce.vendor import SalesforceOrg
from sandbox.vendors.vendor import Holding

LIVE_SALES = frozenset({"draft", "quotation", "confirmed", "processing", "done"})
LIVE_SUBSCRIPTIONS = frozenset({"active", "trialing", "past_due", "unpaid", "paused", "incomplete"})
CONFIRMED_SALES = frozenset({"confirmed", "processing", "done"})
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
    """Ask the first tenant's vendors for everything that came from orders."""
    events: dict[str, list[str]] = defaultdict(list)
    with psycopg.connect(landscape.postgres.url(landscape.database)) as connection:
        for subject, kind in connection.execute(_EVENTS):
            events[subject].append(kind)
    erp, billing, org = (landscape.vendors[name].holdings() for name in ("erp", "stripe", "salesforce"))
    found = Holdings(
        defaultdict(list), defaultdict(list), defaultdict(list), _customers(erp), _customers(billing), events
    )
    for held in (*erp, *billing, *org):
        match held.kind:
            case "sale":
                found.sales[held.external_id].append((held.state, held.lines))
            case "subscription" if held.external_id.startswith("ord_"):
                order_id, _, period = held.external_id.rpartition("-")
                found.subscriptions[order_id].append((period, held.state))
            case "report":
                found.crm[held.external_id].append(held.state)
    return found


def _customers(holdings: list[Holding]) -> dict[str, int]:
    """How many customers each account has."""
    return Counter(held.external_id for held in holdings if held.kind == "customer")


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


def salesforce_client(landscape: Landscape) -> httpx.Client:
    """A session in the first tenant's org, past every proxy."""
    org = landscape.vendors["salesforce"]
    assert isinstance(org, SalesforceOrg)  # noqa: S101 there is no other
    return org.client()
