"""A report on a spec before it is trained: its lines, as they travel from the process that checks to whoever shows them.

Knows no torch and no screen; one line of JSON for each line of the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Verdict = Literal["pass", "warn", "fail"]


class Line(msgspec.Struct, frozen=True):
    """What one check found.

    Args:
        check: what was looked at: `first loss`, `activation act1`.
        verdict: fail: it will not train as it should; warn: it may not.
        number: what was measured, as a person reads it.
        text: what that means and, unless it passed, what to do.
        points: of the learning-rate range test: (rate, loss), the rate growing; a loss that is not finite is None.
        marks: of the same: (rate, what is there), where the suggestion and the largest rate lie.
    """

    check: str
    verdict: Verdict
    number: str = ""
    text: str = ""
    points: tuple[tuple[float, float | None], ...] = ()
    marks: tuple[tuple[float, str], ...] = ()

    def encode(self) -> str:
        """One line of JSON, without its end."""
        return msgspec.json.encode(self).decode()


def decode(text: str | bytes) -> Line:
    """The line that `encode` gave.

    Raises:
        msgspec.DecodeError: it is something else.
    """
    return msgspec.json.decode(text, type=Line)


def worst(lines: Iterable[Line]) -> Verdict:
    """What the whole report comes to."""
    found = {line.verdict for line in lines}
    return "fail" if "fail" in found else "warn" if "warn" in found else "pass"
