"""The settings of the process API and its worker, each from a QUOTEWAY_ variable of the same name."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from process_api.legal_entities import LegalEntities, check_legal_entities_file, load_legal_entities
from shared.canonical.wire import PlatformTenant
from shared.inbound.settings import InboundSettings
from shared.settings import SecretFile, TrustDomain, read_secret

_Percentage = Annotated[float, Meta(ge=0, le=100)]


class ProcessSettings(InboundSettings, frozen=True, kw_only=True):
    """The settings of the process API and its worker."""

    issuer_metadata_url: Annotated[str, Meta(pattern="^https?://", description="the issuer's metadata address")]
    database_url: Annotated[
        str, Meta(pattern="^postgresql://", description="PostgreSQL 15+ with the business state and the workflows")
    ]
    audit_database_url: Annotated[
        str,
        Meta(
            pattern="^(postgresql://.+)?$",
            description="PostgreSQL with the audit log, as a login that is granted quoteway_audit_writer and nothing "
            "else; the process API takes `QUOTEWAY_DATABASE_URL` where it is empty",
        ),
    ] = ""
    system_url: Annotated[str, Meta(pattern="^https?://", description="the system API's address")]
    process_client_secret_file: SecretFile
    platform_tenant: PlatformTenant = "quoteway"
    process_client_id: Annotated[str, Meta(description="this service's OAuth client id")] = "process-api"
    process_audience: Annotated[str, Meta(description="the audience that callers' tokens must name")] = (
        "quoteway-process"
    )
    system_audience: Annotated[str, Meta(description="the system API's audience")] = "quoteway-system"
    process_host: Annotated[str, Meta(description="the address to listen on")] = "127.0.0.1"
    process_port: Annotated[int, Meta(ge=0, le=65535, description="the port to listen on; 0 for a free one")] = 8002
    discount_max_percent: Annotated[
        _Percentage, Meta(description="how far below the list a quoted net price may be, in percent")
    ] = 20.0
    price_tolerance_percent: Annotated[
        _Percentage, Meta(description="how far off the list a price may be by rounding, in percent")
    ] = 0.5
    step_attempts_max: Annotated[int, Meta(ge=1, le=50, description="attempts at a step before its flow is parked")] = (
        12
    )
    flow_starts_max: Annotated[
        int,
        Meta(ge=1, le=1000, description="workers that may end, one after the other, with a flow before it is parked"),
    ] = 10
    step_backoff_s: Annotated[
        float, Meta(ge=0, le=600, description="seconds before the second attempt; doubles each time")
    ] = 1.0
    step_backoff_max_s: Annotated[
        float, Meta(ge=0, le=3600, description="the longest wait between attempts, in seconds")
    ] = 60.0
    legal_entities_file: Annotated[
        str,
        Meta(
            description="the TOML file with each legal entity's rules; its form is at the head of "
            "`process_api/legal_entities.py`. Without it every legal entity has the defaults",
            extra={"check": check_legal_entities_file},
        ),
    ] = ""
    settle_s: Annotated[
        float,
        Meta(ge=0, le=600, description="seconds a lost request gets to arrive before it is looked up at the vendor"),
    ] = 15.0
    second_look_s: Annotated[
        int,
        Meta(ge=0, le=86_400, description="seconds after an uncertain order's end in which late requests may arrive"),
    ] = 600
    worker_concurrency: Annotated[int, Meta(ge=1, le=1000, description="flows one worker runs at once in all")] = 100
    connection_concurrency: Annotated[
        int,
        Meta(ge=1, le=500, description="flows that all workers run at once for a legal entity's ERP and billing"),
    ] = 20
    lease_s: Annotated[
        float, Meta(ge=1, le=300, description="seconds without a heartbeat after which a worker is dead")
    ] = 15.0
    drain_s: Annotated[
        float,
        Meta(ge=0, le=600, description="seconds that flows at work get to end when a worker is asked to stop"),
    ] = 25.0
    idempotency_kept_days: Annotated[
        int, Meta(ge=30, le=3650, description="days for which idempotency keys are kept, at least 30")
    ] = 30
    contacts_kept_days: Annotated[
        int,
        Meta(
            ge=2,
            le=3650,
            description="days after an order's end for which it keeps the names and e-mail addresses on its quote",
        ),
    ] = 30
    engine_kept_days: Annotated[
        int,
        Meta(
            ge=2,
            le=3650,
            description="days after a flow's end for which the workflow engine's rows of it are kept; longer than the "
            "longest wait for a second look",
        ),
    ] = 7
    flow_history_kept_days: Annotated[
        int,
        Meta(ge=30, le=3650, description="days after a flow's end for which its steps, attempts and intents are kept"),
    ] = 180
    order_timeline_kept_days: Annotated[
        int, Meta(ge=30, le=3650, description="days after an order's end for which its timeline is kept")
    ] = 400
    event_kept_days: Annotated[
        int,
        Meta(
            ge=7,
            le=3650,
            description="days for which published events can still be published again from the outbox",
        ),
    ] = 30
    decisions_kept_days: Annotated[
        int,
        Meta(
            ge=365,
            le=3650,
            description="days for which operators' decisions on dead letters and revocations of tokens are kept",
        ),
    ] = 730
    event_poll_s: Annotated[
        float,
        Meta(gt=0, le=60, description="seconds between two looks for events to publish that no notice told of"),
    ] = 5.0
    event_stream_length: Annotated[
        int, Meta(ge=100, description="about how many events a tenant's stream keeps; older ones are trimmed")
    ] = 100_000
    inbox_poll_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds between two looks into the inbox without a notice of a webhook")
    ] = 5.0
    inbox_concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="webhooks one worker applies at once, on as many connections to PostgreSQL; half of them at "
            "most for one legal entity's billing",
        ),
    ] = 8
    inbox_kept_days: Annotated[
        int, Meta(ge=30, le=3650, description="days that finished webhooks are kept, to know their duplicates")
    ] = 90
    transaction_token_jwks_url: Annotated[
        str,
        Meta(
            pattern="^(https?://.*)?$",
            description="where the experience API publishes the keys of its transaction tokens "
            "(…/.well-known/transaction-token-keys); without it no user's request is taken",
        ),
    ] = ""
    transaction_token_issuer: Annotated[
        str, Meta(min_length=1, description="the OAuth client id of the service that hands users inward")
    ] = "experience-api"  # noqa: S105 a name
    trust_domain: TrustDomain = "quoteway"

    def client_secret(self) -> str:
        """Return the OAuth client secret. Raises SettingsError where its file cannot be read or is empty."""
        return read_secret(self.process_client_secret_file, "process_client_secret_file")

    def legal_entities(self) -> LegalEntities:
        """Return each legal entity's rules. Raises SettingsError with every fault of their file."""
        return load_legal_entities(Path(self.legal_entities_file) if self.legal_entities_file else None)
