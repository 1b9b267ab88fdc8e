"""Reads Stripe's signed events, unknown kinds included."""

import hashlib

import msgspec

from shared.canonical import WebhookNotice
from shared.outbound.paths import is_path_segment
from shared.shortened import shortened
from system_api.billing.stripe.records import EventRecord

_MORE = 300


class _AnyEvent(msgspec.Struct, frozen=True):
    """The members of every event, thin ones included."""

    id: str = ""
    type: str = ""


def read_event(payload: bytes) -> WebhookNotice:
    """Return what a signed event is about.

    For one that cannot be read, `unreadable` says why; a redelivery would not change that.
    """
    try:
        event = msgspec.json.decode(payload, type=EventRecord)
        external_id = event.subscription_external_id
        if external_id is not None and not is_path_segment(external_id):
            return _unreadable(payload, f"its subscription's quoteway_external_id {external_id!r} is no id of ours")
        return _notice(event.id, event.type, external_id)
    # ValueError: invalid UTF-8. RecursionError: nested deeper than any event.
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _unreadable(payload, str(error))


def _unreadable(payload: bytes, reason: str) -> WebhookNotice:
    """Return a notice with the event's own id if it has one, else a hash of its bytes, so that it is stored once."""
    try:
        event = msgspec.json.decode(payload, type=_AnyEvent)
        found = _notice(event.id, event.type[:255], None)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = _notice(f"body-{hashlib.sha256(payload).hexdigest()[:40]}", "unknown", None)
    return msgspec.structs.replace(found, unreadable=shortened(f"The event is not understood: {reason}", _MORE))


def _notice(event_id: str, type_: str, external_id: str | None) -> WebhookNotice:
    return msgspec.convert(
        {"eventId": event_id, "type": type_, "subscriptionExternalId": external_id}, type=WebhookNotice
    )
