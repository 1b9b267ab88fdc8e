"""Test orders for an ERP: the demo's products and customers, for any vendor."""

import random
import uuid
from typing import Any

import msgspec

from shared.canonical import Address, CustomerDraft, ErpOrderDraft, ErpOrderLine, Money
from shared.canonical.record_ids import canonical_spelling

ACME, TIDEWATER = "001QW0000000001YAA", "001QW0000000003YAA"


def new_customer(**changes: Any) -> CustomerDraft:
    """Return a company that no other test knows: another name, another tax id."""
    draft = CustomerDraft(
        account_id=new_account(),
        name=f"Donau Frischdienst {uuid.uuid4().hex[:8]} GmbH",
        address=Address(street="Handelskai 94", postal_code="1200", city="Wien", country="AT"),
        currency="EUR",
        vat_id=austrian_vat_id(),
    )
    return msgspec.structs.replace(draft, **changes)


def new_account() -> str:
    """Return an account id of 18 characters, as Salesforce writes it."""
    return canonical_spelling(f"001a{uuid.uuid4().hex[:11]}")


def austrian_vat_id() -> str:
    """Return a VAT id with a check digit that Tryton takes (python-stdnum, at.uid)."""
    digits = f"{random.randrange(10**7):07}"  # noqa: S311 a tax id is no secret
    weighted = [int(digit) * weight for digit, weight in zip(digits, (1, 2, 1, 2, 1, 2, 1), strict=True)]
    return f"ATU{digits}{(6 - sum(each // 10 + each % 10 for each in weighted)) % 10}"


def euros(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


def hardware(customer: str, **changes: Any) -> ErpOrderDraft:
    """Return two gateways at 5 % off and twenty sensors: 4,621.00 EUR net, 877.99 EUR tax."""
    draft = ErpOrderDraft(
        account_id=ACME,
        customer_vendor_id=customer,
        currency="EUR",
        tax_code="DE",
        lines=[line("GATEWAY-EDGE", "2", "1415.5"), line("SENSOR-TEMP", "20", "89.50")],
        expected_tax=euros("877.99"),
        expected_total=euros("5498.99"),
        comment="Quote 00001001",
    )
    return msgspec.structs.replace(draft, **changes)


def line(sku: str, quantity: str, price: str) -> ErpOrderLine:
    return ErpOrderLine(sku=sku, description=sku, quantity=quantity, net_unit_price=euros(price))


def order_id() -> str:
    return f"ord-{uuid.uuid4().hex[:12]}"
