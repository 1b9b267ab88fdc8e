"""SOQL text into a tree, and back out with a place when it is not SOQL."""

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce.format import format_soql

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.soql.lexer import QUERY_LENGTH_MAX, Token, like_pattern, tokenize, unescape
from sandbox.vendors.salesforce.soql.parser import (
    Aggregate,
    Comparison,
    FieldSet,
    Junction,
    Membership,
    Negation,
    Query,
    SelectedField,
    parse,
)

ASCII = st.characters(max_codepoint=127)


def _where(condition: str) -> object:
    return parse(f"SELECT Id FROM Account WHERE {condition}").where


def test_every_clause() -> None:
    query = parse(
        "select Id, Account.Owner.Name, (SELECT Id FROM QuoteLineItems WHERE Quantity > 1) from Quote q"
        " where q.Name = 'a' order by Name desc nulls last, Id limit 5 offset 2"
    )
    first, second, child = query.selected
    assert isinstance(first, SelectedField)
    assert isinstance(second, SelectedField)
    assert second.path.parts == ("Account", "Owner", "Name")
    assert isinstance(child, Query)
    assert child.source.text == "QuoteLineItems"
    assert isinstance(child.where, Comparison)
    assert (query.source.text, query.alias, query.limit, query.offset) == ("Quote", "q", 5, 2)
    assert [(one.descending, one.nulls_first) for one in query.order_by] == [(True, False), (False, True)]


def test_grouping() -> None:
    query = parse(
        "SELECT Status, COUNT(Id) total, SUM(Amount) FROM Quote GROUP BY Status HAVING COUNT(Id) > 1 ORDER BY COUNT(Id)"
    )
    _, count, total = query.selected
    assert isinstance(count, Aggregate)
    assert (count.function, count.alias) == ("COUNT", "total")
    assert isinstance(total, Aggregate)
    assert total.alias is None
    assert isinstance(query.having, Comparison)
    assert isinstance(query.having.left, Aggregate)
    assert isinstance(query.order_by[0].by, Aggregate)


def test_count_and_field_sets() -> None:
    count = parse("SELECT COUNT() FROM Account").selected[0]
    assert isinstance(count, Aggregate)
    assert count.path is None
    fields = parse("SELECT FIELDS(standard) FROM Account").selected[0]
    assert isinstance(fields, FieldSet)
    assert fields.which == "STANDARD"


def test_conditions_nest() -> None:
    condition = _where("(A = 1 OR NOT B LIKE 'x%') AND C NOT IN ('a', 'b') AND (NOT (D != null))")
    assert isinstance(condition, Junction)
    first, second, third = condition.conditions
    assert isinstance(first, Junction)
    assert (first.operator, condition.operator) == ("OR", "AND")
    assert isinstance(first.conditions[1], Negation)
    assert isinstance(second, Membership)
    assert second.negated
    assert isinstance(third, Negation)


def test_semi_join() -> None:
    condition = _where("Id IN (SELECT AccountId FROM Opportunity WHERE Amount > 1)")
    assert isinstance(condition, Membership)
    assert isinstance(condition.values, Query)


@pytest.mark.parametrize(
    "literal",
    [
        *("'text'", "''", "5", "-5.25", "+1", ".5", "true", "null", "TODAY", "LAST_N_DAYS:30", "2026-11-22"),
        *("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000+0100", "2026-11-22T10:00:00-05:30"),
    ],
)
def test_literals(literal: str) -> None:
    condition = _where(f"A = {literal}")
    assert isinstance(condition, Comparison)
    assert condition.right.text == literal


