"""Runs SOQL over the store: finds the records, filters and orders them, and prints what is selected."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records import ids
from sandbox.vendors.salesforce.records.schema import ID_KINDS, ChildRelationship, Record, SObject
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.soql.conditions import Comparable, ConditionCompiler, Operand, comparable
from sandbox.vendors.salesforce.soql.groups import Grouping, is_grouped, is_plain_count
from sandbox.vendors.salesforce.soql.lexer import Token, located, malformed, unescape
from sandbox.vendors.salesforce.soql.ordering import ordered
from sandbox.vendors.salesforce.soql.parser import (
    Aggregate,
    Comparison,
    Condition,
    Junction,
    Membership,
    Path,
    Query,
    SelectedField,
    parse,
)
from sandbox.vendors.salesforce.soql.projection import Projection
from sandbox.vendors.salesforce.soql.record_access import AccessRules, query_access
from sandbox.vendors.salesforce.soql.scope import ResolvedField, Scope

OFFSET_MAX = 2000
FILTERABLE_TEXT_LENGTH_MAX = 255
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class QueryResult:
    """`total` counts the rows that matched; `records` are ready to print (none for COUNT())."""

    total: int
    records: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class QueryRunner:
    """Runs queries for one user, printing addresses of one API version (`67.0`)."""

    store: Store
    access: AccessRules
    user_id: str
    version: str
    with_deleted: bool = False

    def run(self, text: str) -> QueryResult:
        """Raises MALFORMED_QUERY, INVALID_TYPE, INVALID_FIELD or INVALID_QUERY_FILTER_OPERATOR."""
        query = parse(text)
        if query.source.text.lower() == "userrecordaccess":
            access_rows = query_access(self.store, self.access, self.user_id, query)
            return QueryResult(len(access_rows), access_rows)
        scope = Scope(self.store, self._object(query), query)
        found = self._matching(scope, self._candidates(scope))
        if is_plain_count(query):
            return QueryResult(len(_window(query, found)), [])
        if is_grouped(query):
            groups = _window(query, Grouping(scope, lambda of: self._compiler(query, of)).rows(found))
            return QueryResult(len(groups), groups)
        rows = self._rows(scope, found)
        return QueryResult(len(rows), rows)

    def _object(self, query: Query) -> SObject:
        sobject = self.store.schema.object_named(query.source.text)
        if sobject is None or not sobject.queryable:
            problem = (
                f"sObject type '{query.source.text}' is not supported. If you are attempting to use a custom object, "
                "be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call "
                "for the appropriate names."
            )
            raise SalesforceError("INVALID_TYPE", located(query.text, query.source.position, problem))
        return sobject

    def _rows(self, scope: Scope, found: Sequence[Record]) -> list[dict[str, object]]:
        if scope.query.having is not None:
            malformed(scope.query.text, scope.query.source.position, "HAVING needs GROUP BY or an aggregate")
        in_order = ordered(found, scope.query.order_by, lambda by: self._operand(scope, by).read)
        projection = Projection(self.store, self.version, self._children)
        return projection.rows(scope, _window(scope.query, in_order))

    def _children(self, relationship: ChildRelationship, query: Query, parent: Record) -> list[dict[str, object]]:
        if is_grouped(query):
            malformed(query.text, query.source.position, "a child query selects fields, not aggregates")
        scope = Scope(self.store, relationship.child, query)
        candidates = self.store.find(
            relationship.child, relationship.reference, str(parent["Id"]), with_deleted=self.with_deleted
        )
        return self._rows(scope, self._matching(scope, candidates))

    # Conditions

    def _matching(self, scope: Scope, candidates: Iterable[Record]) -> list[Record]:
        if scope.query.where is None:
            return list(candidates)
        compiler = self._compiler(scope.query, lambda left: self._operand(scope, left))
        predicate = compiler.compile(scope.query.where)
        return [record for record in candidates if predicate(record)]

    def _compiler(self, query: Query, operand_of: Callable[[Path | Aggregate], Operand[Row]]) -> ConditionCompiler[Row]:
        return ConditionCompiler(query.text, self.store.now().date(), operand_of, self._semi_join)

    def _operand(self, scope: Scope, left: Path | Aggregate) -> Operand[Record]:
        if isinstance(left, Aggregate):
            malformed(scope.query.text, left.position, "an aggregate needs GROUP BY or HAVING")
        resolved = scope.resolve(left)
        if resolved.field.kind == "textarea" and resolved.field.length > FILTERABLE_TEXT_LENGTH_MAX:
            problem = f"field '{left.text}' can not be filtered or sorted in a query call"
            raise SalesforceError("INVALID_FIELD", located(scope.query.text, left.position, problem))
        return Operand(left.text, resolved.field.kind, lambda record: resolved.read(self.store, record))

    def _semi_join(self, query: Query) -> set[Comparable]:
        scope = Scope(self.store, self._object(query), query)
        selected = query.selected[0]
        resolved = scope.resolve(selected.path) if isinstance(selected, SelectedField) else None
        if resolved is None or len(query.selected) != 1 or resolved.field.kind not in ID_KINDS:
            malformed(query.text, query.source.position, "the inner query of IN selects one id or reference field")
        found = self._matching(scope, self._candidates(scope))
        return {comparable(resolved.read(self.store, record)) for record in _window(query, found)}

    # The index

    def _candidates(self, scope: Scope) -> Iterable[Record]:
        """Return the records worth testing: those an index finds for one necessary condition, or all of the object."""
        for condition in _necessary(scope.query.where):
            match condition:
                case Comparison(left=Path() as path, operator="=", right=right):
                    tokens: tuple[Token, ...] = (right,)
                case Membership(left=path, negated=False, values=tuple() as tokens):
                    pass
                case _:
                    continue
            resolved = scope.resolve(path)
            if not resolved.hops and self.store.is_indexed(scope.sobject, resolved.field):
                values = [_index_value(scope.query, resolved, token) for token in tokens]
                if None not in values:
                    return self._indexed(scope, resolved, [value for value in values if value is not None])
        return self.store.records(scope.sobject, with_deleted=self.with_deleted)

    def _indexed(self, scope: Scope, resolved: ResolvedField, values: list[str]) -> list[Record]:
        found: dict[str, Record] = {}
        for value in values:
            for record in self.store.find(scope.sobject, resolved.field, value, with_deleted=self.with_deleted):
                found[str(record["Id"])] = record
        return list(found.values())


def _necessary(condition: Condition | None) -> tuple[Condition, ...]:
    """Conditions that every matching record fulfils."""
    if isinstance(condition, Junction):
        return condition.conditions if condition.operator == "AND" else ()
    return (condition,) if condition else ()


def _index_value(query: Query, resolved: ResolvedField, token: Token) -> str | None:
    """Return the literal's key in the index; None if the index cannot answer for it (null, or an ill-formed one)."""
    if token.kind != "string":
        return None
    content = unescape(query.text, token)
    return ids.normalize(content) if resolved.field.kind in ID_KINDS else content or None


def _window(query: Query, rows: list[Row]) -> list[Row]:
    if query.offset > OFFSET_MAX:
        problem = f"Maximum SOQL offset allowed is {OFFSET_MAX}"
        raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", problem)
    end = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : end]
