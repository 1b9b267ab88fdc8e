"""The Stripe sandbox as a Starlette application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from slowapi.errors import RateLimitExceeded
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.billing_cycle import do_overdue_work
from sandbox.vendors.stripe.control import control_routes
from sandbox.vendors.stripe.gateway.gateway import Gateway, error_response, new_request_id, signed
from sandbox.vendors.stripe.gateway.operation import Operation
from sandbox.vendors.stripe.gateway.rate_limits import Quotas, too_many_requests
from sandbox.vendors.stripe.operations import OPERATIONS
from sandbox.vendors.stripe.seed import seed
from sandbox.vendors.stripe.settings import StripeSandboxSettings
from sandbox.vendors.stripe.webhooks.delivery import WebhookDelivery
from sandbox.vendors.stripe.wire.errors import invalid

_OVERDUE_CHECK_S = 1.0


class _RequestIds:
    """Gives every request its id before anything can answer it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["request_id"] = new_request_id()
        await self._app(scope, receive, send)


def create_app(settings: StripeSandboxSettings) -> Starlette:
    """Return the application, seeded when the settings name a seed directory.

    Webhooks are delivered in the event loop that serves the requests. Renewals of customers without a test clock need
    the application's lifespan to run.
    """
    account = Account(settings)
    gateway = Gateway(account)
    delivery = WebhookDelivery(account)
    quotas = Quotas(settings)
    if settings.seed_dir is not None:
        seed(account, settings.seed_dir)
    return Starlette(
        routes=[
            *(_route(operation, gateway, quotas) for operation in OPERATIONS),
            *control_routes(gateway, delivery),
        ],
        middleware=[Middleware(_RequestIds)],
        exception_handlers={RateLimitExceeded: too_many_requests, HTTPException: _unrecognized},
        lifespan=_lifespan(account, delivery),
    )


def _route(operation: Operation, gateway: Gateway, quotas: Quotas) -> Route:
    async def endpoint(request: Request) -> Response:
        return await gateway.answer(operation, request)

    endpoint.__name__ = f"{operation.method} {operation.path}"
    return Route(operation.path, quotas.limited(endpoint, search=operation.search), methods=[operation.method])


async def _unrecognized(request: Request, _: Exception) -> Response:
    error = invalid(
        f"Unrecognized request URL ({request.method}: {request.url.path}). The sandbox does not simulate it, or Stripe "
        "has no such URL.",
        status=404,
    )
    return signed(error_response(error), request)


def _lifespan(account: Account, delivery: WebhookDelivery) -> Callable[[Starlette], Any]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(_OVERDUE_CHECK_S)
            do_overdue_work(account)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await delivery.close()

    return lifespan
