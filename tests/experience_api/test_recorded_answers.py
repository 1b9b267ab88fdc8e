"""The recorded answers are answers of today's process API: each is exactly one of its own types."""

from typing import Any

import msgspec
import pytest

from process_api.accounts.account_overview import Overview
from process_api.orders.quote_readiness import QuoteReadiness
from process_api.pricing.pricing_preview import PricingPreview
from process_api.v1.orders import OrderAccepted, OrderView
from shared.canonical import CreditStatus, InvoicePage
from shared.problem import Problem
from tests.experience_api import recorded_answers as recorded


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (recorded.accepted(), OrderAccepted),
        (recorded.BOOKED_ORDER, OrderView),
        (recorded.REJECTED_ORDER, OrderView),
        (recorded.NEW_ORDER, OrderView),
        (recorded.CREDIT, CreditStatus),
        (recorded.UNLIMITED_CREDIT, CreditStatus),
        (recorded.INVOICE_PAGE, InvoicePage),
        (recorded.LAST_PAGE, InvoicePage),
        (recorded.OVERVIEW, Overview),
        (recorded.OVERVIEW_WITHOUT_ERP, Overview),
        (recorded.PRICING_PREVIEW, PricingPreview),
        (recorded.READINESS, QuoteReadiness),
        (recorded.problem("not-found", 404, "There is no order x."), Problem),
    ],
)
def test_the_recording_is_what_the_process_api_would_send(answer: dict[str, Any], kind: Any) -> None:
    sent = msgspec.json.encode(msgspec.convert(answer, kind))

    assert msgspec.json.decode(sent) == answer
