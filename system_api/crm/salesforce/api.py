"""Salesforce's REST API: tokens, the pinned org, requests and answers."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec

from shared.outbound.http_client import OutboundClient, Response, Transport
from shared.problem import Rejected, Unavailable
from system_api.connections import SalesforceConnection
from system_api.crm.salesforce.errors import (
    ABSENT_CODES,
    SESSION_CODES,
    VENDOR,
    credentials_refused,
    error_of,
    fault_of,
    version_retired,
    wrong_org,
)
from system_api.crm.salesforce.rows import Page, decode_row, decode_rows
from system_api.vendor.replies import decode_reply, trustless, understanding

T = TypeVar("T")
ORG_ID_CHARS = 15
"""The first 15 characters of an id identify the record; three more only repeat which of them are capitals."""


class _Token(msgspec.Struct, frozen=True):
    """An access token; `id` is an address with the organization and the user: …/id/<organization>/<user>."""

    access_token: str
    id: str = ""


class _TokenRefusal(msgspec.Struct, frozen=True):
    error: str
    error_description: str = ""


class ApiVersion(msgspec.Struct, frozen=True):
    """An API version that the org supports."""

    version: str


class SalesforceApi:
    """One org, as the integration user of its client credentials.

    Every request goes to the My Domain address: for client credentials the token endpoint must be there, and it is the
    `instance_url` of every answer too. Before the first request, the org is asked for its API versions; and each token
    is only used if it belongs to the org that the connection is pinned to.
    """

    def __init__(self, connection: SalesforceConnection, transport: Transport | None = None) -> None:
        self._client = OutboundClient(VENDOR, connection.url.rstrip("/"), transport=transport)
        self._version = connection.api_version
        self._root = f"/services/data/{connection.api_version}"
        self._pinned = connection.org_id
        # RFC 6749, section 2.3.1: both parts are form-encoded before they become Basic credentials.
        pair = f"{quote_plus(connection.client_id)}:{quote_plus(connection.client_secret.value)}"
        self._basic = "Basic " + base64.b64encode(pair.encode()).decode()
        self._token = ""
        self._token_lock = asyncio.Lock()
        self._version_known = False
        self._number_encoder = msgspec.json.Encoder(decimal_format="number")
        self.org_id = ""
        """The token's org once there is one: 15 or 18 characters."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, path: str, shape: type[T], params: Mapping[str, str] | None = None) -> T | None:
        """Return what is at `path` below the API's root, or None if there is nothing. Raises Rejected or
        Unavailable.
        """
        content = await self._read(path, params)
        return None if content is None else decode_reply(content, shape, vendor=VENDOR, writes=False)

    async def record(self, path: str) -> dict[str, Any] | None:
        """Return a record with exact numbers, or None."""
        content = await self._read(path, None)
        if content is None:
            return None
        with understanding(VENDOR, writes=False):
            return decode_row(content)

    async def query(self, soql: str, shape: type[T], *, deleted: bool = False) -> T:
        """Return the first page of a query's answer, with `deleted` records if asked for."""
        found = await self.get("/queryAll" if deleted else "/query", shape, {"q": soql})
        return _found(found, "query")

    async def rows(self, soql: str) -> Page:
        """Return the first page of a query's answer with any fields and exact numbers."""
        content = _found(await self._read("/query", {"q": soql}), "query")
        with understanding(VENDOR, writes=False):
            return decode_rows(content)

    async def next_page(self, address: str) -> Page:
        """Return the page at `nextRecordsUrl`, which must be an absolute path of this org's."""
        if not address.startswith("/services/data/"):
            raise trustless(VENDOR, f"names {address!r} as the next page", writes=False)
        response = await self._send("GET", address)
        if not response.is_success:
            raise error_of(response, writes=False)
        with understanding(VENDOR, writes=False):
            return decode_rows(response.content)

    async def upsert(self, path: str, shape: type[T], body: Mapping[str, Any]) -> T | None:
        """Create or update by external id. Returns None if Salesforce answers without a body (204).

        Raises Rejected, Unavailable or OutcomeUnknown.
        """
        response = await self._send("PATCH", self._root + path, content=self._number_encoder.encode(body))
        if response.status_code == 300:
            raise Rejected(
                f"{VENDOR} holds several records of this order: merge them there first.",
                reason_code="duplicate_external_id",
                vendor=VENDOR,
                vendor_said=f"300 for {path}",
            )
        if not response.is_success:
            raise error_of(response, writes=True)
        if response.status_code == 204:
            return None
        return decode_reply(response.content, shape, vendor=VENDOR, writes=True)

    async def post(self, path: str, shape: type[T], body: Mapping[str, Any]) -> T:
        """Create what stands at `path`. Raises Rejected, Unavailable or OutcomeUnknown."""
        response = await self._send("POST", self._root + path, content=self._number_encoder.encode(body))
        if not response.is_success:
            raise error_of(response, writes=True)
        return decode_reply(response.content, shape, vendor=VENDOR, writes=True)

    async def versions(self) -> list[ApiVersion]:
        """Return the org's API versions, oldest first. Salesforce lists them without a login."""
        response = await self._client.send("GET", "/services/data", headers={"Accept": "application/json"})
        if not response.is_success:
            raise error_of(response, writes=False)
        return decode_reply(response.content, list[ApiVersion], vendor=VENDOR, writes=False)

    async def log_in(self) -> str:
        """Log in, and return the id of our credentials' org.

        Raises Unavailable if they are refused, or belong to another org.
        """
        await self._access_token()
        return self.org_id

    async def _read(self, path: str, params: Mapping[str, str] | None) -> bytes | None:
        response = await self._send("GET", self._root + path, params=params)
        if response.status_code == 404 and fault_of(response).error_code in ABSENT_CODES:
            return None
        if not response.is_success:
            raise error_of(response, writes=False)
        return response.content

    async def _send(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Response:
        token = await self._access_token()
        response = await self._send_with(token, method, path, params, content)
        if response.status_code == 401 and fault_of(response).error_code in SESSION_CODES:
            # Refused before anything happened: sessions end by age, or when an administrator ends them. Retried once
            # with a fresh token; a second refusal is about our rights, not about the token.
            if self._token == token:
                self._token = ""
            response = await self._send_with(await self._access_token(), method, path, params, content)
        if response.status_code == 410:
            self._version_known = False
            self._token = ""
        return response

    async def _send_with(
        self, token: str, method: str, path: str, params: Mapping[str, str] | None, content: bytes | None
    ) -> Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        return await self._client.send(method, path, headers=headers, params=params, content=content)

    async def _access_token(self) -> str:
        async with self._token_lock:
            if not self._token:
                await self._require_version()
                self._token = await self._fetch_token()
            return self._token

    async def _require_version(self) -> None:
        """Raise Unavailable (`api_version_retired`) if the org does not support the connection's API version.

        It would answer "not found" to some requests, which would be taken for a missing record.
        """
        if self._version_known:
            return
        spoken = [f"v{each.version}" for each in await self.versions()]
        if self._version not in spoken:
            span = f" It speaks {spoken[0]} to {spoken[-1]}." if spoken else ""
            raise version_retired(self._version, span.strip())
        self._version_known = True

    async def _fetch_token(self) -> str:
        response = await self._client.send(
            "POST",
            "/services/oauth2/token",
            headers={"Authorization": self._basic, "Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode({"grant_type": "client_credentials"}).encode(),
            reads=True,  # a second session does no harm
        )
        if response.is_success:
            token = decode_reply(response.content, _Token, vendor=VENDOR, writes=False)
            await self._require_org(token)
            return token.access_token
        if response.status_code in {400, 401} and not fault_of(response).error_code:
            refusal = decode_reply(response.content, _TokenRefusal, vendor=VENDOR, writes=False)
            raise credentials_refused(f"{refusal.error} ({refusal.error_description})")
        raise error_of(response, writes=False)

    async def _require_org(self, token: _Token) -> None:
        """Raise Unavailable (`wrong_org`) if the token belongs to another org than the connection."""
        found = _org_of(token.id) or await self._org_by_query(token.access_token)
        if self._pinned and found[:ORG_ID_CHARS] != self._pinned[:ORG_ID_CHARS]:
            raise wrong_org(found or "of an unknown id", self._pinned)
        self.org_id = found

    async def _org_by_query(self, token: str) -> str:
        """Return the org's own record, if the token does not name the org; only asked for a pinned connection."""
        if not self._pinned:
            return ""
        soql = "SELECT Id FROM Organization LIMIT 1"
        response = await self._send_with(token, "GET", f"{self._root}/query", {"q": soql}, None)
        if not response.is_success:
            raise error_of(response, writes=False)
        with understanding(VENDOR, writes=False):
            records = decode_rows(response.content).records
        return str(records[0].get("Id", "")) if records else ""


def _org_of(identity_url: str) -> str:
    """Return the organization in an identity URL: https://login.salesforce.com/id/<organization>/<user>."""
    parts = identity_url.rstrip("/").split("/")
    return parts[-2] if len(parts) >= 3 and parts[-3] == "id" else ""


def _found(answer: T | None, what: str) -> T:
    if answer is None:
        raise Unavailable(
            f"{VENDOR} has nothing at our address.",
            reason_code="not_found_here",
            vendor=VENDOR,
            vendor_said=f"no resource {what}",
            what_to_do="Check the connection's url and api_version.",
        )
    return answer
