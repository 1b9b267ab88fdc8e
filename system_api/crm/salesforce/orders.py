"""The order object of Quoteway's Salesforce package, which shows sellers an order's status; written through the name
map.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from shared.canonical import ReportedOrderStatus
from shared.problem import Unavailable
from shared.shortened import shortened
from system_api.crm.salesforce.errors import VENDOR
from system_api.crm.salesforce.rows import Record, Row
from system_api.crm.salesforce.schema import FieldDescription, OrgSchema
from system_api.crm.salesforce.selection import Selection, fields_missing, require_fields
from system_api.vendor.salesforce_map import SalesforceFields, SalesforceObjects

# What the fields of our package hold. Where the map names another field, describe says what that one holds.
FAILURE_REASON_CHARS_MAX = 1000
SUBSCRIPTIONS_CHARS_MAX = 100
NEEDED = frozenset({"order_id", "status", "version"})
_CENT = Decimal("0.01")


class UpsertAnswer(msgspec.Struct, frozen=True):
    """The answer to an upsert."""

    id: str


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """How an order is written in this org: the fields that it has, as long as they are, by our names."""

    path: str
    paths: dict[str, str]
    createable: frozenset[str]
    updateable: frozenset[str]
    lengths: dict[str, int]

    def held(self, record: Record) -> "HeldOrder":
        """Return the order in a record of the org."""
        row = Row(record, self.paths)
        return HeldOrder(
            id=row.id,
            version=int(row.decimal("version") or 0),
            status=row.text("status"),
            total=row.decimal("total"),
            keeps_total="total" in self.paths,
        )


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order as the org holds it, as far as a report needs it."""

    id: str
    version: int
    status: str | None
    total: Decimal | None
    keeps_total: bool


async def plan_orders(schema: OrgSchema, objects: SalesforceObjects, fields: SalesforceFields) -> OrderPlan:
    """Return the plan for this org. Raises Unavailable if a field is missing that a report cannot do without.

    The report is for people: other fields that the org lacks, or does not let us write, are left out.
    """
    order = Selection(schema, objects.order)
    await order.require_object()
    found: dict[str, FieldDescription] = {}
    for each in msgspec.structs.fields(fields.order):
        taken = await order.take(each.name, getattr(fields.order, each.name), optional=each.name not in NEEDED)
        if taken is not None and _fits(each.name, taken.field, objects):
            found[each.name] = taken.field
    require_fields(order)
    unwritable = [
        f"{found[name].name} of {objects.order} (to write it)" for name in NEEDED if not _writable(found[name])
    ]
    if unwritable:
        raise fields_missing(sorted(unwritable))
    key = found["order_id"]
    if not key.external_id:
        raise Unavailable(
            f"{key.name} of {objects.order} is not marked as an external id in {VENDOR}: no order can be found by it.",
            reason_code="field_missing",
            vendor=VENDOR,
        )
    return OrderPlan(
        path=f"/sobjects/{objects.order}/{key.name}/",
        paths={name: order.paths[name] for name in found},
        createable=frozenset(name for name, each in found.items() if each.createable) - {"order_id"},
        updateable=frozenset(name for name, each in found.items() if each.updateable) - {"order_id"},
        lengths={name: each.length for name, each in found.items() if each.length},
    )


def order_fields(plan: OrderPlan, report: ReportedOrderStatus, *, new: bool, links: dict[str, str]) -> dict[str, Any]:
    """Return the report as fields of the org. Values that the report lacks are cleared: it is complete.

    A text that is longer than its field is shortened, since people read it; an id that is, is left out.

    `links` are the account and the quote, as far as they can be referred to.
    """
    values: dict[str, Any] = {
        "account": links.get("account"),
        "quote": links.get("quote"),
        "status": report.status.value,
        "version": report.version,
        "currency": report.currency,
        "total": report.total.value if report.total else None,
        "erp_order_id": _whole(report.erp_order_id, plan.lengths.get("erp_order_id")),
        "erp_order_number": _cut(report.erp_order_number, plan.lengths.get("erp_order_number")),
        "subscription_ids": _joined(report.subscription_ids, plan.lengths.get("subscription_ids")),
        "failure_reason": _cut(report.failure_reason, plan.lengths.get("failure_reason", FAILURE_REASON_CHARS_MAX)),
    }
    writable = plan.createable if new else plan.updateable
    # Not cleared if the quote could not be used: Salesforce may require them, and may know more.
    unknown = {name for name in ("account", "currency") if values[name] is None}
    return {plan.paths[name]: value for name, value in values.items() if name in writable - unknown}


def differing_fields(plan: OrderPlan, held: HeldOrder, report: ReportedOrderStatus) -> list[str]:
    """Return the fields in which a record that was read back differs from the report of the same version."""
    differing = [plan.paths["status"]] if held.status != report.status.value else []
    if not held.keeps_total or "total" not in plan.updateable & plan.createable:
        return differing
    total = report.total.value if report.total else None
    # The org keeps two decimals, whatever the currency has.
    if (held.total is None) != (total is None) or (
        held.total is not None and total is not None and abs(held.total - total) >= _CENT
    ):
        differing.append(plan.paths["total"])
    return differing


def _fits(name: str, field: FieldDescription, objects: SalesforceObjects) -> bool:
    """Return whether a reference leads to the mapped object: an order's quote may belong to another product."""
    wanted = {"quote": objects.quote, "account": objects.account}.get(name)
    return wanted is None or not field.refers_to or wanted in field.refers_to


def _writable(field: FieldDescription) -> bool:
    return field.createable and field.updateable


def _joined(subscription_ids: list[str], chars_max: int | None) -> str | None:
    """As many whole ids as the field holds."""
    chars_max = chars_max or SUBSCRIPTIONS_CHARS_MAX
    joined = ",".join(subscription_ids)
    if len(joined) > chars_max:
        joined = joined[: max(joined.rfind(",", 0, chars_max + 1), 0)]
    return joined or None


def _whole(text: str | None, chars_max: int | None) -> str | None:
    return text if text is None or chars_max is None or len(text) <= chars_max else None


def _cut(text: str | None, chars_max: int | None) -> str | None:
    return text if text is None or chars_max is None else shortened(text, chars_max) or None
