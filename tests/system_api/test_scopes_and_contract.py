"""Who may call what, in the tier and in its contract."""

import json
import re
from typing import Any

from tests.issuer_process import bearer
from tests.system_api.system_tier import BODIES, DEMO_QUOTE, System


async def test_request_without_a_token_reveals_nothing(system: System) -> None:
    answer = await system.client.get(f"/v1/crm/quotes/{DEMO_QUOTE}")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_token_for_another_tier_is_refused(system: System) -> None:
    headers = await bearer(system.issuer, "experience-api", "quoteway-process", tenant="nordwind")

    assert (await system.client.get(f"/v1/crm/quotes/{DEMO_QUOTE}", headers=headers)).status_code == 401


async def operations(system: System) -> list[tuple[str, str, dict[str, Any]]]:
    document = (await system.client.get("/openapi.json")).json()
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
    ]


async def test_every_operation_needs_its_own_scope(system: System) -> None:
    every = "crm:read crm:write erp:read erp:write billing:read billing:write tax:read pricing:read"
    for method, path, operation in await operations(system):
        (needed,) = operation["x-quoteway-scopes"]
        others = " ".join(scope for scope in every.split() if scope != needed)
        headers = await bearer(system.issuer, "process-api", "quoteway-system", tenant="nordwind", scope=others)

        answer = await system.client.request(
            method, re.sub(r"\{\w+\}", "NW-DE", path), headers=headers, json=BODIES.get(operation["operationId"])
        )

        assert answer.status_code == 403, f"{method} {path} does not ask for {needed}"
        assert needed in answer.headers["WWW-Authenticate"]


async def test_reading_scopes_read_and_writing_scopes_write(system: System) -> None:
    calculations = {"calculateTax", "findCustomerCandidates", "lookUpPrices", "verifyBillingWebhook", *CHECKS}
    for method, path, operation in await operations(system):
        kind = operation["x-quoteway-scopes"][0].split(":")[1]
        reads = method == "get" or operation["operationId"] in calculations
        assert kind == ("read" if reads else "write"), path


CHECKS = ("checkErpOrder", "checkBillingOrder")
# Which operations cannot answer a status that others of this tier can, and why. One that is not named here can.
NO_RECORD = "it names no record: what it knows nothing of, its answer leaves out or refuses"
CHANGES_NOTHING = "without an answer it is not done, and may be repeated: 503"
NEVER_409 = "two writes for one external id are told apart by the vendor or by the adapter, never refused for being two"
WITHOUT: dict[str, dict[str, str]] = {
    "404": dict.fromkeys(
        ("findCustomerCandidates", "verifyBillingWebhook", "lookUpPrices", "calculateTax", "listConnections", *CHECKS),
        NO_RECORD,
    ),
    "422": {"listConnections": "it asks no vendor"},
    "504": dict.fromkeys(
        (
            *("findAccount", "findQuote", "getRecordAccess", "findCustomer", "checkCredit", "listErpInvoices"),
            *("findOrder", "listBillingInvoices", "listSubscriptions", "findSubscription"),
            *("findCustomerCandidates", "findCustomerRecord", "findBillingCustomer", "findBillingCustomerRecord"),
            *("verifyBillingWebhook", "lookUpPrices", "calculateTax", "listConnections", *CHECKS),
        ),
        CHANGES_NOTHING,
    ),
}


async def test_each_operation_names_the_problems_that_its_own_work_can_answer_and_no_other(system: System) -> None:
    found = {operation["operationId"]: set(operation["responses"]) for _, _, operation in await operations(system)}

    for status, without in WITHOUT.items():
        assert {name for name, statuses in found.items() if status not in statuses} == set(without), status
    # No vendor can say which of several customers an account is: a person decides.
    assert [name for name, statuses in found.items() if "409" in statuses] == ["ensureCustomer"], NEVER_409


async def test_the_contract_says_what_each_operation_is(system: System) -> None:
    found = await operations(system)

    assert len(found) == 28
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)
    for _, path, operation in found:
        assert re.fullmatch(r"[a-z][A-Za-z0-9]{0,59}", operation["operationId"])
        assert operation["tags"]
        assert operation["description"]
        assert operation["x-quoteway-owner"]
        assert set(operation["responses"]) >= {"200", "400", "401", "403", "429", "500", "503"}
        for parameter in operation.get("parameters", []):
            assert re.fullmatch(r"[a-z][A-Za-z]*", parameter["name"]), path
            assert parameter["description"]
            bounds = {"pattern", "maximum", "maxLength"} & set(
                json.dumps(parameter["schema"]).replace('"', " ").split()
            )
            assert bounds or parameter["schema"].get("type") == "boolean", (path, parameter)
