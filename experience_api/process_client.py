"""The experience tier's client of the process API: within a Salesforce caller's time limit, and never a write twice."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import msgspec
from litestar import Request

from experience_api.process_answers import (
    AcceptedOrder,
    Credit,
    InvoicePage,
    Order,
    Overview,
    PricingPreview,
    Readiness,
)
from experience_api.settings import ExperienceSettings
from shared.identity.acting_user import handed_on
from shared.identity.auth import Principal
from shared.identity.principal import ActingClient, ActingUser
from shared.identity.service_token import ServiceTokens
from shared.identity.transaction_token import HEADER, TransactionTokenSigner
from shared.outbound.http_client import READS, OutboundClient, Response, Transport, raise_for_problem
from shared.outbound.paths import path_of
from shared.problem import OutcomeUnknown, Unavailable
from shared.seller_words import in_sellers_words
from shared.telemetry.tracing import traced

T = TypeVar("T")
# Apex gives a callout 10 s by default, so every operation answers within 8 (rule 11 of openapi/salesforce_rules.py);
# half a second of that is for mapping and sending the answer.
ANSWER_WITHIN_S = 8
DEADLINE_S = ANSWER_WITHIN_S - 0.5
# The Retry-After for callers if the process API sends none.
RETRY_AFTER_S = 5
_PEER = "process API"
_SAME_KEY = "Send the same request again with the same Idempotency-Key: it cannot order twice"


@dataclass(frozen=True)
class Caller:
    """The caller of a request: its tenant and user, and its deadline (monotonic seconds).

    `anew`: it wants no cached answer from any tier.
    """

    tenant: str
    answer_by: float
    acting: ActingUser | ActingClient | None = None
    anew: bool = False

    @classmethod
    def of(cls, request: Request[Principal, Any, Any]) -> Self:
        """Return the caller of a request; its time runs from the moment the request came in."""
        # Read from the raw scope: the framework would create objects of it first.
        scope = request.scope
        principal: Principal = scope["user"]
        state = scope["state"]
        anew = any(name == b"cache-control" and b"no-cache" in value for name, value in scope["headers"])
        acting = handed_on(principal, state["acting_user"])
        return cls(principal.tenant, state["received_at"] + DEADLINE_S, acting, anew)


class Seen(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a user saw of a quote: the total, if the caller states it, and its currency."""

    expected_total: str | None = None
    expected_currency: str | None = None


class _OrderSubmission(Seen, frozen=True, kw_only=True):
    quote_id: str
    quote_revision: int


class _ReadinessRequest(Seen, frozen=True, kw_only=True):
    quote_revision: int | None = None


