"""A connection to a table of jurisdictions."""

from pathlib import Path

from system_api.connections import JurisdictionsConnection

SELLERS = {"NW-DE": "DE", "NW-US": "US"}


def connection(table: Path) -> JurisdictionsConnection:
    return JurisdictionsConnection(
        tenant="nordwind",
        capability="tax",
        legal_entity="*",
        adapter="jurisdictions",
        table=table,
        sellers=SELLERS,
    )
