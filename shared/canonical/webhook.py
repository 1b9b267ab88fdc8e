"""Webhooks: what a vendor tells us happened. Only a hint where to look: the vendor's own record is what counts."""

from typing import Annotated

from msgspec import Meta

from shared.canonical.wire import END, Canonical, RecordId, ShortText

# What a body of ours (shared.inbound.body.BODY_BYTES_MAX) can hold, once it is written in base64.
WEBHOOK_BYTES_MAX = 675_000
_PAYLOAD_CHARS_MAX = WEBHOOK_BYTES_MAX // 3 * 4
_BASE64_PATTERN = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?" + END


class WebhookMessage(Canonical, frozen=True, kw_only=True):
    """A webhook as it arrived: the body's very bytes in base64, since its signature is over them, and the signature."""

    payload: Annotated[str, Meta(pattern=_BASE64_PATTERN, min_length=4, max_length=_PAYLOAD_CHARS_MAX)]
    signature: Annotated[str, Meta(min_length=1, max_length=1000)]


class WebhookNotice(Canonical, frozen=True, kw_only=True):
    """A webhook that its sender really signed: its id there, and our id of the subscription it is about, if of any.

    `unreadable` says why it is not understood, where it is not; it will be no other when it is sent again.
    """

    event_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,100}" + END)]
    type: ShortText
    subscription_external_id: RecordId | None = None
    unreadable: Annotated[str, Meta(max_length=500)] | None = None
