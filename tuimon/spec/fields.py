"""The fields of a msgspec struct: their types, bounds, choices and help texts, and checking a value against them.

The annotations of the struct are their one source, for files, the command line and the Launch screen. Knows nothing about
runs; called from any process and thread.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.spec.words import instead

FieldType = Literal["int", "float", "bool", "text", "ints", "floats", "texts", "table"]

_SCALARS: dict[type, FieldType] = {int: "int", float: "float", bool: "bool", str: "text"}
_LISTS: dict[type, FieldType] = {int: "ints", float: "floats", str: "texts"}
_TABLE = "a table of strings, finite numbers, booleans, and lists and tables of these"
_NAMES = {"int": "a whole number", "float": "a number", "bool": "true or false", "text": "a string", "table": _TABLE}
_PLURALS = {"ints": "whole numbers", "floats": "numbers", "texts": "strings"}
_WORDS = {"true": True, "false": False}


class FieldInfo(msgspec.Struct, frozen=True):
    """One field: its dotted key, its type, and the values that it allows.

    `low` and `high` bound the number, or each number of a list; `low_open` and `high_open` exclude the bound itself. If there
    are `choices`, only those are allowed, and text that matches the pattern `other` (`other_text` describes it in words).
    """

    key: str
    type: FieldType
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""
    low_open: bool = False
    high_open: bool = False
    length: int | None = None  # exact length of a list
    other: str = ""
    other_text: str = ""

    @property
    def allowed(self) -> str:
        """The allowed values in words: `a number above 0`."""
        if self.choices:
            return "one of " + ", ".join(self.choices) + (f", or {self.other_text}" if self.other_text else "")
        if self.type in _PLURALS:
            count = f"{self.length} " if self.length else ""
            return f"a list of {count}{_PLURALS[self.type]}{self._range()}"
        return _NAMES[self.type] + self._range()

    def _range(self) -> str:
        if None not in (self.low, self.high) and not (self.low_open or self.high_open):
            return f" from {self.low:.12g} to {self.high:.12g}"
        low = "" if self.low is None else f" {'above' if self.low_open else 'of at least'} {self.low:.12g}"
        high = "" if self.high is None else f" {'below' if self.high_open else 'at most'} {self.high:.12g}"
        return low + (" and" if low and high else "") + high


def describe(struct: type[msgspec.Struct], prefix: str = "") -> list[FieldInfo]:
    """Every field of a struct and of its nested structs, in order of definition."""
    hints = get_type_hints(struct, include_extras=True)
    found: list[FieldInfo] = []
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            found += describe(hint, f"{prefix}{field.name}.")
        else:
            found.append(_describe_one(prefix + field.name, hint, _default(field)))
    return found


def check(field: FieldInfo, value: Any) -> Any:
    """Returns the value as the field's type; a float without a fraction becomes an int for an int field.

    Raises:
        TuimonError: one line that names the key, the value and the allowed values.
    """
    if field.type == "table":
        return _require(isinstance(value, dict) and _is_plain(value), field, value, value)
    if field.type in _PLURALS:
        _require(isinstance(value, list | tuple) and field.length in (None, len(value)), field, value)
        return tuple(_check_item(field, item, value) for item in value)
    return _check_item(field, value, value)


def parse(field: FieldInfo, text: str) -> Any:
    """Parses text that a person typed for this field, and checks the value.

    Raises:
        TuimonError: as in `check`.
    """
    text = text.strip()
    if field.type in _PLURALS:
        whole = text.startswith("[") == text.endswith("]")
        return check(field, _parse_list(text, _unquoted if field.type == "texts" else _parse_scalar) if whole else text)
    if field.type == "table":
        return check(field, guess(text))
    return check(field, _unquoted(text) if field.type == "text" else _parse_scalar(text))


def guess(text: str) -> Any:
    """Parses text for a field of unknown type: as TOML if possible, otherwise as a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return _unquoted(text)


