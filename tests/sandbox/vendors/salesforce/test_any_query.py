"""Whatever query is put together from the org's names, it is answered or refused with one of the query errors."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.vendors.journal import Journal
from sandbox.vendors.salesforce.catalogue import SCHEMA
from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.profiles import OrgProfile
from sandbox.vendors.salesforce.records.ids import case_safe
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.rest.json_answers import json_response
from sandbox.vendors.salesforce.seed.files import SeedFiles
from sandbox.vendors.salesforce.seed.fill import seed_org
from sandbox.vendors.salesforce.soql.record_access import AccessRules
from sandbox.vendors.salesforce.soql.run import QueryRunner

QUERY_ERRORS = {"MALFORMED_QUERY", "INVALID_FIELD", "INVALID_TYPE", "INVALID_QUERY_FILTER_OPERATOR"}
OBJECTS = st.sampled_from(["Quote", "QuoteLineItem", "Account", "Opportunity", "User", "UserRecordAccess"])
FIELDS = st.sampled_from(
    [
        *(
            "Id",
            "Name",
            "IsDeleted",
            "CreatedDate",
            "ExpirationDate",
            "Quantity",
            "Discount",
            "TotalPrice",
            "SortOrder",
        ),
        *("AccountId", "Account.Name", "Owner.IsActive", "Opportunity.Account.CreatedDate", "Quote.GrandTotal"),
        *("Description", "Status", "QuoteId", "LineItemCount", "RecordId", "UserId", "HasReadAccess"),
    ]
)
LITERALS = st.sampled_from(
    [
        *("null", "true", "false", "5", "-1.5", "''", "'a'", "'001QW0000000001'", "'005QW0000000002'", "'%a_'"),
        *("TODAY", "LAST_N_DAYS:3", "NEXT_N_YEARS:9999", "2026-11-22", "2026-99-99", "2026-11-22T00:00:00Z", "Draft"),
    ]
)
AGGREGATES = st.builds(
    "{}({})".format, st.sampled_from(["COUNT", "SUM", "AVG", "MIN", "MAX", "COUNT_DISTINCT"]), FIELDS
)
LISTS = st.lists(LITERALS, min_size=1, max_size=3).map(", ".join)
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, FIELDS | AGGREGATES, st.sampled_from(["=", "!=", "<", ">=", "LIKE"]), LITERALS),
    st.builds("{} {} ({})".format, FIELDS, st.sampled_from(["IN", "NOT IN"]), LISTS),
    st.builds("{} IN (SELECT {} FROM {})".format, FIELDS, FIELDS, OBJECTS),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner) | inner.map("(NOT {})".format)
    ),
    max_leaves=4,
)
CHILDREN = st.builds(
    "(SELECT {} FROM {})".format, FIELDS, st.sampled_from(["QuoteLineItems", "Quotes", "Opportunities"])
)
SELECTED = st.lists(FIELDS | AGGREGATES | CHILDREN, min_size=1, max_size=4, unique=True).map(", ".join)


def _clause(keyword: str, content: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.just("") | content.map(f" {keyword} {{}}".format)


QUERIES = st.builds(
    "SELECT {} FROM {}{}{}{}{}{}".format,
    SELECTED | st.just("COUNT()") | st.just("FIELDS(ALL)"),
    OBJECTS,
    _clause("WHERE", CONDITIONS),
    _clause("GROUP BY", FIELDS),
    _clause("HAVING", CONDITIONS),
    _clause("ORDER BY", st.builds("{} {}".format, FIELDS | AGGREGATES, st.sampled_from(["", "DESC NULLS LAST"]))),
    _clause("LIMIT", st.sampled_from(["0", "3", "200"])),
)


@pytest.fixture(scope="module")
def runner() -> QueryRunner:
    store, access = Store(SCHEMA, Journal()), AccessRules()
    seed_org(store, access, SeedFiles.read(Path("sandbox/data")), OrgProfile())
    return QueryRunner(store, access, case_safe("005QW0000000009"), "67.0")


class _Refused(Exception):
    """One of the refusals a query may get."""


def _run(runner: QueryRunner, query: str) -> None:
    try:
        result = runner.run(query)
    except SalesforceError as error:
        if error.error_code in QUERY_ERRORS:
            raise _Refused from error
        raise
    assert json_response(result.records).body
    assert result.total >= len(result.records)


@settings(deadline=None, max_examples=300)
@given(query=QUERIES)
def test_every_query_is_answered_or_refused(runner: QueryRunner, query: str) -> None:
    with contextlib.suppress(_Refused):
        _run(runner, query)


NUMBERS = st.sampled_from(["1", "2.00", "20", "-5", "89.5", "1490", "null"])
WELL_TYPED = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["Quantity", "UnitPrice", "Discount", "SortOrder", "TotalPrice", "Quote.Revision__c"]),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        NUMBERS,
    ),
    st.builds("Discount {} ({}, {})".format, st.sampled_from(["IN", "NOT IN"]), NUMBERS, NUMBERS),
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["LineNumber", "Description", "Product2.ProductCode", "Quote.Account.VAT_Id__c"]),
        st.sampled_from(["=", "!=", "<", ">=", "LIKE"]),
        st.sampled_from(["'%s%'", "'MON-STD'", "'00000002'", "'D'"]),
    ),
    st.builds(
        "{} {} {}".format,
        st.just("Quote.ExpirationDate"),
        st.sampled_from(["=", "!=", "<", ">="]),
        st.sampled_from(["TODAY", "NEXT_N_DAYS:40", "2026-01-01", "null"]),
    ),
    st.builds("QuoteId {} ('0Q0QW0000000001', '0Q0QW0000000002')".format, st.sampled_from(["IN", "NOT IN"])),
)
WELL_TYPED_CONDITIONS = st.recursive(
    WELL_TYPED,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner) | inner.map("(NOT {})".format)
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=200)
@given(one=WELL_TYPED_CONDITIONS, other=WELL_TYPED_CONDITIONS)
def test_conditions_obey_the_laws_of_logic(runner: QueryRunner, one: str, other: str) -> None:
    """Conditions have two values: null is told apart by rules, not by a third value."""

    def found(condition: str) -> set[str]:
        return {str(row["Id"]) for row in runner.run(f"SELECT Id FROM QuoteLineItem WHERE {condition}").records}

    everything = found("Id != null")
    assert len(everything) == 14
    assert found(f"NOT {one}") == everything - found(one)
    assert found(f"{one} AND {other}") == found(one) & found(other)
    assert found(f"{one} OR {other}") == found(one) | found(other)
