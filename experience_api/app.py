"""The experience API: quote-to-cash for Salesforce's Lightning components, Apex and Flow. It keeps no state."""

from pathlib import Path

from litestar import Litestar

from experience_api.external_services import salesforce_profile
from experience_api.process_client import ANSWER_WITHIN_S, connect_process
from experience_api.settings import ExperienceSettings
from experience_api.versions import VERSIONS
from shared.audit.log import AuditLog
from shared.audit.writer import Appendable, AuditWriter
from shared.cache.response_cache import open_cache
from shared.identity.acting_user import act_for_token_user, publish_keys
from shared.identity.auth import Authenticator
from shared.identity.issuers import load_issuers
from shared.identity.revocation import RevocationFeed, RevocationWatch
from shared.identity.signing_keys import SigningKeys
from shared.identity.transaction_token import TransactionTokenSigner
from shared.inbound.admission import Load
from shared.inbound.cors import parse_origins
from shared.inbound.service import create_service
from shared.inbound.tier import Checks, Policies, Published, Refusals, Tier
from shared.limits.rate_limit import open_rate_limiter
from shared.operations.versions import mount
from shared.outbound.http_client import Transport

# Many times what people and their pages need; one client stands for all users of a Salesforce org.
RATE_LIMITS = (
    "tenant=30000/minute, client=12000/minute, user=600/minute, "
    "read=12000/minute, write=3000/minute, expensive=3000/minute"
)
TAGS = {
    "accounts": "One customer across Salesforce, the ERP and billing.",
    "orders": "Submit an accepted quote once, and follow what becomes of it.",
    "quotes": "What a quote costs in every system, and what would keep it from being ordered.",
}


def create_app(
    settings: ExperienceSettings,
    *,
    process_transport: Transport | None = None,
    issuer_transport: Transport | None = None,
    audit_log: Appendable | None = None,
) -> Litestar:
    """Return the application.

    Tests replace the network with the transports, and PostgreSQL with `audit_log`.
    """
    signing_keys = SigningKeys(settings.experience_signing_keys_file, "experience_signing_keys_file")
    signer = TransactionTokenSigner(signing_keys, settings.experience_client_id, settings.trust_domain)
    feed = RevocationFeed(settings.process_url, process_transport)
    process = connect_process(settings, signer, process_transport, issuer_transport)
    tier = Tier(
        name="experience",
        published=Published(
            title="Quoteway experience API",
            version="1.0.0",
            description=(
                "Quote-to-cash for Salesforce: submit accepted quotes, follow orders, see accounts across systems."
            ),
            public_url=settings.public_url,
            tags=TAGS,
            examples=Path(__file__).parent / "examples",
            profiles={"salesforce": salesforce_profile},
            answer_within_s=ANSWER_WITHIN_S,
            internal=False,
        ),
        authenticator=Authenticator(
            settings.issuer_metadata_url,
            settings.experience_audience,
            issuers=load_issuers(settings.issuers_file, settings.issuer_metadata_url),
            transport=issuer_transport,
            revocations=RevocationWatch(feed.read, settings.revocations_stale_s),
        ),
        checks=Checks(
            # Not under `ready`: with all instances out of their load balancer, nobody would be told what is away.
            vendors={"process": process.ready},
        ),
        refusals=Refusals(plain=True),
        policies=Policies(
            acting_user=act_for_token_user,
            origins=parse_origins(settings.lightning_origins),
            load=Load(at_once_max=settings.requests_at_once_max, lag_max_s=settings.loop_lag_max_s),
            rate_limiter=open_rate_limiter(settings, "experience", RATE_LIMITS),
            cache=open_cache(settings.redis_url, "experience"),
            audit=AuditWriter(audit_log or AuditLog(settings.audit_database_url)),
        ),
    )
    return create_service(
        tier,
        [publish_keys(signing_keys), *(mount(version) for version in VERSIONS.values())],
        state={"process": process},
        on_shutdown=[process.close, feed.close],
    )
