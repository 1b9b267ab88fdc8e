"""Conditions of WHERE and HAVING as predicates over rows: which literal fits which field, and how null compares."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Generic, NoReturn, TypeVar

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records import ids
from sandbox.vendors.salesforce.records.field_values import parse_datetime
from sandbox.vendors.salesforce.records.schema import ID_KINDS, NUMBER_KINDS, TEXT_KINDS, FieldKind, Value
from sandbox.vendors.salesforce.soql.dates import DayRange, day_range
from sandbox.vendors.salesforce.soql.lexer import Token, like_pattern, located, malformed, unescape
from sandbox.vendors.salesforce.soql.parser import (
    Aggregate,
    Comparison,
    Condition,
    Junction,
    Membership,
    Negation,
    Path,
    Query,
)

Row = TypeVar("Row")
Predicate = Callable[[Row], bool]
Comparable = str | bool | Decimal | date | datetime | None

_TYPE_NAMES: dict[FieldKind, str] = {
    "currency": "double",
    "percent": "double",
    "datetime": "dateTime",
    "id": "ID",
    "reference": "ID",
    "picklist": "string",
    "textarea": "string",
    "email": "string",
}


@dataclass(frozen=True, slots=True)
class Operand(Generic[Row]):
    """The left side of a condition: its kind decides which literals fit, `read` takes its value from a row."""

    name: str
    kind: FieldKind
    read: Callable[[Row], Value]


@dataclass(frozen=True, slots=True)
class ConditionCompiler(Generic[Row]):
    """`operand_of` resolves left sides; `select_values` runs a semi-join and returns the values it selects."""

    text: str
    today: date
    operand_of: Callable[[Path | Aggregate], Operand[Row]]
    select_values: Callable[[Query], set[Comparable]]

    def compile(self, condition: Condition) -> Predicate[Row]:
        """Raises INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR or MALFORMED_QUERY for what cannot be compared."""
        match condition:
            case Comparison():
                return self._comparison(condition)
            case Membership():
                return self._membership(condition)
            case Negation():
                inner = self.compile(condition.condition)
                return lambda row: not inner(row)
            case Junction():
                parts = [self.compile(part) for part in condition.conditions]
                if condition.operator == "AND":
                    return lambda row: all(part(row) for part in parts)
                return lambda row: any(part(row) for part in parts)

    def _comparison(self, condition: Comparison) -> Predicate[Row]:
        operand = self.operand_of(condition.left)
        if condition.operator == "LIKE":
            return self._like(operand, condition.right)
        if operand.kind == "boolean" and condition.operator not in ("=", "!="):
            self._bad_operator(condition.right, "invalid operator on boolean field")
        literal = read_literal(self.text, operand, condition.right, self.today)
        if isinstance(literal, DayRange):
            in_range = _RANGE_TESTS[condition.operator]
            return lambda row: _test_place(operand.read(row), literal, in_range)
        test = _TESTS[condition.operator]
        return lambda row: test(comparable(operand.read(row)), literal)

    def _like(self, operand: Operand[Row], right: Token) -> Predicate[Row]:
        if operand.kind not in TEXT_KINDS:
            kind = "id" if operand.kind in ID_KINDS else operand.kind
            self._bad_operator(right, f"invalid operator on {kind} field")
        if right.kind != "string":
            raise _wrong_literal(self.text, operand, right)
        pattern = like_pattern(self.text, right)
        return lambda row: isinstance(value := operand.read(row), str) and pattern.fullmatch(value) is not None

    def _membership(self, condition: Membership) -> Predicate[Row]:
        operand = self.operand_of(condition.left)
        if isinstance(condition.values, Query):
            members = self.select_values(condition.values)
        else:
            members = set()
            for token in condition.values:
                literal = read_literal(self.text, operand, token, self.today)
                if isinstance(literal, DayRange):
                    malformed(self.text, token.position, f"date literal {token.text} cannot stand in a list")
                members.add(literal)
        return lambda row: (comparable(operand.read(row)) in members) != condition.negated

    def _bad_operator(self, token: Token, problem: str) -> NoReturn:
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", located(self.text, token.position, problem))


def comparable(value: Value) -> Comparable:
    """Text compares without regard to case; integers and decimals compare with each other."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, bool):
        return value
    return Decimal(value) if isinstance(value, int) else value


def read_literal(text: str, operand: Operand[Row], token: Token, today: date) -> Comparable | DayRange:
    """Return the literal as `operand` compares with it. Raises when a literal of that form does not fit its kind."""
    if token.word == "NULL":
        return None
    if operand.kind == "boolean" and token.word in ("TRUE", "FALSE"):
        return token.word == "TRUE"
    if operand.kind in NUMBER_KINDS and token.kind == "number":
        return Decimal(token.text)
    if operand.kind in ("date", "datetime"):
        return _read_time_literal(text, operand, token, today)
    if token.kind == "string" and operand.kind in ID_KINDS | TEXT_KINDS:
        content = unescape(text, token)
        if operand.kind in TEXT_KINDS or not content:
            return content.casefold() or None
        normal = ids.normalize(content)
        if normal is None:
            problem = located(text, token.position, f"invalid ID field: {content}")
            raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", problem)
        return normal.casefold()
    raise _wrong_literal(text, operand, token)


def _read_time_literal(text: str, operand: Operand[Row], token: Token, today: date) -> Comparable | DayRange:
    try:
        if token.kind == "name" and (days := day_range(token.text, today)):
            return days
        if token.kind == "date" and operand.kind == "date":
            return date.fromisoformat(token.text)
    except (ValueError, OverflowError):
        malformed(text, token.position, f"invalid date: {token.text}")
    if token.kind == "datetime" and operand.kind == "datetime":
        moment = parse_datetime(token.text)
        if moment is None:
            malformed(text, token.position, f"invalid dateTime: {token.text}")
        return moment.astimezone(UTC)
    raise _wrong_literal(text, operand, token)


def _wrong_literal(text: str, operand: Operand[Row], token: Token) -> SalesforceError:
    kind = _TYPE_NAMES.get(operand.kind, operand.kind)
    quotes = "should be" if operand.kind in TEXT_KINDS | ID_KINDS else "should not be"
    problem = (
        f"value of filter criterion for field '{operand.name}' must be of type {kind} and {quotes} enclosed in quotes"
    )
    return SalesforceError("INVALID_FIELD", located(text, token.position, problem))


def _less(left: Comparable, right: Comparable) -> bool:
    """False when either side is null, as in Salesforce."""
    if left is None or right is None:
        return False
    return left < right  # type: ignore[operator]  # read_literal gives both sides the same type


_TESTS: dict[str, Callable[[Comparable, Comparable], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": _less,
    ">": lambda left, right: _less(right, left),
    "<=": lambda left, right: left is not None and right is not None and not _less(right, left),
    ">=": lambda left, right: left is not None and right is not None and not _less(left, right),
}
# By place against the range: -1 before, 0 inside, 1 after.
_RANGE_TESTS: dict[str, frozenset[int]] = {
    "=": frozenset({0}),
    "!=": frozenset({-1, 1}),
    "<": frozenset({-1}),
    "<=": frozenset({-1, 0}),
    ">": frozenset({1}),
    ">=": frozenset({0, 1}),
}


def _test_place(value: Value, days: DayRange, wanted: frozenset[int]) -> bool:
    if not isinstance(value, date):
        return 1 in wanted and -1 in wanted  # null is different from every day
    return days.place(value) in wanted
