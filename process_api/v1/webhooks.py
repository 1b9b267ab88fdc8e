"""Webhooks: taken from anyone, kept only where the vendor's signature over the very bytes holds."""

import base64
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import HeaderParameter, PathParameter

from process_api.database.store import Store
from process_api.inbox.webhook_connections import WebhookConnections
from process_api.inbox.webhook_inbox import receive
from process_api.system_client import SystemClient
from shared.canonical import WebhookMessage
from shared.canonical.webhook import WEBHOOK_BYTES_MAX
from shared.canonical.wire import END
from shared.identity.principal import Principal
from shared.operations.operation import public
from shared.problem import Fault, InvalidRequest, NotFound, PayloadTooLarge, Rejected
from shared.telemetry.metrics import WEBHOOKS

SOURCE = "stripe"
_SIGNATURE = Fault(pointer="header/Stripe-Signature", detail="Sign the body with this connection's webhook secret.")
ConnectionParameter = Annotated[
    str,
    PathParameter(
        name="connection",
        pattern=r"^[a-z0-9-]{1,40}\.[A-Z0-9][A-Z0-9-]{0,31}" + END,
        description="The tenant and the legal entity whose billing account sends them, such as nordwind.NW-DE.",
    ),
]
SignatureHeader = Annotated[
    str,
    HeaderParameter(name="Stripe-Signature", min_length=1, max_length=1000, description="Stripe's own, unchanged."),
]


class WebhookAccepted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The webhook is kept, and will be applied."""

    event_id: str


@post(
    f"/v1/webhooks/{SOURCE}/{{connection:str}}",
    operation_id="receiveStripeWebhook",
    tags=["webhooks"],
    status_code=202,
    opt=public(
        problems=[400, 404, 408, 413, 429, 503, 504],
        raw_body="Stripe's event, its bytes unchanged.",
        audit="financial",
        limited=True,
    ),
)
async def receive_stripe_webhook(
    request: Request[Any, Any, Any], connection: ConnectionParameter, signature: SignatureHeader
) -> WebhookAccepted:
    """Keep a webhook that Stripe signed within the last five minutes; one sent twice is kept once.

    Needs no token: the signature is the proof. Answers 404 to an address that no connection of ours takes webhooks at,
    400 to a body that this connection's account did not sign, and 503 while that cannot be found out, so that Stripe
    sends it again. A signed event that is not understood is taken, and waits for a person: sent again it would be no
    other.
    """
    system: SystemClient = request.app.state.system
    store: Store = request.app.state.store
    tenant, _, legal_entity = connection.partition(".")
    connections: WebhookConnections = request.app.state.webhook_connections
    try:
        connections.require(tenant, legal_entity)
    except NotFound:
        WEBHOOKS.labels(SOURCE, "unknown").inc()
        raise
    payload = await request.body()
    if len(payload) > WEBHOOK_BYTES_MAX:
        raise PayloadTooLarge(f"The event has {len(payload)} bytes; at most {WEBHOOK_BYTES_MAX} are taken.")
    if not payload:
        raise InvalidRequest("A JSON body is needed.", [Fault(pointer="", detail="The body is missing.")])
    message = WebhookMessage(payload=base64.b64encode(payload).decode(), signature=signature)
    try:
        notice = await system.verify_webhook(tenant, legal_entity, message)
    except Rejected as error:
        if error.reason_code == "webhook_signature":
            WEBHOOKS.labels(SOURCE, "refused").inc()
            raise InvalidRequest(error.detail, [_SIGNATURE]) from error
        raise NotFound(f"No account that sends webhooks is connected as {connection}.") from error
    # The signature proves the sender; the endpoint's address was anyone's claim until now.
    request.scope["user"] = Principal(f"{SOURCE}:{connection}", SOURCE, tenant, frozenset())
    await receive(store, tenant=tenant, source=SOURCE, legal_entity=legal_entity, notice=notice)
    return WebhookAccepted(event_id=notice.event_id)
