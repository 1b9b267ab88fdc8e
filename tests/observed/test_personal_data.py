"""Personal data and secrets appear in no log, span, metric, error, event or table, whatever fails.

But for one column: while an order may be tried again or edited, and for some days after it has ended, it keeps the
quote that it was made of with the contacts that this names, since the ERP is told of them (docs/decisions/0086). Then
they are taken out (tests/process_api/orders/test_contacts.py). Flows, attempts, the timeline, the outbox and the audit
log stay free of them from the beginning.

They are planted in a Salesforce account, in what every vendor says when it refuses, and in every secret that the
landscape has; then orders are made, some of which fail, and everything that is written anywhere is searched.
"""

import asyncio
import json
import subprocess
import sys
import uuid
from typing import Any

import httpx
import psycopg

from process_api.orders.contacts import CONTACT_FIELDS
from sandbox.faults.proxy.rules import Fault, Rule
from sandbox.landscape.landscape import Landscape
from tests.journeys.org import ACCOUNTS, Line
from tests.observed.conftest import Observed

MIXED = [Line("SENSOR-TEMP", "1", "89.50"), Line("MON-STD", "2", "4.90")]
NAME, STREET, CITY = "Zarquilla Quillfeather", "Mondschattengasse 77", "Krähwinkelsberg"
EMAIL, PHONE = "zarquilla.q@quillfeather.example", "+49 7311 4711 0815"
PERSONAL = [NAME, "Zarquilla", "Quillfeather", STREET, "Mondschattengasse", CITY, EMAIL, PHONE, "4711 0815"]
SENTENCE = f'The customer "{NAME}" ({EMAIL}) has refused.'
# What the vendors keep is theirs to know: the logs of the sandbox's own simulators are not ours.
OURS = ("experience", "process", "system", "worker")


def plant(observed: Observed) -> str:
    """An account that Salesforce, and then the ERP and billing, know by these data."""
    fields = {
        "Name": NAME,
        "BillingStreet": STREET,
        "BillingPostalCode": "89073",
        "BillingCity": CITY,
        "BillingCountryCode": "DE",
        "CurrencyIsoCode": "EUR",
        "Legal_Entity__c": "NW-DE",
        "Phone": PHONE,
    }
    account: str = observed.org._create("Account", fields)
    contact = {"FirstName": "Zarquilla", "LastName": "Quillfeather", "Email": EMAIL, "AccountId": account}
    contact_id = observed.org._create("Contact", contact)
    observed.org._client.patch(
        f"/sobjects/Account/{account}", json={"Bill_To_Contact__c": contact_id}
    ).raise_for_status()
    ACCOUNTS["planted"] = account
    return account


def secrets(landscape: Landscape, observed: Observed) -> list[str]:
    """Every secret of the landscape, without what is the same in all of its kind."""
    found = [
        json.loads((landscape.run_dir / "salesforce.json").read_text())["client_secret"],
        *((landscape.run_dir / name).read_text().strip() for name in ("tryton.key", "stripe.key")),
    ]
    clients = json.loads((landscape.run_dir / "issuer" / "clients.json").read_text())
    found += [client["client_secret"] for client in clients.values() if client.get("client_secret")]
    for client in (observed.developer, observed.operator):
        found.append(client.headers["Authorization"].rpartition(".")[2])  # the signature: the rest is claims
    return [secret for secret in found if len(secret) >= 16]


async def orders_that_end_in_every_way(observed: Observed, answers: list[str]) -> list[dict[str, Any]]:
    """Booked, refused by the ERP, by billing and by Salesforce's sentence, and parked."""
    refusals: list[tuple[str, Rule] | None] = [
        None,
        (
            "tryton",
            Rule(
                fault=Fault.answer,
                methods=["POST"],
                path="/sale.sale",
                times=1,
                status=400,
                content=json.dumps({"status": 400, "message": SENTENCE, "description": STREET}),
            ),
        ),
        (
            "stripe",
            Rule(
                fault=Fault.answer,
                methods=["POST"],
                path="/v1/subscriptions",
                times=1,
                status=402,
                content=json.dumps({"error": {"type": "card_error", "code": "card_declined", "message": SENTENCE}}),
            ),
        ),
        (
            "salesforce",
            Rule(
                fault=Fault.answer,
                methods=["PATCH"],
                path="Quoteway_Order__c",
                status=400,
                content=json.dumps([{"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": SENTENCE}]),
            ),
        ),
        ("tryton", Rule(fault=Fault.answer, methods=["GET"], status=500, content=f"<html>{SENTENCE}</html>")),
    ]
    ended = []
    for refusal in refusals:
        quote_id = observed.org.make_quote("planted", "EUR", MIXED)
        if refusal is not None:
            observed.landscape.faults(refusal[0]).put(refusal[1])
        answer = await observed.submit(quote_id)
        order = await observed.ended(answer.json()["orderId"])
        for name in ("tryton", "stripe", "salesforce"):
            observed.landscape.faults(name).clear()
        flow = await observed.operator.get(f"/v1/flows/nordwind.{order['orderId']}")
        answers += [answer.text, json.dumps(order), flow.text]
        ended.append(order)
    return ended


def without_contacts(row: str) -> str:
    """An order's row without the names and e-mail addresses of its quote's contacts: no more may be there.

    They are exempt since these orders ended a moment ago; what housekeeping takes out later is just these.
    """
    order = json.loads(row)
    for contact, field in CONTACT_FIELDS:
        ((order["quote"] or {}).get(contact) or {}).pop(field, None)
    return json.dumps(order, ensure_ascii=False)


