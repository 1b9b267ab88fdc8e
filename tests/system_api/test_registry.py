"""Which adapter serves whom, and how readiness saves the vendors' quotas."""

from typing import Any, ClassVar

import pytest

from shared.canonical import Recurrence
from shared.outbound.http_client import Transport
from shared.problem import Rejected, Unavailable
from system_api import registry as registry_module
from system_api.connections import ADAPTER_KINDS, Connection, VendorConnection
from system_api.registry import CAPABILITIES, ERPS, Registry, build_registry
from tests.system_api.conftest import salesforce_connection, stripe_connection
from tests.system_api.erp.conftest import tryton_connection
from tests.system_api.transports import Scripted, html, said


@pytest.fixture
def connections() -> list[Connection]:
    return [
        tryton_connection("http://tryton.test"),
        stripe_connection("http://stripe.test"),
        salesforce_connection("http://org.test"),
    ]


@pytest.fixture
def vendor() -> Scripted:
    return Scripted()


@pytest.fixture
def registry(connections: list[Connection], vendor: Scripted) -> Registry:
    return build_registry(connections, {"nordwind/billing/NW-DE": vendor})


def test_each_capability_has_the_adapter_of_its_connection(registry: Registry) -> None:
    assert registry.erp("nordwind", "NW-DE") is registry.erp("nordwind", "NW-DE")
    assert type(registry.billing("nordwind", "NW-DE")).__name__ == "Stripe"
    assert type(registry.crm("nordwind")).__name__ == "Salesforce"


@pytest.mark.parametrize(
    ("tenant", "legal_entity", "said_so"),
    [
        ("nordwind", "NW-US", "No ERP is connected for the legal entity NW-US."),
        ("other", "NW-DE", "No ERP is connected for the legal entity NW-DE."),
    ],
)
def test_missing_connection_is_refused(registry: Registry, tenant: str, legal_entity: str, said_so: str) -> None:
    with pytest.raises(Rejected) as raised:
        registry.erp(tenant, legal_entity)

    assert (raised.value.reason_code, raised.value.detail) == ("no_connection", said_so)


def test_a_tenant_without_a_crm_is_told(registry: Registry) -> None:
    with pytest.raises(Rejected, match=r"^No CRM is connected\.$"):
        registry.crm("other")
    with pytest.raises(Rejected, match="No tax engine is connected"):
        registry.tax("nordwind", "NW-DE")


async def test_successful_check_is_cached_and_a_failed_one_is_not(
    registry: Registry, vendor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = registry.ready_checks["nordwind/billing/NW-DE"]
    vendor.on("GET", "/v1/tax_rates", html(502), said(200, {"data": []}))

    with pytest.raises(Unavailable):
        await check()
    assert [await check() for _ in range(5)] == [None] * 5
    assert len(vendor.requests) == 2

    monkeypatch.setattr(registry_module, "READY_REMEMBERED_S", 0.0)
    assert await check() is None
    assert len(vendor.requests) == 3


async def test_every_adapter_is_closed(registry: Registry) -> None:
    await registry.close()

    with pytest.raises(RuntimeError, match="closed"):
        await registry.billing("nordwind", "NW-DE").list_prices({"A": [Recurrence.month]}, "EUR")


@pytest.mark.parametrize("adapter", list(ADAPTER_KINDS))
def test_each_kind_of_connection_has_an_adapter_in_its_capabilitys_table_and_in_no_other(adapter: str) -> None:
    kind = ADAPTER_KINDS[adapter]

    served = [capability for capability, (factories, _) in CAPABILITIES.items() if kind in factories]

    assert served == [kind.capability_served]


class NewErpConnection(VendorConnection, frozen=True, kw_only=True):
    """A further vendor's connection, as its author would add it."""

    capability_served: ClassVar[str] = "erp"


class NewErp:
    """The part of another vendor's adapter that the registry uses."""

    def __init__(self, connection: NewErpConnection, transport: Transport | None) -> None:
        self.built_with, self.closed = (connection, transport), False

    async def ready(self) -> str | None:
        return "it is new"

    async def check(self, tax_codes: Any) -> list[Any]:
        return [*tax_codes]

    async def close(self) -> None:
        self.closed = True


async def test_one_line_in_its_table_connects_a_further_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    factories: dict[Any, Any] = ERPS
    monkeypatch.setitem(factories, NewErpConnection, NewErp)
    connection = NewErpConnection(tenant="nordwind", capability="erp", legal_entity="NW-DE", adapter="new")

    registry = build_registry([connection])

    erp: Any = registry.erp("nordwind", "NW-DE")
    assert isinstance(erp, NewErp)
    assert erp.built_with[0] is connection
    assert erp.built_with[1] is not None, "its requests go through the vendor's quota"
    assert await registry.ready_checks["nordwind/erp/NW-DE"]() == "it is new"
    assert await registry.check(connection) == []
    assert [each.adapter for each in registry.connections] == ["new"]
    await registry.close()
    assert erp.closed
