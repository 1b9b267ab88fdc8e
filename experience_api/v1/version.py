"""Version 1: its operations, and which of them end."""

from datetime import date

from experience_api.v1.accounts import get_account_overview
from experience_api.v1.credit import get_credit_status
from experience_api.v1.invoices import list_invoices
from experience_api.v1.orders import get_order, submit_order
from experience_api.v1.quotes import check_readiness, preview_pricing
from shared.operations.versions import Retirement, Version

V1 = Version(
    handlers=(
        submit_order,
        get_order,
        get_account_overview,
        get_credit_status,
        list_invoices,
        preview_pricing,
        check_readiness,
    ),
    retirements={
        "getAccountOverview": Retirement(
            deprecation=date(2026, 11, 24),
            sunset=date(2027, 12, 1),
            successor="GET /v2/accounts/{accountId}/overview",
        )
    },
)