def table_contents(landscape: Landscape) -> dict[str, str]:
    """Every row of every table, ours and the workflow engine's, as text; by table. Orders without whom they bill."""
    found = {}
    with psycopg.connect(landscape.settings("process")["QUOTEWAY_DATABASE_URL"]) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema IN ('quoteway', 'quoteway_audit', 'dbos')"
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(f'SELECT t::text FROM "{schema}"."{table}" AS t').fetchall()
            found[f"{schema}.{table}"] = "\n".join(row[0] for row in rows)
        orders = connection.execute("SELECT to_jsonb(o)::text FROM quoteway.orders AS o").fetchall()
        found["quoteway.orders"] = "\n".join(without_contacts(row[0]) for row in orders)
    return found


def redis_contents(landscape: Landscape) -> str:
    """Every key and every value in Redis."""
    import redis

    connection = redis.Redis.from_url(landscape.redis.url)
    said = b""
    for key in connection.scan_iter():
        said += key + b"\n" + (connection.dump(key) or b"")
    connection.close()
    return said.decode("latin-1")


async def test_personal_data_and_secrets_appear_nowhere(observed: Observed) -> None:
    landscape = observed.landscape
    plant(observed)
    answers: list[str] = []

    ended = await orders_that_end_in_every_way(observed, answers)
    for token in ("nonsense", observed.developer.headers["Authorization"][7:-8] + "AAAAAAAA"):
        refused = await observed.developer.get("/v1/orders/x", headers={"Authorization": f"Bearer {token}"})
        answers.append(refused.text)
    wrong = {"quoteId": NAME, "quoteRevision": EMAIL}
    answers.append((await observed.developer.post("/v1/orders", json=wrong, headers={"Idempotency-Key": "k"})).text)

    assert [order["status"] for order in ended][:3] == ["booked", "rejected", "rejected"], ended
    assert ended[4]["status"] == "parked", ended[4]
    observed.collector.wait_for(
        lambda span: span.name == "order_submission.run" and ended[3]["orderId"] in span.attributes["quoteway.flow_id"]
    )

    haystacks: dict[str, str] = {f"answer {number}": text for number, text in enumerate(answers)}
    haystacks |= {
        path.name: path.read_text() for path in (landscape.run_dir / "logs").glob("*.log") if path.stem in OURS
    }
    haystacks |= {f"metrics of {name}": await observed.metrics(name) for name in OURS}
    haystacks["spans"] = b"".join(observed.collector.bodies).decode("latin-1")
    haystacks |= table_contents(landscape)
    haystacks["redis"] = redis_contents(landscape)
    assert {"quoteway.flow_attempts", "dbos.workflow_output", "quoteway_audit.entries"} <= set(haystacks)
    assert all(len(haystacks[name]) > 100 for name in ("spans", "worker.log", "dbos.workflow_output", "quoteway.flows"))
    # The search itself works: what may be written is found there.
    order_id = ended[0]["orderId"]
    assert {name for name, text in haystacks.items() if order_id in text} >= {
        "spans",
        "dbos.workflow_inputs" if "dbos.workflow_inputs" in haystacks else "dbos.workflow_status",
        "quoteway_audit.entries",
        "redis",
    }

    found = [
        f"{mark!r} in {name}: …{text[max(0, text.find(mark) - 150) : text.find(mark) + 60]}…"
        for name, text in haystacks.items()
        for mark in [*PERSONAL, *(secret[-24:] for secret in secrets(landscape, observed))]
        if mark in text or mark.encode().decode("latin-1") in text
    ]
    assert found == []


async def test_metrics_speak_of_orders_and_money(observed: Observed) -> None:
    quote_id = observed.org.make_quote("acme", "EUR", MIXED)
    answer = await observed.submit(quote_id)
    assert (await observed.ended(answer.json()["orderId"]))["status"] == "booked"

    worker = await observed.metrics("worker")
    assert 'quoteway_orders_ended_total{reason="",status="booked"}' in worker
    assert 'quoteway_order_value_total{currency="EUR"}' in worker
    assert "quoteway_orders_unended" in worker
    assert "quoteway_outbox_waiting" in worker
    assert 'quoteway_flow_step_attempts_total{direction="forward",outcome="done",step="book_erp_order"}' in worker
    system = await observed.metrics("system")
    assert 'quoteway_outbound_request_seconds_count{outcome="2xx",peer="Tryton"}' in system
    experience = await observed.metrics("experience")
    assert 'quoteway_request_seconds_count{operation="submitOrder",status="2xx"}' in experience
    async with httpx.AsyncClient(base_url=observed.landscape.url("experience")) as public:
        assert (await public.get("/metrics")).status_code == 404


async def test_the_audit_log_of_all_tiers_is_one_unbroken_log(observed: Observed) -> None:
    correlation = uuid.uuid4().hex
    quote_id = observed.org.make_quote("acme", "EUR", MIXED)
    answer = await observed.submit(quote_id, **{"X-Correlation-Id": correlation})
    order = await observed.ended(answer.json()["orderId"])

    url = observed.landscape.settings("process")["QUOTEWAY_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        query = (
            "SELECT entry::jsonb FROM quoteway_audit.entries"
            " WHERE entry::jsonb->>'correlationId' = %s ORDER BY sequence"
        )
        entries = [row[0] for row in connection.execute(query, (correlation,))]
    financial = [(entry["tier"], entry["operation"]) for entry in entries if entry["auditClass"] == "financial"]
    assert order["status"] == "booked"
    assert ("process", "startOrderSubmission") in financial
    assert ("experience", "submitOrder") in financial
    assert {("system", "createOrder"), ("system", "confirmOrder"), ("system", "createSubscription")} <= set(financial)
    command = [sys.executable, "-m", "shared.audit", "verify", "--database", url]
    verified = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert verified.returncode == 0, verified.stderr
