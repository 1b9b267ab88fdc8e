"""Who may see which account, and `UserRecordAccess`, the object that answers that question.

Source: the object reference of UserRecordAccess. Rules kept from it: the filter names one user and up to 200 records;
rows exist only for existing records that the asking user may read; a filter on an access field selects RecordId only.
"""

from dataclasses import dataclass
from typing import NoReturn

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records import ids
from sandbox.vendors.salesforce.records.schema import Record, SObject
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.soql.lexer import Token, located, unescape
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
)

RECORDS_MAX = 200
LEVELS = ("None", "Read", "Edit", "Delete", "Transfer", "All")
# A field that says whether the level is at least this.
_LEVEL_OF_FIELD = {
    "hasreadaccess": ("HasReadAccess", "Read"),
    "haseditaccess": ("HasEditAccess", "Edit"),
    "hasdeleteaccess": ("HasDeleteAccess", "Delete"),
    "hastransferaccess": ("HasTransferAccess", "Transfer"),
    "hasallaccess": ("HasAllAccess", "All"),
}
# How a record of each object leads to the account that decides; other objects are public, to read only.
_ACCOUNT_OF = {
    "Account": (),
    "Contact": ("AccountId",),
    "Opportunity": ("AccountId",),
    "Quote": ("OpportunityId", "AccountId"),
    "QuoteLineItem": ("QuoteId", "OpportunityId", "AccountId"),
    "Quoteway_Order__c": ("Account__c",),
    "SBQQ__Quote__c": ("SBQQ__Account__c",),
    "SBQQ__QuoteLine__c": ("SBQQ__Quote__c", "SBQQ__Account__c"),
}


class AccessRules:
    """Levels granted per user and account. Without a grant, an account's owner has All and anyone else None."""

    def __init__(self) -> None:
        self._granted: dict[tuple[str, str], str] = {}

    def grant(self, user_id: str, account_id: str, level: str) -> None:
        self._granted[user_id, account_id] = level

    def level(self, store: Store, user_id: str, sobject: SObject, record: Record) -> str:
        path = _ACCOUNT_OF.get(sobject.name)
        if path is None:
            return "Read"
        account: Record | None = record
        for reference in path:
            account = store.parent(account, reference) if account else None
        if account is None:  # hangs on no account: its owner decides
            return "All" if record.get("OwnerId") == user_id else "None"
        granted = self._granted.get((user_id, str(account["Id"])))
        return granted or ("All" if account["OwnerId"] == user_id else "None")


@dataclass(frozen=True, slots=True)
class _Filter:
    user_id: str
    record_ids: tuple[str, ...]
    must_have: tuple[str, ...]


def query_access(store: Store, access: AccessRules, asking_user_id: str, query: Query) -> list[dict[str, object]]:
    """Return the rows of a query on UserRecordAccess."""
    columns = _columns(query)
    wanted = _read_filter(query)
    if wanted.must_have and columns != ["RecordId"]:
        _refuse(query, query.source.position, "with a filter on an access level, select RecordId only")
    rows: list[dict[str, object]] = []
    for record_id in wanted.record_ids:
        sobject = store.schema.object_of_id(record_id)
        record = store.get(sobject, record_id) if sobject else None
        if sobject is None or record is None or record["IsDeleted"]:
            continue
        if access.level(store, asking_user_id, sobject, record) == "None":
            continue
        reached = LEVELS.index(access.level(store, wanted.user_id, sobject, record))
        if all(reached >= LEVELS.index(level) for level in wanted.must_have):
            rows.append(_row(record_id, reached))
    rows = ordered(rows, query.order_by, lambda by: lambda row: _sort_value(row[_column(query, by)]))
    attributes = {"type": "UserRecordAccess"}
    return [{"attributes": attributes} | {column: row[column] for column in columns} for row in rows[: query.limit]]


def _row(record_id: str, reached: int) -> dict[str, object]:
    flags = {name: reached >= LEVELS.index(level) for name, level in _LEVEL_OF_FIELD.values()}
    return {"RecordId": record_id, "MaxAccessLevel": LEVELS[reached], **flags}


def _sort_value(value: object) -> str | bool:
    return value if isinstance(value, bool) else str(value)


def _columns(query: Query) -> list[str]:
    columns = []
    for selected in query.selected:
        if not isinstance(selected, SelectedField):
            _refuse(query, query.source.position, "select RecordId and access fields of UserRecordAccess")
        columns.append(_column(query, selected.path))
    if "RecordId" not in columns:
        _refuse(query, query.source.position, "RecordId must be selected")
    return columns


def _column(query: Query, path: Path | Aggregate) -> str:
    if isinstance(path, Path):
        name = path.parts[-1].lower()
        if name in _LEVEL_OF_FIELD:
            return _LEVEL_OF_FIELD[name][0]
        for plain in ("RecordId", "MaxAccessLevel"):
            if name == plain.lower():
                return plain
    problem = located(query.text, path.position, "No such column on entity 'UserRecordAccess'")
    raise SalesforceError("INVALID_FIELD", problem)


def _read_filter(query: Query) -> _Filter:
    users: list[str] = []
    records: list[str] = []
    levels: list[str] = []
    for condition in _conjuncts(query.where):
        target: list[str] | None = None
        tokens: tuple[Token, ...] = ()
        match condition:
            case Comparison(left=Path() as path, operator="=", right=right):
                name = path.parts[-1].lower()
                if name in _LEVEL_OF_FIELD and right.word == "TRUE":
                    levels.append(_LEVEL_OF_FIELD[name][1])
                    continue
                target, tokens = {"userid": users, "recordid": records}.get(name), (right,)
            case Membership(left=path, negated=False, values=tuple() as members):
                target, tokens = (records if path.parts[-1].lower() == "recordid" else None), members
        if target is None:
            _refuse(query, query.source.position, "filter UserRecordAccess by UserId = and RecordId = or IN only")
        target.extend(_read_id(query, token) for token in tokens)
    if len(users) != 1 or not records:
        _refuse(query, query.source.position, "UserRecordAccess needs a filter on both UserId (one user) and RecordId")
    if len(records) > RECORDS_MAX:
        _refuse(query, query.source.position, f"UserRecordAccess answers for at most {RECORDS_MAX} records at once")
    return _Filter(users[0], tuple(dict.fromkeys(records)), tuple(levels))


def _read_id(query: Query, token: Token) -> str:
    record_id = ids.normalize(unescape(query.text, token)) if token.kind == "string" else None
    if record_id is None:
        problem = located(query.text, token.position, f"invalid ID field: {token.text}")
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", problem)
    return record_id


def _conjuncts(condition: Condition | None) -> tuple[Condition, ...]:
    if condition is None:
        return ()
    if isinstance(condition, Junction) and condition.operator == "AND":
        return tuple(part for inner in condition.conditions for part in _conjuncts(inner))
    return (condition,)


def _refuse(query: Query, position: int, problem: str) -> NoReturn:
    raise SalesforceError("MALFORMED_QUERY", located(query.text, position, problem))
