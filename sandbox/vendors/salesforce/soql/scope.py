"""What the names in a query mean: field paths resolved against an object, through its parents."""

from dataclasses import dataclass
from typing import NoReturn

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records.schema import Field, Record, SObject, Value
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.soql.lexer import located
from sandbox.vendors.salesforce.soql.parser import Path, Query

PARENT_LEVELS_MAX = 5


@dataclass(frozen=True, slots=True)
class ResolvedField:
    """`hops` are the references that lead from the queried record to the owner of `field`."""

    hops: tuple[Field, ...]
    field: Field

    def read(self, store: Store, record: Record) -> Value:
        for hop in self.hops:
            parent = follow(store, record, hop)
            if parent is None:
                return None
            record = parent
        return store.value(record, self.field)


def follow(store: Store, record: Record, reference: Field) -> Record | None:
    """Return the record a reference leads to, formulas included."""
    target_id = store.value(record, reference)
    target = store.schema.object_named(reference.reference_to)
    return store.get(target, target_id) if target and isinstance(target_id, str) else None


@dataclass(frozen=True, slots=True)
class Scope:
    """The object a query reads, and the query for messages."""

    store: Store
    sobject: SObject
    query: Query

    def resolve(self, path: Path) -> ResolvedField:
        """Raises INVALID_FIELD for a column or relationship that is not there."""
        parts = path.parts
        own_names = {self.sobject.name.lower(), (self.query.alias or "").lower()}
        if len(parts) > 1 and parts[0].lower() in own_names:
            parts = parts[1:]
        if len(parts) > PARENT_LEVELS_MAX + 1:
            self._invalid(path, f"a field path may climb at most {PARENT_LEVELS_MAX} levels")
        hops: list[Field] = []
        sobject = self.sobject
        for name in parts[:-1]:
            reference = sobject.reference_named(name)
            parent = self.store.schema.object_named(reference.reference_to) if reference else None
            if reference is None or parent is None:
                self._invalid(
                    path,
                    f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom "
                    "relationship, be sure to append the '__r' after the custom relationship name. Please reference "
                    "your WSDL or the describe call for the appropriate names.",
                )
            hops.append(reference)
            sobject = parent
        field = sobject.field_named(parts[-1])
        if field is None:
            self._invalid(
                path,
                f"No such column '{parts[-1]}' on entity '{sobject.name}'. If you are attempting to use a custom "
                "field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the "
                "describe call for the appropriate names.",
            )
        return ResolvedField(tuple(hops), field)

    def _invalid(self, path: Path, problem: str) -> NoReturn:
        raise SalesforceError("INVALID_FIELD", located(self.query.text, path.position, problem))
