"""Records in memory: made, found by a domain, and read by dotted paths, as Tryton's REST interface does."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sandbox.vendors.erp_stand_in.schema import DEACTIVABLE, INDEXED, PER_COMPANY, PLAIN, TO_MANY, TO_ONE, is_field

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
        table[record] = {**({"active": True} if model in DEACTIVABLE else {}), **values, "id": record}
        self.index(model, record)
        return record

    def index(self, model: str, record: int) -> None:
        """Have a record found by the values that it has now."""
        for path in INDEXED.get(model, ()):
            for value in self._values(model, self._table(model)[record], path.split("."), None, inactive=True):
                found = self._indexes[model, path][value]
                if record not in found:
                    found.append(record)

    def get(self, model: str, record: int) -> Values | None:
        """Return the stored record itself; what is changed in it is changed for all."""
        return self._table(model).get(record)

    def search(self, model: str, domain: Domain, company: int | None = None, *, inactive: bool = False) -> list[Values]:
        """Return the records for which the domain holds, by id; `inactive` ones too where asked for.

        Raises UnknownNameError.

        A domain is clauses that all have to hold, or "OR" and clauses of which one has to. A clause may be a domain.
        """
        table = self._table(model)
        known = self._candidates(model, domain)
        found = table.values() if known is None else [table[record] for record in sorted(known)]
        return [
            record
            for record in found
            if (inactive or record.get("active", True))
            and self._holds_all(model, record, domain, company, inactive=inactive)
        ]

    def _candidates(self, model: str, domain: Domain) -> set[int] | None:
        """Return the ids that indexes find for a domain; None where all records have to be looked at."""
        either = bool(domain) and domain[0] == "OR"
        found = [
            self._candidates(model, clause) if _is_domain(clause) else self._by_index(model, clause)
            for clause in domain[either:]
        ]
        known = [set(each) for each in found if each is not None]
        if either:
            return set().union(*known) if len(known) == len(found) else None
        return known[0].intersection(*known[1:]) if known else None

    def _holds_all(
        self, model: str, record: Values, domain: Domain, company: int | None, *, inactive: bool = False
    ) -> bool:
        either = bool(domain) and domain[0] == "OR"
        return (any if either else all)(
            (self._holds_all if _is_domain(clause) else self._holds)(model, record, clause, company, inactive=inactive)
            for clause in domain[either:]
        )

    def _by_index(self, model: str, clause: Sequence[Any]) -> list[int] | None:
        """Return the ids that an index finds for a clause; None where there is no index for it."""
        path, operator, value = clause
        wanted = [value] if operator == "=" else value if operator == "in" else None
        if wanted is None:
            return None
        if path == "id":
            return sorted(record for record in wanted if record in self._table(model))
        index = self._indexes.get((model, path))
        return None if index is None else sorted({record for each in wanted for record in index.get(each, ())})

    def read(
        self, model: str, record: Values, fields: Iterable[str], company: int | None, *, inactive: bool = False
    ) -> Values:
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
            shown[name] = self._related(model, record, name, rests, company, inactive)
        return shown

    def _related(
        self, model: str, record: Values, name: str, fields: list[str], company: int | None, inactive: bool
    ) -> Any:
        value = record.get(name)
        if (model, name) in TO_MANY:
            target = TO_MANY[model, name]
            records = [self._table(target)[each] for each in value or ()]
            shown = [each for each in records if inactive or each.get("active", True)]
            return [self.read(target, each, fields, company, inactive=inactive) for each in shown]
        if (model, name) not in TO_ONE:
            raise UnknownNameError(f"{model}.{name} leads to no other record")
        target = TO_ONE[model, name]
        return (
            None if value is None else self.read(target, self._table(target)[value], fields, company, inactive=inactive)
        )

    def _holds(
        self, model: str, record: Values, clause: Sequence[Any], company: int | None, *, inactive: bool = False
    ) -> bool:
        path, operator, value = clause
        found = self._values(model, record, path.split("."), company, inactive=inactive)
        match operator:
            case "=":
                return any(each == value for each in found)
            case "in":
                return any(each in value for each in found)
            case "<":
                return any(each is not None and each < value for each in found)
            case ">":
                return any(each is not None and each > value for each in found)
            case "ilike":  # with a wildcard at the end only, which is all that the gateway asks for
                beginning = value.removesuffix("%").replace("\\", "").casefold()
                return any((each or "").casefold().startswith(beginning) for each in found)
        raise UnknownNameError(f"no such operator: {operator}")

    def _values(
        self, model: str, record: Values, path: list[str], company: int | None, *, inactive: bool = False
    ) -> list[Any]:
        """Return the value at the end of a path; several where it goes through a field that holds several records."""
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
        records = [self._table(target)[each] for each in ids]
        return [
            value
            for each in records
            if inactive or each.get("active", True)
            for value in self._values(target, each, rest, company, inactive=inactive)
        ]

    def _plain(self, model: str, record: Values, name: str, company: int | None) -> Any:
        value = record.get(name)
        return (value or {}).get(company) if (model, name) in PER_COMPANY else value

    def _table(self, model: str) -> dict[int, Values]:
        if model not in self._tables:
            raise UnknownNameError(f"there is no model {model}")
        return self._tables[model]


def _is_domain(clause: Sequence[Any]) -> bool:
    """Return whether a clause is a domain of its own."""
    return not clause or clause[0] == "OR" or not isinstance(clause[0], str)
