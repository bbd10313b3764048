"""Values of options, parsed and checked: each is a `type` of argparse, whose errors say what is expected."""

from __future__ import annotations

import argparse
import math
import re

from tuimon.base.bounds import Bounds, bounds_of
from tuimon.base.errors import TuimonError


def positive(text: str) -> int:
    """A whole number above 0; for argparse, which names this function in its error."""
    if not 0 < int(text) <= 10_000:
        raise ValueError(text)
    return int(text)


def memory(text: str) -> int:
    """Bytes, such as `8G`, `512M` or `8GiB`; for argparse, which names this function in its error."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or not float(found[1]):
        raise ValueError(text)
    return int(float(found[1]) * 1024 ** ("KMGT".index(found[2].upper()) + 1))


def numbers(text: str) -> list[int]:
    """Whole numbers with commas; for argparse, which names this function in its error."""
    found = [int(part) for part in text.split(",")]
    if min(found) < 0 or len(set(found)) < len(found):
        raise ValueError(text)
    return found


def words(text: str) -> list[str]:
    """Words with commas; for argparse, which names this function in its error."""
    found = [part.strip() for part in text.split(",")]
    if not all(found):
        raise ValueError(text)
    return found


def seconds(text: str) -> float:
    """A time of zero or more seconds; for argparse, which names this function in its error."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def share(text: str) -> float:
    """A share, such as `1%` or `0.01`; for argparse, which names this function in its error."""
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def weight(text: str) -> float:
    """A smoothing weight in [0, 1); for argparse, which names this function in its error."""
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError(text)
    return value


def size(text: str) -> tuple[int, int]:
    """Columns and rows, such as `100x25`; for argparse, which names this function in its error."""
    columns, _, rows = text.lower().partition("x")
    if not (20 <= int(columns) <= 2000 and 8 <= int(rows) <= 2000):
        raise argparse.ArgumentTypeError("a chart has 20 to 2000 columns and 8 to 2000 rows, such as 100x25")
    return int(columns), int(rows)


def bounds(text: str) -> Bounds:
    """The autopilot's bounds; for argparse, which names this function in its error."""
    try:
        return bounds_of(text)
    except TuimonError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
