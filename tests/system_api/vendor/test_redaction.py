"""Vendors' messages are passed on without persons."""

import pytest

from shared.canonical import Address, CustomerDraft
from system_api.vendor.redaction import mind_persons, note_customer, redact

DRAFT = CustomerDraft(
    account_id="001QW0000000001",
    name="Jane Doe-Müller",
    address=Address(street="Mondgasse 7", postal_code="1", city="Ulm", country="DE"),
    currency="EUR",
    vat_id="DE999999999",
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('The party "Jane Doe" is blocked.', 'The party "…" is blocked.'),
        ("The party “Jane Doe” is blocked.", "The party “…” is blocked."),
        ("No such customer: 'Jane Doe'; the customer's card", "No such customer: '…'; the customer's card"),
        ("No such price: 'price_1Q2w'", "No such price: 'price_1Q2w'"),
        ('Product "MON-STD" of "sale.line" is unknown', 'Product "MON-STD" of "sale.line" is unknown'),
        ("jane.doe@example.com is taken (<j+x@ä.example>)", "… is taken (<…>)"),
        ("The amount exceeds the limit of 100.00 EUR.", "The amount exceeds the limit of 100.00 EUR."),
        ("It's the customer's fault", "It's the customer's fault"),
    ],
)
def test_quotations_and_addresses_are_hidden_and_codes_are_not(said: str, told: str) -> None:
    assert redact(said) == told


async def test_persons_of_a_request_are_hidden_until_the_next_request() -> None:
    told: list[str] = []

    async def app(_scope: object, _receive: object, _send: object) -> None:
        note_customer(DRAFT)
        told.append(redact("JANE DOE-MÜLLER of Mondgasse 7, Ulm (DE999999999) owes 1"))

    async def other(_scope: object, _receive: object, _send: object) -> None:
        told.append(redact("Jane Doe-Müller"))

    await mind_persons(app)({}, None, None)  # type: ignore[arg-type] # nothing of them is looked at
    await mind_persons(other)({}, None, None)  # type: ignore[arg-type] # as above

    assert told == ["… of …, … (…) owes 1", "Jane Doe-Müller"]
