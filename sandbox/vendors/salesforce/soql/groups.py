"""Grouped queries: COUNT, SUM, AVG, MIN and MAX over GROUP BY, with HAVING and ORDER BY."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.vendors.salesforce.records.field_values import render
from sandbox.vendors.salesforce.records.schema import NUMBER_KINDS, FieldKind, Record, Value
from sandbox.vendors.salesforce.soql.conditions import Comparable, ConditionCompiler, Operand, comparable
from sandbox.vendors.salesforce.soql.lexer import malformed
from sandbox.vendors.salesforce.soql.ordering import ordered
from sandbox.vendors.salesforce.soql.parser import Aggregate, Path, Query, SelectedField
from sandbox.vendors.salesforce.soql.scope import ResolvedField, Scope

Group = Sequence[Record]
AVERAGE_SCALE = Decimal("0.000001")


def is_grouped(query: Query) -> bool:
    return bool(query.group_by) or any(isinstance(one, Aggregate) for one in query.selected)


def is_plain_count(query: Query) -> bool:
    """SELECT COUNT() FROM ...: answered with a total and no records."""
    only = query.selected[0]
    return len(query.selected) == 1 and isinstance(only, Aggregate) and only.path is None


@dataclass(frozen=True, slots=True)
class Grouping:
    """One grouped query over records that passed its WHERE."""

    scope: Scope
    compile_having: Callable[[Callable[[Path | Aggregate], Operand[Group]]], ConditionCompiler[Group]]

    def rows(self, records: Sequence[Record]) -> list[dict[str, object]]:
        query = self.scope.query
        columns = self._columns()
        groups = self._groups(records)
        if query.having is not None:
            keep = self.compile_having(self._operand).compile(query.having)
            groups = [group for group in groups if keep(group)]
        groups = ordered(groups, query.order_by, lambda by: self._operand(by).read)
        attributes = {"type": "AggregateResult"}
        return [{"attributes": attributes} | {name: render(read(group)) for name, read in columns} for group in groups]

    def _groups(self, records: Sequence[Record]) -> list[Group]:
        if not self.scope.query.group_by:
            return [records]
        store = self.scope.store
        keys = [self.scope.resolve(path) for path in self.scope.query.group_by]
        groups: dict[tuple[Comparable, ...], list[Record]] = {}
        for record in records:
            key = tuple(comparable(one.read(store, record)) for one in keys)
            groups.setdefault(key, []).append(record)
        return list(groups.values())

    def _columns(self) -> list[tuple[str, Callable[[Group], Value]]]:
        query = self.scope.query
        columns: list[tuple[str, Callable[[Group], Value]]] = []
        unnamed = 0
        for selected in query.selected:
            if isinstance(selected, Aggregate):
                name = selected.alias or f"expr{unnamed}"
                unnamed += selected.alias is None
                if selected.path is None:
                    malformed(query.text, selected.position, "COUNT() must be the only thing selected")
                columns.append((name, self._operand(selected).read))
            elif isinstance(selected, SelectedField):
                name = selected.alias or self.scope.resolve(selected.path).field.name
                columns.append((name, self._operand(selected.path).read))
            else:
                malformed(query.text, query.source.position, "a grouped query selects fields and aggregates only")
        if len({name for name, _ in columns}) != len(columns):
            malformed(query.text, 0, "duplicate alias or field: give each its own alias")
        return columns

    def _operand(self, of: Path | Aggregate) -> Operand[Group]:
        if isinstance(of, Aggregate):
            return self._aggregate(of)
        resolved = self.scope.resolve(of)
        if resolved not in [self.scope.resolve(path) for path in self.scope.query.group_by]:
            malformed(self.scope.query.text, of.position, f"Field must be grouped or aggregated: {of.text}")
        store = self.scope.store
        return Operand(of.text, resolved.field.kind, lambda group: resolved.read(store, group[0]))

    def _aggregate(self, aggregate: Aggregate) -> Operand[Group]:
        if aggregate.path is None:
            return Operand("COUNT", "int", len)
        resolved = self.scope.resolve(aggregate.path)
        numeric = resolved.field.kind in NUMBER_KINDS
        if aggregate.function in ("SUM", "AVG") and not numeric:
            problem = f"field {aggregate.path.text} does not support aggregate operator {aggregate.function}"
            malformed(self.scope.query.text, aggregate.position, problem)
        counts = aggregate.function in ("COUNT", "COUNT_DISTINCT")
        kind: FieldKind = "int" if counts else resolved.field.kind
        fold = _FOLDS[aggregate.function]
        return Operand(aggregate.function, kind, lambda group: fold(self._values(resolved, group)))

    def _values(self, resolved: ResolvedField, group: Group) -> list[Value]:
        """Nulls do not take part in any aggregate."""
        values = [resolved.read(self.scope.store, record) for record in group]
        return [value for value in values if value is not None]


def _numbers(values: list[Value]) -> list[Decimal]:
    return [Decimal(value) for value in values if isinstance(value, int | Decimal)]


def _sum(values: list[Value]) -> Value:
    numbers = _numbers(values)
    return sum(numbers, Decimal(0)) if numbers else None


def _average(values: list[Value]) -> Value:
    numbers = _numbers(values)
    return (sum(numbers, Decimal(0)) / len(numbers)).quantize(AVERAGE_SCALE) if numbers else None


def _sort_key(value: Value) -> Any:
    """One field's values are of one type, which the type of `comparable` cannot say."""
    return comparable(value)


def _extreme(values: list[Value], *, last: bool) -> Value:
    in_order = sorted(values, key=_sort_key)
    return in_order[-1 if last else 0] if in_order else None


_FOLDS: dict[str, Callable[[list[Value]], Value]] = {
    "COUNT": len,
    "COUNT_DISTINCT": lambda values: len({comparable(value) for value in values}),
    "SUM": _sum,
    "AVG": _average,
    "MIN": lambda values: _extreme(values, last=False),
    "MAX": lambda values: _extreme(values, last=True),
}
