"""The process tier names no vendor: headers, signatures, limits and units are an adapter's (DESIGN.md, rule 5).

Salesforce is where every deal starts, so sentences to sellers name it; code that knows its form of ids is listed below.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VENDORS = re.compile(r"stripe|tryton|netsuite|\bsap\b|s/4hana|kill ?bill|avatax|avalara|odoo|zendesk", re.IGNORECASE)
# The published operation `receiveStripeWebhook`: its address, header and texts are contract.
PUBLISHED_WEBHOOK = {"process_api/v1/webhooks.py": None, "process_api/app.py": "receive_stripe_webhook"}
# An id has Salesforce's form or is no record's: asked before it becomes part of an address.
RECORD_IDS = {"process_api/access/visibility.py"}


def vendor_names(path: str, source: str) -> list[str]:
    """The lines of a file of the process tier that name a vendor and are no exception."""
    if path in PUBLISHED_WEBHOOK:
        allowed = PUBLISHED_WEBHOOK[path]
        if allowed is None:
            return []
        source = source.replace(allowed, "receive_webhook")
    named = [line.strip() for line in source.splitlines() if VENDORS.search(line)]
    return named if path in RECORD_IDS else named + list(_salesforce_in_code(source))


def _salesforce_in_code(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
        if isinstance(name, str) and "salesforce" in name.lower():
            yield name


def files() -> list[str]:
    """Every file of the process tier's code; what a migration once did is done."""
    return sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "process_api").rglob("*.py") if "migrations" not in path.parts
    )


def test_the_process_tier_names_no_vendor() -> None:
    found = {path: vendor_names(path, (ROOT / path).read_text()) for path in files()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("exception", [*PUBLISHED_WEBHOOK, *RECORD_IDS])
def test_an_exception_is_needed(exception: str) -> None:
    assert vendor_names("process_api/planted.py", (ROOT / exception).read_text())


@pytest.mark.parametrize(
    "planted",
    [
        "# as Stripe rounds it",
        'HEADER = "Stripe-Signature"',
        "import system_api.erp.tryton.adapter",
        "SALESFORCE_LIMIT = 5",
        "def ask_salesforce(): ...",
    ],
)
def test_a_planted_vendor_is_found(planted: str) -> None:
    assert vendor_names("process_api/planted.py", planted)
