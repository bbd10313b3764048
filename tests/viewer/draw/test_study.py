"""A study's pictures, as text."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tuimon.viewer.draw.dots import Dots
from tuimon.viewer.draw.rows import text_of, width_of
from tuimon.viewer.draw.study import MOST_CURVES, Mark, against, best_so_far, curves, importance, parallel

MARKS = [
    Mark(3.0, {"lr": 0.1}, (4.0, 3.0)),
    Mark(math.nan, {"lr": 0.9}, (9.0, math.nan), counts=False),
    Mark(1.0, {"lr": 0.5}, (2.0, 1.0)),
    Mark(2.0, {"lr": 0.7}, (3.0, 2.0)),
]


def texts(rows: list) -> list[str]:  # type: ignore[type-arg]
    return [text_of(row) for row in rows]


def styles(rows: list) -> set[str]:  # type: ignore[type-arg]
    return {span.style for row in rows for span in row if span.text.strip()}


def test_the_best_so_far_falls_in_steps() -> None:
    """Each trial is a point; the line keeps the best before it, and one without a value changes nothing."""
    shown = texts(best_so_far(MARKS, True, 9 + 8, 6, ascii=True))
    assert [line[9:] for line in shown[:5]] == [" *****  ", "     *  ", "     * .", "     *  ", "     ***"]
    assert shown[0].split()[0] == "3.00" and shown[4].split()[0] == "1.00"
    assert shown[5].strip().startswith("trial 1")


def test_a_parameter_lies_on_its_own_scale() -> None:
    """By the place in its range, with the ends below; the best quarter is marked."""
    shown = texts(against(MARKS, "lr", ("1e-5", "0.1"), True, 9 + 20, 6, ascii=True))
    assert shown[0][9:].index("o") == 2  # lr at a tenth: the highest value
    assert shown[4][9:].index("*") == 10  # the best, in the middle
    assert shown[5].split() == ["1e-5", "lr", "0.1"]


def test_parallel_coordinates_lead_to_the_objective() -> None:
    rows = parallel(MARKS, ["lr"], True, 20, 6)
    assert texts(rows)[-1].split() == ["lr", "objective"]
    assert styles(rows) >= {"dim", "good"}


def test_importance_is_sorted_and_says_by_what() -> None:
    shown = texts(importance({"act": 0.25, "lr": 0.75}, "fANOVA of 20 trials", 40, 5, ascii=True))
    assert (
        shown[0].startswith("lr    75% ###")
        and shown[1].startswith("act   25% ###")
        and shown[2].strip() == "fANOVA of 20 trials"
    )


def test_curves_of_trials_without_a_value_are_dim_and_the_best_is_on_top() -> None:
    rows = curves(MARKS, 2, 40, 8)
    assert styles(rows) >= {"dim", "good", "train"}


def test_of_many_curves_the_last_are_drawn_and_the_best() -> None:
    many = [Mark(float(i), {}, (float(i) + 1, float(i))) for i in range(MOST_CURVES + 50)]
    rows = curves(many, 0, 100, 10)
    assert f"the last {MOST_CURVES} of {MOST_CURVES + 50} trials" in text_of(rows[-1])
    assert "good" in styles(rows)


@pytest.mark.parametrize("size", [(12, 3), (40, 10), (9, 2), (200, 60)])
@pytest.mark.parametrize("ascii", [False, True])
def test_every_picture_fits_any_size(size: tuple[int, int], ascii: bool) -> None:
    """Also of nothing, of one trial, of equal values, and of values that are not finite."""
    width, height = size
    odd = [Mark(math.inf, {"lr": 0.0}, (math.inf,)), Mark(-math.inf, {"lr": 1.0}, (0.0, -math.inf))]
    for marks in ([], MARKS[:1], MARKS[1:2], [MARKS[0]] * 3, odd, MARKS):
        for rows in (
            best_so_far(marks, True, width, height, ascii),
            against(marks, "lr", ("0", "1"), False, width, height, ascii),
            parallel(marks, ["lr", "gone"], True, width, height, ascii),
            curves(marks, 0 if marks else -1, width, height, ascii),
            importance({"lr": 1.0}, "x", width, height, ascii),
        ):
            assert len(rows) <= max(height, 2)
            assert all(width_of(row) <= max(width, 10) for row in rows)


def test_dots_that_are_not_finite_are_left_out() -> None:
    dots = Dots(4, 1, ascii=True)
    dots.points([0.1, math.nan, 0.9], [0.5, 0.5, math.inf], "train")
    dots.line(np.array([]), np.array([]), "dim")
    assert texts(dots.rows()) == ["o   "]
