"""Decodes JSON from others, within fixed limits and with two kinds of error. Any thread.

A log or a socket can contain anything. Deep nesting would exhaust the stack in the decoder, or later in code that walks or
writes the value, so it is refused here, at a fixed depth. Takes time linear in the text's length.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

MAX_NESTING = 64  # levels of objects and arrays
MAX_JSON_BYTES = 16 << 20

T = TypeVar("T")
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_OTHERS = re.compile(r"[^][{}]++")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class MalformedError(ValueError):
    """The text is not JSON, is too long or nested too deeply, or contains a number or text that cannot be represented."""


class OtherError(ValueError):
    """The JSON has another type than expected, for example from a later version."""


def json_decoder(kind: type[T] | Any) -> Callable[[str | bytes], T]:
    """Returns a function that decodes JSON into values of one type. It raises only MalformedError or OtherError."""
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
    """How deeply objects and arrays are nested in a JSON text; brackets in strings do not count."""
    brackets = _OTHERS.sub("", _STRINGS.sub("", text))
    return max(itertools.accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _check(text: str | bytes) -> None:
    if len(text) > MAX_JSON_BYTES:
        raise MalformedError(f"JSON of more than {MAX_JSON_BYTES >> 20} MiB")
    opened = text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")
    if opened > MAX_NESTING and nesting(text if isinstance(text, str) else text.decode("latin-1")) > MAX_NESTING:
        raise MalformedError(f"JSON nested deeper than {MAX_NESTING}")
