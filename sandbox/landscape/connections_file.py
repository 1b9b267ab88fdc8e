"""Writes the system tier's connections file, block by block (its format is explained in system_api/connections.py)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.vendors.tryton.data import DATA_FOLDER, load_seed_data
from sandbox.vendors.vendor import Setting, Vendor, connection_block

TENANT = "nordwind"
SECOND_TENANT = "suedwind"
_UNTHROTTLED: dict[str, Setting] = {"concurrency_max": 200, "requests_per_second_max": 10_000}


def connection_files(
    vendors: Mapping[str, Vendor], seeds: Sequence[Path], reached_at: Callable[[str], str], *, unthrottled: bool
) -> dict[str, str]:
    """A landscape's connections and the secrets that they refer to, by the names of their files.

    Every legal entity has its ERP company and its billing account. Taxes are a table, not a vendor: each tenant of
    `seeds` is connected to it.
    """
    quota = _UNTHROTTLED if unthrottled else {}
    files: dict[str, str] = {}
    blocks = [_taxes(seed) for seed in seeds]
    for name, vendor in vendors.items():
        files |= vendor.secrets()
        blocks += vendor.connections(reached_at(name), quota)
    return {**files, "connections.toml": "\n".join(blocks)}


def _taxes(seed: Path) -> str:
    data = load_seed_data(seed)
    return connection_block(
        data.tenant,
        capability="tax",
        legal_entity="*",
        adapter="jurisdictions",
        table=str(DATA_FOLDER / "taxes.toml"),
        sellers={entity.code: entity.country for entity in data.legal_entities},
    )
