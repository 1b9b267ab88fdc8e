"""Every vendor of the sandbox is started, connected and read by the same protocol."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sandbox.processes.process import ProcessError, RunningProcess, start_process
from sandbox.vendors.erp_stand_in.server import ErpStandIn
from sandbox.vendors.salesforce.vendor import SalesforceOrg
from sandbox.vendors.stripe.vendor import StripeAccount
from sandbox.vendors.tryton.data import DATA_FOLDER, SECOND_TENANT_FOLDER
from sandbox.vendors.vendor import Launch, Setting, Vendor, connection_block
from system_api.connections import load_connections

pytestmark = pytest.mark.servers
ADDRESS = "http://127.0.0.1:9"


def launch_in(run_dir: Path) -> Launch:
    """Starts simulators as a landscape does."""

    def launch(name: str, arguments: Sequence[str]) -> RunningProcess:
        return start_process(name, [sys.executable, *arguments], log_path=run_dir / f"{name}.log", ready="json line")

    return launch


KINDS: dict[str, Callable[[Path, Path], Vendor]] = {
    "erp": lambda folder, seed: ErpStandIn(folder / "erp", seed=seed),
    "billing": lambda folder, seed: StripeAccount(launch_in(folder), folder, seed),
    "crm": lambda folder, seed: SalesforceOrg(launch_in(folder), folder, seed),
}


@pytest.mark.parametrize("capability", KINDS)
@pytest.mark.parametrize(("seed", "tenant"), [(DATA_FOLDER, "nordwind"), (SECOND_TENANT_FOLDER, "suedwind")])
def test_a_vendor_says_how_it_is_connected_and_what_it_holds(
    tmp_path: Path, capability: str, seed: Path, tenant: str
) -> None:
    vendor = KINDS[capability](tmp_path, seed)
    with pytest.raises(ProcessError):
        _ = vendor.url
    vendor.start()
    try:
        running = vendor.is_running
        for name, text in vendor.secrets().items():
            (tmp_path / name).write_text(text)
        file = tmp_path / "connections.toml"
        file.write_text("\n".join(vendor.connections(ADDRESS, {"concurrency_max": 3})))
        connections = load_connections(file, {})
        held = vendor.holdings()
    finally:
        vendor.stop()

    assert (running, vendor.is_running) == (True, False)
    assert {(each.tenant, each.capability) for each in connections} == {(tenant, capability)}
    assert {(vars_of(each)["url"], vars_of(each)["concurrency_max"]) for each in connections} == {(ADDRESS, 3)}
    assert [each for each in held if each.kind != "customer"] == [], "nothing has been ordered yet"


def vars_of(connection: object) -> dict[str, object]:
    """The settings of a connection."""
    return {name: getattr(connection, name) for name in connection.__struct_fields__}  # type: ignore[attr-defined]  # every connection is a struct


def test_a_block_is_toml(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    table: dict[str, Setting] = {"table": str(tmp_path / "taxes.toml"), "sellers": {"NW-DE": "DE"}}
    file.write_text(connection_block("nordwind", capability="tax", legal_entity="*", adapter="jurisdictions", **table))

    [connection] = load_connections(file, {})

    assert connection.name == "nordwind/tax/*"
