"""Checks a Stripe account: rights of the key, API version, webhook endpoint. Nothing is written.

Whether the key may write cannot be checked without writing. Source of the default API version: Stripe's API reference,
"Versioning"; the answer's Stripe-Version header has it.
"""

from typing import Any

import msgspec

from system_api.billing.stripe.api import Page, StripeApi
from system_api.connections import EVERY_LEGAL_ENTITY, StripeConnection
from system_api.vendor.findings import Finding, Findings

READ = ("customers", "subscriptions", "invoices", "prices", "tax_rates", "credit_notes")
EVENTS = frozenset(f"customer.subscription.{change}" for change in ("created", "updated", "deleted"))


class _Any(msgspec.Struct, frozen=True):
    id: str


class _Endpoint(msgspec.Struct, frozen=True):
    id: str
    url: str
    status: str = "enabled"
    enabled_events: list[str] = []
    api_version: str | None = None


async def check_account(connection: StripeConnection, api: StripeApi) -> list[Finding]:
    """Return every finding at once; each part is checked even if another one failed."""
    findings = Findings()
    for resource in READ:
        with findings.asking():
            await api.get(f"/v1/{resource}", Page[_Any], _filter(resource))
    with findings.asking():
        theirs = await api.account_version()
        if theirs and theirs != connection.api_version:
            findings.notes(
                f"The connection asks for {connection.api_version} (api_version), and the account's own version is "
                f"{theirs}: webhook endpoints that name no version send events in the account's."
            )
    with findings.asking():
        await _check_webhooks(connection, api, findings)
    return findings.found


async def _check_webhooks(connection: StripeConnection, api: StripeApi, findings: Findings) -> None:
    if connection.webhook_secret is None:
        findings.warns(
            "No webhooks are taken (webhook_secret): what changes in Stripe without Quoteway is not noticed."
        )
        return
    listed = api.list_all("/v1/webhook_endpoints", Page[_Endpoint], {})
    ours = [each async for each in listed if _is_ours(each.url, connection)]
    where = f"/v1/webhooks/stripe/{connection.tenant}.{_entity(connection)}"
    if not ours:
        findings.lacks(f"The account has no webhook endpoint whose address ends in {where}, the process API's.")
        return
    if all(each.status != "enabled" for each in ours):
        findings.lacks(f"The webhook endpoint {ours[0].url} is disabled.")
    heard = {event for each in ours for event in each.enabled_events}
    unheard = sorted(EVENTS - heard) if "*" not in heard else []
    if unheard:
        findings.lacks(f"The webhook endpoint {ours[0].url} is not told of {', '.join(unheard)}.")


def _is_ours(url: str, connection: StripeConnection) -> bool:
    return f"/v1/webhooks/stripe/{connection.tenant}." in url


def _entity(connection: StripeConnection) -> str:
    return "<legal entity>" if connection.legal_entity == EVERY_LEGAL_ENTITY else connection.legal_entity


def _filter(resource: str) -> dict[str, Any]:
    return {"limit": 1, "active": True} if resource == "prices" else {"limit": 1}
