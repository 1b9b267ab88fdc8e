"""Stripe's events: what one that Stripe has signed is about, also where it is of a kind that we do not know."""

import hashlib

import msgspec

from shared.canonical import WebhookNotice
from shared.outbound.paths import is_path_segment
from shared.shortened import shortened
from system_api.billing.stripe.records import EventRecord

_MORE = 300


class _AnyEvent(msgspec.Struct, frozen=True):
    """What every event has, thin ones included."""

    id: str = ""
    type: str = ""


def read_event(payload: bytes) -> WebhookNotice:
    """What a signed event is about. One that is not understood says why in `unreadable`: it will be no other later."""
    try:
        event = msgspec.json.decode(payload, type=EventRecord)
        external_id = event.subscription_external_id
        if external_id is not None and not is_path_segment(external_id):
            return _unreadable(payload, f"its subscription's quoteway_external_id {external_id!r} is no id of ours")
        return _notice(event.id, event.type, external_id)
    # ValueError: bytes that are no UTF-8. RecursionError: nested deeper than any event.
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _unreadable(payload, str(error))


def _unreadable(payload: bytes, reason: str) -> WebhookNotice:
    """By its own id where it has a usable one; else by its bytes, so that it is kept once however often it comes."""
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
