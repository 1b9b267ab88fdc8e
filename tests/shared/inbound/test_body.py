"""The checks of a request body."""

import contextlib
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inbound.body import BODY_BYTES_MAX, DEPTH_MAX, check_json_body, check_shape, json_pointer
from shared.problem import InvalidRequest, PayloadTooLarge
from tests.shared.json_corner_cases import ACCEPTED, REFUSED

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Line(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A part of Shape."""

    unit_price: int


class Shape(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A body to check against."""

    quote_id: str
    lines: list[Line] = []
    tags: dict[str, int] = {}


def check(body: bytes) -> None:
    """As the inbound policy does, for an operation that takes anything."""
    check_json_body(body)
    check_shape(body, object)


@pytest.mark.parametrize("body", ACCEPTED)
def test_json_is_accepted(body: bytes) -> None:
    check(body)


@pytest.mark.parametrize("body", REFUSED, ids=lambda body: repr(body[:20]))
def test_invalid_json_is_refused_without_an_unexpected_error(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        check(body)


@given(JSON_VALUES, st.booleans())
def test_whatever_pythons_own_encoder_writes_is_accepted(value: Any, ascii_only: bool) -> None:
    check(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200))
def test_any_bytes_are_accepted_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        check(body)
    except InvalidRequest:
        return
    json.loads(body)


def test_the_size_limit_is_exact() -> None:
    check_json_body(b'"' + b"x" * (BODY_BYTES_MAX - 2) + b'"')
    with pytest.raises(PayloadTooLarge, match="1000001 bytes"):
        check_json_body(b'"' + b"x" * (BODY_BYTES_MAX - 1) + b'"')


def test_the_depth_limit_is_exact_and_named() -> None:
    check_json_body(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    with pytest.raises(InvalidRequest, match="deeper than 32 levels"):
        check_json_body(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 499_999,
        b'["' + b'\\"' * 499_997 + b'"]',
        b'"' * 999_999,
        b"\\" * 999_999,
        b'"\\' * 499_999,
        b'{"a":"' * 166_666,
    ],
    ids=["escaped quotes without end", "escaped quotes", "quotes", "backslashes", "quote backslash", "open strings"],
)
def test_hostile_megabytes_are_checked_in_linear_time(body: bytes) -> None:
    began = time.monotonic()
    with contextlib.suppress(InvalidRequest):
        check_json_body(body)
    # Linear time is some 50 ms; a search that starts anew at each quote takes minutes.
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a":1,"a":2}', "/a"),
        (b'{"a":1,"b":{"c":1,"d":2,"c":3}}', "/b/c"),
        (b'[1,{"x":[{"y":1,"y":1}]}]', "/1/x/0/y"),
        (b'{"a/b~c":1,"a/b~c":2}', "/a~1b~0c"),
        (b'{"":1,"":2}', "/"),
        (b'{"a":{"b":1,"b":2},"a":3}', "/a"),
    ],
)
def test_a_repeated_field_is_pointed_at(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_json_body(body)

    assert [fault.pointer for fault in refusal.value.faults] == [pointer]


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (b"[]", "", "Expected an object, got a list."),
        (b"{}", "/quoteId", "This field is required."),
        (b'{"quoteId":1}', "/quoteId", "Expected a text, got a number."),
        (b'{"quoteId":"1","zz":1}', "/zz", "There is no field of this name here."),
        (
            b'{"quoteId":"1","lines":[{"unitPrice":1},{"unitPrice":"2"}]}',
            "/lines/1/unitPrice",
            "Expected a whole number",
        ),
        (b'{"quoteId":"1","lines":[{}]}', "/lines/0/unitPrice", "This field is required."),
        (b'{"quoteId":"1","tags":{"a":"b"}}', "/tags/a", "Expected a whole number, got a text."),
        (b'{"quoteId":"1","tags":{"a/b":true}}', "/tags/a~1b", "Expected a whole number, got true."),
        (b'{"quoteId":"\\ud800"}', "", "The body is not JSON"),
    ],
)
def test_a_body_of_another_shape_is_refused_with_a_pointer(body: bytes, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_shape(body, Shape)

    [fault] = refusal.value.faults
    assert fault.pointer == pointer
    assert detail in fault.detail


@pytest.mark.parametrize("number", [b"7", b"7.0", b"7e0", b"0.7e1", b"70.0e-1"])
def test_a_whole_number_is_one_however_it_is_written(number: bytes) -> None:
    """JSON Schema, "Numeric types": 1.0 is an integer."""
    check_shape(b'{"quoteId":"1","lines":[{"unitPrice":%b}]}' % number, Shape)


@pytest.mark.parametrize("number", [b"7.5", b"1e300", b'"7"', b"true", b"null"])
def test_anything_else_is_no_whole_number(number: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_shape(b'{"quoteId":"1","lines":[{"unitPrice":%b}]}' % number, Shape)

    assert [fault.pointer for fault in refusal.value.faults] == ["/lines/0/unitPrice"]


def test_a_body_with_whole_numbers_of_either_spelling_is_told_its_other_faults_only() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_shape(b'{"lines":[{"unitPrice":7.0}],"zz":1}', Shape)

    assert sorted(fault.pointer for fault in refusal.value.faults) == ["/quoteId", "/zz"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [("", ""), ("a", "/a"), (".a", "/a"), ("lines[0].quantity", "/lines/0/quantity"), ("[2][1].x", "/2/1/x"),
     ("tags[...]", "/tags"), ("tags[...].deep[0]", "/tags")],
)  # fmt: skip
def test_json_pointer(path: str, pointer: str) -> None:
    assert json_pointer(path) == pointer


@pytest.mark.parametrize("value", [".", ".."])
def test_an_id_that_is_a_dot_segment_is_pointed_at(value: str) -> None:
    for body, pointer in [
        ({"quoteId": value}, "/quoteId"),
        ({"lines": [{"lineId": "1"}, {"lineId": value}]}, "/lines/1/lineId"),
    ]:
        with pytest.raises(InvalidRequest) as refusal:
            check_json_body(json.dumps(body).encode())
        assert [fault.pointer for fault in refusal.value.faults] == [pointer]
    check_json_body(json.dumps({"reason": value, "ids": [value], "quoteId": "..."}).encode())
