"""The check against the SDK's types can fail in each of its rules; every operation of the sandbox is the SDK's too."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.vendors.stripe.operations import OPERATIONS
from sandbox.vendors.stripe.wire.params import Either, Hash, Items, Metadata, Param, Range
from tests.sandbox.vendors.stripe.sdk_types import check_request, check_response, find_operation

CUSTOMER: dict[str, Any] = {
    "id": "cus_1",
    "object": "customer",
    "created": 1,
    "livemode": False,
    "email": "ap@acme.example",
    "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
}


@pytest.mark.parametrize(
    ("method", "url", "body", "complaint"),
    [
        ("POST", "/v1/customers", "emial=a@b.example", "emial: CustomerCreateParams has no such parameter"),
        ("POST", "/v1/customers", "address[citty]=Bonn", "address[citty]"),
        ("POST", "/v1/customers", "balance=1.5", "balance: '1.5' is no int"),
        ("POST", "/v1/customers", "metadata=x", "metadata: 'x'"),
        ("POST", "/v1/customers", "tax_exempt=exmept", "tax_exempt: 'exmept' is none of"),
        ("POST", "/v1/subscriptions", "items[0][quantity]=2&customer=", "customer: empty"),
        ("POST", "/v1/subscriptions", "items=x", "items: 'x' is no list"),
        ("POST", "/v1/subscriptions", "cancel_at_period_end=yes", "is no bool"),
        ("POST", "/v1/subscriptions", "collection_method=send", "'send' is none of"),
        ("POST", "/v1/tax_rates", "display_name=VAT&inclusive=false", "percentage: required by TaxRateCreateParams"),
        ("GET", "/v1/subscriptions?status=runing", "", "'runing' is none of"),
        ("GET", "/v1/invoices?created[after]=1", "", "created[after]"),
        ("POST", "/v1/invoices/in_1/finalise", "", "the SDK has no call POST /v1/invoices/in_1/finalise"),
        ("DELETE", "/v1/invoices/in_1/void", "", "the SDK has no call"),
        ("POST", "/v1/billing/meter_events", "event_name=x&payload[value]=1&timestamp=soon", "is no int"),
    ],
)
def test_a_request_that_is_none_of_the_sdks_is_named(method: str, url: str, body: str, complaint: str) -> None:
    complaints = check_request(method, url, body.encode())
    assert any(complaint in each for each in complaints), complaints


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "/v1/customers", "name=A&address[city]=Bonn&metadata[any]=thing"),
        ("POST", "/v1/customers/cus_1", "address=&metadata="),
        ("POST", "/v1/subscriptions/sub_1", "cancel_at=&items[0][id]=si_1&items[0][quantity]=2&trial_end=now"),
        ("POST", "/v1/prices", "currency=eur&unit_amount_decimal=0.050000000001&recurring[interval]=month"),
        ("GET", "/v1/subscriptions?status=all&created[gte]=1&limit=3&expand[]=data.customer", ""),
        ("DELETE", "/v1/subscriptions/sub_1?prorate=false&invoice_now=true", ""),
        ("GET", "/v1/disputes?charge=ch_1", ""),
    ],
)
def test_a_request_of_the_sdk_has_nothing_wrong(method: str, url: str, body: str) -> None:
    assert check_request(method, url, body.encode()) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"created": None}, "customer.created: null, and it never is"),
        ({"created": "1"}, "customer.created: '1' is no int"),
        ({"livemode": 0}, "customer.livemode: 0 is no bool"),
        ({"emial": "x"}, "customer.emial: Customer has no such attribute"),
        ({"tax_exempt": "never"}, "customer.tax_exempt: 'never' is none of"),
        ({"address": "Bonn"}, "customer.address: 'Bonn' is no"),
        ({"address": {"citty": "Bonn"}}, "customer.address.citty"),
        ({"email": {"to": "x"}}, "customer.email: an object"),
        ({"preferred_locales": "de"}, "customer.preferred_locales: 'de' is no list"),
        ({"object": "custmer"}, "the SDK knows no 'custmer'"),
        ({"deleted": True}, "a deleted object has more than its id"),
    ],
)
def test_an_answer_that_is_none_of_the_sdks_is_named(change: dict[str, Any], complaint: str) -> None:
    assert check_response(CUSTOMER) == []
    complaints = check_response(CUSTOMER | change)
    assert any(complaint in each for each in complaints), complaints


def test_an_answer_without_what_is_always_there_is_named() -> None:
    without = {name: value for name, value in CUSTOMER.items() if name != "livemode"}
    assert check_response(without) == ["customer.livemode: Customer always has it, and it is missing"]
    listed = {"object": "list", "data": [CUSTOMER, without], "has_more": False, "url": "/v1/customers"}
    assert check_response(listed) == ["list.data[1].livemode: Customer always has it, and it is missing"]
    assert check_response({"id": "cus_1", "object": "customer", "deleted": True}) == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_every_parameter_of_the_sandbox_is_one_of_the_sdks(operation: Any) -> None:
    path = re.sub(r"\{[^}]*\}", "x_1", operation.path)
    assert find_operation(operation.method, path) is not None
    for name, param in operation.fields.items():
        for sent in _as_sent(name, param):
            url, body = (path, sent) if operation.method == "POST" else (f"{path}?{sent}", "")
            unknown = [each for each in check_request(operation.method, url, body.encode()) if "no such" in each]
            assert not unknown, unknown


def _as_sent(name: str, param: Param) -> list[str]:
    """The parameter as a client could send it, each of its nested ones by itself."""
    if isinstance(param, Hash):
        return [sent for inner, below in param.fields.items() for sent in _as_sent(f"{name}[{inner}]", below)]
    if isinstance(param, Items):
        return _as_sent(f"{name}[0]", param.of)
    if isinstance(param, Either):
        return _as_sent(name, param.scalar) + _as_sent(name, param.nested)
    if isinstance(param, Metadata):
        return [f"{name}[any]=thing"]
    if isinstance(param, Range):
        return [f"{name}[gte]=1", f"{name}=1"]
    return [f"{name}=1"]
