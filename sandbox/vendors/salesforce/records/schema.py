"""What an object is: typed fields with their rules, as Salesforce's describe call reports them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

FieldKind = Literal[
    "id",
    "reference",
    "string",
    "textarea",
    "email",
    "picklist",
    "boolean",
    "int",
    "double",
    "currency",
    "percent",
    "date",
    "datetime",
]
TEXT_KINDS: frozenset[FieldKind] = frozenset({"string", "textarea", "email", "picklist"})
NUMBER_KINDS: frozenset[FieldKind] = frozenset({"int", "double", "currency", "percent"})
ID_KINDS: frozenset[FieldKind] = frozenset({"id", "reference"})

Value = str | bool | int | Decimal | date | datetime | None
Record = Mapping[str, Value]


class RecordReader(Protocol):
    """What a formula may look at: the record a reference leads to, and the records that refer to this one."""

    def parent(self, record: Record, reference: str) -> Record | None: ...

    def children(self, record: Record, object_name: str, reference: str) -> Iterable[Record]: ...

    def compute(self, object_name: str, record: Record, field_name: str) -> Value: ...


Formula = Callable[[Record, RecordReader], Value]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `length` counts characters; `precision` and `scale` count decimal digits, as in describe.

    A `formula` makes the field computed and read-only; an `auto_number` template numbers new records;
    `cascade` marks a master-detail reference: deleting the parent deletes the child. A field that is not `visible` is
    hidden by field-level security: the API answers as if the org did not have it, and formulas still see it.
    """

    name: str
    kind: FieldKind
    length: int = 255
    precision: int = 18
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    reference_to: str = ""
    child_relationship: str = ""
    cascade: bool = False
    picklist: tuple[str, ...] = ()
    restricted: bool = False
    default: Value = None
    formula: Formula | None = None
    auto_number: str = ""
    visible: bool = True

    @property
    def is_custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def label(self) -> str:
        return self.name.removesuffix("__c").replace("_", " ")

    @property
    def relationship(self) -> str:
        """The name that leads to the parent in SOQL: Account for AccountId, Account__r for Account__c."""
        if not self.reference_to:
            return ""
        return self.name.removesuffix("__c") + "__r" if self.is_custom else self.name.removesuffix("Id")

    @property
    def is_indexed(self) -> bool:
        return self.unique or self.external_id or bool(self.reference_to)


@dataclass(frozen=True, slots=True)
class SObject:
    """One object. Field and relationship names are found without regard to case, as in Salesforce."""

    name: str
    key_prefix: str
    fields: tuple[Field, ...]
    createable: bool = True
    queryable: bool = True
    rules: tuple["ValidationRule", ...] = ()
    _fields_by_name: dict[str, Field] = field(init=False, repr=False, compare=False)
    _fields_by_relationship: dict[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name = {one.name.lower(): one for one in self.visible_fields}
        by_relationship = {one.relationship.lower(): one for one in self.visible_fields if one.relationship}
        object.__setattr__(self, "_fields_by_name", by_name)
        object.__setattr__(self, "_fields_by_relationship", by_relationship)

    @property
    def is_event(self) -> bool:
        return self.name.endswith("__e")

    @property
    def is_custom(self) -> bool:
        return self.name.endswith(("__c", "__e"))

    @property
    def label(self) -> str:
        return self.name.removesuffix("__c").removesuffix("__e").replace("_", " ")

    @property
    def visible_fields(self) -> tuple[Field, ...]:
        return tuple(one for one in self.fields if one.visible)

    def field_named(self, name: str) -> Field | None:
        return self._fields_by_name.get(name.lower())

    def stored_field(self, name: str) -> Field | None:
        """Return the field, hidden or not: for formulas and the sandbox's own seed."""
        return next((one for one in self.fields if one.name == name), None)

    def reference_named(self, relationship: str) -> Field | None:
        """Return the reference field behind a parent relationship name."""
        return self._fields_by_relationship.get(relationship.lower())


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """What a write must not do, judged by the record before (None: it is new) and after it, in its transaction."""

    name: str
    field_name: str
    message: str
    violated: Callable[["Record | None", "Record"], bool]


@dataclass(frozen=True, slots=True)
class ChildRelationship:
    """`name` on a parent leads to the records of `child` whose `reference` names the parent."""

    name: str
    child: SObject
    reference: Field


class Schema:
    """All objects of the org."""

    def __init__(self, objects: Iterable[SObject]) -> None:
        self._objects = {one.name.lower(): one for one in objects}
        self._by_prefix = {one.key_prefix: one for one in self._objects.values()}
        self._children: dict[str, list[ChildRelationship]] = {name: [] for name in self._objects}
        for child in self._objects.values():
            for reference in child.fields:
                if reference.child_relationship:
                    relationship = ChildRelationship(reference.child_relationship, child, reference)
                    self._children[reference.reference_to.lower()].append(relationship)

    def __iter__(self) -> Iterator[SObject]:
        return iter(self._objects.values())

    def object_named(self, name: str) -> SObject | None:
        return self._objects.get(name.lower())

    def object_of_id(self, record_id: str) -> SObject | None:
        return self._by_prefix.get(record_id[:3])

    def children_of(self, parent: SObject) -> list[ChildRelationship]:
        return self._children[parent.name.lower()]
