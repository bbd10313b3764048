"""JSON that others wrote, decoded within stated limits and with one kind of error. Any thread.

What comes from a log or a socket may be anything. Deep nesting would fail in the decoder, or later in whatever walks or writes
the value, wherever the stack happens to end; so it is refused here, at a fixed depth. Linear in the text's length.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

MAX_NESTING = 64  # objects and arrays within each other
MAX_JSON_BYTES = 16 << 20

T = TypeVar("T")
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_OTHERS = re.compile(r"[^][{}]++")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class MalformedError(ValueError):
    """A text that is no JSON, is too long or too deep, or holds no number or text that can be written again."""


class OtherError(ValueError):
    """JSON of another type than was expected: from a later version, say."""


def json_decoder(kind: type[T] | Any) -> Callable[[str | bytes], T]:
    """A function that decodes JSON into values of one type.

    It raises MalformedError or OtherError, and nothing else.
    """
    decode: Callable[[str | bytes], T] = msgspec.json.Decoder(kind).decode

    def bounded(text: str | bytes) -> T:
        _check(text)
        try:
            return decode(text)
        except msgspec.ValidationError as error:
            raise OtherError(str(error)) from None
        except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
            raise MalformedError(str(error)) from None

    return bounded


def nesting(text: str) -> int:
    """How deep objects and arrays lie within each other in a JSON text; brackets in strings do not count."""
    brackets = _OTHERS.sub("", _STRINGS.sub("", text))
    return max(itertools.accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _check(text: str | bytes) -> None:
    if len(text) > MAX_JSON_BYTES:
        raise MalformedError(f"JSON of more than {MAX_JSON_BYTES >> 20} MiB")
    opened = text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")
    if opened > MAX_NESTING and nesting(text if isinstance(text, str) else text.decode("latin-1")) > MAX_NESTING:
        raise MalformedError(f"JSON nested deeper than {MAX_NESTING}")
