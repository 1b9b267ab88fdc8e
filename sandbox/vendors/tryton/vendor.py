"""The real ERP as a vendor of a landscape."""

from dataclasses import dataclass
from pathlib import Path

import psycopg

from sandbox.engines.postgres import Postgres
from sandbox.vendors.tryton.connection import company_blocks
from sandbox.vendors.tryton.credentials import TenantAccess
from sandbox.vendors.tryton.server import TrytonServer
from sandbox.vendors.vendor import Holding, Setting

_SALES = """
SELECT sale.reference, sale.state, count(line.id)
FROM sale_sale AS sale LEFT JOIN sale_line AS line ON line.sale = sale.id
WHERE sale.reference LIKE 'ord\\_%' GROUP BY sale.id ORDER BY sale.id
"""
_PARTIES = "SELECT DISTINCT code, party FROM party_identifier WHERE code LIKE 'SF:%'"


@dataclass(frozen=True)
class TrytonErp:
    """A tenant's companies in Tryton; tenants may share its server."""

    server: TrytonServer
    postgres: Postgres
    access: TenantAccess
    seed: Path
    name: str = "erp"
    title: str = "Tryton"

    @property
    def url(self) -> str:
        """The server's address."""
        return self.server.url

    @property
    def is_running(self) -> bool:
        """Whether the server is there."""
        return self.server.is_running

    def start(self) -> TrytonServer:
        """Start the server, unless it runs."""
        return self.server.start()

    def stop(self) -> None:
        """Stop the server."""
        self.server.stop()

    def secrets(self) -> dict[str, str]:
        """The key of the tenant's integration user."""
        return {f"{self.name}.key": self.access.rest_key}

    def connections(self, reached_at: str, quota: dict[str, Setting]) -> list[str]:
        """A block for each company."""
        database = self.server.database
        return company_blocks(self.seed, self.access, name=self.name, url=reached_at, database=database, quota=quota)

    def holdings(self) -> list[Holding]:
        """Sales and customers, from the ERP's own database."""
        with psycopg.connect(self.postgres.url(self.server.database)) as connection:
            sales = [Holding("sale", *row) for row in connection.execute(_SALES)]
            return [*sales, *(Holding("customer", code) for code, _ in connection.execute(_PARTIES))]
