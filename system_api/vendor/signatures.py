"""Webhook signatures: whether a message really comes from the vendor that it names.

Stripe ("Verify webhook signatures"): the header is `t=<unix seconds>,v1=<hex>[,v1=<hex>…]`, each v1 an HMAC-SHA256 with
the endpoint's secret over `<t>.<the body's bytes>`. There are two v1 while a secret is being rolled. Messages older
than five minutes are refused, since anyone who once saw one could send it again.
"""

import hashlib
import hmac
import re

from shared.problem import Rejected

TOLERANCE_S = 300
_FIELD = re.compile(r"^\s*(t|v1)=([0-9a-f]{1,64})\s*$")


def require_stripe_signature(secret: str, header: str, payload: bytes, *, now_s: float) -> None:
    """Raise Rejected unless `header` signs `payload` with `secret`, within five minutes of `now_s` (unix seconds)."""
    fields = [matched.groups() for matched in map(_FIELD.match, header.split(",")) if matched]
    stamps = [value for name, value in fields if name == "t"]
    if len(stamps) != 1 or not stamps[0].isdecimal():
        raise _refused("The signature header has no time.")
    expected = hmac.new(secret.encode(), f"{stamps[0]}.".encode() + payload, hashlib.sha256).hexdigest()
    signatures = [value for name, value in fields if name == "v1"]
    # Every one is compared, in constant time: the duration must reveal nothing.
    if not any([hmac.compare_digest(expected, given) for given in signatures]):  # noqa: C419 see above
        raise _refused("The signature is not one over this body with this connection's secret.")
    if abs(now_s - int(stamps[0])) > TOLERANCE_S:
        raise _refused(f"The signature is more than {TOLERANCE_S} s away from now.")


def _refused(detail: str) -> Rejected:
    return Rejected(detail, reason_code="webhook_signature")
