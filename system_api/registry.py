"""The registry of adapters: the only module that imports them.

Adapters are built once, from the connections file, and chosen by tenant and legal entity. The tables `ERPS`,
`BILLINGS`, `CRMS` and `TAXES` say which adapter serves a connection: another vendor is one line in one of them.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from shared.canonical import ConnectionSummary
from shared.inbound.health import ReadyCheck
from shared.limits.vendor_quota import Limits, QuotaTransport, VendorQuota
from shared.outbound.http_client import Transport
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
# Each factory takes its own kind of connection and the network, which a dictionary's type can only express as Any.
_Factories = dict[type[Connection], Callable[[Any, Transport | None], A]]

ERPS: _Factories[Erp] = {TrytonConnection: Tryton}
BILLINGS: _Factories[Billing] = {StripeConnection: Stripe}
CRMS: _Factories[Crm] = {SalesforceConnection: Salesforce}
TAXES: _Factories[Tax] = {JurisdictionsConnection: lambda connection, _: Jurisdictions(connection)}

# By capability: the table of its adapters, and its name for people.
CAPABILITIES: Mapping[Capability, tuple[_Factories[Any], str]] = {
    "erp": (ERPS, "ERP"),
    "billing": (BILLINGS, "billing platform"),
    "crm": (CRMS, "CRM"),
    "tax": (TAXES, "tax engine"),
}


class _OverNetwork(Protocol):
    """The methods of every adapter with a network connection, besides its capability's."""

    async def ready(self) -> str | None: ...

    async def close(self) -> None: ...


@dataclass
class Registry:
    """The adapters of every connection, by tenant and legal entity."""

    adapters: dict[Capability, dict[_Key, Any]] = field(default_factory=lambda: {each: {} for each in CAPABILITIES})
    ready_checks: dict[str, ReadyCheck] = field(default_factory=dict)
    connections: list[ConnectionSummary] = field(default_factory=list)
    vendors: dict[str, VendorConnection] = field(default_factory=dict)
    _closing: list[_OverNetwork] = field(default_factory=list)

    def erp(self, tenant: str, legal_entity: str) -> Erp:
        """Return the ERP with the legal entity's books. Raises Rejected if none is connected."""
        return cast(Erp, self._chosen("erp", tenant, legal_entity))

    def billing(self, tenant: str, legal_entity: str) -> Billing:
        """Return the billing platform of the legal entity. Raises Rejected if none is connected."""
        return cast(Billing, self._chosen("billing", tenant, legal_entity))

    def crm(self, tenant: str) -> Crm:
        """Return the tenant's CRM. Raises Rejected if none is connected."""
        return cast(Crm, self._chosen("crm", tenant, EVERY_LEGAL_ENTITY))

    def tax(self, tenant: str, legal_entity: str) -> Tax:
        """Return the tax engine of the legal entity. Raises Rejected if none is connected."""
        return cast(Tax, self._chosen("tax", tenant, legal_entity))

    def _chosen(self, capability: Capability, tenant: str, legal_entity: str) -> object:
        for served in (legal_entity, EVERY_LEGAL_ENTITY):
            adapter: object = self.adapters[capability].get((tenant, served))
            if adapter is not None:
                note_use(self.vendors.get(f"{tenant}/{capability}/{served}"))
                return adapter
        where = "" if legal_entity == EVERY_LEGAL_ENTITY else f" for the legal entity {legal_entity}"
        raise Rejected(f"No {CAPABILITIES[capability][1]} is connected{where}.", reason_code="no_connection")

    async def check(self, connection: Connection) -> list[Finding]:
        """Return what the vendor of one connection lacks, in plain sentences."""
        tenant, legal_entity = connection.tenant, connection.legal_entity
        adapter = self.adapters[connection.capability][tenant, legal_entity]
        if connection.capability == "erp":
            return await cast(Erp, adapter).check(self._tax_codes(tenant, legal_entity))
        return await cast(Billing | Crm | Tax, adapter).check()

    def _tax_codes(self, tenant: str, legal_entity: str) -> list[str]:
        taxes = self.adapters["tax"]
        tax: Tax | None = taxes.get((tenant, legal_entity)) or taxes.get((tenant, EVERY_LEGAL_ENTITY))
        return tax.tax_codes(legal_entity) if tax else []

    def capability_checks(self) -> dict[str, ReadyCheck]:
        """Return a check for each capability, over all its connections: health is public, so it names no tenant."""
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
            missing = error.for_operators
        if missing is not None:
            _log.warning("connection %s cannot be used: %s", name, missing)
        return missing

    async def close(self) -> None:
        """Close every adapter's connections."""
        for adapter in self._closing:
            await adapter.close()

    def add(self, connection: Connection, transport: Transport | None) -> None:
        """Build the connection's adapter. `transport` replaces its network."""
        factories, _ = CAPABILITIES[connection.capability]
        adapter = factories[type(connection)](connection, transport)
        self.adapters[connection.capability][connection.tenant, connection.legal_entity] = adapter
        self.connections.append(
            ConnectionSummary(
                tenant=connection.tenant,
                capability=connection.capability,
                legal_entity=connection.legal_entity,
                adapter=connection.adapter,
                takes_webhooks=getattr(connection, "webhook_secret", None) is not None,
            )
        )
        if isinstance(connection, VendorConnection):
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
    """Return the registry of these connections.

    `transports` replaces the network of single connections by name.

    Vendors' quotas are shared through `scripts`; without it, each process has `local_share` of them.
    """
    registry = Registry()
    for connection in connections:
        network = (transports or {}).get(connection.name)
        if isinstance(connection, VendorConnection):
            limits = Limits(connection.concurrency_max, connection.requests_per_second_max, local_share)
            quota = VendorQuota(connection.name, connection.adapter.capitalize(), limits, scripts)
            network = QuotaTransport(network, quota)
        registry.add(connection, network)
    return registry


def _remembered(check: ReadyCheck) -> ReadyCheck:
    """Return the check with its success cached for half a minute.

    Probes come every few seconds, and every vendor counts the requests. A failed check is repeated each time, so that
    recovery shows at once.
    """
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
