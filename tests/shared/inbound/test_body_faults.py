"""Every fault of a body is reported, in sentences without patterns."""

import re
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from openapi.documents import tier_documents
from shared.canonical.wire import CurrencyCode, RecordId
from shared.inbound.body import check_shape
from shared.inbound.body_faults import FAULTS_MAX, faults_of, parameter_sentence, sentence_of
from shared.problem import InvalidRequest
from tests.shared.json_corner_cases import ACCEPTED

# Signs of technical text, which no sentence may contain: patterns, and programming terms.
NO_WORDS = re.compile(r"[\\^`]|\[A-Z|\?!|regex|\bstr\b|\bint\b|NoneType")


class Colour(Enum):
    """What may be chosen."""

    red = "red"
    green = "green"


class Part(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A part."""

    unit_price: Annotated[int, Meta(ge=1, le=10)]


class Whole(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """One of everything."""

    record_id: RecordId
    currency: CurrencyCode
    colour: Colour = Colour.red
    word: Literal["on", "off"] = "on"
    note: Annotated[str, Meta(min_length=1, max_length=5)] | None = None
    parts: Annotated[list[Part], Meta(min_length=1, max_length=2)] = []
    flag: bool = False
    ratio: Annotated[float, Meta(gt=0)] = 1.0
    named: dict[str, int] = {}
    short: dict[Annotated[str, Meta(max_length=2)], int] = {}


class Bounded(msgspec.Struct):
    """Texts with a length and a form."""

    reason: Annotated[str, Meta(pattern=r"^[a-c]+$(?!\n)", min_length=3, max_length=5)] = "abc"


FORM = "This has the wrong format."
GOOD: dict[str, Any] = {"recordId": "001", "currency": "EUR"}


@pytest.mark.parametrize(
    ("change", "pointer", "detail"),
    [
        (
            {"currency": "eur"},
            "/currency",
            f"{FORM} ISO 4217 code. For example EUR.",
        ),
        ({"colour": "blue"}, "/colour", "Expected one of red, green; got a text."),
        ({"word": "maybe"}, "/word", "Expected one of off, on; got a text."),
        ({"word": 1}, "/word", "Expected one of off, on; got a number."),
        ({"note": ""}, "/note", "This may not be empty."),
        ({"note": "123456"}, "/note", "Expected at most 5 characters, got 6."),
        ({"note": 1}, "/note", "Expected a text or null, got a number."),
        ({"parts": []}, "/parts", "This may not be empty."),
        ({"parts": [{"unitPrice": 1}] * 3}, "/parts", "Expected at most 2 items, got 3."),
        ({"parts": [{"unitPrice": 11}]}, "/parts/0/unitPrice", "Expected a whole number from 1 to 10, got 11."),
        ({"parts": [{"unitPrice": "1"}]}, "/parts/0/unitPrice", "Expected a whole number, got a text."),
        ({"parts": "x"}, "/parts", "Expected a list, got a text."),
        ({"flag": 1}, "/flag", "Expected true or false, got a number."),
        ({"ratio": 0}, "/ratio", "Expected more than 0, got 0."),
        ({"named": {"a/b": None}}, "/named/a~1b", "Expected a whole number, got null."),
        ({"short": {"abc": 1}}, "/short/abc", "Its name: Expected at most 2 characters, got 3."),
        ({"zz": 1}, "/zz", "There is no field of this name here."),
        ({"recordId": None}, "/recordId", "Expected a text, got null."),
    ],
)
def test_a_fault_is_a_sentence_at_its_place(change: dict[str, Any], pointer: str, detail: str) -> None:
    body = {**GOOD, **change}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, Whole, strict=True)

    [fault] = faults_of(body, Whole)

    assert (fault.pointer, fault.detail) == (pointer, detail)


def test_all_faults_of_a_body_are_reported_at_once() -> None:
    body = b'{"currency":"x","parts":[{"unitPrice":0},{"unitprice":1}],"zz":1}'
    with pytest.raises(InvalidRequest) as refused:
        check_shape(body, Whole)

    assert sorted(fault.pointer for fault in refused.value.faults) == [
        "/currency",
        "/parts/0/unitPrice",
        "/parts/1/unitPrice",
        "/parts/1/unitprice",
        "/recordId",
        "/zz",
    ]


def test_very_many_faults_are_cut_to_the_first() -> None:
    assert len(faults_of({**GOOD, "named": {str(n): "x" for n in range(10_000)}}, Whole)) == FAULTS_MAX


KINDS = sorted(
    {
        field.annotation
        for documents in tier_documents()
        for route in documents.app.routes
        for handler in getattr(route, "route_handler_map", {}).values()
        if (field := handler[0].parsed_fn_signature.parameters.get("data")) is not None
    },
    key=str,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(-2, 2)
    | st.sampled_from(["", "EUR", "a b", "1.5", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["quoteId", "quoteRevision", "lines", "lineId", "reason", "amount", "currency", "zz", "a/b"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(VALUES)
@settings(deadline=None)
def test_faults_agree_with_the_decoder_for_every_operations_body(value: Any) -> None:
    body = msgspec.json.encode(value)
    for kind in KINDS:
        try:
            msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            with pytest.raises(InvalidRequest) as refused:
                check_shape(body, kind)
            assert refused.value.faults, kind
            for fault in refused.value.faults:
                assert not NO_WORDS.search(fault.detail), fault
                assert fault.detail.endswith("."), fault
                assert fault.pointer == "" or fault.pointer.startswith("/")
        else:
            assert faults_of(value, kind) == [], kind


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_faults_agree_with_the_decoder_for_any_type(kind: Any) -> None:
    """So that the decoder's own words, which stop at the first fault, are never needed."""
    for body in ACCEPTED:
        try:
            msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            assert faults_of(msgspec.json.decode(body), kind), body


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Expected `str` matching regex '^[a-z]+$(?!\\n)'", "This has the wrong format."),
        ("Expected `int`, got `str`", "Expected a whole number, got a text."),
        ("Expected `int | null`, got `str`", "Expected a whole number or null, got a text."),
        ("Expected `int` >= 1", "Expected a whole number of at least 1."),
        ("Expected `int` <= 100", "Expected a whole number of at most 100."),
        ("Expected `str` of length <= 64", "Expected a text of at most this length: 64."),
        ("Object missing required field `a`", "This field is required."),
        ("Object contains unknown field `a`", "There is no field of this name here."),
        ("Invalid enum value 'x'", "'x' is not one of the allowed values."),
    ],
)
def test_what_the_decoder_says_of_a_parameter_becomes_a_sentence(said: str, sentence: str) -> None:
    assert sentence_of(said) == sentence


