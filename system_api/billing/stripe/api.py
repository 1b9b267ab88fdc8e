"""Stripe's API: requests, idempotency keys, and the meaning of its errors.

Source: Stripe's API reference, "Errors", "Idempotent requests" and "Versioning".
"""

import hashlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from shared.outbound.http_client import OutboundClient, Response, Transport, retry_after_s
from shared.problem import OutcomeUnknown, QuotewayError
from system_api.billing.stripe.errors import meaning_of
from system_api.connections import StripeConnection
from system_api.vendor.meaning import refusal
from system_api.vendor.replies import decode_reply, excerpt, failure

VENDOR = "Stripe"
PAGE_SIZE = 100
T = TypeVar("T")
Params = Mapping[str, Any]


class _Fault(msgspec.Struct, frozen=True):
    type: str = ""
    code: str | None = None
    message: str | None = None


class _Refusal(msgspec.Struct, frozen=True):
    error: _Fault


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list or of a search; `next_page` is a search's cursor."""

    data: list[T]
    has_more: bool = False
    next_page: str | None = None


class StripeApi:
    """One Stripe account. Writes are never retried here; a retry of the flow has the same idempotency key."""

    def __init__(self, connection: StripeConnection, transport: Transport | None = None) -> None:
        self._client = OutboundClient(VENDOR, connection.url.rstrip("/"), transport=transport)
        self._headers = {
            "Authorization": f"Bearer {connection.key.value}",
            "Stripe-Version": connection.api_version,
            "Accept": "application/json",
        }
        self.search_lag_s = connection.search_lag_s
        self._ahead_s = 0.0

    def now_s(self) -> float:
        """Return the time on Stripe's clock, from its last answer: queries by Stripe's dates must not use ours."""
        return time.time() - self._ahead_s

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, path: str, shape: type[T], params: Params | None = None) -> T:
        """Return a resource. Raises Unavailable or Rejected; `resource_missing` is a Rejected of that code."""
        response = await self._client.send(
            "GET", path, headers=self._headers, params=dict(form_pairs(params or {})) or None
        )
        self._hear_the_time(response)
        if not response.is_success:
            raise _error(response, writes=False)
        return decode_reply(response.content, shape, vendor=VENDOR, writes=False)

    async def account_version(self) -> str:
        """Return the API version in which the account answers requests that name none; "" if it does not say."""
        headers = {name: value for name, value in self._headers.items() if name != "Stripe-Version"}
        response = await self._client.send("GET", "/v1/tax_rates", headers=headers, params={"limit": 1})
        if not response.is_success:
            raise _error(response, writes=False)
        return str(response.headers.get("Stripe-Version", ""))

    async def list_all(self, path: str, shape: type[Page[T]], params: Params) -> AsyncIterator[T]:
        """Yield every element of a list, page after page, newest first.

        The elements must have an `id`, or be msgspec.Raw.
        """
        after: dict[str, Any] = {}
        while True:
            page = await self.get(path, shape, {"limit": PAGE_SIZE, **params, **after})
            for element in page.data:
                yield element
            if not page.has_more or not page.data:
                return
            after = {"starting_after": id_of(page.data[-1])}

    async def post(self, path: str, shape: type[T], params: Params, *, key: str) -> T:
        """Create or act, under an idempotency key. Raises Rejected, Unavailable or OutcomeUnknown."""
        headers = {**self._headers, "Idempotency-Key": key, "Content-Type": "application/x-www-form-urlencoded"}
        content = urlencode(form_pairs(params)).encode()
        response = await self._client.send("POST", path, headers=headers, content=content)
        if not response.is_success:
            raise _error(response, writes=True)
        return decode_reply(response.content, shape, vendor=VENDOR, writes=True)

    async def delete(self, path: str, shape: type[T], params: Params | None = None) -> T:
        """Delete or cancel, which Stripe does not do twice. Raises as `post`."""
        response = await self._client.send(
            "DELETE", path, headers=self._headers, params=dict(form_pairs(params or {})) or None
        )
        if not response.is_success:
            raise _error(response, writes=True)
        return decode_reply(response.content, shape, vendor=VENDOR, writes=True)

    def _hear_the_time(self, response: Response) -> None:
        with suppress(ValueError):  # a proxy in between may set any date, or none
            self._ahead_s = time.time() - parsedate_to_datetime(response.headers.get("Date", "")).timestamp()


class _Identified(msgspec.Struct, frozen=True):
    id: str


def id_of(element: Any) -> str:
    """Return the id of an element of a list, decoded or not.

    Raises Unavailable if it has none: every object of Stripe's has one.
    """
    if isinstance(element, msgspec.Raw):
        return decode_reply(bytes(element), _Identified, vendor=VENDOR, writes=False).id
    return str(element.id)


def idempotency_key(operation: str, external_id: str, params: Params) -> str:
    """Return the key of one write: the same for a retry, so that Stripe replays its answer for at least 24 hours.

    `params` is what distinguishes this write from others under the same external id, as a rule the payload: under one
    key Stripe refuses another payload, even a corrected one. Duplicates of an external id are prevented by the search
    before each create.
    """
    digest = hashlib.sha256("\n".join((operation, external_id, urlencode(form_pairs(params)))).encode())
    return f"quoteway-{operation}-{digest.hexdigest()}"


def form_pairs(params: Params) -> list[tuple[str, str]]:
    """Yield nested parameters in Stripe's form notation: `items[0][price]`. None is left out."""
    return [(path, text) for name, value in params.items() for path, text in _flatten(name, value)]


def _flatten(path: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [pair for name, inner in value.items() for pair in _flatten(f"{path}[{name}]", inner)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [pair for index, inner in enumerate(value) for pair in _flatten(f"{path}[{index}]", inner)]
    if isinstance(value, bool):
        return [(path, "true" if value else "false")]
    return [(path, str(value))]


def _error(response: Response, *, writes: bool) -> QuotewayError:
    """Return the error that a refusal becomes.

    Stripe answers its own errors as JSON; anything else comes from something in between.
    """
    status = response.status_code
    fault = _fault(response)
    if fault is None or not 400 <= status < 500:
        return _trustless(response, fault, writes=writes)
    code, sentence = fault.code or fault.type or "rejected", fault.message or ""
    meaning = meaning_of(status, fault.code or "", sentence)
    return refusal(
        meaning,
        VENDOR,
        code=code,
        sentence=sentence,
        vendor_said=" ".join(part for part in (sentence, f"({status} {code})") if part),
        retry_after_s=retry_after_s(response),
    )


def _trustless(response: Response, fault: _Fault | None, *, writes: bool) -> QuotewayError:
    said = (fault.message or fault.type if fault else "") or excerpt(response.content)
    if writes and response.headers.get("Idempotent-Replayed") == "true":
        # Stripe stores a 500 under its key too. The first request may have done its work before it failed, and asking
        # again under this key returns the same answer: only a look-up can tell.
        return OutcomeUnknown(
            f"{VENDOR} repeats the failure of an earlier request, which may have done its work.",
            reason_code="replayed_failure",
            vendor=VENDOR,
            vendor_said=f"{response.status_code}, replayed: {said}",
        )
    return failure(VENDOR, response.status_code, said, writes=writes, retry_after_s=retry_after_s(response))


def _fault(response: Response) -> _Fault | None:
    try:
        return msgspec.json.decode(response.content, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
