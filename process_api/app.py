"""The process API: orchestration, business state, events. It only enqueues flows; workers run them."""

from pathlib import Path

from litestar import Litestar

from process_api.access.subjects import refuse_handlers_without_subject
from process_api.access.token_revocations import TokenRevocations
from process_api.access.visibility import Visibility, show_only_what_is_visible
from process_api.accounts.account_overview import AccountOverviews
from process_api.database.store import Store
from process_api.engine.decisions import FlowDecisions
from process_api.engine.flows import Flows
from process_api.engine.intents import Intents
from process_api.inbox.webhook_connections import WebhookConnections
from process_api.kinds import KINDS
from process_api.operations.dead_letters import dead_letters
from process_api.operations.flow_edits import FlowEdits
from process_api.operations.identities import Identities
from process_api.orders.intake import OrderIntake
from process_api.orders.quote_readiness import QuoteExaminer
from process_api.orders.record import Orders
from process_api.orders.submission_check import SubmissionCheck
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.pricing.pricing_preview import PricingPreviews
from process_api.resources import Resources
from process_api.settings import ProcessSettings
from process_api.system_client import connect_system
from process_api.v1.accounts import get_account_overview, get_credit_status, list_invoices
from process_api.v1.cross_references import list_cross_references, relink_account
from process_api.v1.dead_letters import discard_dead_letter, edit_dead_letter, list_dead_letters, retry_dead_letter
from process_api.v1.flows import discard_flow, edit_flow, get_flow, list_flows, retry_flow
from process_api.v1.order_search import list_orders
from process_api.v1.orders import get_order, start_order_submission
from process_api.v1.quotes import check_readiness, preview_pricing
from process_api.v1.token_revocations import get_revoked_tokens, list_token_revocations, revoke_tokens
from process_api.v1.webhooks import receive_stripe_webhook
from shared.audit.log import AuditLog
from shared.audit.writer import Appendable, AuditWriter
from shared.cache.response_cache import open_cache
from shared.identity.acting_user import act_for_handed_user
from shared.identity.auth import Authenticator
from shared.identity.issuers import load_issuers
from shared.identity.revocation import RevocationWatch
from shared.identity.token_keys import PublishedKeys
from shared.identity.transaction_token import TransactionTokenVerifier
from shared.inbound.admission import Load
from shared.inbound.service import create_service
from shared.inbound.tier import Checks, Policies, Published, Tier
from shared.limits.rate_limit import open_rate_limiter
from shared.operations.versions import Version, mount
from shared.outbound.http_client import Transport

# The experience tier is one client for all users behind it.
RATE_LIMITS = (
    "tenant=60000/minute, client=60000/minute, user=1200/minute, "
    "read=60000/minute, write=12000/minute, expensive=12000/minute, address=6000/minute"
)
# The experience API is ours and may be asked more often than an issuer, so that its key can change at any time.
KEYS_REFETCH_MIN_S = 5.0
VERSIONS = {
    "v1": Version(
        handlers=(
            start_order_submission,
            get_order,
            get_account_overview,
            get_credit_status,
            list_invoices,
            list_cross_references,
            relink_account,
            preview_pricing,
            check_readiness,
            list_flows,
            list_orders,
            get_flow,
            retry_flow,
            edit_flow,
            discard_flow,
            list_dead_letters,
            retry_dead_letter,
            edit_dead_letter,
            discard_dead_letter,
            receive_stripe_webhook,
            revoke_tokens,
            list_token_revocations,
            get_revoked_tokens,
        )
    )
}
TAGS = {
    "accounts": "What every system knows of a customer, side by side.",
    "cross-references": "Which record an account is in each system, and decisions on it.",
    "dead letters": "Everything that waits for a person, and the decisions on it.",
    "flows": "Every running or finished business process, with each step, attempt and vendor id.",
    "orders": "Submit an accepted quote once, and follow what became of it.",
    "quotes": "What a quote would cost in every system, and what would keep it from being ordered.",
    "tokens": "Access tokens that count no longer.",
    "webhooks": "What vendors tell us, taken by their signature.",
}


