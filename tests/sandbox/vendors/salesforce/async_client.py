"""The simulator through aiosalesforce."""

from pathlib import Path

import httpx
from aiosalesforce.auth import Auth, ClientCredentialsFlow

from tests.sandbox.vendors.salesforce.conftest import OrgProcess

# The client refuses addresses outside Salesforce's domains.
BASE_URL = "https://nordwind.my.salesforce.com"


class RewritingTransport(httpx.AsyncHTTPTransport):
    def __init__(self, org_url: str) -> None:
        super().__init__()
        self._target = httpx.URL(org_url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = self._target
        request.url = request.url.copy_with(scheme=target.scheme, host=target.host, port=target.port)
        request.headers["Host"] = target.netloc.decode()
        return await super().handle_async_request(request)


def client_credentials(org: OrgProcess, _: Path) -> Auth:
    return ClientCredentialsFlow(org.credentials["client_id"], org.credentials["client_secret"])
