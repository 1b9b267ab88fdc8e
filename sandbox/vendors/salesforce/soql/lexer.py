"""SOQL text into tokens. Strings keep their escapes: LIKE reads them differently from a comparison."""

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from sandbox.vendors.salesforce.errors import SalesforceError

TokenKind = Literal["string", "datetime", "date", "number", "name", "operator", "punctuation", "end"]

QUERY_LENGTH_MAX = 100_000
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))
    | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?::\d+)?)
    | (?P<operator>!=|<>|<=|>=|=|<|>)
    | (?P<punctuation>[(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
# https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    '"': '"',
    "'": "'",
    "\\": "\\",
    "_": "_",
    "%": "%",
}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is as written; `position` counts characters from the query's beginning."""

    kind: TokenKind
    text: str
    position: int

    @property
    def word(self) -> str:
        """Upper-case for comparing with keywords; empty for anything but a name."""
        return self.text.upper() if self.kind == "name" else ""


def tokenize(query: str) -> list[Token]:
    """Raises MALFORMED_QUERY for characters that begin no token."""
    if len(query) > QUERY_LENGTH_MAX:
        raise SalesforceError("QUERY_TOO_COMPLICATED", f"the query is longer than {QUERY_LENGTH_MAX} characters")
    tokens: list[Token] = []
    position = 0
    end = len(query.rstrip())
    while position < end:
        match = _TOKEN.match(query, position)
        if match is None or match.lastgroup is None:
            start = position + len(query[position:]) - len(query[position:].lstrip())
            malformed(query, start, f"unexpected token: '{query[start]}'")
        kind: TokenKind = match.lastgroup  # type: ignore[assignment]  # the groups of _TOKEN are named after the kinds
        tokens.append(Token(kind, match.group(kind), match.start(kind)))
        position = match.end()
    tokens.append(Token("end", "", end))
    return tokens


def malformed(query: str, position: int, problem: str) -> NoReturn:
    raise SalesforceError("MALFORMED_QUERY", located(query, position, problem))


def located(query: str, position: int, problem: str) -> str:
    """Return the message as Salesforce writes it: the line, a caret under the place, row and column, and the
    problem.
    """
    row = query.count("\n", 0, position) + 1
    line_begin = query.rfind("\n", 0, position) + 1
    column = position - line_begin + 1
    line = query[line_begin:].partition("\n")[0]
    begin = max(0, column - 61)
    excerpt = line[begin : column + 60]
    return f"\n{excerpt}\n{'^':>{column - begin}}\nERROR at Row:{row}:Column:{column}\n{problem}"


def unescape(query: str, token: Token) -> str:
    """Return the text that a string literal stands for."""

    def replace(match: re.Match[str]) -> str:
        escape = match.group(1)
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPES:
            malformed(query, token.position, f"Illegal string literal: invalid escape sequence '\\{escape}'")
        return _ESCAPES[escape]

    return _ESCAPE.sub(replace, token.text[1:-1])


def like_pattern(query: str, token: Token) -> re.Pattern[str]:
    """LIKE's pattern: % any text, _ one character, both literal when escaped; letter case does not matter."""
    expression = ""
    raw = token.text[1:-1]
    position = 0
    while position < len(raw):
        match = _ESCAPE.match(raw, position)
        if match:
            expression += re.escape(unescape(query, Token("string", f"'{match.group()}'", token.position)))
            position = match.end()
            continue
        expression += {"%": ".*", "_": "."}.get(raw[position], re.escape(raw[position]))
        position += 1
    return re.compile(expression, re.IGNORECASE | re.DOTALL)
