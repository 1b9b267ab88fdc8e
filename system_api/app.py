"""The system API: one adapter for each vendor, behind canonical operations. Only the process tier calls it."""

import os
from collections.abc import Mapping
from pathlib import Path

from litestar import Litestar, Router

from shared.audit.log import AuditLog
from shared.audit.writer import Appendable, AuditWriter, Window
from shared.identity.auth import Authenticator
from shared.identity.issuers import load_issuers
from shared.identity.revocation import RevocationFeed, RevocationWatch
from shared.inbound.admission import Load
from shared.inbound.service import create_service
from shared.inbound.tier import Checks, Policies, Published, Refusals, Tier
from shared.limits.rate_limit import open_rate_limiter
from shared.limits.vendor_quota import prioritise
from shared.operations.versions import Version, mount
from shared.outbound.http_client import Transport
from shared.redis_connection import RedisScripts
from system_api.connections import ConnectionsError, load_connections
from system_api.registry import build_registry
from system_api.settings import SystemSettings
from system_api.v1 import billing, connections, crm, erp, pricing, tax
from system_api.vendor.patience import forget_use, tell_patience
from system_api.vendor.redaction import mind_persons, redact

# Limits for the process tier only, as a last bound: what a vendor allows is in its connection's quota.
RATE_LIMITS = (
    "tenant=120000/minute, client=120000/minute, read=120000/minute, write=60000/minute, expensive=60000/minute"
)
VERSIONS = {
    "v1": Version(
        handlers=(
            crm.find_quote,
            crm.find_account,
            crm.get_record_access,
            crm.report_order_status,
            erp.find_customer,
            erp.ensure_customer,
            erp.find_customer_candidates,
            erp.check_erp_order,
            erp.find_customer_record,
            erp.check_credit,
            erp.list_erp_invoices,
            erp.create_order,
            erp.find_order,
            erp.confirm_order,
            erp.cancel_order,
            billing.ensure_billing_customer,
            billing.find_billing_customer,
            billing.check_billing_order,
            billing.find_billing_customer_record,
            billing.list_subscriptions,
            billing.list_billing_invoices,
            billing.create_subscription,
            billing.find_subscription,
            billing.cancel_subscription,
            billing.verify_billing_webhook,
            tax.calculate_tax,
            pricing.look_up_prices,
            connections.list_connections,
        )
    )
}
TAGS = {
    "billing": "The billing platform of a legal entity, in canonical terms.",
    "connections": "Which vendor serves which tenant and legal entity.",
    "crm": "The CRM, in canonical terms.",
    "erp": "The ERP of a legal entity, in canonical terms.",
    "pricing": "List prices of ERP and billing, side by side.",
    "tax": "Tax, calculated without being recorded.",
}
# For as long the reads of one request or flow are one audit entry. A tier that dies loses what it has not written.
_READS_SUMMED_S = 30.0


def create_app(
    settings: SystemSettings,
    *,
    transports: Mapping[str, Transport] | None = None,
    issuer_transport: Transport | None = None,
    process_transport: Transport | None = None,
    audit_log: Appendable | None = None,
) -> Litestar:
    """Return the application. Raises ConnectionsError if the connections file has faults.

    `transports` replaces the network of single connections by name (nordwind/erp/NW-DE), `audit_log` replaces
    PostgreSQL.
    """
    scripts = RedisScripts(settings.redis_url)
    found = load_connections(Path(settings.system_connections), os.environ)
    if any(each.tenant == settings.platform_tenant for each in found):
        raise ConnectionsError([f"No tenant may be called {settings.platform_tenant}: see QUOTEWAY_PLATFORM_TENANT."])
    registry = build_registry(
        found,
        transports,
        scripts=scripts,
        local_share=settings.quota_local_share,
    )
    feed = RevocationFeed(settings.revocations_url, process_transport)

    tier = Tier(
        name="system",
        published=Published(
            title="Quoteway system API",
            version="1.0.0",
            description="Vendors behind canonical operations, for the process API alone.",
            public_url=settings.public_url,
            tags=TAGS,
            examples=Path(__file__).parent / "examples",
        ),
        authenticator=Authenticator(
            settings.issuer_metadata_url,
            settings.system_audience,
            issuers=load_issuers(settings.issuers_file, settings.issuer_metadata_url),
            transport=issuer_transport,
            revocations=RevocationWatch(feed.read, settings.revocations_stale_s),
        ),
        checks=Checks(vendors=registry.capability_checks()),
        refusals=Refusals(
            redact=redact,
            complete=tell_patience,
        ),
        policies=Policies(
            load=Load(at_once_max=settings.requests_at_once_max, lag_max_s=settings.loop_lag_max_s),
            rate_limiter=open_rate_limiter(settings, "system", RATE_LIMITS),
            audit=AuditWriter(
                audit_log or AuditLog(settings.audit_database_url), Window(_READS_SUMMED_S, 10_000), sums_reads=True
            ),
        ),
    )
    return create_service(
        tier,
        [
            Router(
                "/",
                route_handlers=[mount(version) for version in VERSIONS.values()],
                middleware=[prioritise, mind_persons, forget_use],
            )
        ],
        state={"registry": registry, "platform_tenant": settings.platform_tenant},
        on_shutdown=[registry.close, scripts.close, feed.close],
    )
