"""The lines of a report before training, as the checking process sends them to whoever shows them.

Knows no torch and no screen. Each line of the report is one line of JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Verdict = Literal["pass", "warn", "fail"]


class Line(msgspec.Struct, frozen=True):
    """The result of one check.

    Args:
        check: its name: `first loss`, `activation act1`.
        verdict: fail: training will not work well; warn: it may not.
        number: the measured value, formatted for people.
        text: what the value means and, unless it passed, what to try.
        points: for the learning-rate range test: (rate, loss) in order of rate; a loss that is not finite is None.
        marks: for the same test: (rate, label) for the suggested and the largest rate.
    """

    check: str
    verdict: Verdict
    number: str = ""
    text: str = ""
    points: tuple[tuple[float, float | None], ...] = ()
    marks: tuple[tuple[float, str], ...] = ()

    def encode(self) -> str:
        """One line of JSON, without a newline."""
        return msgspec.json.encode(self).decode()


def decode(text: str | bytes) -> Line:
    """Decodes a line that `encode` returned.

    Raises:
        msgspec.DecodeError: the text is something else.
    """
    return msgspec.json.decode(text, type=Line)


def worst(lines: Iterable[Line]) -> Verdict:
    """The most severe verdict of a report."""
    found = {line.verdict for line in lines}
    return "fail" if "fail" in found else "warn" if "warn" in found else "pass"