@pytest.mark.parametrize(
    ("query", "row", "column"),
    [
        ("", 1, 1),
        ("SELECT", 1, 7),
        ("SELECT FROM Account", 1, 8),
        ("SELECT Id FORM Account", 1, 16),
        ("SELECT Id,\nName,\nFROM Account", 3, 1),
        ("SELECT Id FROM Account WHERE", 1, 29),
        ("SELECT Id FROM Account WHERE Name", 1, 34),
        ("SELECT Id FROM Account WHERE Name = ", 1, 36),
        ("SELECT Id FROM Account WHERE Name == 'a'", 1, 36),
        ('SELECT Id FROM Account WHERE Name = "a"', 1, 37),
        ("SELECT Id FROM Account WHERE Name = 'a", 1, 37),
        ("SELECT Id FROM Account WHERE Name = 'a' OR Id = 'b' AND Id = 'c'", 1, 53),
        ("SELECT Id FROM Account WHERE (Name = 'a'", 1, 41),
        ("SELECT Id FROM Account WHERE Name IN ()", 1, 39),
        ("SELECT Id FROM Account WHERE Name IN 'a'", 1, 38),
        ("SELECT Id FROM Account WHERE Name = :bind", 1, 37),
        ("SELECT Id FROM Account LIMIT many", 1, 30),
        ("SELECT Id FROM Account LIMIT 1.5", 1, 30),
        ("SELECT Id FROM Account LIMIT " + "9" * 5000, 1, 30),
        ("SELECT Id FROM Account ORDER Name", 1, 30),
        ("SELECT Id FROM Account; DELETE", 1, 23),
        ("SELECT Id FROM Account LIMIT 1 WHERE Id = 'a'", 1, 32),
        ("SELECT SLEEP(Id) FROM Account", 1, 8),
        ("SELECT FIELDS(SOME) FROM Account", 1, 15),
    ],
)
def test_faults_are_reported_with_their_place(query: str, row: int, column: int) -> None:
    with pytest.raises(SalesforceError) as caught:
        parse(query)
    assert caught.value.error_code == "MALFORMED_QUERY"
    assert f"ERROR at Row:{row}:Column:{column}\n" in caught.value.message


def test_deep_nesting_and_long_queries_are_refused() -> None:
    with pytest.raises(SalesforceError, match="nested too deeply"):
        parse("SELECT Id FROM Account WHERE " + "(" * 500 + "A = 1" + ")" * 500)
    with pytest.raises(SalesforceError, match="longer than"):
        parse("SELECT Id FROM Account WHERE Name = '" + "x" * QUERY_LENGTH_MAX + "'")


def test_escapes() -> None:
    token = Token("string", r"'it\'s \"q\" \\ \n \u00e9 50\% a\_b'", 0)
    assert unescape("", token) == 'it\'s "q" \\ \n é 50% a_b'
    with pytest.raises(SalesforceError, match="invalid escape"):
        unescape("", Token("string", r"'\q'", 0))


@given(st.text())
def test_text_quoted_by_a_real_client_comes_back_unchanged(text: str) -> None:
    """simple-salesforce's quoting is the independent half of this round trip."""
    tokens = tokenize(format_soql("{}", text))
    assert [token.kind for token in tokens] == ["string", "end"]
    assert unescape("", tokens[0]) == text


@given(st.text(ASCII, max_size=6), st.text(ASCII, max_size=6))
def test_text_escaped_for_like_matches_only_itself(text: str, other: str) -> None:
    pattern = like_pattern("", tokenize(format_soql("'{:like}'", text))[0])
    assert pattern.fullmatch(text)
    assert bool(pattern.fullmatch(other)) == (other.lower() == text.lower())


@given(st.text(string.ascii_letters + string.digits, max_size=10), st.text(string.ascii_letters, max_size=5))
def test_like_wildcards(middle: str, end: str) -> None:
    pattern = like_pattern("", Token("string", f"'%{end}'", 0))
    assert pattern.fullmatch(middle + end.upper())
    assert like_pattern("", Token("string", f"'{'_' * len(middle)}'", 0)).fullmatch(middle)
    assert not like_pattern("", Token("string", f"'{'_' * (len(middle) + 1)}'", 0)).fullmatch(middle)


@given(st.text(alphabet=st.sampled_from("SELECTFROMWHERE idName'=<>!(),.\\-:0123456789%_\n\t"), max_size=80))
def test_any_text_is_parsed_or_refused_as_malformed(text: str) -> None:
    for query in (text, f"SELECT {text} FROM Account", f"SELECT Id FROM Account WHERE {text}"):
        with contextlib.suppress(_Malformed):
            _parse_or_malformed(query)


class _Malformed(Exception):
    """The one refusal a parser may give."""


def _parse_or_malformed(query: str) -> None:
    try:
        parse(query)
    except SalesforceError as error:
        if error.error_code == "MALFORMED_QUERY" and "ERROR at Row:" in error.message:
            raise _Malformed from error
        raise
