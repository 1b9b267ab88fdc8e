"""The pricing preview, and the readiness of a quote."""

import json

from tests.experience_api.conftest import Experience
from tests.experience_api.recorded_answers import PRICING_PREVIEW, QUOTE_ID, READINESS, problem


async def test_each_line_shows_its_price_in_every_system(experience: Experience) -> None:
    experience.process.will_answer(PRICING_PREVIEW)

    answer = await experience.post(f"/v1/quotes/{QUOTE_ID}/pricing-preview")

    assert answer.status_code == 200
    assert answer.json() == {
        "quoteId": QUOTE_ID,
        "quoteRevision": 1,
        "orderable": False,
        "currencyIsoCode": "EUR",
        "netAmount": "2836.00",
        "taxAmount": "",
        "totalAmount": "",
        "taxJurisdiction": "",
        "taxIssue": "The account has no billing address, so no tax can be calculated.",
        "shippingAmount": "",
        "issues": [],
        "lines": [
            {
                "lineId": "0QLQW0000000001AAA",
                "sku": "GATEWAY-EDGE",
                "description": "Edge gateway",
                "quantity": "2",
                "recurrence": "none",
                "currencyIsoCode": "EUR",
                "quotedUnitPrice": "1490.00",
                "netUnitPrice": "1415.5",
                "erpUnitPrice": "1490.00",
                "billingUnitPrice": "",
                "netAmount": "2831.00",
                "taxAmount": "537.89",
                "differencePercent": "-5.00",
                "withinPolicy": True,
                "issue": "",
            },
            {
                "lineId": "0QLQW0000000002AAA",
                "sku": "OLD-SENSOR",
                "description": "Sensor of last year",
                "quantity": "1",
                "recurrence": "month",
                "currencyIsoCode": "EUR",
                "quotedUnitPrice": "5.00",
                "netUnitPrice": "5",
                "erpUnitPrice": "",
                "billingUnitPrice": "",
                "netAmount": "5.00",
                "taxAmount": "",
                "differencePercent": "",
                "withinPolicy": False,
                "issue": "OLD-SENSOR is not sold by billing in EUR.",
            },
        ],
        "warnings": [],
    }


async def test_a_quote_that_is_not_there_is_404(experience: Experience) -> None:
    experience.process.will_answer(problem("not-found", 404, f"There is no quote {QUOTE_ID}."), 404)

    answer = await experience.post(f"/v1/quotes/{QUOTE_ID}/pricing-preview")

    assert answer.status_code == 404


async def test_what_is_no_salesforce_id_is_refused(experience: Experience) -> None:
    answer = await experience.post("/v1/quotes/00001001/pricing-preview")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "path/quoteId"


async def test_readiness_names_every_fault_with_its_line_and_field(experience: Experience) -> None:
    experience.process.will_answer(READINESS)

    answer = await experience.post(f"/v1/quotes/{QUOTE_ID}/readiness", {})

    assert answer.status_code == 200
    assert answer.json() == {
        "quoteId": QUOTE_ID,
        "quoteRevision": 1,
        "ready": False,
        "totalAmount": "5699.00",
        "currencyIsoCode": "EUR",
        "faults": [
            {
                "code": "quantity_not_whole",
                "message": "Line 2 (MON-STD): 1.5 of it cannot be charged, billing counts whole units.",
                "lineId": "0QLQW0000000002AAA",
                "fieldName": "quantity",
                "systemName": "billing",
            },
            {
                "code": "quote_expired",
                "message": "Quote 00001001 was valid until 2026-11-30. Extend it, or make a new one.",
                "lineId": "",
                "fieldName": "expiresOn",
                "systemName": "",
            },
        ],
        "uncheckedSystems": [{"systemName": "tax", "message": "tax did not answer in time."}],
        "warnings": [],
    }


async def test_readiness_warns_of_what_will_be_otherwise_than_stated(experience: Experience) -> None:
    note = "The tax id of Acme Corp is of a country for which there is no rule, so no system stores it."
    experience.process.will_answer({**READINESS, "notes": [note]})

    answer = await experience.post(f"/v1/quotes/{QUOTE_ID}/readiness", {})

    assert answer.json()["warnings"] == [note]


async def test_readiness_hands_on_what_the_user_saw_and_nothing_else(experience: Experience) -> None:
    experience.process.will_answer(READINESS)
    seen = {"quoteRevision": 2, "expectedTotal": "5699.00", "currencyIsoCode": "EUR"}

    await experience.post(f"/v1/quotes/{QUOTE_ID}/readiness", seen)
    await experience.post(f"/v1/quotes/{QUOTE_ID}/readiness", {})

    sent = [json.loads(request.content) for request in experience.process.requests]
    assert sent == [{"quoteRevision": 2, "expectedTotal": "5699.00", "expectedCurrency": "EUR"}, {}]
