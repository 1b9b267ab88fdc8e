"""A simulated org as a vendor of a landscape."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import ProcessError, RunningProcess
from sandbox.vendors.salesforce.profiles import OrgProfile
from sandbox.vendors.salesforce.seed.files import SeedFiles
from sandbox.vendors.tryton.data import load_seed_data
from sandbox.vendors.vendor import Holding, Launch, Setting, connection_block

_ORDERS = "/services/data/v67.0/query?q=SELECT+Order_Id__c,+Status__c+FROM+Quoteway_Order__c"


@dataclass
class SalesforceOrg:
    """A tenant's org. `profiles` say what is peculiar to it (sandbox.vendors.salesforce.profiles)."""

    launch: Launch
    run_dir: Path
    seed: Path
    name: str = "salesforce"
    port: int = 0
    profiles: tuple[str, ...] = ()
    title: str = "Salesforce"
    _process: RunningProcess | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The org's address."""
        if self._process is None:
            raise ProcessError(f"{self.name} has not been started.")
        return self._process.url

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.is_running

    def start(self) -> RunningProcess:
        """Start the simulator with the tenant's accounts and quotes."""
        self._process = self.launch(
            self.name,
            [
                *("-m", "sandbox.vendors.salesforce", "--host", LOOPBACK, "--port", str(self.port)),
                *("--seed", str(self.seed), "--credentials", str(self._credentials_file)),
                *(word for profile in self.profiles for word in ("--profile", profile)),
            ],
        )
        return self._process

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()

    def secrets(self) -> dict[str, str]:
        """The client secret of the connected app."""
        return {f"{self.name}.secret": str(self.credentials["client_secret"])}

    def connections(self, reached_at: str, quota: dict[str, Setting]) -> list[str]:
        """One block for every legal entity, pinned to the org as its administrator reads it in Salesforce's setup."""
        org = OrgProfile.read(SeedFiles.read(self.seed).salesforce.get("org", {}), self.profiles)
        return [
            connection_block(
                load_seed_data(self.seed).tenant,
                capability="crm",
                legal_entity="*",
                adapter="salesforce",
                url=reached_at,
                client_id=self.credentials["client_id"],
                client_secret=f"file:{self.name}.secret",
                org_id=org.organization_id,
                **quota,
            )
        ]

    def holdings(self) -> list[Holding]:
        """What the org was told of orders."""
        with self.client() as client:
            address, found = _ORDERS, list[Holding]()
            while address:
                page = client.get(address).raise_for_status().json()
                found += [Holding("report", each["Order_Id__c"], each["Status__c"]) for each in page["records"]]
                address = page.get("nextRecordsUrl", "")
        return found

    @property
    def credentials(self) -> dict[str, Any]:
        """The connected app's, as the simulator wrote them when it started."""
        found: dict[str, Any] = json.loads(self._credentials_file.read_text())
        return found

    def client(self) -> httpx.Client:
        """A session in the org, past every proxy."""
        token = httpx.post(
            f"{self.url}/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self.credentials["client_id"],
                "client_secret": self.credentials["client_secret"],
            },
            timeout=20,
        ).raise_for_status()
        bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
        return httpx.Client(base_url=self.url, headers=bearer, timeout=20)

    @property
    def _credentials_file(self) -> Path:
        return self.run_dir / f"{self.name}.json"
