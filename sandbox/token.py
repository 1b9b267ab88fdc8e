"""Mint an access token of the running demo, alone on standard output:

    curl -H "Authorization: Bearer $(python -m sandbox.token --as ada)" http://127.0.0.1:8001/v1/orders/…

`--as` is one of the sandbox's Salesforce users, `operator`, or an application that the issuer knows; a wrong name lists
them. A token lives ten minutes.
"""

import argparse
import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sandbox.issuer.clients import ANY_TENANT, JWT_BEARER
from sandbox.issuer.user_token import user_token
from sandbox.running_demo import NoDemoError, RunningDemo

TIERS = ("experience", "process", "system")
OPERATOR = "integration-operator"
_DATA = Path(__file__).resolve().parent / "data"
_ORGS = {"nordwind": _DATA / "salesforce.toml", "suedwind": _DATA / "suedwind" / "salesforce.toml"}
_ID_CHARS = 15


@dataclass(frozen=True)
class Caller:
    """Somebody whom a token can be for: `names` are what a person may call them."""

    names: tuple[str, ...]
    what: str
    client_id: str
    tenant: str
    tiers: tuple[str, ...]
    user_id: str = ""


class UnknownCallerError(Exception):
    """There is no such caller, or they may not call that tier. The message lists what is possible."""


def callers() -> list[Caller]:
    """Return everybody whom the sandbox's issuer gives a token to: users first."""
    clients = tomllib.loads((_DATA / "clients.toml").read_text())["client"]
    return [*_users(clients), *(_application(client) for client in clients)]


def _users(clients: list[dict[str, Any]]) -> list[Caller]:
    """Return the users of each tenant's org, who come with the client that stands for the org."""
    found = []
    for tenant, path in _ORGS.items():
        client = next(each for each in clients if each["tenant"] == tenant and JWT_BEARER in each["grants"])
        for user in tomllib.loads(path.read_text()).get("user", []):
            short = user["username"].partition("@")[0].partition(".")[0]
            names = (short, user["username"], user["user_id"])
            what = f"{user['name']}, a Salesforce user of {tenant}"
            found.append(Caller(names, what, client["client_id"], tenant, _tiers(client)[:1], user["user_id"]))
    return found


def _application(client: dict[str, Any]) -> Caller:
    short = ("operator",) if client["client_id"] == OPERATOR else ()
    whose = "any tenant (--tenant)" if client["tenant"] == ANY_TENANT else client["tenant"]
    names = (*short, client["client_id"])
    return Caller(names, f"an application of {whose}", client["client_id"], client["tenant"], _tiers(client))


def _tiers(client: dict[str, Any]) -> tuple[str, ...]:
    """Return the tiers that a client may call, the one that it is for first."""
    return tuple(audience.removeprefix("quoteway-") for audience in client["audience"])


def choose(found: list[Caller], name: str, tier: str | None) -> tuple[Caller, str]:
    """Return the caller of that name, and the tier that the token is for. Raises UnknownCallerError."""
    wanted = name.casefold()
    for caller in found:
        known = {each.casefold() for each in caller.names}
        if wanted in known or (caller.user_id and wanted[:_ID_CHARS] == caller.user_id.casefold()):
            if tier is not None and tier not in caller.tiers:
                raise UnknownCallerError(f"{name} may call: {', '.join(caller.tiers)}; not the {tier} API.")
            return caller, tier or caller.tiers[0]
    listed = "\n".join(f"  {each.names[0]:<22} {each.what}; tiers: {', '.join(each.tiers)}" for each in found)
    raise UnknownCallerError(f"Nobody here is called {name!r}. Tokens can be had for:\n{listed}")


def mint(demo: RunningDemo, caller: Caller, tier: str, tenant: str) -> str:
    """Return a fresh token. Raises httpx.HTTPError where the issuer gives none."""
    if caller.user_id:
        return user_token(demo.urls["issuer"], demo.issuer_state, caller.user_id, caller.client_id)
    form = {"grant_type": "client_credentials", "audience": f"quoteway-{tier}"}
    if caller.tenant == ANY_TENANT:
        form["tenant"] = tenant
    secret = json.loads((demo.issuer_state / "clients.json").read_text())[caller.client_id]["client_secret"]
    answer = httpx.post(f"{demo.urls['issuer']}/token", data=form, auth=(caller.client_id, secret), timeout=10)
    return str(answer.raise_for_status().json()["access_token"])


def main() -> int:
    """Print a token. 1 where no demo runs, 2 where nobody is called so."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.token", description="An access token of the running demo.")
    parser.add_argument("--as", dest="name", required=True, metavar="USER", help="a wrong name lists the right ones")
    parser.add_argument("--tier", choices=TIERS, help="the API that it is for (the first that USER may call)")
    parser.add_argument("--tenant", default="nordwind", help="for applications that act for any tenant (nordwind)")
    arguments = parser.parse_args()
    try:
        demo = RunningDemo.find()
        caller, tier = choose(callers(), arguments.name, arguments.tier)
        print(mint(demo, caller, tier, arguments.tenant))
    except NoDemoError as error:
        print(error, file=sys.stderr)
        return 1
    except UnknownCallerError as error:
        print(error, file=sys.stderr)
        return 2
    except httpx.HTTPError as error:
        print(f"The demo's issuer gives no token: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
