"""What is measured against what: Quoteway's own processes and the peers, each on the core that its part asks for."""

import base64
import json
import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from sandbox.demo import access_token
from sandbox.landscape.landscape import Landscape
from sandbox.processes.process import RunningProcess, start_process
from tests.benchmarks.load import Target
from tests.benchmarks.peer_programs import DEPLOYED, pin, start_haproxy, start_nginx, start_python

MEASURED_CORE, LOAD_CORE = 0, 1
ACCOUNT = "001QW0000000001"
_ROOT = Path(__file__).resolve().parents[2]
_ORDER = {
    "orderId": "ord_0123456789abcdef0123456789abcdef",
    "quoteId": "0Q0QW0000000001AAA",
    "quoteRevision": 1,
    "status": "booked",
    "version": 9,
    "flowId": "flow_0123456789abcdef0123456789abcdef",
    "createdAt": "2026-11-22T10:00:00Z",
    "updatedAt": "2026-11-22T10:00:07Z",
    "accountId": "001QW0000000001AAA",
    "legalEntity": "NW-DE",
    "total": {"amount": "1859.00", "currency": "EUR"},
    "tax": {"amount": "296.81", "currency": "EUR"},
    "erpOrderId": "42",
    "erpOrderNumber": "17",
    "subscriptionIds": ["sub_0123456789"],
    "timeline": [
        {"at": f"2026-11-22T10:00:0{second}Z", "status": "validating", "step": "check_credit", "message": "Approved."}
        for second in range(5)
    ],
}