@traced()
@dataclass(frozen=True)
class ProcessClient:
    """Calls the process API for a caller's tenant, with this service's own token and the acting user's transaction
    token.

    Errors that a caller can act on are raised as the process API raised them: InvalidRequest, NotFound, Conflict,
    IdempotencyMismatch, Rejected. Without an answer in time, reads raise Unavailable, and the write OutcomeUnknown once
    it was sent.
    """

    client: OutboundClient
    tokens: ServiceTokens
    signer: TransactionTokenSigner

    async def submit_order(
        self, caller: Caller, idempotency_key: str, quote_id: str, quote_revision: int, seen: Seen
    ) -> AcceptedOrder:
        """Start the order of a quote revision, or return the one that the key or the revision already has."""
        body = _OrderSubmission(quote_id=quote_id, quote_revision=quote_revision, **msgspec.structs.asdict(seen))
        headers = {"Idempotency-Key": idempotency_key}
        try:
            return await self._send(caller, "POST", "/v1/orders", AcceptedOrder, body=body, headers=headers)
        except OutcomeUnknown as error:
            told = f"{in_sellers_words(error).rstrip('.')}. {_SAME_KEY}."
            raise OutcomeUnknown(told, reason_code=error.reason_code, vendor_said=error.for_operators) from error

    async def get_order(self, caller: Caller, order_id: str) -> Order:
        """Return an order with its timeline."""
        return await self._send(caller, "GET", path_of("/v1/orders/{}", order_id), Order)

    async def get_overview(self, caller: Caller, account_id: str) -> Overview:
        """Return what every system knows of an account."""
        return await self._send(caller, "GET", path_of("/v1/accounts/{}/overview", account_id), Overview)

    async def get_credit_status(self, caller: Caller, account_id: str) -> Credit:
        """Return the customer's credit."""
        return await self._send(caller, "GET", path_of("/v1/accounts/{}/credit-status", account_id), Credit)

    async def list_invoices(
        self, caller: Caller, account_id: str, *, open_only: bool, page_size: int, cursor: str
    ) -> InvoicePage:
        """Return a page of invoices; an empty cursor asks for the first."""
        params: dict[str, Any] = {"openOnly": str(open_only).lower(), "limit": page_size}
        if cursor:
            params["cursor"] = cursor
        return await self._send(
            caller, "GET", path_of("/v1/accounts/{}/invoices", account_id), InvoicePage, params=params
        )

    async def preview_pricing(self, caller: Caller, quote_id: str) -> PricingPreview:
        """Return a quote's prices in every system."""
        return await self._send(
            caller, "POST", path_of("/v1/quotes/{}/pricing-preview", quote_id), PricingPreview, reads=True
        )

    async def check_readiness(self, caller: Caller, quote_id: str, quote_revision: int | None, seen: Seen) -> Readiness:
        """Return every reason why a quote could not be ordered now."""
        body = _ReadinessRequest(quote_revision=quote_revision, **msgspec.structs.asdict(seen))
        return await self._send(
            caller, "POST", path_of("/v1/quotes/{}/readiness", quote_id), Readiness, body=body, reads=True
        )

    async def ready(self) -> str | None:
        """Return None if the process API can serve, else what it lacks."""
        response = await self.client.send("GET", "/health/ready")
        return None if response.is_success else f"the {_PEER} is not ready"

    async def close(self) -> None:
        """Close the connections."""
        await self.tokens.close()
        await self.client.close()

    async def _send(
        self,
        caller: Caller,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: msgspec.Struct | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        reads: bool = False,
    ) -> T:
        sent_headers, content = dict(headers or {}), None
        if caller.anew:
            sent_headers["Cache-Control"] = "no-cache"
        if body is not None:
            sent_headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        call = _Call(method, path, params, sent_headers, content, safe=reads or method in READS)
        try:
            response = await self._answer(caller, call)
            raise_for_problem(response, _PEER, safe=call.safe)
        except Unavailable as error:
            if error.retry_after_s is not None:
                raise
            error.retry_after_s, error.headers = RETRY_AFTER_S, {"Retry-After": str(RETRY_AFTER_S)}
            raise
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError as error:
            raise call.no_answer(f"the {_PEER} answered something else than {kind.__name__}") from error

    async def _answer(self, caller: Caller, call: "_Call") -> Response:
        response = await self._send_with_token(caller, call)
        if response.status_code != 401:
            return response
        # Refused before anything happened: the token was revoked, or its key rotated.
        self.tokens.forget(caller.tenant)
        return await self._send_with_token(caller, call)

    async def _send_with_token(self, caller: Caller, call: "_Call") -> Response:
        token = self.tokens.held(caller.tenant) or await self._new_token(caller)
        headers = {"Authorization": f"Bearer {token}", **call.headers}
        if caller.acting is not None:
            headers[HEADER] = self.signer.sign(caller.acting)
        try:
            async with _until(caller.answer_by):
                return await self.client.send(
                    call.method,
                    call.path,
                    headers=headers,
                    params=call.params,
                    content=call.content,
                    reads=call.safe,
                )
        except TimeoutError as error:
            late = f"the {_PEER} did not answer within the {DEADLINE_S:g} s that a caller waits"
            raise call.no_answer(late, reason_code="deadline_exceeded") from error

    async def _new_token(self, caller: Caller) -> str:
        try:
            async with _until(caller.answer_by):
                return await self.tokens.bearer(caller.tenant)
        except TimeoutError as error:
            raise Unavailable(
                "the issuer gave no token in time", reason_code="deadline_exceeded", vendor="issuer"
            ) from error


@dataclass(frozen=True)
class _Call:
    """One request to the process API; `safe` if it changes nothing."""

    method: str
    path: str
    params: Mapping[str, Any] | None
    headers: Mapping[str, str]
    content: bytes | None
    safe: bool

    def no_answer(self, detail: str, *, reason_code: str = "") -> Unavailable | OutcomeUnknown:
        """Return the error for a missing or unusable answer."""
        if self.safe:
            code = reason_code or "unavailable"
            return Unavailable(detail, reason_code=code, vendor=_PEER, retry_after_s=RETRY_AFTER_S)
        return OutcomeUnknown(detail, reason_code=reason_code or "outcome_unknown", vendor=_PEER)


def _until(moment: float) -> asyncio.Timeout:
    return asyncio.timeout(moment - time.monotonic())


def connect_process(
    settings: ExperienceSettings,
    signer: TransactionTokenSigner,
    process_transport: Transport | None,
    issuer_transport: Transport | None,
) -> ProcessClient:
    """Return the client for the process API that `settings` names."""
    tokens = ServiceTokens(
        settings.issuer_metadata_url,
        settings.experience_client_id,
        settings.client_secret(),
        settings.process_audience,
        transport=issuer_transport,
    )
    client = OutboundClient(_PEER, settings.process_url, transport=process_transport)
    return ProcessClient(client, tokens, signer)