def create_app(
    settings: ProcessSettings,
    *,
    system_transport: Transport | None = None,
    issuer_transport: Transport | None = None,
    experience_transport: Transport | None = None,
    audit_log: Appendable | None = None,
) -> Litestar:
    """Return the application.

    Tests replace the network with the transports, and PostgreSQL with `audit_log`.
    """
    store = Store(settings.database_url)
    system = connect_system(settings, system_transport, issuer_transport)
    orders = Orders(store)
    decisions = FlowDecisions(store, KINDS)
    letters = dead_letters(store, decisions)
    policy, legal_entities = DiscountPolicy.of(settings), settings.legal_entities()
    resources = Resources(store, system, Intents(store), policy, legal_entities)

    webhook_connections = WebhookConnections(lambda: system.list_connections(settings.platform_tenant))

    revocations = TokenRevocations(store)
    watch = RevocationWatch(revocations.read, settings.revocations_stale_s)
    users = connect_users(settings, watch, experience_transport)

    async def close() -> None:
        if users is not None:
            await users.keys.close()
        await system.tokens.close()
        await system.client.close()
        await store.close()

    tier = Tier(
        name="process",
        published=Published(
            title="Quoteway process API",
            version="1.0.0",
            description="Quote-to-cash orchestration for internal applications and operators.",
            public_url=settings.public_url,
            tags=TAGS,
            examples=Path(__file__).parent / "examples",
        ),
        authenticator=Authenticator(
            settings.issuer_metadata_url,
            settings.process_audience,
            issuers=load_issuers(settings.issuers_file, settings.issuer_metadata_url),
            transport=issuer_transport,
            revocations=watch,
        ),
        checks=Checks(
            ready={"database": store.ready},
            # Not under `ready`: orders are taken in without it, and it waits for us (docs/decisions/0056).
            vendors={"system": system.ready},
        ),
        policies=Policies(
            acting_user=act_for_handed_user(users),
            visibility=show_only_what_is_visible(Visibility(system, store, letters)),
            load=Load(at_once_max=settings.requests_at_once_max, lag_max_s=settings.loop_lag_max_s),
            rate_limiter=open_rate_limiter(settings, "process", RATE_LIMITS),
            cache=open_cache(settings.redis_url, "process"),
            audit=AuditWriter(audit_log or AuditLog(settings.audit_database_url or settings.database_url)),
        ),
    )
    app = create_service(
        tier,
        [mount(version) for version in VERSIONS.values()],
        state={
            "intake": OrderIntake(store, SubmissionCheck(system, policy, legal_entities, store)),
            "orders": orders,
            "flows": Flows(store),
            "flow_decisions": decisions,
            "dead_letters": letters,
            "flow_edits": FlowEdits(decisions, resources),
            "revocations": revocations,
            "revocation_watch": watch,
            "webhook_connections": webhook_connections,
            "system": system,
            "store": store,
            "identities": Identities(store, system, legal_entities),
            "overviews": AccountOverviews(system, orders),
            "previews": PricingPreviews(system, policy, legal_entities),
            "examiner": QuoteExaminer(system, policy, legal_entities, store),
        },
        on_startup=[webhook_connections.start],
        on_shutdown=[webhook_connections.stop, close],
    )
    refuse_handlers_without_subject(app)
    return app


def connect_users(
    settings: ProcessSettings, revocations: RevocationWatch, transport: Transport | None
) -> TransactionTokenVerifier | None:
    """Return the verifier of the experience API's transaction tokens; None if the address of its keys is not set."""
    if not settings.transaction_token_jwks_url:
        return None
    keys = PublishedKeys(
        "experience API",
        jwks_url=settings.transaction_token_jwks_url,
        transport=transport,
        refetch_min_s=KEYS_REFETCH_MIN_S,
    )
    return TransactionTokenVerifier(keys, settings.transaction_token_issuer, settings.trust_domain, revocations)
