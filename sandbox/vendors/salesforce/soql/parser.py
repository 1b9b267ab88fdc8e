"""SOQL into a tree: SELECT with parent paths, child queries and aggregates, WHERE, GROUP BY, HAVING, ORDER BY."""

from dataclasses import dataclass
from typing import Literal, NoReturn

from sandbox.vendors.salesforce.soql.lexer import Token, malformed, tokenize

AggregateFunction = Literal["COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"]
_AGGREGATES: dict[str, AggregateFunction] = {
    "COUNT": "COUNT",
    "COUNT_DISTINCT": "COUNT_DISTINCT",
    "SUM": "SUM",
    "AVG": "AVG",
    "MIN": "MIN",
    "MAX": "MAX",
}
_CLAUSES = frozenset({"GROUP", "ORDER", "OFFSET", "FOR"})
# SOQL and SOSL Reference, "Reserved Keywords",
# without those that are also names of objects (Group).
_RESERVED = frozenset(
    {
        *(
            "AND",
            "ASC",
            "DESC",
            "EXCLUDES",
            "FROM",
            "HAVING",
            "IN",
            "INCLUDES",
            "LIKE",
            "LIMIT",
            "NOT",
            "NULL",
            "NULLS",
        ),
        *("OR", "SELECT", "USING", "WHERE", "WITH"),
    }
)
_LITERAL_KINDS = frozenset({"string", "datetime", "date", "number"})
NESTING_MAX = 40
COUNT_DIGITS_MAX = 9


@dataclass(frozen=True, slots=True)
class Path:
    """A field, perhaps of a parent: Opportunity.Account.Name. `position` is for messages."""

    text: str
    position: int

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.text.split("."))


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`path` is None for COUNT()."""

    function: AggregateFunction
    path: Path | None
    alias: str | None
    position: int


@dataclass(frozen=True, slots=True)
class SelectedField:
    """`alias` is allowed in grouped queries only."""

    path: Path
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class FieldSet:
    """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    which: Literal["ALL", "STANDARD", "CUSTOM"]
    position: int


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Path | Aggregate
    operator: Literal["=", "!=", "<", "<=", ">", ">=", "LIKE"]
    right: Token


@dataclass(frozen=True, slots=True)
class Membership:
    """`left` IN a list of literals, or in the one field that a semi-join selects."""

    left: Path
    negated: bool
    values: "tuple[Token, ...] | Query"


@dataclass(frozen=True, slots=True)
class Negation:
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Junction:
    operator: Literal["AND", "OR"]
    conditions: "tuple[Condition, ...]"


Condition = Comparison | Membership | Negation | Junction


@dataclass(frozen=True, slots=True)
class Ordering:
    by: Path | Aggregate
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One query; `source` is an object, or in a child query the relationship's name."""

    text: str
    selected: "tuple[SelectedField | Aggregate | FieldSet | Query, ...]"
    source: Path
    alias: str | None
    where: Condition | None
    group_by: tuple[Path, ...]
    having: Condition | None
    order_by: tuple[Ordering, ...]
    limit: int | None
    offset: int


def parse(text: str) -> Query:
    """Raises MALFORMED_QUERY with row and column."""
    return _Parser(text).parse()


