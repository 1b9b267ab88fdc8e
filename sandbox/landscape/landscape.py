"""The whole landscape on one machine: engines, vendors, issuer, and Quoteway's own four processes.

The demo and the end-to-end tests start the same one. All processes listen on the loopback interface, keep their files
in one run folder, and end with the program that started them.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg

from sandbox.engines.postgres import ExternalPostgres, PostgresEngine, run_database, start_postgres
from sandbox.engines.valkey import ExternalRedis, RedisEngine, start_redis
from sandbox.fault_proxy.control import FaultControl
from sandbox.landscape.connections_file import SECOND_TENANT, TENANT, connection_files
from sandbox.landscape.database import DatabaseLogins, prepare_database
from sandbox.landscape.ports import Ports, ReservedPorts
from sandbox.landscape.tier_environment import tier_environment
from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import ProcessError, RunningProcess, start_process
from sandbox.processes.progress import Progress
from sandbox.vendors.erp_stand_in.server import ErpStandIn
from sandbox.vendors.salesforce.vendor import SalesforceOrg
from sandbox.vendors.stripe.vendor import StripeAccount
from sandbox.vendors.tryton.credentials import FILE_NAME as TRYTON_CREDENTIALS
from sandbox.vendors.tryton.credentials import TenantAccess
from sandbox.vendors.tryton.data import DATA_FOLDER, SECOND_TENANT_FOLDER
from sandbox.vendors.tryton.database import start_postgres_with_erp
from sandbox.vendors.tryton.server import DATABASE as ERP_DATABASE
from sandbox.vendors.tryton.server import TrytonServer
from sandbox.vendors.tryton.vendor import TrytonErp
from sandbox.vendors.vendor import Vendor
from shared.audit.__main__ import make_key
from shared.identity.signing_keys import rotate_keys

_PROXIED_TIERS = ("system", "process")
_FAULT_PROXY = ("-m", "sandbox.fault_proxy.fault_proxy")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Landscape:
    """The sandbox's engines, vendors and tiers. Start it with `with`."""

    run_dir: Path
    ports: Ports = field(default_factory=Ports)
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    durable: bool = False
    tier_settings: Mapping[str, str] = field(default_factory=dict)
    proxied: frozenset[str] = frozenset()
    """Which of erp, stripe, salesforce, system and process (the two APIs) are reached through a fault proxy."""
    fault_seed: int = 0
    token_life_s: int = 600
    """The life of the issuer's access tokens, in seconds."""
    light_erp: bool = False
    """Start the ERP's stand-in in place of Tryton."""
    production_limits: bool = False
    """Limit callers as the tiers do by themselves; without, limits are at work but out of every test's way."""
    unthrottled: bool = False
    """Lift the vendors' quotas, so that they do not slow down a large run."""
    second_tenant: bool = False
    """Connect a second tenant, Suedwind, with an org, an ERP company with its key, and a billing account of its own."""
    org_profiles: tuple[str, ...] = ()
    """The profile of the first tenant's org (see the simulator's profiles); the second's is in its seed."""
    webhooks: bool = False
    """Have Stripe send its webhooks to the process API; without, a test can send them itself."""
    modules: Mapping[str, str] = field(default_factory=dict)
    """Modules to run instead of a tier's own, by the tier's name."""
    postgres: PostgresEngine | ExternalPostgres = field(init=False)
    database: str = field(init=False, default_factory=lambda: run_database("quoteway"))
    """Quoteway's own database in `postgres`."""
    logins: DatabaseLogins = field(init=False, repr=False)
    """What the tiers reach that database with; `postgres.url` is its owner's address."""
    erp_database: str = field(init=False, default_factory=lambda: run_database(ERP_DATABASE))
    redis: RedisEngine | ExternalRedis = field(init=False)
    tryton: TrytonServer = field(init=False)
    """The real ERP; not with `light_erp`."""
    erp_server: TrytonServer | ErpStandIn = field(init=False)
    erp: TenantAccess = field(init=False)
    second_erp: TenantAccess = field(init=False, repr=False)
    """The second tenant's access to the ERP: a company of its own in the real one, or a stand-in of its own."""
    second_erp_server: TrytonServer | ErpStandIn = field(init=False, repr=False)
    vendors: dict[str, Vendor] = field(init=False, default_factory=dict)
    """By name: erp, salesforce and stripe, and those of the second tenant."""
    processes: dict[str, RunningProcess] = field(init=False, default_factory=dict)
    _stack: ExitStack = field(init=False, default_factory=ExitStack)
    _reserved: ReservedPorts = field(init=False, default_factory=ReservedPorts)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, independent parts in parallel. Raises ProcessError with the reason."""
        self.start_vendors()
        with self.progress.step("Starting Quoteway: three tiers and a worker"):
            self.start_tiers()

    def start_vendors(self) -> None:
        """Start everything except Quoteway itself: engines, a migrated database, ERP, CRM, billing and issuer."""
        self.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._start_postgres()
        vendors = [*self._first_vendors(), *(self._second_vendors() if self.second_tenant else [])]
        self.vendors = {vendor.name: vendor for vendor in vendors}
        erp = "the ERP's stand-in" if self.light_erp else "Tryton"
        with self.progress.step(f"Starting {erp}, Salesforce, Stripe, the issuer and Valkey"):
            self._start_in_parallel()
        for name in sorted(self.proxied - set(_PROXIED_TIERS)):
            self._start_proxy(name, self.vendors[name].url)
        for client_id in ("process-api", "experience-api"):
            self._private(f"{client_id}.secret", self.secret(client_id))
        if not self.signing_keys.exists():
            rotate_keys(self.signing_keys)
        self._write_connections()
        self.logins = prepare_database(self.postgres, self.database, self.environment, self.run_dir)

    def start_tiers(self) -> None:
        """Start Quoteway's own four processes."""
        self.start_tier("system")
        if "system" in self.proxied:
            self._start_proxy("system", self.url("system"))
        with ThreadPoolExecutor() as pool:
            starts = [pool.submit(self.start_tier, "process"), pool.submit(self.start_worker)]
        for start in starts:
            start.result()
        if "process" in self.proxied:
            self._start_proxy("process", self.url("process"))
        self.start_tier("experience")
        self._await_first_list()

    def _await_first_list(self) -> None:
        """Wait until the system API has the list of revoked tokens: it starts before the process API, and lets
        nobody in without it.
        """
        deadline = time.monotonic() + 30
        while "revocations" in httpx.get(f"{self.url('system')}/health/ready", timeout=10).json()["missing"]:
            if time.monotonic() > deadline:
                raise ProcessError(f"The system API is not told of revoked tokens (logs: {self.run_dir / 'logs'})")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop everything that was started, last first."""
        for name in reversed(list(self.processes)):
            self.processes[name].stop()
        self._stack.close()
        self._reserved.release_all()

    def fallen(self) -> list[str]:
        """What was started and has ended by itself. A server that somebody else runs is not looked at."""
        others = {vendor.title: vendor for name, vendor in self.vendors.items() if name not in self.processes}
        started = {"PostgreSQL": self.postgres, "Valkey": self.redis, **others, **self.processes}
        return [
            name
            for name, each in started.items()
            if not isinstance(each, ExternalPostgres | ExternalRedis) and not each.is_running
        ]

    def secret(self, client_id: str) -> str:
        """Return the OAuth client secret of one of the issuer's clients."""
        clients = json.loads((self.run_dir / "issuer" / "clients.json").read_text())
        return str(clients[client_id]["client_secret"])

    def url(self, name: str) -> str:
        """Return the address of a server process."""
        return self.processes[name].url

    def reached_at(self, name: str) -> str:
        """Return the address that Quoteway uses for a vendor or its own next tier: its proxy's, if it has one."""
        if name in self.proxied:
            return self.url(_proxy(name))
        return self.vendors[name].url if name in self.vendors else self.url(name)

    def tier_url(self, name: str) -> str:
        """Return a tier's current or future address: the tiers are told of each other before all of them run."""
        if name in self.processes:
            return self.url(name)
        port = getattr(self.ports, name) or self._reserved.reserve(name)
        return f"http://{LOOPBACK}:{port}"

    def faults(self, name: str) -> FaultControl:
        """Return the fault control of one of `proxied`."""
        return FaultControl(self.url(_proxy(name)))

    def start_worker(self, name: str = "worker") -> RunningProcess:
        """Start a worker; several may run, each with its own name."""
        return self._start(name, ["-m", "process_api.worker"], self.settings("process"))

    def start_tier(self, name: str) -> RunningProcess:
        """Start the experience, process or system API, on its earlier port if it had one."""
        settings = self.settings(name)
        port = self.tier_url(name).rsplit(":", 1)[1]
        self._reserved.release(name)
        settings[f"QUOTEWAY_{name.upper()}_PORT"] = port
        return self._start(name, ["-m", self.modules.get(name, f"{name}_api")], settings)

    def start_audit_signer(self) -> RunningProcess:
        """Start the audit signer; its key is created at the first start and kept."""
        if not self.audit_key.exists():
            make_key(self.audit_key)
        return self._start(
            "audit-signer",
            ["-m", "shared.audit", "sign"],
            {
                "QUOTEWAY_AUDIT_DATABASE_URL": self.logins.url_of("signer"),
                "QUOTEWAY_AUDIT_SIGNING_KEY_FILE": str(self.audit_key),
                "QUOTEWAY_AUDIT_CHECKPOINT_FOLDER": str(self.run_dir / "audit-checkpoints"),
                "QUOTEWAY_AUDIT_CHECKPOINT_S": "2",
            },
        )

    def audit_verification(self) -> list[str]:
        """Return the arguments of `python` that verify the audit log with the exported checkpoints."""
        return [
            *("-m", "shared.audit", "verify", "--database", self.postgres.url(self.database)),
            *("--checkpoints", str(self.run_dir / "audit-checkpoints"), "--public-key", f"{self.audit_key}.pub"),
        ]

    @property
    def audit_key(self) -> Path:
        """The key that signs checkpoints of the audit log."""
        return self.run_dir / "audit.key"

    @property
    def signing_keys(self) -> Path:
        """The experience API's signing keys, created at the first start and kept."""
        return self.run_dir / "experience-api.keys.json"

    # -- vendors --------------------------------------------------------------------------------------------------

    def _start_postgres(self) -> None:
        folder, port = self.run_dir / "postgres", self.ports.postgres
        if self.light_erp:
            self.postgres = start_postgres(folder, port=port, durable=self.durable)
        else:
            self.postgres, credentials = start_postgres_with_erp(
                folder, self.progress, port=port, durable=self.durable, database=self.erp_database
            )
            credentials.write(self.run_dir / TRYTON_CREDENTIALS)
            self.erp, self.second_erp = (credentials.tenants[name] for name in (TENANT, SECOND_TENANT))
        self._stack.callback(self._stop_postgres)

    def _start_in_parallel(self) -> None:
        """Start the vendors in parallel: they do not depend on each other."""
        with ThreadPoolExecutor() as pool:
            starts: list[Future[object]] = [
                pool.submit(self._start_redis),
                pool.submit(self._start_issuer),
                *(pool.submit(vendor.start) for vendor in self.vendors.values()),
            ]
        for start in starts:
            start.result()

    def _first_vendors(self) -> list[Vendor]:
        """The first tenant's; a further vendor is its line here."""
        return [
            self._erp(),
            SalesforceOrg(
                self._launch, self.run_dir, DATA_FOLDER, port=self.ports.salesforce, profiles=self.org_profiles
            ),
            StripeAccount(
                self._launch, self.run_dir, DATA_FOLDER, port=self.ports.stripe, unthrottled=self.unthrottled
            ),
        ]

    def _erp(self) -> Vendor:
        if self.light_erp:
            stand_in = ErpStandIn(self.run_dir / "erp", port=self.ports.tryton)
            self.erp, self.erp_server = stand_in.access, stand_in
            self._stack.callback(stand_in.stop)
            return stand_in
        self.erp_server = self.tryton = TrytonServer(
            self.postgres,
            self.erp_database,
            run_dir=self.run_dir / "tryton",
            port=self.ports.tryton,
            progress=Progress(quiet=True),
        )
        self._stack.callback(self.tryton.stop)
        return TrytonErp(self.tryton, self.postgres, self.erp, DATA_FOLDER)

    def _second_vendors(self) -> list[Vendor]:
        """An org and a billing account of its own; in the real ERP it has its company already."""
        own: dict[str, Any] = {"run_dir": self.run_dir, "seed": SECOND_TENANT_FOLDER}
        erp: Vendor
        if self.light_erp:
            stand_in = ErpStandIn(self.run_dir / "suedwind-erp", seed=SECOND_TENANT_FOLDER, name="suedwind-erp")
            self._stack.callback(stand_in.stop)
            self.second_erp, self.second_erp_server, erp = stand_in.access, stand_in, stand_in
        else:
            self.second_erp_server = self.tryton
            erp = TrytonErp(self.tryton, self.postgres, self.second_erp, SECOND_TENANT_FOLDER, "suedwind-erp")
        org = SalesforceOrg(self._launch, **own, name="suedwind")
        name, unthrottled = "suedwind-stripe", self.unthrottled
        return [erp, org, StripeAccount(self._launch, **own, name=name, unthrottled=unthrottled, takes_webhooks=False)]

    def _start_redis(self) -> None:
        self.redis = start_redis(self.run_dir / "redis", port=self.ports.redis)
        self._stack.callback(self.redis.stop)

    def _start_issuer(self) -> RunningProcess:
        listen = ["--host", LOOPBACK, "--port", str(self.ports.issuer)]
        state = ["--state", str(self.run_dir / "issuer"), "--ttl-s", str(self.token_life_s)]
        return self._launch("issuer", ["-m", "sandbox.issuer", *listen, *state])

    def _launch(self, name: str, arguments: Sequence[str]) -> RunningProcess:
        return self._start(name, list(arguments), {})

    def _start_proxy(self, name: str, target: str) -> None:
        self._start(_proxy(name), [*_FAULT_PROXY, "--target", target, "--seed", str(self.fault_seed)], {})

    def _stop_postgres(self) -> None:
        if isinstance(self.postgres, ExternalPostgres):
            try:
                for database in (self.database, self.erp_database):
                    self.postgres.drop_database(database)
                if hasattr(self, "logins"):
                    self.logins.drop(self.postgres.url("postgres"))
            except psycopg.Error as error:
                names = f"{self.database} and {self.erp_database}"
                self.progress.note(f"The databases {names} may be left on the server: {error}")
        self.postgres.stop()
        if isinstance(self.postgres, PostgresEngine) and not self.durable:
            self.postgres.destroy()

    # -- Quoteway -------------------------------------------------------------------------------------------------

    def _write_connections(self) -> None:
        billing = self.vendors["stripe"]
        if self.webhooks and isinstance(billing, StripeAccount):
            billing.send_webhooks_to(self.tier_url("process"))
        seeds = [DATA_FOLDER, *([SECOND_TENANT_FOLDER] if self.second_tenant else [])]
        files = connection_files(self.vendors, seeds, self.reached_at, unthrottled=self.unthrottled)
        for name, text in files.items():
            self._private(name, text)

    def settings(self, tier: str) -> dict[str, str]:
        """Return the settings of a tier, as the environment variables that it is started with."""
        return tier_environment(self, tier)

    # -- both -----------------------------------------------------------------------------------------------------

    def _start(self, name: str, arguments: list[str], environment: dict[str, str]) -> RunningProcess:
        self.processes[name] = start_process(
            f"The {name}",
            [sys.executable, *arguments],
            env=self.environment(environment),
            log_path=self.run_dir / "logs" / f"{name}.log",
            ready="json line",
            timeout_s=60,
            cwd=_ROOT,
        )
        return self.processes[name]

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """A process's whole environment: a setting of the caller's own shell must not leak into it."""
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.run_dir), "LANG": "C.UTF-8", **settings}

    def _private(self, name: str, text: str) -> None:
        path = self.run_dir / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)


def _proxy(name: str) -> str:
    return f"{name}-proxy"
