"""A small language to find names, lines and runs: the same on every screen and on the command line.

`word` is contained, `a b` both are, `a | b` one of them is, `!word` is not; `loss/*` is a glob of a whole name or word, and
`/regex/` a regular expression. Upper and lower case are the same. Things with keys also take `lr>=1e-3`, `model=cnn`,
`state:failed`, `tag:baseline`. Standard library only; pure, any thread.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from tuimon.base.errors import TuimonError

Values = Mapping[str, object]
T = TypeVar("T")
_Term = Callable[[str, Values], bool]

_TOKEN = re.compile(r"\||!*(?:/(?:\\.|[^/\\])*/(?=[\s|]|$)|[^\s|]+)")
_KEYED = re.compile(r"(?P<key>[^\W\d][\w./-]*?)(?P<op>>=|<=|!=|=|>|<|:)(?P<value>.*)", re.DOTALL)
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}
NOTHING: Values = {}


class FilterError(TuimonError):
    """A regular expression in a filter that cannot be read."""


class Filter:
    """A filter, ready to be applied.

    Attributes:
        text: what was typed, without spaces around it. An empty filter matches everything.
    """

    def __init__(self, text: str) -> None:
        """Reads the filter's text.

        Raises:
            FilterError: it contains a wrong regular expression.
        """
        self.text = text.strip()
        self._ways = [[_term(token) for token in tokens] for tokens in _ways(self.text)]

    def __bool__(self) -> bool:
        """Whether anything is filtered."""
        return bool(self._ways)

    def matches(self, text: str, values: Values = NOTHING) -> bool:
        """Whether a thing with this text passes.

        Args:
            text: a name, a line, or all words that describe the thing.
            values: its keys, if it has any: texts, numbers, or sequences of texts such as tags. `lr` also finds `optimizer.lr`.
        """
        lower = text.lower()
        return not self._ways or any(all(term(lower, values) for term in way) for way in self._ways)

    def among(self, things: Iterable[T], text_of: Callable[[T], str]) -> list[T]:
        """The things whose text passes, in order."""
        return [thing for thing in things if self.matches(text_of(thing))]


def problem(text: str) -> str:
    """Why a filter cannot be read; empty if it can."""
    try:
        Filter(text)
    except FilterError as error:
        return error.message
    return ""


def _ways(text: str) -> Iterator[list[str]]:
    """The alternatives, each as its terms; empty ones, as while `a |` is being typed, are left out."""
    way: list[str] = []
    for token in [*_TOKEN.findall(text), "|"]:
        if token != "|":
            way.append(token)
        elif way:
            yield way
            way = []


def _term(token: str) -> _Term:
    body = token.lstrip("!")
    term = _plain_term(body) if body else _any
    return _negated(term) if body and (len(token) - len(body)) % 2 else term


def _plain_term(body: str) -> _Term:
    if len(body) > 1 and body.startswith("/"):
        return _regex(body[1:-1] if len(body) > 2 and body.endswith("/") else body[1:])  # unfinished while it is typed
    keyed = _KEYED.fullmatch(body)
    return _keyed(keyed["key"], keyed["op"], keyed["value"], body) if keyed else _named(body)


def _any(text: str, values: Values) -> bool:
    return True


def _negated(term: _Term) -> _Term:
    return lambda text, values: not term(text, values)


def _regex(pattern: str) -> _Term:
    try:
        found = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise FilterError(f"Cannot read the regular expression /{pattern}/: {error}") from error
    return lambda text, values: found.search(text) is not None


def _named(word: str) -> _Term:
    """A glob of a whole name or word, or a part of the text."""
    word = word.lower()
    if "*" in word or "?" in word:
        fits = _glob(word)
        return lambda text, values: fits(text) or (" " in text and any(map(fits, text.split())))
    return lambda text, values: word in text


def _glob(pattern: str) -> Callable[[str], bool]:
    """`*` and `?` only: brackets are common in the names of tags and stand for themselves."""
    pieces = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in re.sub(r"\*+", "*", pattern.lower()))
    found = re.compile("".join(pieces), re.DOTALL)
    return lambda text: found.fullmatch(text) is not None


def _keyed(key: str, op: str, wanted: str, body: str) -> _Term:
    """A comparison of a value. On things without keys, such as a printed line, the same characters are a word."""
    fits, word, key = _comparison(op, wanted), _named(body), key.lower()
    if not wanted:  # still being typed
        return lambda text, values: bool(values) or word(text, values)

    def term(text: str, values: Values) -> bool:
        if not values:
            return word(text, values)
        found = [one for name, value in values.items() if _is_key(name.lower(), key) for one in _each(value)]
        return all(map(fits, found)) if op == "!=" else any(map(fits, found))

    return term


def _is_key(name: str, key: str) -> bool:
    return name == key or name.endswith(f".{key}")


def _each(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else () if value is None else (value,)


def _comparison(op: str, wanted: str) -> Callable[[object], bool]:
    number, fits = _number(wanted), _glob(wanted)
    if op in _NUMBERS:
        compare = _NUMBERS[op]
        return lambda value: number is not None and (known := _number(value)) is not None and compare(known, number)
    if op == ":":
        part = wanted.lower()
        return lambda value: fits(str(value).lower()) or part in str(value).lower()
    return lambda value: ((number is not None and _number(value) == number) or fits(str(value).lower())) == (op == "=")


@functools.lru_cache(maxsize=4096)
def _number(value: object) -> float | None:
    """A value as a number; None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