def show(value: Any) -> str:
    """Formats a value for a command line; `parse` reads it back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ",".join(show(item) for item in value) + "]"
    return str(value)


def _describe_one(key: str, hint: Any, default: Any) -> FieldInfo:
    hint, meta = _peel(hint)
    kind, item, length = _kind(hint)
    bounds = _peel(item)[1] if item is not None else meta
    extra = (meta.extra or {}) if meta else {}
    choices = get_args(hint) if get_origin(hint) is Literal else extra.get("choices", ())
    return FieldInfo(
        key=key, type=kind, default=default, **_bounds(bounds), length=length,
        choices=tuple(choices() if callable(choices) else choices),
        help=(meta.description or "") if meta else "",
        other=extra.get("other", ""), other_text=extra.get("other_text", ""),
    )  # fmt: skip


def _kind(hint: Any) -> tuple[FieldType, Any, int | None]:
    """The field type of a hint; for lists also the hint of an item, and the length if it is fixed."""
    if get_origin(hint) is Literal:
        return "text", None, None
    if get_origin(hint) is tuple:
        items = get_args(hint)
        return _LISTS[_peel(items[0])[0]], items[0], None if items[-1] is Ellipsis else len(items)
    if get_origin(hint) is dict:
        return "table", None, None
    return _SCALARS[hint], None, None


def _peel(hint: Any) -> tuple[Any, msgspec.Meta | None]:
    if get_origin(hint) is not Annotated:
        return hint, None
    inner, *metadata = get_args(hint)
    return inner, next(meta for meta in metadata if isinstance(meta, msgspec.Meta))


def _bounds(meta: msgspec.Meta | None) -> dict[str, Any]:
    if meta is None:
        return {}
    low = meta.gt if meta.gt is not None else meta.ge
    high = meta.lt if meta.lt is not None else meta.le
    return {"low": low, "high": high, "low_open": meta.gt is not None, "high_open": meta.lt is not None}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _check_item(field: FieldInfo, item: Any, value: Any) -> Any:
    if field.type in ("int", "ints"):
        return _in_range(field, _whole(field, item, value), value)
    if field.type in ("float", "floats"):
        _require(isinstance(item, int | float) and not isinstance(item, bool) and abs(item) < math.inf, field, value)
        return float(_in_range(field, item, value))  # check first: an int may be too large for a float
    if field.type == "bool":
        return _require(isinstance(item, bool), field, value, item)
    _require(isinstance(item, str), field, value)
    return _check_choice(field, item)


def _whole(field: FieldInfo, item: Any, value: Any) -> int:
    is_whole = isinstance(item, int | float) and not isinstance(item, bool) and item % 1 == 0
    return int(_require(is_whole, field, value, item))


def _is_plain(value: Any) -> bool:
    """Whether both TOML and JSON can hold a value: JSON has no dates and no NaN."""
    match value:
        case dict():
            return all(map(_is_plain, value.values()))
        case list() | tuple():
            return all(map(_is_plain, value))
        case bool() | str():
            return True
        case int():
            return -(2**63) <= value < 2**63
    return isinstance(value, float) and math.isfinite(value)


def _in_range(field: FieldInfo, number: Any, value: Any) -> Any:
    above = field.low is None or (number > field.low if field.low_open else number >= field.low)
    below = field.high is None or (number < field.high if field.high_open else number <= field.high)
    return _require(above and below, field, value, number)


def _check_choice(field: FieldInfo, text: str) -> str:
    if not field.choices or text in field.choices or (field.other and re.fullmatch(field.other, text)):
        return text
    meant = instead(field.key, text)
    nearest = f"; for {text} write {meant}" if meant else did_you_mean(text, field.choices)
    raise TuimonError(f"{field.key} = {text!r}: must be {field.allowed}{nearest}")


def _require(condition: bool, field: FieldInfo, value: Any, result: Any = None) -> Any:
    if not condition:
        raise TuimonError(f"{field.key} = {value!r}: must be {field.allowed}")
    return result


def _parse_list(text: str, read: Callable[[str], Any]) -> list[Any]:
    inner = text.removeprefix("[").removesuffix("]")
    return [read(item.strip()) for item in inner.split(",") if item.strip()]


def _parse_scalar(text: str) -> Any:
    """Parses a number or a boolean; returns other text unchanged."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text
