"""An issuer that is not ours, npm's oidc-provider, is believed: found by its metadata, with keys that change.

Needs Node and an npm registry; without them it is skipped, and says so. `make issuer-check` runs it alone.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import RunningProcess, start_process
from shared.identity.auth import Authenticator, Principal
from shared.identity.service_token import ServiceTokens
from shared.identity.signed_token import read_token
from shared.problem import Unauthenticated

HERE = Path(__file__).parent / "independent_issuer"
BUILD = Path(__file__).parents[2] / "build" / "independent-issuer"
AUDIENCE = "urn:quoteway:process"
SECRET = secrets.token_urlsafe(24)
INSTALL_TIMEOUT_S = 120

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProcess]:
    """The issuer, installed below build/ and started on a free port."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed: the independent issuer cannot be run")
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "issuer.mjs"):
        shutil.copy(HERE / name, BUILD / name)
    # The registry that it comes from is the person's own setting.
    command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"]
    try:
        installed = subprocess.run(
            command, cwd=BUILD, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not installed oidc-provider within {INSTALL_TIMEOUT_S} s")
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install oidc-provider: {installed.stderr.strip()[-300:]}")
    process = start_process(
        "The independent issuer",
        [node, str(BUILD / "issuer.mjs"), SECRET],
        env={"PATH": os.environ["PATH"], "HOST": LOOPBACK},
        log_path=tmp_path_factory.mktemp("independent-issuer") / "issuer.log",
        ready="json line",
        timeout_s=60,
    )
    with process:
        yield process


def metadata_url(issuer: RunningProcess) -> str:
    return f"{issuer.url}/.well-known/openid-configuration"


async def new_key(issuer: RunningProcess, algorithm: str, *, withdraw: bool = False) -> None:
    parameters = {"alg": algorithm, **({"withdraw": "1"} if withdraw else {})}
    async with httpx.AsyncClient() as client:
        (await client.post(f"{issuer.url}/_control/keys", params=parameters)).raise_for_status()


async def token_of(issuer: RunningProcess, resource: str = AUDIENCE, **parameters: str) -> str:
    """A token by client credentials, for a resource (RFC 8707)."""
    async with httpx.AsyncClient() as client:
        endpoint = (await client.get(metadata_url(issuer))).json()["token_endpoint"]
        form = {"grant_type": "client_credentials", "resource": resource, "scope": "orders:read", **parameters}
        answer = await client.post(endpoint, data=form, auth=("an-application", SECRET))
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def authenticator(issuer: RunningProcess, audience: str = AUDIENCE) -> Authenticator:
    return Authenticator(metadata_url(issuer), audience, refetch_min_s=0)


async def let_in(checking: Authenticator, token: str) -> Principal:
    return await checking.authenticate(f"Bearer {token}")


async def test_its_tokens_are_believed_as_they_are(issuer: RunningProcess) -> None:
    checking = authenticator(issuer)

    principal = await let_in(checking, await token_of(issuer))

    assert (principal.subject, principal.client_id) == ("an-application", "an-application")
    assert (principal.tenant, principal.scopes, principal.user) == ("nordwind", frozenset({"orders:read"}), None)
    assert principal.issuer == issuer.url
    assert principal.token_id
    assert await checking.issuer_names() == [issuer.url]
    await checking.close()


async def test_its_key_changes_to_every_algorithm_while_everything_runs(issuer: RunningProcess) -> None:
    checking = authenticator(issuer)
    tokens = []
    for algorithm in ("RS256", "ES256", "Ed25519", "EdDSA", "PS256"):
        await new_key(issuer, algorithm)
        tokens.append(await token_of(issuer))
        assert read_token(tokens[-1]).header["alg"] == algorithm
        await let_in(checking, tokens[-1])
    for token in tokens:
        await let_in(checking, token)
    await checking.close()


async def test_what_a_withdrawn_key_has_signed_is_refused(issuer: RunningProcess) -> None:
    checking = authenticator(issuer)
    before = await token_of(issuer)
    await let_in(checking, before)
    await new_key(issuer, "ES256", withdraw=True)

    await let_in(checking, await token_of(issuer))

    with pytest.raises(Unauthenticated):
        await let_in(checking, before)
    await checking.close()


async def test_a_token_for_another_resource_is_refused(issuer: RunningProcess) -> None:
    checking = authenticator(issuer)

    for resource in ("urn:quoteway:system", f"{AUDIENCE}2"):
        with pytest.raises(Unauthenticated):
            await let_in(checking, await token_of(issuer, resource))
    await checking.close()


async def test_our_own_services_get_their_tokens_from_it(issuer: RunningProcess) -> None:
    tokens = ServiceTokens(metadata_url(issuer), "an-application", SECRET, AUDIENCE)
    checking = authenticator(issuer)

    principal = await let_in(checking, await tokens.bearer("nordwind"))

    assert principal.client_id == "an-application"
    await tokens.close()
    await checking.close()
