"""The platform event of Quoteway's Salesforce package: pages that show an order learn at once that it has changed.

The order's record is the truth. An event that could not be published is missed by a page until it looks again, and
never keeps a report from being told; one that comes twice is known by its version.

Source: Salesforce's Platform Events Developer Guide, "Publish Event Messages with Salesforce APIs" and "Platform Event
Error Status Codes".
"""

import asyncio
import logging

import msgspec

from shared.canonical import ReportedOrderStatus
from shared.problem import QuotewayError
from system_api.crm.salesforce.api import SalesforceApi
from system_api.crm.salesforce.schema import OrgSchema

# A report has been told by then: whoever waits for its answer waits no longer than this for the event.
PUBLISHED_WITHIN_S = 3.0
_log = logging.getLogger(__name__)


class _Noted(msgspec.Struct, frozen=True):
    """What publishing answers. `success` says that the event is queued."""

    success: bool = False


async def publish_order_status(
    api: SalesforceApi, schema: OrgSchema, event: str, order_id: str, report: ReportedOrderStatus
) -> bool:
    """Publish that an order's status was reported; whether that was done. `event`: the org's name for it, or empty."""
    if not event:
        return False
    try:
        async with asyncio.timeout(PUBLISHED_WITHIN_S):
            described = await schema.describe(event)
            if described is None:
                return False
            fields = {"Order_Id__c": order_id, "Status__c": report.status.value, "Version__c": report.version}
            published = (await api.post(f"/sobjects/{event}/", _Noted, fields)).success
    except (QuotewayError, TimeoutError) as error:
        said = error.for_operators if isinstance(error, QuotewayError) else f"no answer in {PUBLISHED_WITHIN_S:g} s"
        _log.warning("order %s version %s: no platform event was published: %s", order_id, report.version, said)
        return False
    if not published:
        _log.warning("order %s version %s: the platform event was not taken", order_id, report.version)
    return published
