"""Which adapter serves whom: the only module that imports adapters.

Adapters are built once, from the connections file, and chosen by tenant and legal entity.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from shared.canonical import ConnectionSummary
from shared.inbound.health import ReadyCheck
from shared.limits.vendor_quota import Limits, QuotaTransport, VendorQuota
from shared.outbound.http_client import Transport, open_network
from shared.problem import QuotewayError, Rejected
from shared.redis_connection import RedisScripts
from system_api.billing.contract import Billing
from system_api.billing.stripe.adapter import Stripe
from system_api.connections import (
    EVERY_LEGAL_ENTITY,
    Capability,
    Connection,
    JurisdictionsConnection,
    SalesforceConnection,
    StripeConnection,
    TrytonConnection,
    VendorConnection,
)
from system_api.crm.contract import Crm
from system_api.crm.salesforce.adapter import Salesforce
from system_api.erp.contract import Erp
from system_api.erp.tryton.adapter import Tryton
from system_api.tax.contract import Tax
from system_api.tax.jurisdictions import Jurisdictions
from system_api.vendor.findings import Finding
from system_api.vendor.patience import note_use

READY_REMEMBERED_S = 30.0
_log = logging.getLogger(__name__)
_Key = tuple[str, str]
A = TypeVar("A")


@dataclass
class Registry:
    """The adapters of every connection, by tenant and legal entity."""

    erps: dict[_Key, Erp] = field(default_factory=dict)
    billings: dict[_Key, Billing] = field(default_factory=dict)
    crms: dict[_Key, Crm] = field(default_factory=dict)
    taxes: dict[_Key, Tax] = field(default_factory=dict)
    ready_checks: dict[str, ReadyCheck] = field(default_factory=dict)
    connections: list[ConnectionSummary] = field(default_factory=list)
    vendors: dict[str, VendorConnection] = field(default_factory=dict)
    _closing: list[Tryton | Stripe | Salesforce] = field(default_factory=list)

    def erp(self, tenant: str, legal_entity: str) -> Erp:
        """The ERP with the legal entity's books. Raises Rejected where none is connected."""
        return self._chosen(self.erps, "erp", "ERP", tenant, legal_entity)

    def billing(self, tenant: str, legal_entity: str) -> Billing:
        """The platform that charges for the legal entity. Raises Rejected where none is connected."""
        return self._chosen(self.billings, "billing", "billing platform", tenant, legal_entity)

    def crm(self, tenant: str) -> Crm:
        """The tenant's CRM. Raises Rejected where none is connected."""
        return self._chosen(self.crms, "crm", "CRM", tenant, EVERY_LEGAL_ENTITY)

    def tax(self, tenant: str, legal_entity: str) -> Tax:
        """The engine that knows the legal entity's tax. Raises Rejected where none is connected."""
        return self._chosen(self.taxes, "tax", "tax engine", tenant, legal_entity)

    def _chosen(self, adapters: dict[_Key, A], capability: Capability, what: str, tenant: str, legal_entity: str) -> A:
        for served in (legal_entity, EVERY_LEGAL_ENTITY):
            adapter = adapters.get((tenant, served))
            if adapter is not None:
                note_use(self.vendors.get(f"{tenant}/{capability}/{served}"))
                return adapter
        where = "" if legal_entity == EVERY_LEGAL_ENTITY else f" for the legal entity {legal_entity}"
        raise Rejected(f"No {what} is connected{where}.", reason_code="no_connection")

    async def check(self, connection: Connection) -> list[Finding]:
        """What the vendor's side of one of the connections lacks, in plain sentences."""
        key = (connection.tenant, connection.legal_entity)
        if isinstance(connection, TrytonConnection):
            return await self.erps[key].check(self._tax_codes(*key))
        if isinstance(connection, StripeConnection):
            return await self.billings[key].check()
        if isinstance(connection, SalesforceConnection):
            return await self.crms[key].check()
        return await self.taxes[key].check()

    def _tax_codes(self, tenant: str, legal_entity: str) -> list[str]:
        tax = self.taxes.get((tenant, legal_entity)) or self.taxes.get((tenant, EVERY_LEGAL_ENTITY))
        return tax.tax_codes(legal_entity) if tax else []

    def capability_checks(self) -> dict[str, ReadyCheck]:
        """A check for each capability, over all its connections: health is public, so it names no tenant."""
        groups: dict[str, list[str]] = {}
        for name in self.ready_checks:
            groups.setdefault(name.split("/")[1], []).append(name)
        return {capability: self._check_all(names) for capability, names in groups.items()}

    def _check_all(self, names: list[str]) -> ReadyCheck:
        async def check() -> str | None:
            answers = await asyncio.gather(*(self._check(name) for name in names))
            away = sum(answer is not None for answer in answers)
            return f"{away} of {len(names)} connections cannot be used" if away else None

        return check

    async def _check(self, name: str) -> str | None:
        try:
            missing = await self.ready_checks[name]()
        except QuotewayError as error:
            missing = error.detail
        if missing is not None:
            _log.warning("connection %s cannot be used: %s", name, missing)
        return missing

    async def close(self) -> None:
        """Close every adapter's connections."""
        for adapter in self._closing:
            await adapter.close()

    def add(self, connection: Connection, transport: Transport | None) -> None:
        """Build the connection's adapter. `transport` replaces its network."""
        key = (connection.tenant, connection.legal_entity)
        self.connections.append(
            ConnectionSummary(
                tenant=connection.tenant,
                capability=connection.capability,
                legal_entity=connection.legal_entity,
                adapter=connection.adapter,
                takes_webhooks=getattr(connection, "webhook_secret", None) is not None,
            )
        )
        match connection:
            case TrytonConnection():
                tryton = Tryton(connection, transport)
                self.erps[key] = tryton
                self._open(connection, tryton)
            case StripeConnection():
                stripe = Stripe(connection, transport)
                self.billings[key] = stripe
                self._open(connection, stripe)
            case SalesforceConnection():
                salesforce = Salesforce(connection, transport)
                self.crms[key] = salesforce
                self._open(connection, salesforce)
            case JurisdictionsConnection():
                self.taxes[key] = Jurisdictions(connection)
            case _:
                raise AssertionError(f"{connection.name}: every kind in system_api.connections has an adapter here")

    def _open(self, connection: VendorConnection, adapter: Tryton | Stripe | Salesforce) -> None:
        self.vendors[connection.name] = connection
        self._closing.append(adapter)
        self.ready_checks[connection.name] = _remembered(adapter.ready)


