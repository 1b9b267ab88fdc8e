"""The findings of a connection check: for each kind of org, an ERP company, a billing account, a file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.vendors.tryton.server import TrytonServer
from system_api.check_connections import check, main
from system_api.connections import JurisdictionsConnection, Secret, StripeConnection, TrytonConnection
from system_api.settings import SystemSettings
from system_api.vendor.findings import Finding, Level
from system_api.vendor.salesforce_map import OrderFields, QuoteFields, SalesforceFields, SalesforceObjects
from tests.system_api.conftest import Simulator, salesforce_connection
from tests.system_api.crm.cpq_names import CPQ_FIELDS, CPQ_OBJECTS
from tests.system_api.crm.orgs import org_of

PINNED = "00DQW0000000001"


def of(level: Level, findings: list[Finding]) -> list[str]:
    return [each.what for each in findings if each.level is level]


@pytest.mark.parametrize(
    ("profiles", "settings", "lacking", "warned", "noted"),
    [
        ((), {}, [], [], []),
        ((), {"org_id": None}, [], ["pinned to no org (org_id)", '"00DQW0000000001'], []),
        (("single-currency",), {}, [], [], ["one currency: amounts are in EUR"]),
        (("no-picklists",), {}, [], [], ["no State and Country picklists"]),
        (("hidden-field",), {}, ["Start_Date__c of Quote is not there, or hidden"], [], []),
        (("hidden-field",), {"fields": SalesforceFields(quote=QuoteFields(start_date=""))}, [], [], []),
        (("read-only-field",), {}, [], ["may not write ERP_Order__c of Quoteway_Order__c"], []),
        (("validation-rule",), {}, [], ["rules of the org's own", "Large_Orders_Need_An_Approver"], []),
        (("required-field",), {}, ["Region__c of Quoteway_Order__c must be given"], [], []),
        (("other-org",), {}, ["the Salesforce org 00DQW0000000001, but its credentials lead to the org"], [], []),
        (("cpq",), {"objects": CPQ_OBJECTS, "fields": CPQ_FIELDS}, [], [], []),
        (
            ("cpq",),
            {"objects": CPQ_OBJECTS},
            ["QuoteNumber of SBQQ__Quote__c", "TotalPrice of SBQQ__QuoteLine__c"],
            ["Quote__c of Quoteway_Order__c is not there, or leads elsewhere"],
            [],
        ),
        ((), {"objects": SalesforceObjects(line="Item__c")}, ["The object Item__c is not there"], [], []),
        ((), {"fields": SalesforceFields(order=OrderFields(order_id="Name"))}, ["Name of Quoteway_Order__c"], [], []),
        ((), {"fields": SalesforceFields(order=OrderFields(total="Sum__c"))}, [], ["Sum__c of Quoteway_Order__c"], []),
        ((), {"api_version": "v40.0"}, [], ["v40.0 of the API (api_version) nears its end"], []),
        ((), {"api_version": "v58.0"}, [], ["v58.0 of the API (api_version) nears its end: it is 9 releases old"], []),
        ((), {"api_version": "v59.0"}, [], [], []),
        ((), {"api_version": "v30.0"}, ["does not speak v30.0 of the API"], [], []),
        ((), {"client_secret": Secret("wrong")}, ["refuses our credentials"], [], []),
        (
            ("no-package",),
            {},
            ["The object Quoteway_Order__c", "Legal_Entity__c of Quote", "VAT_Id__c of Account", "Usage__c of"],
            [],
            [],
        ),
    ],
)
async def test_a_check_says_what_an_org_lacks(
    tmp_path: Path,
    profiles: tuple[str, ...],
    settings: dict[str, Any],
    lacking: list[str],
    warned: list[str],
    noted: list[str],
) -> None:
    async with org_of(tmp_path, *profiles, **{"org_id": PINNED, **settings}) as org:
        found = await org.crm.check()

    for level, expected in ((Level.lacks, lacking), (Level.warns, warned), (Level.notes, noted)):
        said = of(level, found)
        assert bool(said) == bool(expected), found
        for words in expected:
            assert any(words in each for each in said), found


async def test_everything_that_an_org_lacks_is_said_at_once(tmp_path: Path) -> None:
    async with org_of(tmp_path, "hidden-field", "required-field", "validation-rule", org_id=None) as org:
        found = await org.crm.check()

    assert len(of(Level.lacks, found)) == 2
    assert len(of(Level.warns, found)) == 2


async def test_a_rule_that_cannot_be_seen_is_only_noted(tmp_path: Path) -> None:
    async with org_of(tmp_path, org_id=PINNED) as org:
        refusal = {"method": "GET", "path": "/tooling", "status": 403, "errorCode": "INSUFFICIENT_ACCESS"}
        await org.control("POST", "refuse", **refusal)
        found = await org.crm.check()

    assert {each.level for each in found} == {Level.notes}


def tryton_connection(tryton: TrytonServer, **settings: Any) -> TrytonConnection:
    access = tryton.credentials.tenants["nordwind"]
    own = {
        "tenant": "nordwind",
        "capability": "erp",
        "legal_entity": "NW-DE",
        "adapter": "tryton",
        "url": tryton.url,
        "database": tryton.database,
        "company": access.companies["NW-DE"],
        "currency": "EUR",
        "key": Secret(access.rest_key),
    }
    return TrytonConnection(**{**own, **settings})


def tax_connection(table: Path, **sellers: str) -> JurisdictionsConnection:
    return JurisdictionsConnection(
        tenant="nordwind",
        capability="tax",
        legal_entity="*",
        adapter="jurisdictions",
        table=table,
        sellers={name.replace("_", "-"): country for name, country in sellers.items()},
    )


@pytest.mark.parametrize(
    ("settings", "lacking"),
    [
        ({}, []),
        ({"currency": "USD"}, ["is kept in EUR, not in USD"]),
        ({"company": 999}, ["no company 999", "no tax named DE", "no tax named EU-REVERSE-CHARGE"]),
        ({"payment_term": "60 days"}, ["no payment term 60 days", "It has: 30 days net"]),
        ({"unit_price_digits": 6}, ["keeps unit prices to 4 digits"]),
        ({"key": Secret("wrong")}, ["does not accept our key"]),
    ],
)
async def test_a_check_says_what_an_erp_company_lacks(
    tryton: TrytonServer, settings: dict[str, Any], lacking: list[str]
) -> None:
    connection = tryton_connection(tryton, **settings)
    tax = tax_connection(Path("sandbox/data/taxes.toml"), NW_DE="DE")

    found = (await check([connection, tax]))[connection.name]

    said = of(Level.lacks, found)
    assert bool(said) == bool(lacking), found
    for words in lacking:
        assert any(words in each for each in said), found


async def test_a_tax_that_the_erp_does_not_know_is_named(tryton: TrytonServer, tmp_path: Path) -> None:
    table = tmp_path / "taxes.toml"
    row = '[[jurisdiction]]\ncode = "{0}"\nname = "{0}"\nseller = "DE"\nbuyer = "DE"\nrate = "0.19"\n'
    table.write_text(row.format("DE") + row.format("DE-2027"))
    connection = tryton_connection(tryton)

    found = await check([connection, tax_connection(table, NW_DE="DE", NW_FR="FR")])

    assert ["no tax named DE-2027" in each.what for each in found[connection.name]] == [True]
    assert ["no row for sales of NW-FR" in each.what for each in found["nordwind/tax/*"]] == [True]


def stripe_of(account: Simulator, **settings: Any) -> StripeConnection:
    own = {
        "tenant": "checked",
        "capability": "billing",
        "legal_entity": "NW-DE",
        "adapter": "stripe",
        "url": account.url,
        "key": Secret(account.credentials["key"]),
        "webhook_secret": Secret("whsec_1"),
    }
    return StripeConnection(**{**own, **settings})


async def test_a_check_says_what_a_billing_account_lacks(stripe_account: Simulator) -> None:
    wrong = stripe_of(stripe_account, key=Secret("sk_test_of_somebody_else"))
    without = stripe_of(stripe_account, webhook_secret=None)
    connection = stripe_of(stripe_account)
    name = connection.name

    assert all("does not accept our key" in each.what for each in (await check([wrong]))[name])
    assert ["No webhooks are taken" in each for each in of(Level.warns, (await check([without]))[name])] == [True]
    (missing,) = of(Level.lacks, (await check([connection]))[name])
    assert "no webhook endpoint whose address ends in /v1/webhooks/stripe/checked.NW-DE" in missing

    async with httpx.AsyncClient(base_url=stripe_account.url, auth=(stripe_account.credentials["key"], "")) as http:
        endpoint = {
            "url": "https://process.test/v1/webhooks/stripe/checked.NW-DE",
            "enabled_events[]": ["customer.subscription.created", "customer.subscription.updated"],
        }
        made = (await http.post("/v1/webhook_endpoints", data=endpoint)).raise_for_status().json()
        path = f"/v1/webhook_endpoints/{made['id']}"
        (unheard,) = of(Level.lacks, (await check([connection]))[name])
        assert "is not told of customer.subscription.deleted" in unheard

        (await http.post(path, data={"enabled_events[]": ["*"]})).raise_for_status()
        assert (await check([connection]))[name] == []

        (await http.post(path, data={"disabled": "true"})).raise_for_status()
        assert ["is disabled" in each for each in of(Level.lacks, (await check([connection]))[name])] == [True]
        (await http.delete(path)).raise_for_status()


async def test_vendor_that_is_down_is_a_finding_and_others_are_checked(dead_url: str) -> None:
    tax = tax_connection(Path("sandbox/data/taxes.toml"), NW_DE="DE")

    found = await check([salesforce_connection(dead_url), tax])

    assert any("does not answer" in each.what for each in found["nordwind/crm/*"])
    assert found["nordwind/tax/*"] == []


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run() -> Run:
    def started(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "system_api.check_connections", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=120
        )

    return started


def test_the_command_tells_its_progress_and_what_is_to_mend(system_settings: SystemSettings, run: Run) -> None:
    """The sandbox's org is not pinned, and no webhooks are accepted: both are warnings."""
    done = run(QUOTEWAY_SYSTEM_CONNECTIONS=system_settings.system_connections)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1/4] nordwind/crm/* (salesforce)" in done.stderr
    assert "nordwind/erp/NW-DE: fine" in done.stdout
    assert "  warns  The connection is pinned to no org" in done.stdout
    assert done.stdout.endswith("Nothing to mend.\n")


def test_the_command_prints_json_and_exits_1_where_something_lacks(
    system_settings: SystemSettings, run: Run, tmp_path: Path
) -> None:
    text = Path(system_settings.system_connections).read_text().replace('currency = "EUR"', 'currency = "USD"')
    path = Path(system_settings.system_connections).parent / f"changed-{tmp_path.name}.toml"
    path.write_text(text)

    done = run(str(path), "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["fine"]) == (1, False), done.stderr
    erp = next(each for each in told["connections"] if each["name"] == "nordwind/erp/NW-DE")
    assert erp["findings"] == [{"level": "lacks", "what": erp["findings"][0]["what"]}]
    assert "not in USD" in erp["findings"][0]["what"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_file_that_cannot_be_used_exits_2_with_every_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    path = tmp_path / "connections.toml"
    path.write_text('[[connection]]\nadapter = "salesforce"\nurl = "nowhere"\n[[connection]]\nadapter = "oracle"\n')

    assert main([str(path), *options], {}) == 2

    said = capsys.readouterr().out
    for fault in ("url: Expected", "client_id is missing", "adapter is 'oracle'"):
        assert fault in said


def test_without_a_file_the_command_says_which_setting_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([], {})

    assert ended.value.code == 2
    assert "QUOTEWAY_SYSTEM_CONNECTIONS" in capsys.readouterr().err
