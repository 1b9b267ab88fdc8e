"""Records in memory: made, found by a domain, and read by dotted paths, as Tryton's REST interface does."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sandbox.erp_stand_in.schema import INDEXED, PER_COMPANY, PLAIN, TO_MANY, TO_ONE, is_field

Values = dict[str, Any]
Domain = Sequence[Any]


class UnknownNameError(Exception):
    """A model or field that is not kept here: a page of HTML with status 500, as Tryton answers."""


class Records:
    """Every record, by model and id. Ids count from 1 for each model."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[int, Values]] = {model: {} for model in PLAIN}
        self._indexes: dict[tuple[str, str], dict[Any, list[int]]] = {
            (model, path): defaultdict(list) for model, paths in INDEXED.items() for path in paths
        }

    def add(self, model: str, values: Values) -> int:
        """Make a record of values that are whole and right. Returns its id."""
        table = self._table(model)
        record = len(table) + 1
        table[record] = {**values, "id": record}
        for path in INDEXED.get(model, ()):
            for value in self._values(model, table[record], path.split("."), None):
                self._indexes[model, path][value].append(record)
        return record

    def get(self, model: str, record: int) -> Values | None:
        """The stored record itself; what is changed in it is changed for all."""
        return self._table(model).get(record)

    def search(self, model: str, domain: Domain, company: int | None = None) -> list[Values]:
        """The records for which every clause of the domain holds, by id. Raises UnknownNameError."""
        table = self._table(model)
        found: Iterable[Values] = table.values()
        for path, operator, value in domain:
            index = self._indexes.get((model, path))
            if index is not None and operator == "=":
                found = [table[record] for record in index.get(value, ())]
                break
        return [record for record in found if all(self._holds(model, record, clause, company) for clause in domain)]

    def read(self, model: str, record: Values, fields: Iterable[str], company: int | None) -> Values:
        """These fields of a record; a dotted path reaches into related records. Raises UnknownNameError."""
        shown: Values = {"id": record["id"]}
        below: dict[str, list[str]] = defaultdict(list)
        for field in fields:
            name, dot, rest = field.partition(".")
            if not is_field(model, name):
                raise UnknownNameError(f"{model} has no field {name}")
            if dot:
                below[name].append(rest)
            else:
                shown[name] = self._plain(model, record, name, company)
        for name, rests in below.items():
            shown[name] = self._related(model, record, name, rests, company)
        return shown

    def _related(self, model: str, record: Values, name: str, fields: list[str], company: int | None) -> Any:
        value = record.get(name)
        if (model, name) in TO_MANY:
            target = TO_MANY[model, name]
            return [self.read(target, self._table(target)[each], fields, company) for each in value or ()]
        if (model, name) not in TO_ONE:
            raise UnknownNameError(f"{model}.{name} leads to no other record")
        target = TO_ONE[model, name]
        return None if value is None else self.read(target, self._table(target)[value], fields, company)

    def _holds(self, model: str, record: Values, clause: Sequence[Any], company: int | None) -> bool:
        path, operator, value = clause
        found = self._values(model, record, path.split("."), company)
        match operator:
            case "=":
                return any(each == value for each in found)
            case "in":
                return any(each in value for each in found)
            case "<":
                return any(each is not None and each < value for each in found)
        raise UnknownNameError(f"no such operator: {operator}")

    def _values(self, model: str, record: Values, path: list[str], company: int | None) -> list[Any]:
        """The value at the end of a path; several where it goes through a field that holds several records."""
        name, *rest = path
        if not is_field(model, name):
            raise UnknownNameError(f"{model} has no field {name}")
        if not rest:
            return [self._plain(model, record, name, company)]
        if (model, name) in TO_MANY:
            target, ids = TO_MANY[model, name], record.get(name) or ()
        elif (model, name) in TO_ONE:
            target, ids = TO_ONE[model, name], [record[name]] if record.get(name) is not None else []
        else:
            raise UnknownNameError(f"{model}.{name} leads to no other record")
        return [value for each in ids for value in self._values(target, self._table(target)[each], rest, company)]

    def _plain(self, model: str, record: Values, name: str, company: int | None) -> Any:
        value = record.get(name)
        return (value or {}).get(company) if (model, name) in PER_COMPANY else value

    def _table(self, model: str) -> dict[int, Values]:
        if model not in self._tables:
            raise UnknownNameError(f"there is no model {model}")
        return self._tables[model]
