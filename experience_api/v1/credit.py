"""Credit: a customer's limit and exposure."""

from typing import Any

import msgspec
from litestar import Request, get

from experience_api import process_answers
from experience_api.process_client import Caller, ProcessClient
from experience_api.views.accounts import ACCOUNT_CACHE, AccountIdParameter
from experience_api.views.amounts import CurrencyTextOrEmpty, DecimalTextOrEmpty, amount_text
from shared.canonical import CreditDecision
from shared.identity.auth import Principal
from shared.operations.operation import operation
from shared.operations.versions import warnings_for


class CreditView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A customer's credit. Without a limit (`limited` is false) the limit and what is left of it are empty."""

    decision: CreditDecision
    reason: str
    limited: bool
    limit_amount: DecimalTextOrEmpty
    exposure_amount: DecimalTextOrEmpty
    available_amount: DecimalTextOrEmpty
    currency_iso_code: CurrencyTextOrEmpty


class AccountCreditView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An account's credit."""

    account_id: str
    credit: CreditView
    warnings: list[str]


@get(
    "/v1/accounts/{accountId:str}/credit-status",
    operation_id="getCreditStatus",
    tags=["accounts"],
    opt=operation(
        owner="salesforce-experience", capability="account-360", scopes=["accounts:read"], cache=ACCOUNT_CACHE
    ),
)
async def get_credit_status(request: Request[Principal, Any, Any], account_id: AccountIdParameter) -> AccountCreditView:
    """The customer's credit limit, what it owes, and whether it may owe more."""
    process: ProcessClient = request.app.state.process
    credit = await process.get_credit_status(Caller.of(request), account_id)
    return AccountCreditView(account_id=credit.account_id, credit=credit_view(credit), warnings=warnings_for(request))


def credit_view(credit: process_answers.Credit) -> CreditView:
    """Return the credit as a sales user sees it."""
    return CreditView(
        decision=credit.decision,
        reason=credit.reason,
        limited=credit.limit is not None,
        limit_amount=amount_text(credit.limit),
        exposure_amount=amount_text(credit.exposure),
        available_amount=amount_text(credit.available),
        currency_iso_code=credit.exposure.currency,
    )


def no_credit(reason: str) -> CreditView:
    """Return the credit of a customer without known credit, with the reason."""
    return CreditView(
        decision=CreditDecision.unknown,
        reason=reason,
        limited=False,
        limit_amount="",
        exposure_amount="",
        available_amount="",
        currency_iso_code="",
    )
