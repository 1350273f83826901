"""Filter expressions: read by a grammar of our own, so that nothing else reaches the database.

```
expression  = conjunction { OR conjunction }
conjunction = negation { AND negation }
negation    = [ NOT ] negation | "(" expression ")" | comparison
comparison  = column ( = | != | <> | < | <= | > | >= ) value
            | column [ NOT ] IN "(" value { "," value } ")"
            | column [ NOT ] LIKE 'text'        % is any text, _ any character
            | column IS [ NOT ] NULL
value       = 'text' | number                   a quote within a text is written twice
```
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from imprint.errors import InvalidValueError

__all__ = ["Kind", "among", "read_filter", "same"]

Kind = Literal["text", "number"]
"""What a column holds."""

LONGEST, DEEPEST = 10_000, 20
"""Characters of an expression, and brackets within one another."""

SIGNS = ("=", "!=", "<>", "<", "<=", ">", ">=")
KEYWORDS = ("AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL")

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"|(?P<sign><=|>=|<>|!=|=|<|>)|(?P<mark>[(),])|(?P<word>[^\W\d]\w*))"
)


class _Token(NamedTuple):
    kind: str
    text: str

    @property
    def shown(self) -> str:
        return self.text or "the end"


def read_filter(where: str, columns: Mapping[str, Kind]) -> str:
    """Read a filter expression, and write it anew for the database.

    Args:
        where: the expression, such as `collection = 'x' AND year >= 1999`.
        columns: that it may name, and what each holds.

    Returns:
        The same in SQL, made of known columns, comparisons and plain values alone.

    Raises:
        InvalidValueError: for anything else; it says what was expected where.

    Examples:
        >>> read_filter("year > 1999 and label in ('a', 'b')", {"year": "number", "label": "text"})
        "(`year` > 1999 AND `label` IN ('a', 'b'))"
        >>> read_filter("label = 'x' OR 1=1", {"label": "text"})
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: where: expected a column (label), got '1'
    """
    if len(where) > LONGEST:
        raise InvalidValueError(
            f"where: expected at most {LONGEST:,} characters, got {len(where):,}"
        )
    return _Reader(_tokens(where), columns).read()


def among(ids: Sequence[str]) -> str:
    """Write a filter for the rows of some ids, in SQL.

    Args:
        ids: at least one, any texts.

    Returns:
        The filter; quotes within an id are doubled.

    Examples:
        >>> among(["a", "it's"])
        "`id` IN ('a', 'it''s')"
    """
    return f"`id` IN ({', '.join(map(_quoted, ids))})"


def same(column: str, value: str) -> str:
    """Write a filter for the rows with a value, in SQL.

    Args:
        column: a known one.
        value: any text.

    Returns:
        The filter; quotes within the value are doubled.

    Examples:
        >>> same("hash", "0a")
        "`hash` = '0a'"
    """
    return f"`{column}` = {_quoted(value)}"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _tokens(where: str) -> list[_Token]:
    tokens, place = [], 0
    while where[place:].strip():
        found = _TOKEN.match(where, place)
        if found is None or found.lastgroup is None:
            got = where[place:].strip()[:20]
            raise InvalidValueError(f"where: expected a column, a sign or a value, got {got!r}")
        kind, text = found.lastgroup, found[found.lastgroup]
        keyword = kind == "word" and text.upper() in KEYWORDS
        tokens.append(_Token("keyword", text.upper()) if keyword else _Token(kind, text))
        place = found.end()
    return tokens


class _Reader:
    """Reads tokens from left to right; each method reads one rule of the grammar."""

    def __init__(self, tokens: list[_Token], columns: Mapping[str, Kind]) -> None:
        self._tokens, self._columns = [*tokens, _Token("end", "")], columns
        self._place = self._depth = 0

    def read(self) -> str:
        whole = self._expression()
        if self._next.kind != "end":
            self._fail("AND, OR or the end")
        return whole

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _found(self, kind: str, text: str) -> bool:
        """Step over a token, if it is the next."""
        found = self._next == (kind, text)
        self._place += found
        return found

    def _need(self, kind: str, text: str) -> None:
        if not self._found(kind, text):
            self._fail(text)

    def _fail(self, expected: str) -> None:
        raise InvalidValueError(f"where: expected {expected}, got {self._next.shown!r}")

    def _expression(self) -> str:
        parts = [self._conjunction()]
        while self._found("keyword", "OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _conjunction(self) -> str:
        parts = [self._negation()]
        while self._found("keyword", "AND"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _negation(self) -> str:
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidValueError(f"where: expected at most {DEEPEST} brackets within another")
        if self._found("keyword", "NOT"):
            part = f"(NOT {self._negation()})"
        elif self._found("mark", "("):
            part = self._expression()
            self._need("mark", ")")
        else:
            part = self._comparison()
        self._depth -= 1
        return part

    def _comparison(self) -> str:
        if self._next.text not in self._columns:
            self._fail(f"a column ({', '.join(self._columns)})")
        name = self._take().text
        kind, column = self._columns[name], f"`{name}`"
        if self._next.kind == "sign":
            return f"{column} {self._take().text} {self._value(kind, name)}"
        if self._found("keyword", "IS"):
            negated = "NOT " if self._found("keyword", "NOT") else ""
            self._need("keyword", "NULL")
            return f"{column} IS {negated}NULL"
        negated = "NOT " if self._found("keyword", "NOT") else ""
        if self._found("keyword", "IN"):
            return f"{column} {negated}IN ({', '.join(self._values(kind, name))})"
        if kind == "text" and self._found("keyword", "LIKE"):
            return f"{column} {negated}LIKE {self._value(kind, name)}"
        self._fail(f"{', '.join(SIGNS)}, IN, IS{', LIKE' if kind == 'text' else ''} after {name}")
        raise AssertionError

    def _values(self, kind: Kind, name: str) -> list[str]:
        self._need("mark", "(")
        values = [self._value(kind, name)]
        while self._found("mark", ","):
            values.append(self._value(kind, name))
        self._need("mark", ")")
        return values

    def _value(self, kind: Kind, name: str) -> str:
        if self._next.kind != kind:
            self._fail(f"a {kind}{' in single quotes' if kind == 'text' else ''} for {name}")
        return self._take().text
