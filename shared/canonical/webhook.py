"""Webhooks: a vendor's notice that something happened. It only says where to look: the vendor's record is what
counts.
"""

from typing import Annotated

from msgspec import Meta

from shared.canonical.wire import END, Canonical, RecordId, ShortText

# The longest body of ours (shared.inbound.body.BODY_BYTES_MAX), in base64.
WEBHOOK_BYTES_MAX = 675_000
_PAYLOAD_CHARS_MAX = WEBHOOK_BYTES_MAX // 3 * 4
_BASE64_PATTERN = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?" + END


class WebhookMessage(Canonical, frozen=True, kw_only=True):
    """A webhook as it arrived: the exact bytes of the body in base64, since they are signed, and the signature."""

    payload: Annotated[str, Meta(pattern=_BASE64_PATTERN, min_length=4, max_length=_PAYLOAD_CHARS_MAX)]
    signature: Annotated[str, Meta(min_length=1, max_length=1000)]


class WebhookNotice(Canonical, frozen=True, kw_only=True):
    """A webhook with a valid signature: the sender's id of it, and our id of the subscription it is about, if any.

    `unreadable` says why it could not be understood, which a redelivery would not change; None if it was.
    """

    event_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,100}" + END)]
    type: ShortText
    subscription_external_id: RecordId | None = None
    unreadable: Annotated[str, Meta(max_length=500)] | None = None
