"""Writes the system tier's connections file, block by block (its format is explained in system_api/connections.py)."""

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from sandbox.vendors.salesforce.profiles import OrgProfile
from sandbox.vendors.salesforce.seed.files import SeedFiles
from sandbox.vendors.tryton.data import DATA_FOLDER, SECOND_TENANT_FOLDER, load_seed_data

if TYPE_CHECKING:
    from sandbox.landscape.landscape import Landscape

TENANT = "nordwind"
SECOND_TENANT = "suedwind"
_Setting = str | int | dict[str, str]


def connection_files(landscape: "Landscape") -> dict[str, str]:
    """Return a landscape's connections and their secrets, by file name.

    Every legal entity has its ERP company and its billing account.
    """
    salesforce = json.loads((landscape.run_dir / "salesforce.json").read_text())
    files = {
        "salesforce.secret": str(salesforce["client_secret"]),
        "tryton.key": landscape.erp.rest_key,
        "webhook.secret": _register_webhooks(landscape) if landscape.webhooks else f"whsec_{secrets.token_urlsafe(24)}",
    }
    blocks = _blocks(landscape, salesforce["client_id"])
    if landscape.second_tenant:
        suedwind = json.loads((landscape.run_dir / "suedwind.json").read_text())
        files["suedwind.secret"] = str(suedwind["client_secret"])
        files["suedwind-tryton.key"] = landscape.second_erp.rest_key
        blocks += _second_tenant_blocks(landscape, suedwind["client_id"])
    return {**files, "connections.toml": "\n".join(blocks)}


def _blocks(landscape: "Landscape", client_id: str) -> list[str]:
    quota: dict[str, _Setting] = (
        {"concurrency_max": 200, "requests_per_second_max": 10_000} if landscape.unthrottled else {}
    )
    entities = load_seed_data().legal_entities
    org: dict[str, _Setting] = {
        "url": landscape.reached_at("salesforce"),
        "client_id": client_id,
        "client_secret": "file:salesforce.secret",
        "org_id": _org_id(DATA_FOLDER, *landscape.org_profiles),
    }
    tax: dict[str, _Setting] = {
        "table": str(DATA_FOLDER / "taxes.toml"),
        "sellers": {entity.code: entity.country for entity in entities},
    }
    blocks = [
        connection_block(TENANT, capability="crm", legal_entity="*", adapter="salesforce", **org, **quota),
        connection_block(TENANT, capability="tax", legal_entity="*", adapter="jurisdictions", **tax),
    ]
    for entity in entities:
        erp: dict[str, _Setting] = {
            "url": landscape.reached_at("tryton"),
            "database": landscape.erp_server.database,
            "company": landscape.erp.companies[entity.code],
            "currency": entity.currency,
            "key": "file:tryton.key",
        }
        stripe: dict[str, _Setting] = {
            "url": landscape.reached_at("stripe"),
            "key": "file:stripe.key",
            "webhook_secret": "file:webhook.secret",
        }
        books = {"legal_entity": entity.code}
        blocks.append(connection_block(TENANT, capability="erp", adapter="tryton", **books, **erp, **quota))
        blocks.append(connection_block(TENANT, capability="billing", adapter="stripe", **books, **stripe, **quota))
    return blocks


def _second_tenant_blocks(landscape: "Landscape", client_id: str) -> list[str]:
    """Return the second tenant's connections: an org, a company with its own key, and a billing account of its own."""
    seller = {"legal_entity": "SW-DE"}
    crm: dict[str, _Setting] = {
        "url": landscape.url("suedwind"),
        "client_id": client_id,
        "client_secret": "file:suedwind.secret",
        "org_id": _org_id(SECOND_TENANT_FOLDER),
    }
    erp: dict[str, _Setting] = {
        "url": landscape.second_erp_server.url,
        "database": landscape.second_erp_server.database,
        "company": landscape.second_erp.companies["SW-DE"],
        "currency": "EUR",
        "key": "file:suedwind-tryton.key",
    }
    stripe = {"url": landscape.url("suedwind-stripe"), "key": "file:suedwind-stripe.key"}
    tax: dict[str, _Setting] = {"table": str(DATA_FOLDER / "taxes.toml"), "sellers": {"SW-DE": "DE"}}
    return [
        connection_block(SECOND_TENANT, capability="crm", adapter="salesforce", legal_entity="*", **crm),
        connection_block(SECOND_TENANT, capability="tax", adapter="jurisdictions", legal_entity="*", **tax),
        connection_block(SECOND_TENANT, capability="erp", adapter="tryton", **seller, **erp),
        connection_block(SECOND_TENANT, capability="billing", adapter="stripe", **seller, **stripe),
    ]


def _org_id(seed: Path, *profiles: str) -> str:
    """Return the id of the org that a connection is pinned to, as Salesforce's setup shows it."""
    return OrgProfile.read(SeedFiles.read(seed).salesforce.get("org", {}), profiles).organization_id


def _register_webhooks(landscape: "Landscape") -> str:
    """Create the account's webhook endpoint, as a person does in Stripe's dashboard, and return its secret.

    The sandbox's legal entities share one account, so one endpoint gets all events.
    """
    entity = load_seed_data().legal_entities[0]
    endpoint = httpx.post(
        f"{landscape.url('stripe')}/v1/webhook_endpoints",
        data={
            "url": f"{landscape.tier_url('process')}/v1/webhooks/stripe/{TENANT}.{entity.code}",
            "enabled_events[]": [f"customer.subscription.{change}" for change in ("created", "updated", "deleted")],
        },
        auth=((landscape.run_dir / "stripe.key").read_text().strip(), ""),
        timeout=10,
    ).raise_for_status()
    return str(endpoint.json()["secret"])


def connection_block(tenant: str, **settings: _Setting) -> str:
    """Return a block of the file. JSON's strings, numbers and (as inline tables) maps are valid TOML."""
    lines = ["[[connection]]", f'tenant = "{tenant}"']
    for name, value in settings.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{key} = {json.dumps(text)}" for key, text in value.items())
            lines.append(f"{name} = {{ {inner} }}")
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"
