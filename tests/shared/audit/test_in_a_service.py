"""The audit policy around the framework's own answers."""

import httpx
from litestar import post

from shared.audit.writer import AuditWriter
from shared.identity.auth import Authenticator
from shared.inbound.service import create_service
from shared.inbound.tier import Policies, Published, Tier
from shared.operations.operation import operation
from tests.app_lifespan import asgi_transport, running_app
from tests.kept_audit_log import KeptAuditLog
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

KEY = rsa_key()
FINANCIAL = operation(owner="tests", capability="things", scopes=["things:write"], rate="write", audit="financial")


@post("/v1/charges", operation_id="charge", opt=FINANCIAL, status_code=200)
async def charge() -> dict[str, bool]:
    """Make a change that must be in the log before it is answered."""
    return {"charged": True}


async def test_success_that_cannot_be_audited_is_answered_as_unknown_outcome_and_written_later() -> None:
    kept = KeptAuditLog()
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    tier = Tier(
        name="tests",
        published=Published(title="Tests", version="1.0.0", description="A service for tests."),
        authenticator=authenticator,
        policies=Policies(audit=AuditWriter(kept)),
    )
    app = create_service(tier, [charge], state={})
    headers = {"Authorization": f"Bearer {sign(KEY, claims(scope='things:write'))}"}
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test", headers=headers) as client,
    ):
        kept.away = True
        unknown = await client.post("/v1/charges")
        kept.away = False

    assert (unknown.status_code, unknown.json()["reasonCode"]) == (504, "audit_unavailable")
    assert "charged" not in unknown.text
    [entry] = kept.entries
    assert (entry["operation"], entry["outcome"], entry["status"]) == ("charge", "succeeded", 200)
