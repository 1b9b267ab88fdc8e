"""The import rules hold for the tree, and each of them can fail: a violation planted in a copy of it is reported."""

import os
import pkgutil
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("experience_api", "process_api", "system_api", "shared", "openapi", "sandbox")
CAPABILITIES = ("erp", "billing", "crm", "tax")

TIERS = "The tiers meet over HTTP, and all may use shared"
SANDBOX = "No tier knows the sandbox or the contract generator"
ERP = "Only the registry imports an ERP's adapter"
BILLING = "Only the registry imports a billing platform's adapter"
CRM = "Only the registry imports a CRM's adapter"
TAX = "Only the registry imports a tax adapter"
CIRCLES = "No folders import each other in a circle"
VERSION = "Only the list of versions imports version 1 of the experience API"
PROCESS = "In the process tier: handlers, then the domain, then the engine"
ENGINE = "The engine runs any process and knows none"
DOMAIN = "The domain knows neither HTTP nor what runs it"
CANONICAL = "The canonical model knows no framework"
DBOS = "DBOS only in the process tier"
ENQUEUES = "The process API enqueues and never runs: no workflow engine in its processes"
HTTPX = "Bare httpx only in the outbound client"
NETWORK = "The network only in its own module, reached through the outbound client"
TOKENS = "Tokens and Redis only in their own shared modules"

# What the engine uses of the process tier: the database, and the form in which moments are written.
BELOW_THE_ENGINE = {"process_api.database"}