@dataclass
class Field:
    """Everything that runs while it is measured."""

    landscape: Landscape
    stack: ExitStack
    folder: Path
    token: str = field(init=False)
    _issuer: dict[str, str] = field(init=False)
    _started: list[RunningProcess] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        for process in self.landscape.processes.values():
            pin(process.pid, LOAD_CORE)
        self.token = access_token(self.landscape, "salesforce-lightning", "quoteway-experience")
        metadata = httpx.get(f"{self.landscape.url('issuer')}/.well-known/openid-configuration").json()
        self._issuer = {"issuer": metadata["issuer"], "jwks_uri": metadata["jwks_uri"]}

    # -- Quoteway -----------------------------------------------------------------------------------------------------

    def cached_overview(self) -> Target:
        """The experience API as it runs in the demo: its answer comes from its cache."""
        process = self.start_tier("experience", "experience-cached", self.landscape.settings("experience"))
        return self._target("Quoteway, cache hit", process.url, f"/v1/accounts/{ACCOUNT}/overview")

    def one_hop(self, upstream: str) -> Target:
        """The experience API in front of a fast upstream: whole policy, every order another one."""
        settings = {**self.landscape.settings("experience"), "QUOTEWAY_PROCESS_URL": upstream}
        process = self.start_tier("experience", "experience-hop", settings)
        return self._target("Quoteway, one hop", process.url, "/v1/orders/ord_%d")

    def three_tiers(self, vendors: dict[str, str]) -> Target:
        """All three tiers on the measured core, uncached, in front of vendors that answer at once."""
        text = (self.landscape.run_dir / "connections.toml").read_text()
        for real, quick in vendors.items():
            text = text.replace(json.dumps(real), json.dumps(quick))
        connections = self.landscape.run_dir / "connections-quick.toml"
        connections.touch(mode=0o600)
        connections.write_text(text)
        system = self.start_tier(
            "system",
            "system-quick",
            {**self.landscape.settings("system"), "QUOTEWAY_SYSTEM_CONNECTIONS": str(connections)},
        )
        process = self.start_tier(
            "process",
            "process-quick",
            {**self.landscape.settings("process"), "QUOTEWAY_SYSTEM_URL": system.url},
        )
        settings = {**self.landscape.settings("experience"), "QUOTEWAY_PROCESS_URL": process.url}
        experience = self.start_tier("experience", "experience-quick", settings)
        target = self._target("Quoteway, three tiers", experience.url, f"/v1/accounts/{ACCOUNT}/overview")
        # Every cache on the way lets such a request through, and the answer is made anew.
        return replace(target, headers={**target.headers, "Cache-Control": "no-cache"})

    # -- peers --------------------------------------------------------------------------------------------------------

    def haproxy(self) -> Target:
        """haproxy with RS256 and a limit."""
        [key] = [key for key in httpx.get(self._issuer["jwks_uri"]).json()["keys"] if key["kid"] == self._key_id()]
        peer = self._keep(start_haproxy(key, self._issuer["issuer"], "quoteway-experience", self.folder, MEASURED_CORE))
        return self._target("haproxy, JWT and limit", peer.url, "/v1/x")

    def nginx(self) -> Target:
        """nginx with a limit; it cannot check a token."""
        body = json.dumps({"padding": "x" * 1000})
        peer = self._keep(start_nginx("nginx-limit", "nginx-limit.conf", body, self.folder, MEASURED_CORE))
        return self._target("nginx, limit, no JWT", peer.url, "/v1/x")

    def bare(self) -> Target:
        """Litestar without any policy."""
        peer = self._keep(start_python("bare", "bare", {}, self.folder, MEASURED_CORE))
        return Target("bare Litestar", peer.url, "/v1/orders/ord_%d", {})

    def naive(self, upstream: str) -> Target:
        """FastAPI, slowapi, Authlib, httpx."""
        settings = {**self._naive_settings(), "NAIVE_UPSTREAM": upstream}
        peer = self._keep(start_python("naive", "naive", settings, self.folder, MEASURED_CORE))
        return self._target("naive peer, one hop", peer.url, "/v1/orders/ord_%d")

    def naive_tiers(self, vendors: dict[str, str]) -> Target:
        """The same three times, one in front of the other."""
        salesforce, erp, billing = vendors.values()
        settings = {
            **self._naive_settings(),
            "NAIVE_SALESFORCE": salesforce,
            "NAIVE_ERP": erp,
            "NAIVE_BILLING": billing,
        }
        inner = ""
        for tier in ("system", "process", "experience"):
            own = {**settings, "NAIVE_TIER": tier, "NAIVE_UPSTREAM": inner}
            peer = start_python(f"naive-{tier}", "naive_tiers", own, self.folder, MEASURED_CORE)
            inner = self._keep(peer).url
        return self._target("naive peer, three tiers", inner, f"/v1/accounts/{ACCOUNT}/overview")

    # -- what stands behind them --------------------------------------------------------------------------------------

    def upstream(self) -> str:
        """A fast upstream that answers an order to everything."""
        behind = self.landscape.url("process")
        peer = start_nginx("upstream", "nginx-upstream.conf", json.dumps(_ORDER), self.folder, LOAD_CORE, behind=behind)
        return self._keep(peer).url

    def quick_vendors(self) -> dict[str, str]:
        """Each vendor's own address, and that of a peer that answers in its place what it once answered."""
        found = {}
        for name, real in {
            "salesforce": self.landscape.url("salesforce"),
            "erp": self.landscape.erp_server.url,
            "stripe": self.landscape.url("stripe"),
        }.items():
            peer = start_python(f"replay-{name}", "replay", {"REPLAY_TARGET": real}, self.folder, LOAD_CORE)
            found[real] = self._keep(peer).url
        return found

    def _naive_settings(self) -> dict[str, str]:
        return {
            "NAIVE_JWKS_URL": self._issuer["jwks_uri"],
            "NAIVE_ISSUER": self._issuer["issuer"],
            "NAIVE_AUDIENCE": "quoteway-experience",
            "NAIVE_REDIS_URL": self.landscape.redis.url,
        }

    def _key_id(self) -> str:
        head = self.token.split(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(head + "=="))["kid"])

    def _target(self, name: str, url: str, path: str) -> Target:
        return Target(name, url, path, {"Authorization": f"Bearer {self.token}"})

    def pid_of(self, target: Target) -> int:
        """The process that serves a target."""
        [pid] = [process.pid for process in self._started if process.url == target.url]
        return pid

    def start_tier(self, tier: str, name: str, settings: dict[str, str]) -> RunningProcess:
        """Start a tier as it is deployed, on the measured core, on a free port."""
        process = start_process(
            name,
            [str(DEPLOYED / "bin" / "python"), "-m", f"{tier}_api"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                **settings,
                f"QUOTEWAY_{tier.upper()}_PORT": "0",
            },
            log_path=self.folder / f"{name}.log",
            ready="json line",
            timeout_s=60,
            cwd=_ROOT,
        )
        pin(process.pid, MEASURED_CORE)
        return self._keep(process)

    def _keep(self, process: RunningProcess) -> RunningProcess:
        self._started.append(process)
        self.stack.callback(process.stop)
        return process
