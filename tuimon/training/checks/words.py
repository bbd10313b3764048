"""How checks say what they found."""

from __future__ import annotations

from collections.abc import Iterable

from tuimon.base import format
from tuimon.training.report import Line, Verdict


def judge(value: float, warn: float, fail: float) -> Verdict:
    """The verdict on a value of which more is worse; what is not a number fails."""
    if not value < fail:
        return "fail"
    return "warn" if value >= warn else "pass"


def line(check: str, verdict: Verdict, number: str, text: str, otherwise: str = "") -> Line:
    """A line with `text` where something is wrong, and `otherwise` where it passed."""
    return Line(check, verdict, number, otherwise if verdict == "pass" else text)


def listed(names: Iterable[str], most: int = 4) -> str:
    """A few names, and how many more there are."""
    known = list(names)
    rest = len(known) - most
    return ", ".join(known[:most]) + (f" and {rest} more" if rest > 0 else "")


def figure(value: float) -> str:
    """A number in a few digits, also a large one."""
    return format.scientific(value) if abs(value) >= 1e5 else format.number(value)