PLANTS = [
    (TIERS, "experience_api.order_words", "process_api.settings"),
    (TIERS, "process_api.orders.intake", "system_api.vendor.vat"),
    (TIERS, "shared.settings", "system_api.vendor.vat"),
    (SANDBOX, "process_api.operations.housekeeping", "sandbox.vendors.journal"),
    (SANDBOX, "shared.contract.document", "openapi.generate"),
    (ERP, "system_api.v1.tax", "system_api.erp.tryton.rest"),
    (ERP, "system_api.newthing", "system_api.erp.tryton.adapter"),
    (ERP, "system_api.billing.stripe.api", "system_api.erp.tryton.sales"),
    (ERP, "system_api.app", "system_api.erp.new_vendor"),
    (BILLING, "system_api.v1.tax", "system_api.billing.stripe.api"),
    (BILLING, "system_api.erp.tryton.sales", "system_api.billing.stripe.api"),
    (CRM, "system_api.pricing.list_prices", "system_api.crm.salesforce.api"),
    (TAX, "system_api.erp.tryton.parties", "system_api.tax.jurisdictions"),
    (CIRCLES, "process_api.customers.ensure", "process_api.orders.checks"),
    (CIRCLES, "process_api.access.visibility", "process_api.operations.dead_letters"),
    (CIRCLES, "shared.limits.rate_limit", "shared.inbound.settings"),
    (CIRCLES, "system_api.vendor.patience", "system_api.connections"),
    (CIRCLES, "sandbox.landscape.tier_environment", "sandbox.landscape.landscape"),
    (CIRCLES, "sandbox.vendors.stripe.customers.resource", "sandbox.vendors.stripe.subscriptions.cancelling"),
    (VERSION, "experience_api.v2.accounts", "experience_api.v1.credit"),
    (VERSION, "experience_api.views.invoices", "experience_api.v1.invoices"),
    (PROCESS, "process_api.system_client", "process_api.orders.checks"),
    (PROCESS, "process_api.orders.checks", "process_api.v1.orders"),
    (PROCESS, "process_api.v1.orders", "process_api.app"),
    (ENGINE, "process_api.engine.saga", "process_api.orders.record"),
    (ENGINE, "process_api.engine.steps", "shared.canonical.order"),
    (ENGINE, "process_api.engine.executor", "process_api.kinds"),
    (ENGINE, "process_api.engine.newthing", "process_api.system_client"),
    (DOMAIN, "process_api.orders.checks", "litestar"),
    (DOMAIN, "process_api.orders.submission", "process_api.engine.executor"),
    (CANONICAL, "shared.canonical.money", "httpx"),
    (DBOS, "sandbox.vendors.journal", "dbos"),
    (DBOS, "openapi.newthing", "dbos"),
    (ENQUEUES, "process_api.orders.record", "dbos"),
    (ENQUEUES, "process_api.v1.flows", "process_api.engine.executor"),
    (NETWORK, "shared.identity.auth", "pyreqwest"),
    (NETWORK, "system_api.registry", "shared.outbound.network"),
    (HTTPX, "shared.settings", "httpx"),
    (HTTPX, "system_api.vendor.replies", "httpx"),
    (TOKENS, "shared.settings", "authlib"),
    (TOKENS, "shared.problem", "redis"),
    (TOKENS, "experience_api.settings", "joserfc"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and the rules, to plant violations in."""
    folder = tmp_path_factory.mktemp("import-rules")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "lightning"))
    shutil.copy2(ROOT / "pyproject.toml", folder)
    return folder


def verdicts(folder: Path) -> dict[str, str]:
    """What import-linter says of each contract: KEPT or BROKEN."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},  # a line each, however narrow the terminal
        capture_output=True,
        text=True,
        check=False,
    )
    said: dict[str, str] = {}
    for line in done.stdout.splitlines():
        for verdict in ("KEPT", "BROKEN"):
            name, found, _ = line.partition(f" {verdict}")
            if found:
                said[name] = verdict
    assert said, done.stdout + done.stderr
    assert done.returncode == (1 if "BROKEN" in said.values() else 0), done.stdout + done.stderr
    return said


def module_file(folder: Path, module: str) -> Path:
    """Where a module of the copy is, or would be."""
    return folder / Path(*module.split(".")).with_suffix(".py")


@contextmanager
def planted(folder: Path, importer: str, imported: str) -> Iterator[None]:
    """An import more in the copy, in modules that are made when they are not there."""
    files = [module_file(folder, importer)]
    if imported.partition(".")[0] in PACKAGES:
        files.append(module_file(folder, imported))
    before = {file: file.read_text() if file.exists() else None for file in files}
    for file in files:
        file.touch()
    files[0].write_text(files[0].read_text() + f"\nimport {imported}\n")
    try:
        yield
    finally:
        for file, text in before.items():
            if text is None:
                file.unlink()
            else:
                file.write_text(text)


def test_every_rule_holds_and_has_a_planted_violation() -> None:
    said = verdicts(ROOT)
    assert set(said.values()) == {"KEPT"}, said
    assert set(said) == {contract for contract, _, _ in PLANTS}


@pytest.mark.parametrize(("contract", "importer", "imported"), PLANTS, ids=lambda value: value.replace(" ", "-"))
def test_a_planted_import_breaks_its_rule(copy: Path, contract: str, importer: str, imported: str) -> None:
    with planted(copy, importer, imported):
        assert verdicts(copy)[contract] == "BROKEN"


def test_the_engines_rule_names_every_module_that_the_engine_may_not_know() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (forbidden,) = (contract["forbidden_modules"] for contract in contracts if contract["name"] == ENGINE)
    there = {f"process_api.{module.name}" for module in pkgutil.iter_modules([str(ROOT / "process_api")])}
    allowed = {"process_api.engine", *BELOW_THE_ENGINE}
    assert there - allowed == {module for module in forbidden if module.startswith("process_api.")}


def test_a_copy_without_a_plant_keeps_every_rule(copy: Path) -> None:
    assert set(verdicts(copy).values()) == {"KEPT"}


def between_vendors(imports: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Imports from one vendor's modules to another's of the same capability: `system_api.<capability>.<vendor>…`."""

    def capability_and_vendor(module: str) -> tuple[str, str]:
        parts = module.split(".")
        return parts[1], parts[2] if len(parts) > 2 else ""

    found = []
    for importer, imported in imports:
        (capability, vendor), (other_capability, other_vendor) = map(capability_and_vendor, (importer, imported))
        if capability == other_capability and vendor != other_vendor and other_vendor != "contract":
            found.append((importer, imported))
    return found


def test_vendors_of_one_capability_do_not_import_each_other() -> None:
    graph = grimp.build_graph("system_api", cache_dir=None)
    imports = [
        (importer, imported)
        for capability in CAPABILITIES
        for importer in sorted(graph.find_descendants(f"system_api.{capability}"))
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
    ]
    assert ("system_api.erp.tryton.adapter", "system_api.erp.tryton.rest") in imports
    assert between_vendors(imports) == []


@pytest.mark.parametrize(
    "importer", ["system_api.erp.netsuite.adapter", "system_api.erp.netsuite", "system_api.erp.contract"]
)
def test_an_import_between_vendors_is_seen(importer: str) -> None:
    planted_import = (importer, "system_api.erp.tryton.rest")
    assert between_vendors([planted_import, ("system_api.erp.netsuite.adapter", "system_api.erp.contract")]) == [
        planted_import
    ]
