"""What a query selects, ready to print: fields, nested parents and child lists, with each record's `attributes`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records.field_values import render
from sandbox.vendors.salesforce.records.schema import ChildRelationship, Field, Record, SObject
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.soql.lexer import located, malformed
from sandbox.vendors.salesforce.soql.parser import Aggregate, FieldSet, Query, SelectedField
from sandbox.vendors.salesforce.soql.scope import ResolvedField, Scope, follow

FIELD_SET_LIMIT_MAX = 200


def attributes(sobject: SObject, record: Record, version: str) -> dict[str, str]:
    return {"type": sobject.name, "url": f"/services/data/v{version}/sobjects/{sobject.name}/{record['Id']}"}


@dataclass(frozen=True, slots=True)
class _Node:
    """One level of output: the object's own fields, its parents, and its child lists, in the order selected."""

    sobject: SObject
    entries: dict[str, "Field | _Parent | _Children"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Parent:
    reference: Field
    node: _Node


@dataclass(frozen=True, slots=True)
class _Children:
    relationship: ChildRelationship
    query: Query


ChildReader = Callable[[ChildRelationship, Query, Record], list[dict[str, object]]]


@dataclass(frozen=True, slots=True)
class Projection:
    """`read_children` runs a child query for one parent."""

    store: Store
    version: str
    read_children: ChildReader

    def rows(self, scope: Scope, records: Sequence[Record]) -> list[dict[str, object]]:
        node = self._plan(scope)
        return [self._print(node, record) for record in records]

    def _plan(self, scope: Scope) -> _Node:
        root = _Node(scope.sobject)
        for selected in scope.query.selected:
            match selected:
                case SelectedField():
                    if selected.alias:
                        malformed(
                            scope.query.text, selected.path.position, "only grouped queries can use field aliasing"
                        )
                    self._add(scope, root, scope.resolve(selected.path), selected.path.position)
                case FieldSet():
                    for one in _field_set(scope, selected):
                        self._add(scope, root, ResolvedField((), one), selected.position)
                case Query():
                    relationship = self._child(scope, selected)
                    root.entries[relationship.name] = _Children(relationship, selected)
                case Aggregate():
                    malformed(scope.query.text, selected.position, "an aggregate makes the whole query a grouped one")
        return root

    def _add(self, scope: Scope, root: _Node, resolved: ResolvedField, position: int) -> None:
        node = root
        for hop in resolved.hops:
            entry = node.entries.get(hop.relationship)
            if not isinstance(entry, _Parent):
                target = self.store.schema.object_named(hop.reference_to)
                if target is None:
                    raise LookupError(f"the catalogue has no {hop.reference_to}")
                entry = _Parent(hop, _Node(target))
                node.entries[hop.relationship] = entry
            node = entry.node
        if resolved.field.name in node.entries:
            problem = f"duplicate field selected: {resolved.field.name}"
            raise SalesforceError("INVALID_FIELD", located(scope.query.text, position, problem))
        node.entries[resolved.field.name] = resolved.field

    def _child(self, scope: Scope, query: Query) -> ChildRelationship:
        wanted = query.source.text.lower()
        for relationship in self.store.schema.children_of(scope.sobject):
            if relationship.name.lower() == wanted and relationship.reference.visible:
                return relationship
        raise _unknown_relationship(scope, query)

    def _print(self, node: _Node, record: Record) -> dict[str, object]:
        printed: dict[str, object] = {"attributes": attributes(node.sobject, record, self.version)}
        for name, entry in node.entries.items():
            match entry:
                case Field():
                    printed[name] = render(self.store.value(record, entry))
                case _Parent():
                    parent = follow(self.store, record, entry.reference)
                    printed[name] = None if parent is None else self._print(entry.node, parent)
                case _Children():
                    rows = self.read_children(entry.relationship, entry.query, record)
                    printed[name] = {"totalSize": len(rows), "done": True, "records": rows} if rows else None
        return printed


def _field_set(scope: Scope, selected: FieldSet) -> list[Field]:
    limit = scope.query.limit
    if selected.which != "STANDARD" and (limit is None or limit > FIELD_SET_LIMIT_MAX):
        problem = f"The SOQL FIELDS function must have a LIMIT of at most {FIELD_SET_LIMIT_MAX}"
        malformed(scope.query.text, selected.position, problem)
    wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}[selected.which]
    return [one for one in scope.sobject.visible_fields if one.is_custom in wanted]


def _unknown_relationship(scope: Scope, query: Query) -> SalesforceError:
    problem = (
        f"Didn't understand relationship '{query.source.text}' in FROM part of query call. If you are attempting to "
        "use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference "
        "your WSDL or the describe call for the appropriate names."
    )
    return SalesforceError("INVALID_TYPE", located(scope.query.text, query.source.position, problem))
