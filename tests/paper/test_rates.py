"""The learning-rate range test, as `check` prints it."""

from __future__ import annotations

import math

import pytest

from tuimon.paper.ink import Ink, Size
from tuimon.paper.rates import rates
from tuimon.training.report import Line
from tuimon.viewer.draw.rows import cells

POINTS = tuple((10 ** (power / 10), 2.0 - power / 100 if power < 0 else 50.0) for power in range(-60, 5))
MARKS = ((3e-3, "suggested"), (0.5, "upper bound"))


def test_the_curve_has_its_marks_and_what_blows_up_is_cut() -> None:
    """Each mark is a line from the bottom to the top, and in the legend."""
    rows = rates(Line("learning rate", "pass", points=POINTS, marks=MARKS), Size(90, 14), Ink())
    assert rows[0] == "⠤⠤ loss by learning rate  •• suggested 0.003  ×× upper bound 0.5"
    assert sum("•" in row for row in rows[1:]) == sum("×" in row for row in rows[1:]) == 11
    assert all(name in rows[-1] for name in ("1e-6", "1e-3", "1e0")) and len(rows) == 14
    assert not any(row.startswith("50") for row in rows)


@pytest.mark.parametrize("columns", [20, 40, 128])
@pytest.mark.parametrize(
    "losses", [[None] * 3, [math.nan, 1.0, 2.0], [1.0, 1.0, 1.0], [0.0, 0.0, None], [-1.0, math.inf, -3.0]]
)
def test_losses_of_any_kind_are_drawn_in_any_width(losses: list[float | None], columns: int) -> None:
    """Not finite, none at all, all the same, below zero; in ASCII, too."""
    points = tuple(zip((1e-4, 1e-3, 1e-2), losses, strict=True))
    rows = rates(Line("learning rate", "fail", points=points), Size(columns, 14), Ink(ascii=True))
    assert all(row.isascii() and cells(row) <= columns for row in rows)
    assert len(rows) == (14 if any(loss is not None and math.isfinite(loss) for loss in losses) else 1)