def build_registry(
    connections: list[Connection],
    transports: Mapping[str, Transport] | None = None,
    *,
    scripts: RedisScripts | None = None,
    local_share: float = 1.0,
) -> Registry:
    """The registry of these connections. `transports` replaces the network of single connections, by their names.

    Vendors' quotas are shared out through `scripts`; without, each process has `local_share` of them.
    """
    registry = Registry()
    for connection in connections:
        network = (transports or {}).get(connection.name)
        if isinstance(connection, VendorConnection):
            limits = Limits(connection.concurrency_max, connection.requests_per_second_max, local_share)
            quota = VendorQuota(connection.name, connection.adapter.capitalize(), limits, scripts)
            network = QuotaTransport(network or open_network(), quota)
        registry.add(connection, network)
    return registry


def _remembered(check: ReadyCheck) -> ReadyCheck:
    """The check, asked again half a minute after it was passed: probes come every few seconds, and every vendor counts
    the requests that they would make. A failed check is asked each time, so that recovery shows at once."""
    passed_at: float | None = None

    async def ask() -> str | None:
        nonlocal passed_at
        if passed_at is not None and time.monotonic() - passed_at < READY_REMEMBERED_S:
            return None
        passed_at = None
        missing = await check()
        if missing is None:
            passed_at = time.monotonic()
        return missing

    return ask
