"""What tests report of orders to Salesforce."""

import uuid
from typing import Any

import msgspec

from shared.canonical import OrderStatus, ReportedOrderStatus

ACME = "001QW0000000001YAA"


def order_id() -> str:
    return f"ord-{uuid.uuid4().hex[:12]}"


def report(version: int = 1, **changes: Any) -> ReportedOrderStatus:
    first = ReportedOrderStatus(
        account_id=ACME, quote_id="0Q0QW00000000010AA", status=OrderStatus.received, version=version, currency="EUR"
    )
    return msgspec.structs.replace(first, **changes)
