"""Webhook endpoints and events."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire import api_version
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import Boolean, Items, Metadata, Param, Text, merge_metadata

# Source: Stripe's API reference, "List all events": "List events, going back up to 30 days".
_EVENTS_KEPT_S = 30 * 86_400
_CHANGEABLE: dict[str, Param] = {"description": Text(unset=True), "metadata": Metadata()}


def create(call: Call) -> Record:
    """POST /v1/webhook_endpoints: the secret is told this once"""
    account, params = call.account, call.params
    endpoint = account.new(
        "webhook_endpoint",
        new_id("we"),
        api_version=params.get("api_version"),
        application=None,
        description=params.get("description"),
        enabled_events=params["enabled_events"],
        metadata=merge_metadata({}, params.get("metadata")),
        status="enabled",
        url=_checked(params["url"]),
    )
    # Events are always in the account's version; a promise of another one would be broken.
    if endpoint["api_version"] not in {None, api_version.DEFAULT}:
        raise invalid(f"The sandbox sends events in version {api_version.DEFAULT} only.", param="api_version")
    endpoint["_secret"] = f"whsec_{secrets.token_urlsafe(24)}"
    account.store.put(endpoint)
    account.note("created", endpoint)
    return endpoint | {"secret": endpoint["_secret"]}


def update(call: Call) -> Record:
    """POST /v1/webhook_endpoints/{id}"""
    account, endpoint, params = call.account, call.fetch("webhook_endpoint"), call.params
    for name in ("description", "enabled_events"):
        if name in params:
            endpoint[name] = params[name]
    if "metadata" in params:
        endpoint["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    if "url" in params:
        endpoint["url"] = _checked(params["url"])
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    account.store.put(endpoint)
    account.note("updated", endpoint)
    return endpoint


def delete(call: Call) -> Record:
    """DELETE /v1/webhook_endpoints/{id}"""
    endpoint = call.fetch("webhook_endpoint")
    call.account.note("deleted", endpoint)
    call.account.store.remove("webhook_endpoint", endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def list_events(call: Call) -> Record:
    """GET /v1/events"""
    types = call.params.get("types")
    if types is not None and "type" in call.params:
        raise invalid("You may only specify one of these parameters: type, types.", param="types")
    success = call.params.get("delivery_success")

    def matches(event: Mapping[str, Any]) -> bool:
        if not _is_kept(call.account, event) or not (types is None or event["type"] in types):
            return False
        return success is None or (event["pending_webhooks"] == 0) == success

    return list_records(call, "event", matches=matches)


def retrieve_event(call: Call) -> Record:
    """GET /v1/events/{id}: for 30 days"""
    event = call.fetch("event")
    if not _is_kept(call.account, event):
        raise no_such("event", event["id"], status=404)
    return event


def _is_kept(account: Account, event: Mapping[str, Any]) -> bool:
    return bool(event["_at"] > account.clock.now() - _EVENTS_KEPT_S)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    # Stripe wants https outside of test mode; a sandbox talks to this machine.
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise invalid("Invalid URL: URL must be a http or https URL.", code="url_invalid", param="url")
    return url


OPERATIONS = (
    Operation(
        "POST",
        "/v1/webhook_endpoints",
        create,
        {
            **_CHANGEABLE,
            "api_version": Text(),
            "enabled_events": Items(of=Text(), required=True),
            "url": Text(required=True),
        },
    ),
    Operation("GET", "/v1/webhook_endpoints", lambda call: list_records(call, "webhook_endpoint"), PAGE),
    Operation("GET", "/v1/webhook_endpoints/{id}", lambda call: call.fetch("webhook_endpoint")),
    Operation(
        "POST",
        "/v1/webhook_endpoints/{id}",
        update,
        {**_CHANGEABLE, "disabled": Boolean(), "enabled_events": Items(of=Text()), "url": Text()},
    ),
    Operation("DELETE", "/v1/webhook_endpoints/{id}", delete),
    Operation(
        "GET",
        "/v1/events",
        list_events,
        {**PAGE, **CREATED, "delivery_success": Boolean(), "type": Text(), "types": Items(of=Text(), count_max=20)},
    ),
    Operation("GET", "/v1/events/{id}", retrieve_event),
)
