"""Salesforce's REST API: tokens, requests, and what its errors mean.

Source of the error codes: Salesforce's REST API Developer Guide, "Status Codes and Error Responses", and its Object
Reference, "API Exception Codes".
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec

from shared.http_client import OutboundClient, Response, Transport, retry_after_s
from shared.problem import QuotewayError, Rejected, Unavailable
from system_api.connections import SalesforceConnection
from system_api.vendor_reply import decode_reply, excerpt, jittered_s, trustless

VENDOR = "Salesforce"
T = TypeVar("T")
_DAY_QUOTA_RETRY_S = 3600
_SESSION_CODES = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
_ABSENT_CODES = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED"})
# Refused before anything was changed, and worth another try soon. DUPLICATE_VALUE: two upserts of one new external id
# met, and the other one won; the next finds its record. No field of ours is unique but the external id.
_TRANSIENT = {
    "UNABLE_TO_LOCK_ROW": "row_locked",
    "DUPLICATE_VALUE": "concurrent_upsert",
    "SERVER_UNAVAILABLE": "unavailable",
    "QUERY_TIMEOUT": "query_timeout",
}


class _Fault(msgspec.Struct, frozen=True):
    message: str = ""
    error_code: str = msgspec.field(name="errorCode", default="")


class _Token(msgspec.Struct, frozen=True):
    access_token: str


class _TokenRefusal(msgspec.Struct, frozen=True):
    error: str
    error_description: str = ""


class SalesforceApi:
    """One org, as the integration user of its client credentials.

    Every request goes to the My Domain address: for client credentials the token endpoint must be there, and it is the
    `instance_url` of every answer too.
    """

    def __init__(self, connection: SalesforceConnection, transport: Transport | None = None) -> None:
        self._client = OutboundClient(VENDOR, connection.url.rstrip("/"), transport=transport)
        self._root = f"/services/data/{connection.api_version}"
        # RFC 6749, section 2.3.1: both parts are form-encoded before they become Basic credentials.
        pair = f"{quote_plus(connection.client_id)}:{quote_plus(connection.client_secret.value)}"
        self._basic = "Basic " + base64.b64encode(pair.encode()).decode()
        self._token = ""
        self._token_lock = asyncio.Lock()
        self._number_encoder = msgspec.json.Encoder(decimal_format="number")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, path: str, shape: type[T], params: Mapping[str, str] | None = None) -> T | None:
        """The resource under the versioned root, or None where there is none. Raises Unavailable or Rejected."""
        response = await self._send("GET", self._root + path, params=params)
        if response.status_code == 404 and _fault(response).error_code in _ABSENT_CODES:
            return None
        if not response.is_success:
            raise _error(response, writes=False)
        return decode_reply(response.content, shape, vendor=VENDOR, writes=False)

    async def query(self, soql: str, shape: type[T]) -> T:
        """The first page of a query's answer."""
        return _found(await self.get("/query", shape, {"q": soql}), "query")

    async def next_page(self, address: str, shape: type[T]) -> T:
        """The page that `nextRecordsUrl` names: an absolute path of this org's."""
        if not address.startswith("/services/data/"):
            raise trustless(VENDOR, f"names {address!r} as the next page", writes=False)
        response = await self._send("GET", address)
        if not response.is_success:
            raise _error(response, writes=False)
        return decode_reply(response.content, shape, vendor=VENDOR, writes=False)

    async def upsert(self, path: str, shape: type[T], body: Mapping[str, Any]) -> T | None:
        """Create or update by external id; None where Salesforce answers without a body (204).

        Raises Rejected, Unavailable or OutcomeUnknown.
        """
        response = await self._send("PATCH", self._root + path, content=self._number_encoder.encode(body))
        if response.status_code == 300:
            raise Rejected(
                f"{VENDOR} holds several records under {path.rpartition('/')[2]}: merge them there first.",
                reason_code="duplicate_external_id",
                vendor=VENDOR,
            )
        if not response.is_success:
            raise _error(response, writes=True)
        if response.status_code == 204:
            return None
        return decode_reply(response.content, shape, vendor=VENDOR, writes=True)

    async def _send(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Response:
        token = await self._access_token()
        response = await self._send_with(token, method, path, params, content)
        if response.status_code == 401 and _fault(response).error_code in _SESSION_CODES:
            # Refused at the door, so nothing happened: sessions end by age, or when an administrator ends them. One
            # fresh token and one repeat; a second refusal is about our rights, not about the token.
            if self._token == token:
                self._token = ""
            response = await self._send_with(await self._access_token(), method, path, params, content)
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
                self._token = await self._fetch_token()
            return self._token

    async def _fetch_token(self) -> str:
        response = await self._client.send(
            "POST",
            "/services/oauth2/token",
            headers={"Authorization": self._basic, "Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode({"grant_type": "client_credentials"}).encode(),
            reads=True,  # a second session does no harm
        )
        if response.is_success:
            return decode_reply(response.content, _Token, vendor=VENDOR, writes=False).access_token
        if response.status_code in {400, 401}:
            refusal = decode_reply(response.content, _TokenRefusal, vendor=VENDOR, writes=False)
            raise _credentials_refused(f"{refusal.error} ({refusal.error_description})")
        raise _error(response, writes=False)


def _error(response: Response, *, writes: bool) -> QuotewayError:
    """What a refusal means. Salesforce's own errors are arrays; anything else comes from something in between."""
    fault = _fault(response)
    status, code = response.status_code, fault.error_code
    if not code:
        what = f"answered {status}: {excerpt(response.content)}"
        return trustless(VENDOR, what, writes=writes, retry_after_s=retry_after_s(response))
    if code in _SESSION_CODES:
        return _credentials_refused(f"{code} ({fault.message})")
    if code == "REQUEST_LIMIT_EXCEEDED":
        return _limit_exceeded(fault)
    if code in _TRANSIENT:
        return Unavailable(
            f"{VENDOR}: {fault.message or code}",
            reason_code=_TRANSIENT[code],
            vendor=VENDOR,
            retry_after_s=retry_after_s(response) or jittered_s(1, 4),
        )
    if not 400 <= status < 500:
        return trustless(VENDOR, f"answered {status} {code}: {fault.message}", writes=writes)
    return Rejected(f"{VENDOR} refused: {fault.message or code}", reason_code=code.lower(), vendor=VENDOR)


def _limit_exceeded(fault: _Fault) -> Unavailable:
    """One code, two limits: the day's requests come back in hours, concurrent requests in seconds."""
    if fault.message.startswith("TotalRequests"):
        said = f"{VENDOR}'s API requests of the day are used up ({fault.message})"
        return Unavailable(said, reason_code="daily_quota_exhausted", vendor=VENDOR, retry_after_s=_DAY_QUOTA_RETRY_S)
    said = f"{VENDOR} is working on too many requests at once ({fault.message})"
    return Unavailable(said, reason_code="concurrency_limit", vendor=VENDOR, retry_after_s=jittered_s(2, 8))


def _credentials_refused(why: str) -> Unavailable:
    said = f"{VENDOR} refuses our credentials: {why}. Check the connection's client_id and client_secret."
    return Unavailable(said, reason_code="credentials_refused", vendor=VENDOR)


def _fault(response: Response) -> _Fault:
    """The first error of the array, or an empty one where the answer is no such array."""
    try:
        faults = msgspec.json.decode(response.content, type=list[_Fault])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Fault()
    return faults[0] if faults else _Fault()


def _found(answer: T | None, what: str) -> T:
    if answer is None:
        raise Rejected(f"{VENDOR} has no {what} resource at this address.", reason_code="not_found", vendor=VENDOR)
    return answer
