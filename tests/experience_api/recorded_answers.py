"""What the process API answers, recorded; test_recorded_answers holds them against its own types."""

from typing import Any

ORDER_ID = "ord_6f0e2c9a4d1b4b7f8f6f3a5d7c2e1b90"
QUOTE_ID = "0Q0QW00000000010AA"
ACCOUNT_ID = "001QW0000000001AAA"


def eur(amount: str) -> dict[str, str]:
    """An amount in euro."""
    return {"amount": amount, "currency": "EUR"}


def accepted(**changes: Any) -> dict[str, Any]:
    """A submission's answer."""
    answer = {"orderId": ORDER_ID, "status": "received", "statusUrl": f"/v1/orders/{ORDER_ID}", "replayed": False}
    return {**answer, **changes}


BOOKED_ORDER: dict[str, Any] = {
    "orderId": ORDER_ID,
    "quoteId": QUOTE_ID,
    "quoteRevision": 1,
    "status": "booked",
    "version": 14,
    "flowId": f"nordwind.{ORDER_ID}",
    "createdAt": "2026-03-02T09:15:00.120Z",
    "updatedAt": "2026-03-02T09:15:07.480Z",
    "timeline": [
        {
            "at": "2026-03-02T09:15:00.120Z",
            "status": "received",
            "step": "receive",
            "message": f"Order received for revision 1 of quote {QUOTE_ID}.",
            "internal": False,
        },
        {
            "at": "2026-03-02T09:15:00.800Z",
            "status": "validating",
            "step": "load_quote",
            "message": "Now quote, customer, credit, prices and tax are checked.",
            "internal": False,
        },
        {
            "at": "2026-03-02T09:15:01.010Z",
            "status": "validating",
            "step": "load_quote",
            "message": "Quote 00001001 with 4 line(s) is accepted.",
            "internal": False,
        },
        {
            "at": "2026-03-02T09:15:02.300Z",
            "status": "validating",
            "step": "calculate_tax",
            "message": "Tax is 1117.81 EUR (Germany); 7001.00 in all.",
            "internal": False,
        },
        {
            "at": "2026-03-02T09:15:02.420Z",
            "status": "booking",
            "step": "book_erp_order",
            "message": "Now the ERP is asked to book the order.",
            "internal": False,
        },
        {
            "at": "2026-03-02T09:15:04.900Z",
            "status": "booking",
            "step": "book_erp_order",
            "message": "ERP order 17 confirmed over 6884.38 EUR.",
            "internal": False,
        },
        {
            "at": "2026-03-02T09:15:07.480Z",
            "status": "booked",
            "step": "booked",
            "message": "The order is booked.",
            "internal": False,
        },
    ],
    "accountId": ACCOUNT_ID,
    "legalEntity": "NW-DE",
    "total": eur("7001.00"),
    "tax": eur("1117.81"),
    "erpOrderId": "42",
    "erpOrderNumber": "17",
    "subscriptionIds": ["sub_0001"],
    "reasonCode": None,
    "reason": None,
    "faults": [],
    "delay": None,
}
REJECTED_ORDER: dict[str, Any] = {
    **BOOKED_ORDER,
    "status": "rejected",
    "version": 5,
    "timeline": [
        *BOOKED_ORDER["timeline"][:3],
        {
            "at": "2026-03-02T09:15:01.400Z",
            "status": "rejected",
            "step": "check_credit",
            "message": "Credit refused: 4000.00 EUR of 5000.00 EUR are owed.",
            "internal": False,
        },
    ],
    "total": eur("5883.19"),
    "tax": None,
    "erpOrderId": None,
    "erpOrderNumber": None,
    "subscriptionIds": [],
    "reasonCode": "credit_refused",
    "reason": "Credit refused: 4000.00 EUR of 5000.00 EUR are owed.",
    "faults": [],
}
NEW_ORDER: dict[str, Any] = {
    **REJECTED_ORDER,
    "status": "received",
    "version": 1,
    "timeline": BOOKED_ORDER["timeline"][:1],
    "accountId": None,
    "legalEntity": None,
    "total": None,
    "reasonCode": None,
    "reason": None,
    "faults": [],
}

CREDIT: dict[str, Any] = {
    "accountId": ACCOUNT_ID,
    "decision": "approved",
    "reason": "43115.62 EUR are left of 50000.00 EUR.",
    "exposure": eur("6884.38"),
    "limit": eur("50000.00"),
    "available": eur("43115.62"),
}
UNLIMITED_CREDIT: dict[str, Any] = {**CREDIT, "reason": "The ERP sets no limit.", "limit": None, "available": None}

ERP_INVOICE: dict[str, Any] = {
    "source": "erp",
    "vendorId": "31",
    "status": "open",
    "total": eur("6884.38"),
    "amountDue": eur("884.38"),
    "number": "2026-0031",
    "issuedOn": "2026-03-02",
    "dueOn": "2026-04-01",
    "orderId": ORDER_ID,
}
BILLING_DRAFT: dict[str, Any] = {
    "source": "billing",
    "vendorId": "in_0007",
    "status": "draft",
    "total": {"amount": "116.62", "currency": "USD"},
    "amountDue": {"amount": "116.62", "currency": "USD"},
    "number": None,
    "issuedOn": None,
    "dueOn": None,
    "orderId": None,
}
INVOICE_PAGE: dict[str, Any] = {"invoices": [ERP_INVOICE, BILLING_DRAFT], "nextCursor": "billing:", "notShown": 0}
LAST_PAGE: dict[str, Any] = {"invoices": [], "nextCursor": None, "notShown": 0}

