"""Helpers for the lines of the checks."""

from __future__ import annotations

from collections.abc import Iterable

from tuimon.base import format
from tuimon.training.report import Line, Verdict


def judge(value: float, warn: float, fail: float) -> Verdict:
    """The verdict on a value where larger is worse; NaN fails."""
    if not value < fail:
        return "fail"
    return "warn" if value >= warn else "pass"


def line(check: str, verdict: Verdict, number: str, text: str, otherwise: str = "") -> Line:
    """A line with `text` if something is wrong, with `otherwise` if it passed."""
    return Line(check, verdict, number, otherwise if verdict == "pass" else text)


def listed(names: Iterable[str], most: int = 4) -> str:
    """The first few names, and the number of the rest."""
    known = list(names)
    rest = len(known) - most
    return ", ".join(known[:most]) + (f" and {rest} more" if rest > 0 else "")


def figure(value: float) -> str:
    """Formats a number with few digits, even a large one."""
    return format.scientific(value) if abs(value) >= 1e5 else format.number(value)