class _Parser:
    """Recursive descent over the tokens; each method reads one production and leaves the next token current."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0
        self._nesting = 0

    def parse(self) -> Query:
        query = self._query()
        if self._current.kind != "end":
            self._unexpected()
        return query

    # The tokens

    @property
    def _current(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._current
        self._at += token.kind != "end"
        return token

    def _accept(self, word: str) -> bool:
        token = self._current
        if token.word == word or (token.kind in ("punctuation", "operator") and token.text == word):
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            self._unexpected(f"expecting '{word}'")

    def _next_is(self, text: str) -> bool:
        following = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        return following.kind == "punctuation" and following.text == text

    def _unexpected(self, hint: str = "") -> NoReturn:
        token = self._current
        problem = "unexpected end of query" if token.kind == "end" else f"unexpected token: '{token.text[:80]}'"
        malformed(self._text, token.position, f"{problem}, {hint}" if hint else problem)

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > NESTING_MAX:
            malformed(self._text, self._current.position, "the query is nested too deeply")

    # The productions

    def _query(self) -> Query:
        self._enter()
        self._expect("SELECT")
        selected = [self._selected()]
        while self._accept(","):
            selected.append(self._selected())
        self._expect("FROM")
        source = self._path()
        alias = self._alias(_CLAUSES)
        where = self._condition() if self._accept("WHERE") else None
        group_by = self._group_by()
        having = self._condition() if self._accept("HAVING") else None
        order_by = self._order_by()
        limit = self._count() if self._accept("LIMIT") else None
        offset = self._count() if self._accept("OFFSET") else 0
        self._nesting -= 1
        return Query(self._text, tuple(selected), source, alias, where, group_by, having, order_by, limit, offset)

    def _selected(self) -> "SelectedField | Aggregate | FieldSet | Query":
        if self._accept("("):
            query = self._query()
            self._expect(")")
            return query
        if self._next_is("("):
            if self._current.word == "FIELDS":
                return self._field_set()
            return self._aggregate(with_alias=True)
        path = self._path()
        return SelectedField(path, self._alias(frozenset()))

    def _field_set(self) -> FieldSet:
        position = self._advance().position
        self._expect("(")
        token = self._advance()
        which: dict[str, Literal["ALL", "STANDARD", "CUSTOM"]] = {
            "ALL": "ALL",
            "STANDARD": "STANDARD",
            "CUSTOM": "CUSTOM",
        }
        if token.word not in which:
            malformed(self._text, token.position, "expecting FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)")
        self._expect(")")
        return FieldSet(which[token.word], position)

    def _aggregate(self, *, with_alias: bool) -> Aggregate:
        token = self._current
        function = _AGGREGATES.get(token.word)
        if function is None:
            malformed(self._text, token.position, f"unexpected token: '{token.text}': no such function here")
        self._at += 1
        self._expect("(")
        path = None if function == "COUNT" and self._current.text == ")" else self._path()
        self._expect(")")
        alias = self._alias(frozenset()) if with_alias else None
        return Aggregate(function, path, alias, token.position)

    def _path(self) -> Path:
        token = self._current
        if token.kind != "name" or ":" in token.text or token.word in _RESERVED:
            self._unexpected("expecting a name")
        self._at += 1
        return Path(token.text, token.position)

    def _alias(self, stops: frozenset[str]) -> str | None:
        token = self._current
        if token.kind != "name" or token.word in stops | _RESERVED or "." in token.text:
            return None
        self._at += 1
        return token.text

    def _condition(self) -> Condition:
        """AND and OR do not mix without parentheses in SOQL."""
        self._enter()
        conditions = [self._simple_condition()]
        joined_by: Literal["AND", "OR"] | None = None
        while (word := self._current.word) in ("AND", "OR"):
            if joined_by is not None and joined_by != word:
                self._unexpected("AND and OR need parentheses between them")
            joined_by = "AND" if word == "AND" else "OR"
            self._at += 1
            conditions.append(self._simple_condition())
        self._nesting -= 1
        return Junction(joined_by, tuple(conditions)) if joined_by else conditions[0]

    def _simple_condition(self) -> Condition:
        if self._accept("NOT"):
            return Negation(self._simple_condition())
        if self._accept("("):
            condition = self._condition()
            self._expect(")")
            return condition
        left = self._aggregate(with_alias=False) if self._next_is("(") else self._path()
        if isinstance(left, Path) and self._current.word in ("IN", "NOT"):
            negated = self._accept("NOT")
            self._expect("IN")
            return Membership(left, negated, self._members())
        return self._comparison(left)

    def _comparison(self, left: Path | Aggregate) -> Comparison:
        operators: dict[str, Literal["=", "!=", "<", "<=", ">", ">=", "LIKE"]] = {
            "=": "=",
            "!=": "!=",
            "<>": "!=",
            "<": "<",
            "<=": "<=",
            ">": ">",
            ">=": ">=",
            "LIKE": "LIKE",
        }
        operator = operators.get(self._current.text.upper())
        if operator is None:
            self._unexpected("expecting a comparison")
        self._at += 1
        return Comparison(left, operator, self._literal())

    def _members(self) -> "tuple[Token, ...] | Query":
        self._expect("(")
        if self._current.word == "SELECT":
            query = self._query()
            self._expect(")")
            return query
        members = [self._literal()]
        while self._accept(","):
            members.append(self._literal())
        self._expect(")")
        return tuple(members)

    def _literal(self) -> Token:
        """Return a string, number, date or moment, or a bare word (true, null, TODAY): the field decides what may
        stand.
        """
        token = self._current
        if token.kind not in _LITERAL_KINDS and (token.kind != "name" or "." in token.text):
            self._unexpected("expecting a value")
        self._at += 1
        return token

    def _group_by(self) -> tuple[Path, ...]:
        if not self._accept("GROUP"):
            return ()
        self._expect("BY")
        paths = [self._path()]
        while self._accept(","):
            paths.append(self._path())
        return tuple(paths)

    def _order_by(self) -> tuple[Ordering, ...]:
        if not self._accept("ORDER"):
            return ()
        self._expect("BY")
        orderings = [self._ordering()]
        while self._accept(","):
            orderings.append(self._ordering())
        return tuple(orderings)

    def _ordering(self) -> Ordering:
        by = self._aggregate(with_alias=False) if self._next_is("(") else self._path()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_first = True
        if self._accept("NULLS"):
            nulls_first = self._accept("FIRST")
            if not nulls_first:
                self._expect("LAST")
        return Ordering(by, descending, nulls_first)

    def _count(self) -> int:
        token = self._current
        if token.kind != "number" or not token.text.isdigit() or len(token.text) > COUNT_DIGITS_MAX:
            self._unexpected(f"expecting a whole number of at most {COUNT_DIGITS_MAX} digits")
        self._at += 1
        return int(token.text)
