"""What a test does to payments from outside: automatic payouts, and disputes of any charge."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.vendors.stripe.account import Account, Origin
from sandbox.vendors.stripe.control_requests import read_json, refused
from sandbox.vendors.stripe.customers.test_cards import Dispute
from sandbox.vendors.stripe.gateway.gateway import new_request_id
from sandbox.vendors.stripe.payments.disputes import open_dispute
from sandbox.vendors.stripe.payments.payouts import pay_out_everything
from sandbox.vendors.stripe.wire.errors import StripeError


def payment_control_routes(account: Account) -> list[Route]:
    """`/_sandbox/payouts` and `/_sandbox/disputes`."""

    async def payouts(request: Request) -> JSONResponse:
        try:
            wished = await read_json(request) if await request.body() else {}
        except ValueError as error:
            return refused(str(error))
        if set(wished) - {"fail"} or not isinstance(wished.get("fail", False), bool):
            return refused('send {"fail": true} for payouts that come back from the bank, or nothing')
        with account.transaction(Origin(new_request_id(), automatic=True)):
            made = pay_out_everything(account, fails=wished.get("fail", False))
        return JSONResponse({"payouts": [payout["id"] for payout in made]})

    async def dispute(request: Request) -> JSONResponse:
        try:
            wished = await read_json(request)
            with account.transaction(Origin(new_request_id(), automatic=True)):
                charge = account.fetch("charge", str(wished.get("charge")))
                kind = Dispute(str(wished.get("reason", "fraudulent")), "10.4", inquiry=bool(wished.get("inquiry")))
                made = open_dispute(account, charge, kind)
        except ValueError as error:
            return refused(str(error))
        except StripeError as error:
            return refused(error.message)
        return JSONResponse({"dispute": made["id"]})

    return [
        Route("/_sandbox/payouts", payouts, methods=["POST"]),
        Route("/_sandbox/disputes", dispute, methods=["POST"]),
    ]
