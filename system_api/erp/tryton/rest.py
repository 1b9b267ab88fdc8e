"""Tryton's REST interface: requests in one company's context, and the meaning of its errors.

Source: measured on Tryton 8.2. A refusal for a business reason is 400 with JSON; every other error is an HTML page. No
request here ever carries `_skip_warnings`: it would override credit limits.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from shared.outbound.http_client import OutboundClient, Response, Transport, retry_after_s
from shared.problem import OutcomeUnknown, QuotewayError
from system_api.connections import TrytonConnection
from system_api.erp.tryton.errors import BY_STATUS, LOCKED, meaning_of
from system_api.vendor.meaning import refusal
from system_api.vendor.replies import decode_reply, excerpt, failure, jittered_s

VENDOR = "Tryton"
T = TypeVar("T")
Domain = Sequence[Any]
# SKUs have up to 64 characters, and base64 makes that a third longer: 6.8 kB at most.
_VALUES_A_PAGE = 75
_TAGS = re.compile(rb"<[^>]*>")


class _Refusal(msgspec.Struct, frozen=True):
    message: str
    description: str | None = None


class TrytonRest:
    """One company of one database. Fields are dotted paths; a related record is an object with those fields."""

    def __init__(self, connection: TrytonConnection, transport: Transport | None = None) -> None:
        self._client = OutboundClient(VENDOR, connection.url.rstrip("/"), transport=transport)
        self._models = f"/{connection.database}/rest/model"
        self._headers = {
            "Authorization": f"Bearer {connection.key.value}",
            "Content-Type": "application/json",
            # Without a company Tryton answers 200 with null prices and limits, and sums over all companies.
            "X-Tryton-Context": _base64_json({"company": connection.company}),
        }
        # Otherwise Tryton hides deactivated records, which then seem not to exist.
        context = {"company": connection.company, "active_test": False}
        self._inactive_too = {**self._headers, "X-Tryton-Context": _base64_json(context)}
        self._encoder = msgspec.json.Encoder(decimal_format="number")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def search(
        self,
        model: str,
        domain: Domain,
        fields: Sequence[str],
        shape: type[T],
        *,
        limit: int,
        newest_first: bool = False,
        inactive_too: bool = False,
    ) -> list[T]:
        """Return the first `limit` records that match, by id. Raises Unavailable or Rejected.

        `inactive_too`: include deactivated records, also among their related records.
        """
        direction = "DESC" if newest_first else "ASC"
        params = {"d": _base64_json(domain), "o": _base64_json([["id", direction]]), "s": limit, "f": list(fields)}
        headers = self._inactive_too if inactive_too else self._headers
        response = await self._client.send("GET", f"{self._models}/{model}", headers=headers, params=params)
        if response.status_code != 200:
            raise _error(response, writes=False)
        return decode_reply(response.content, list[shape], vendor=VENDOR, writes=False)  # type: ignore[valid-type]  # a type made at run time

    async def search_each(
        self, model: str, field: str, values: Sequence[str], fields: Sequence[str], shape: type[T], *, limit: int
    ) -> list[T]:
        """Return the records whose field has one of these values, up to `limit` for each. Raises as `search`.

        Asked for in pages: the domain is part of the URL, and proxies accept URLs of about 8 kB.
        """
        found: list[T] = []
        for start in range(0, len(values), _VALUES_A_PAGE):
            page = values[start : start + _VALUES_A_PAGE]
            found += await self.search(model, [[field, "in", list(page)]], fields, shape, limit=limit * len(page))
        return found

    async def create(self, model: str, values: dict[str, Any], fields: Sequence[str], shape: type[T]) -> T:
        """Create a record. Raises Rejected, Unavailable or OutcomeUnknown."""
        return await self._write("POST", f"{self._models}/{model}", values, fields, shape)

    async def update(self, model: str, record: int, values: dict[str, Any], fields: Sequence[str], shape: type[T]) -> T:
        """Change fields of a record, and read it back with its related records. Raises as `create`."""
        path = f"{self._models}/{model}/{record}"
        return await self._write("PUT", path, values, fields, shape, headers=self._inactive_too)

    async def press(self, model: str, record: int, button: str, shape: type[T]) -> T:
        """Press a record's button; pressing one twice, or in a wrong state, is Rejected. Raises as `create`."""
        return await self._write("POST", f"{self._models}/{model}/{record}/{button}", {}, ["id"], shape)

    async def _write(
        self,
        method: str,
        path: str,
        values: dict[str, Any],
        fields: Sequence[str],
        shape: type[T],
        headers: dict[str, str] | None = None,
    ) -> T:
        params, content = {"f": list(fields)}, self._encoder.encode(values)
        response = await self._client.send(
            method, path, headers=headers or self._headers, params=params, content=content
        )
        if response.status_code != 200:
            raise _error(response, writes=True)
        return decode_reply(response.content, shape, vendor=VENDOR, writes=True)


def _error(response: Response, *, writes: bool) -> QuotewayError:
    status = response.status_code
    said = excerpt(_TAGS.sub(b" ", response.content))
    if status in {400, 409}:
        return _refused(response, said, writes=writes)
    locked, busy = LOCKED
    meaning = busy if status == 503 and locked in said else BY_STATUS.get(status)
    if meaning is not None:
        wait_s = retry_after_s(response) or (jittered_s(1, 3) if meaning.about == "passing" else None)
        return refusal(meaning, VENDOR, code="", sentence=f"{status}: {said}", retry_after_s=wait_s)
    return failure(VENDOR, status, said, writes=writes, retry_after_s=retry_after_s(response))


def _refused(response: Response, said: str, *, writes: bool) -> QuotewayError:
    """Return the error for a business reason, in the ERP's own words, or for a right that our user lacks."""
    try:
        refused = msgspec.json.decode(response.content, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return failure(VENDOR, response.status_code, said, writes=writes)
    sentence = " ".join(f"{refused.message} {refused.description or ''}".split())
    return refusal(meaning_of(sentence), VENDOR, code="refused_by_erp", sentence=sentence)


def unreadable(what: str) -> OutcomeUnknown:
    """Return the error for a record that was written but cannot be read back."""
    return OutcomeUnknown(f"{VENDOR} took {what}, but does not show it.", vendor=VENDOR)


def _base64_json(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode()
