"""Every operation of the system API, with real tokens, in front of the real ERP and the simulators."""

import uuid

from tests.system_api.system_tier import (
    ACME,
    BODIES,
    DEMO_QUOTE,
    System,
    customer_draft,
    euros,
    order_draft,
    subscription_draft,
)


async def test_the_crm(system: System) -> None:
    quote = await system.get(f"/v1/crm/quotes/{DEMO_QUOTE}")
    account = await system.get(f"/v1/crm/accounts/{quote['accountId']}")
    report, order = BODIES["reportOrderStatus"], f"ord-{uuid.uuid4().hex[:8]}"

    told = await system.call("PUT", f"/v1/crm/order-status/{order}", report)
    late = await system.call("PUT", f"/v1/crm/order-status/{order}", {**report, "version": 1})

    west = await system.get(f"/v1/crm/users/005QW0000000002/record-access/{quote['accountId']}")
    sales = await system.get(f"/v1/crm/users/005QW0000000001/record-access/{DEMO_QUOTE}")
    nothing = await system.get("/v1/crm/users/005QW0000000001/record-access/0Q0QW0000000099")

    assert west == nothing == {"readable": False, "editable": False}
    assert sales == {"readable": True, "editable": True}
    assert quote["lines"][0]["unitPrice"] == euros("1490.00")
    assert account["billingAddress"]["city"] == "Stuttgart"
    assert (told.status_code, told.json()["applied"]) == (200, True)
    assert (late.status_code, late.json()["applied"], late.json()["version"]) == (200, False, 2)


async def test_the_erp(system: System) -> None:
    base, order = "/v1/erp/NW-DE", f"ord-{uuid.uuid4().hex[:8]}"
    customer = await system.get(f"{base}/customers/{ACME}")
    ensured = await system.call("PUT", f"{base}/customers/{ACME}", customer_draft(ACME))
    credit = await system.get(f"{base}/customers/{ACME}/credit", amount="10.00", currency="EUR")
    # Other tests invoice the seeded customers: only an unknown customer surely has no invoices.
    invoices = await system.get(f"{base}/customers/001{uuid.uuid4().hex[:15]}/invoices", openOnly="true", limit=3)
    absent = await system.get(f"{base}/orders/{order}")
    booked = await system.call("PUT", f"{base}/orders/{order}", order_draft(customer["vendorId"]))
    confirmed = await system.call("POST", f"{base}/orders/{order}/confirm")
    cancelled = await system.call("POST", f"{base}/orders/{order}/cancel")

    assert {**ensured.json(), "tax": None} == customer, "and only what is ensured is told of the tax"
    assert ensured.json()["tax"]["codes"] == ["DE"]
    assert credit["decision"] == "approved"
    assert invoices == {"invoices": [], "nextCursor": None, "notShown": 0}
    assert absent["state"] == "absent"
    states = [(each.status_code, each.json()["state"]) for each in (booked, confirmed, cancelled)]
    assert states == [(200, "quoted"), (200, "confirmed"), (200, "cancelled")]


async def test_billing(system: System) -> None:
    account = f"001{uuid.uuid4().hex[:15]}"
    base, name = "/v1/billing/NW-DE", f"ord-{uuid.uuid4().hex[:8]}:month"
    customer = await system.call("PUT", f"{base}/customers/{account}", customer_draft(account))
    draft = subscription_draft(customer.json()["vendorId"])
    absent = await system.get(f"{base}/subscriptions/{name}")
    started = await system.call("PUT", f"{base}/subscriptions/{name}", draft)
    listed = await system.get(f"{base}/customers/{account}/subscriptions")
    invoices = await system.get(f"{base}/customers/{account}/invoices")
    cancelled = await system.call("POST", f"{base}/subscriptions/{name}/cancel")

    assert absent["status"] == "absent"
    assert (started.status_code, started.json()["periodAmount"]) == (200, euros("14.70"))
    assert [each["externalId"] for each in listed["subscriptions"]] == [name]
    assert [each["source"] for each in invoices["invoices"]] == ["billing"]
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")


async def test_tax_and_prices(system: System) -> None:
    tax = await system.call("POST", "/v1/tax/calculations", BODIES["calculateTax"])
    prices = await system.call("POST", "/v1/pricing/NW-DE/price-lookups", BODIES["lookUpPrices"])

    assert (tax.status_code, tax.json()["total"]) == (200, euros("19.00"))
    assert prices.status_code == 200
    assert prices.json()["prices"] == [
        {
            "sku": "MON-STD",
            "erp": euros("4.90"),
            "billing": euros("4.90"),
            "billingRecurrence": "month",
            "quantityDigits": 0,
        },
        {"sku": "MON-LEGACY", "erp": None, "billing": None, "billingRecurrence": None, "quantityDigits": None},
    ]