@pytest.mark.parametrize("kind", [Colour, Colour | None, Literal["red", "green"], Annotated[Colour | None, Meta()]])
def test_a_refused_parameter_is_told_what_is_possible(kind: Any) -> None:
    said = parameter_sentence("Invalid enum value 'blue'", kind, "Only things of this colour.")

    assert said.startswith("Expected one of ")
    assert {"red", "green"} <= set(re.findall(r"\w+", said))


def test_a_parameter_of_another_form_is_told_what_it_is() -> None:
    said = parameter_sentence("Expected `str` matching regex '^[a-z]+$'", str, "The quote's Salesforce id.")

    assert said == f"{FORM} The quote's Salesforce id."


@given(text=st.text(alphabet="abcd \n", max_size=8))
def test_a_text_has_one_fault_and_only_where_the_decoder_refuses_it(text: str) -> None:
    found = faults_of({"reason": text}, Bounded)

    try:
        msgspec.convert({"reason": text}, Bounded)
    except msgspec.ValidationError:
        assert [fault.pointer for fault in found] == ["/reason"], found
    else:
        assert found == []


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "This may not be empty."),
        ("d", "Expected at least 3 characters, got 1."),
        ("dddddd", "Expected at most 5 characters, got 6."),
        ("abd", FORM),
    ],
)
def test_the_one_fault_of_a_text_is_the_one_to_mend_first(text: str, detail: str) -> None:
    assert [fault.detail for fault in faults_of({"reason": text}, Bounded)] == [detail]