SUBSCRIPTION: dict[str, Any] = {
    "externalId": f"{ORDER_ID}-month",
    "status": "active",
    "vendorId": "sub_0001",
    "recurrence": "month",
    "items": [{"sku": "MON-STD", "quantity": "20", "netUnitPrice": eur("4.90")}],
    "periodAmount": eur("98.00"),
    "currentPeriodEndsAt": "2026-04-02T09:15:05Z",
    "orderId": ORDER_ID,
    "billingFrequency": None,
    "startsOn": None,
    "lines": [],
    "tax": None,
    "itemsNotShown": 0,
}
OVERVIEW: dict[str, Any] = {
    "accountId": ACCOUNT_ID,
    "account": {"status": "available", "reason": None},
    "name": "Acme Industriewerke GmbH",
    "legalEntity": "NW-DE",
    "credit": {"status": "available", "reason": None, "credit": CREDIT},
    "openOrders": {
        "status": "available",
        "reason": None,
        "orders": [
            {
                "orderId": ORDER_ID,
                "quoteId": QUOTE_ID,
                "status": "parked",
                "createdAt": "2026-03-02T09:15:00.120Z",
                "total": eur("7001.00"),
            },
            {
                "orderId": "ord_2",
                "quoteId": "0Q0QW0000000004AAA",
                "status": "received",
                "createdAt": "2026-03-02T09:16:00.000Z",
                "total": None,
            },
        ],
    },
    "unpaidInvoices": {
        "status": "available",
        "reason": None,
        "invoices": [ERP_INVOICE, BILLING_DRAFT],
        "totals": [eur("884.38"), {"amount": "116.62", "currency": "USD"}],
        "complete": True,
    },
    "subscriptions": {"status": "available", "reason": None, "subscriptions": [SUBSCRIPTION]},
}
OVERVIEW_WITHOUT_ERP: dict[str, Any] = {
    **OVERVIEW,
    "credit": {"status": "unavailable", "reason": "the ERP does not answer (ConnectError)", "credit": None},
    "unpaidInvoices": {
        "status": "unavailable",
        "reason": "the ERP does not answer (ConnectError)",
        "invoices": [BILLING_DRAFT],
        "totals": [{"amount": "116.62", "currency": "USD"}],
        "complete": False,
    },
}

READINESS: dict[str, Any] = {
    "quoteId": QUOTE_ID,
    "quoteRevision": 1,
    "ready": False,
    "notes": [],
    "total": eur("5699.00"),
    "faults": [
        {
            "code": "quantity_not_whole",
            "message": "Line 2 (MON-STD): 1.5 of it cannot be charged, billing counts whole units.",
            "lineId": "0QLQW0000000002AAA",
            "field": "quantity",
            "system": "billing",
        },
        {
            "code": "quote_expired",
            "message": "Quote 00001001 was valid until 2026-11-30. Extend it, or make a new one.",
            "lineId": None,
            "field": "expiresOn",
            "system": None,
        },
    ],
    "unchecked": [{"system": "tax", "message": "tax did not answer in time."}],
}
PRICING_PREVIEW: dict[str, Any] = {
    "quoteId": QUOTE_ID,
    "quoteRevision": 1,
    "currency": "EUR",
    "orderable": False,
    "shipping": None,
    "problems": [],
    "lines": [
        {
            "lineId": "0QLQW0000000001AAA",
            "sku": "GATEWAY-EDGE",
            "description": "Edge gateway",
            "quantity": "2",
            "recurrence": "none",
            "quotedUnitPrice": eur("1490.00"),
            "netUnitPrice": eur("1415.5"),
            "net": eur("2831.00"),
            "withinPolicy": True,
            "erpPrice": eur("1490.00"),
            "billingPrice": None,
            "tax": eur("537.89"),
            "differencePercent": "-5.00",
            "problem": None,
        },
        {
            "lineId": "0QLQW0000000002AAA",
            "sku": "OLD-SENSOR",
            "description": "Sensor of last year",
            "quantity": "1",
            "recurrence": "month",
            "quotedUnitPrice": eur("5.00"),
            "netUnitPrice": eur("5"),
            "net": eur("5.00"),
            "withinPolicy": False,
            "erpPrice": None,
            "billingPrice": None,
            "tax": None,
            "differencePercent": None,
            "problem": "OLD-SENSOR is not sold by billing in EUR.",
        },
    ],
    "net": eur("2836.00"),
    "tax": None,
    "total": None,
    "taxJurisdiction": None,
    "taxProblem": "The account has no billing address, so no tax can be calculated.",
}


def problem(slug: str, status: int, detail: str, **members: Any) -> dict[str, Any]:
    """An error answer of the process API."""
    return {
        "type": f"urn:quoteway:problem:{slug}",
        "title": "A title",
        "status": status,
        "detail": detail,
        "correlationId": "0f8e0c5e2a6f4f43a2b5c77d6a1d3b10",
        **members,
    }
