"""What a test may see and do from outside, under `/_sandbox/`: no part of Stripe's API, and open without a key."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.vendors.journal import journal_route
from sandbox.vendors.stripe.billing_cycle import do_overdue_work
from sandbox.vendors.stripe.control_requests import read_json, refused
from sandbox.vendors.stripe.gateway.gateway import Gateway
from sandbox.vendors.stripe.payments.control import payment_control_routes
from sandbox.vendors.stripe.webhooks.delivery import WebhookDelivery


def control_routes(gateway: Gateway, delivery: WebhookDelivery) -> list[Route]:
    """Journal, object counts, webhook deliveries, the clock, payouts, disputes, and refusals on order."""
    account = gateway.account

    async def state(_: Request) -> JSONResponse:
        return JSONResponse({"objects": account.store.counts(), "now": account.now()})

    async def webhooks(_: Request) -> JSONResponse:
        return JSONResponse({"deliveries": delivery.attempts()})

    async def clock(request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                account.clock.shift(float((await read_json(request))["advance_s"]))
            except (KeyError, TypeError, ValueError) as error:
                return refused(f'send {{"advance_s": seconds}}, a number that is not negative: {error}')
            do_overdue_work(account)
        return JSONResponse({"now": account.now()})

    async def refuse(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            gateway.refusals.clear()
        elif request.method == "POST":
            try:
                gateway.refusals.order(await read_json(request))
            except ValueError as error:
                return refused(str(error))
        return JSONResponse({"refusals": gateway.refusals.waiting()})

    return [
        journal_route(account.journal),
        Route("/_sandbox/state", state, methods=["GET"]),
        Route("/_sandbox/webhooks", webhooks, methods=["GET"]),
        Route("/_sandbox/clock", clock, methods=["GET", "POST"]),
        *payment_control_routes(account),
        Route("/_sandbox/refuse", refuse, methods=["GET", "POST", "DELETE"]),
    ]
