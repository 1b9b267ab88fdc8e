"""What the SDK hides: keys, headers, encodings, errors, unknown URLs and parameters."""

from __future__ import annotations

import base64

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.running_sandbox import KEY, RunningSandbox, sdk


def _error(answer: httpx.Response) -> dict[str, str]:
    error: dict[str, str] = answer.json()["error"]
    return error


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "did not provide an API key"),
        ("Bearer sk_test_wrong_wrong_wrong", "Invalid API Key provided: sk_test_"),
        ("Bearer pk", "Invalid API Key provided: ***"),
        (f"Digest {KEY}", "did not provide"),
        ("Basic !!!", "did not provide"),
    ],
)
def test_a_wrong_key_is_401(sandbox: RunningSandbox, header: str | None, words: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.post(f"{sandbox.url}/v1/customers", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert words in _error(answer)["message"]
    assert "wrong_wrong" not in answer.text, "a key is not repeated"
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_basic_authentication_takes_the_key_as_user(sandbox: RunningSandbox) -> None:
    credentials = base64.b64encode(f"{KEY}:".encode()).decode()
    answer = httpx.get(
        f"{sandbox.url}/v1/customers", headers={"Authorization": f"Basic {credentials}"}, trust_env=False
    )
    assert answer.status_code == 200
    with sdk(sandbox.url, key="sk_test_another_account") as client, pytest.raises(stripe.AuthenticationError):
        client.v1.customers.list()


def test_every_answer_has_its_request_id_and_version(http: httpx.Client) -> None:
    first, second = http.get("/v1/customers"), http.get("/v1/nothing")
    assert first.headers["request-id"] != second.headers["request-id"]
    assert first.headers["stripe-version"] == second.headers["stripe-version"] == "2026-10-28.endive"
    asked = http.get("/v1/customers", headers={"Stripe-Version": "2025-08-27.basil"})
    assert asked.headers["stripe-version"] == "2025-08-27.basil"
    for version in ("2024-06-20", "latest"):
        assert http.get("/v1/customers", headers={"Stripe-Version": version}).status_code == 400


def test_older_versions_bill_in_classic_mode(sandbox: RunningSandbox, monthly: stripe.Price) -> None:
    with sdk(sandbox.url, version="2025-08-27.basil") as older:
        customer = older.v1.customers.create({"payment_method": "pm_card_visa"})
        card = older.v1.payment_methods.list({"customer": customer.id}).data[0]
        made = older.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": monthly.id}], "default_payment_method": card.id}
        )
    assert (made.billing_mode.type, made.default_payment_method) == ("classic", card.id)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/nothing"), ("PUT", "/v1/customers"), ("GET", "/v1/customers/cus_1/nothing"), ("POST", "/v2/things")],
)
def test_an_unknown_url_is_404_in_stripes_shape(http: httpx.Client, method: str, path: str) -> None:
    answer = http.request(method, path)
    assert answer.status_code == 404
    assert f"Unrecognized request URL ({method}: {path})" in _error(answer)["message"]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"nmae": "x"}, "parameter_unknown", "nmae"),
        ({"address[planet]": "earth"}, "parameter_unknown", "address[planet]"),
        ({"name[first]": "x"}, None, "name"),
        ({"address": "x"}, None, "address"),
        ({"balance": "1.5"}, "parameter_invalid_integer", "balance"),
        ({"invoice_prefix": ""}, "parameter_invalid_empty", "invoice_prefix"),
        ({"tax_exempt": "always"}, None, "tax_exempt"),
        ({"tax_id_data[0][type]": "eu_vat"}, "parameter_missing", "tax_id_data[0][value]"),
        ({"tax_id_data[type]": "eu_vat"}, None, "tax_id_data"),
        ({"metadata": "x"}, None, "metadata"),
        ({f"metadata[{'k' * 41}]": "x"}, None, "metadata"),
        ({"metadata[k]": "x" * 501}, None, "metadata[k]"),
        ({f"metadata[k{n}]": "x" for n in range(51)}, None, "metadata"),
        ({"name": "x" * 5001}, None, "name"),
        ({"na]me": "x"}, "parameter_unknown", "na]me"),
        ({"address": "x", "address[city]": "y"}, None, "address[city]"),
        ({"address[city]": "y", "address": "x"}, None, "address"),
        ({"a[b][c][d][e][f][g][h][i]": "x"}, None, "a[b][c][d][e][f][g][h][i]"),
        ({"test_clock": "clock_none"}, "resource_missing", "test_clock"),
    ],
)
def test_wrong_parameters_are_named(http: httpx.Client, body: dict[str, str], code: str | None, param: str) -> None:
    answer = http.post("/v1/customers", data=body)
    error = _error(answer)
    assert answer.status_code == 400
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", code, param)


def test_an_error_has_a_doc_url_and_a_hint(http: httpx.Client) -> None:
    error = _error(http.post("/v1/customers", data={"Name": "x"}))
    assert error["message"] == "Received unknown parameter: Name. Did you mean name?"
    assert error["doc_url"].endswith("/error-codes/parameter-unknown")
    two = _error(http.post("/v1/customers", data={"a": "x", "b": "y"}))
    assert two["message"] == "Received unknown parameters: a, b"


def test_the_body_is_a_form_of_bounded_size(http: httpx.Client) -> None:
    assert http.post("/v1/customers", json={"name": "x"}).status_code == 400
    assert http.post("/v1/customers?name=x").status_code == 400
    assert http.post("/v1/customers", content=b"name=%ff").status_code == 400
    assert http.post("/v1/customers", content=b"&".join(b"a%d=1" % n for n in range(1001))).status_code == 400
    assert http.post("/v1/customers", content=b"name=" + b"x" * 1_048_576).status_code == 413


def test_lists_are_taken_with_and_without_numbers(http: httpx.Client) -> None:
    for encoded in (
        b"preferred_locales[]=de&preferred_locales[]=en",
        b"preferred_locales[1]=en&preferred_locales[0]=de",
    ):
        answer = http.post(
            "/v1/customers", content=encoded, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.json()["preferred_locales"] == ["de", "en"]


@pytest.mark.parametrize("kind", ["customers", "products", "subscriptions", "invoices", "credit_notes", "events"])
def test_what_is_not_there_is_resource_missing(http: httpx.Client, kind: str) -> None:
    answer = http.get(f"/v1/{kind}/none")
    assert (answer.status_code, _error(answer)["code"], _error(answer)["param"]) == (404, "resource_missing", "id")
