"""The stand-in as a process of a run and a vendor of a landscape, with what tests ask of a `TrytonServer`."""

import secrets
import sys
from pathlib import Path
from typing import Self

import httpx

from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import ProcessError, RunningProcess, start_process
from sandbox.vendors.journal import JOURNAL_PATH
from sandbox.vendors.tryton.connection import company_blocks
from sandbox.vendors.tryton.credentials import TenantAccess, TrytonCredentials
from sandbox.vendors.tryton.data import DATA_FOLDER, load_seed_data
from sandbox.vendors.tryton.rest import RestClient
from sandbox.vendors.tryton.server import DATABASE
from sandbox.vendors.vendor import Holding, Setting


class ErpStandIn:
    """The stand-in on a loopback port, one tenant's. Its key, companies and data are like those of the real ERP."""

    database = DATABASE
    title = "The ERP's stand-in"

    def __init__(self, run_dir: Path, *, port: int = 0, seed: Path = DATA_FOLDER, name: str = "erp") -> None:
        self.name = name
        self.run_dir = run_dir
        self.port = port
        self._seed = seed
        data = load_seed_data(seed)
        companies = {entity.code: number for number, entity in enumerate(data.legal_entities, start=1)}
        access = TenantAccess(secrets.token_urlsafe(32), companies)
        self.access = access
        self.credentials = TrytonCredentials("", "", {data.tenant: access})
        self._key = access.rest_key
        self._process: RunningProcess | None = None

    @property
    def url(self) -> str:
        """The server's address, without the database. Raises ProcessError when it was never started."""
        if self._process is None:
            raise ProcessError("The ERP's stand-in has not been started.")
        return self._process.url

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.is_running

    def client(self, tenant: str, legal_entity: str | None) -> RestClient:
        """REST as the tenant's integration user, in the company of a legal entity (None: in none)."""
        access = self.credentials.tenants[tenant]
        company = None if legal_entity is None else access.companies[legal_entity]
        return RestClient(self.url, self.database, access.rest_key, company)

    def start(self) -> Self:
        """Start it and wait until it answers. Raises ProcessError when it does not."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        key_file = self.run_dir / "erp-stand-in.key"
        key_file.unlink(missing_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_text(self._key)
        self._process = start_process(
            "The ERP's stand-in",
            [
                *(sys.executable, "-m", "sandbox.vendors.erp_stand_in", "--host", LOOPBACK, "--port", str(self.port)),
                *("--key-file", str(key_file), "--seed", str(self._seed)),
            ],
            log_path=self.run_dir / "erp-stand-in.log",
            ready="json line",
        )
        return self

    def stop(self) -> None:
        """End it. What its books held is gone."""
        if self._process is not None:
            self._process.stop()

    def secrets(self) -> dict[str, str]:
        """The key of the tenant's integration user."""
        return {f"{self.name}.key": self._key}

    def connections(self, reached_at: str, quota: dict[str, Setting]) -> list[str]:
        """A block for each company: it speaks as Tryton does."""
        return company_blocks(
            self._seed, self.access, name=self.name, url=reached_at, database=self.database, quota=quota
        )

    def holdings(self) -> list[Holding]:
        """Sales and customers, from its journal: the last entry of a sale is how it stands now."""
        answer = httpx.get(f"{self.url}{JOURNAL_PATH}", timeout=60).raise_for_status()
        sales: dict[str, Holding] = {}
        customers: list[Holding] = []
        for entry in answer.json()["entries"]:
            external_id, data = entry["external_id"] or "", entry["data"]
            if entry["object_type"] == "sale.sale" and external_id.startswith("ord_"):
                sales[entry["object_id"]] = Holding("sale", external_id, data["state"], data["lines"])
            elif entry["object_type"] == "party.party" and external_id.startswith("SF:"):
                customers.append(Holding("customer", external_id))
        return [*sales.values(), *customers]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()
