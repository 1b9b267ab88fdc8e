"""Which adapter serves whom, and how readiness spares the vendors' quotas."""

import pytest

from shared.canonical import Recurrence
from shared.problem import Rejected, Unavailable
from system_api import registry as registry_module
from system_api.connections import Connection
from system_api.registry import Registry, build_registry
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
def test_what_is_not_connected_is_refused(registry: Registry, tenant: str, legal_entity: str, said_so: str) -> None:
    with pytest.raises(Rejected) as raised:
        registry.erp(tenant, legal_entity)

    assert (raised.value.reason_code, raised.value.detail) == ("no_connection", said_so)


def test_a_tenant_without_a_crm_is_told(registry: Registry) -> None:
    with pytest.raises(Rejected, match=r"^No CRM is connected\.$"):
        registry.crm("other")
    with pytest.raises(Rejected, match="No tax engine is connected"):
        registry.tax("nordwind", "NW-DE")


async def test_being_ready_is_remembered_and_not_being_is_not(
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
