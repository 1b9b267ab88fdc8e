"""Accounts in version 1: what differs from the latest version (experience_api/views/account_overview.py), and how.

Version 1 wrapped the credit in a part that could not distinguish a customer unknown to the ERP from one whose credit
could be read; and it did not say whether the overview was complete.
"""

from typing import Any

import msgspec
from litestar import Request, Response, get

from experience_api.process_answers import PartStatus
from experience_api.process_client import Caller, ProcessClient
from experience_api.v1.credit import CreditView, no_credit
from experience_api.views.account_overview import (
    AccountSummary,
    CreditAvailability,
    CreditSummary,
    OpenOrdersPart,
    SubscriptionsPart,
    UnpaidInvoicesPart,
    account_summary,
)
from experience_api.views.accounts import ACCOUNT_CACHE, AccountIdParameter
from shared.identity.auth import Principal
from shared.operations.cache_policy import NOT_KEPT
from shared.operations.operation import operation
from shared.operations.versions import warnings_for

_UNKNOWN_CUSTOMER = "The ERP does not know this customer yet; its first order creates it."
_CREDIT_NOT_READ = "The ERP could not be asked."


class CreditPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The credit; its decision is `unknown` where it could not be read or the ERP does not know the customer."""

    availability: PartStatus
    unavailable_reason: str
    credit: CreditView


class AccountOverview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One customer across Salesforce, the ERP and billing. A part that cannot be read says so; the others answer."""

    account_id: str
    account_name: str
    legal_entity: str
    credit: CreditPart
    open_orders: OpenOrdersPart
    unpaid_invoices: UnpaidInvoicesPart
    subscriptions: SubscriptionsPart
    warnings: list[str]


@get(
    "/v1/accounts/{accountId:str}/overview",
    operation_id="getAccountOverview",
    tags=["accounts"],
    opt=operation(
        owner="salesforce-experience", capability="account-360", scopes=["accounts:read"], cache=ACCOUNT_CACHE
    ),
)
async def get_account_overview(
    request: Request[Principal, Any, Any], account_id: AccountIdParameter
) -> Response[AccountOverview]:
    """Credit, open orders, unpaid invoices with totals per currency, and subscriptions.

    A part that cannot be read is marked unavailable with its reason; the rest still answers.
    """
    process: ProcessClient = request.app.state.process
    overview = await process.get_overview(Caller.of(request), account_id)
    view = overview_of(account_summary(overview, warnings_for(request)))
    return Response(view, headers={} if overview.is_whole else NOT_KEPT)


def overview_of(summary: AccountSummary) -> AccountOverview:
    """Return the latest version's answer in version 1's shape."""
    return AccountOverview(
        account_id=summary.account_id,
        account_name=summary.account_name,
        legal_entity=summary.legal_entity,
        credit=_credit_part(summary.credit),
        open_orders=summary.open_orders,
        unpaid_invoices=summary.unpaid_invoices,
        subscriptions=summary.subscriptions,
        warnings=summary.warnings,
    )


def _credit_part(credit: CreditSummary) -> CreditPart:
    if credit.availability is CreditAvailability.unavailable:
        return CreditPart(
            availability=PartStatus.unavailable,
            unavailable_reason=credit.explanation,
            credit=no_credit(_CREDIT_NOT_READ),
        )
    if credit.availability is CreditAvailability.unknown_customer:
        view = no_credit(_UNKNOWN_CUSTOMER)
        return CreditPart(availability=PartStatus.available, unavailable_reason="", credit=view)
    view = CreditView(
        decision=credit.decision,
        reason=credit.explanation,
        limited=credit.limited,
        limit_amount=credit.limit_amount,
        exposure_amount=credit.exposure_amount,
        available_amount=credit.available_amount,
        currency_iso_code=credit.currency_iso_code,
    )
    return CreditPart(availability=PartStatus.available, unavailable_reason="", credit=view)
