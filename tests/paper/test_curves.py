"""Curves on paper, row by row: gaps, extremes, ranges, legends, and every width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tuimon.base.errors import TuimonError
from tuimon.log.batch import Batch, Points
from tuimon.log.store import Store
from tuimon.paper.curves import chart
from tuimon.paper.ink import Ink, Size
from tuimon.paper.series import Look
from tuimon.viewer.draw.rows import cells

PLAIN, ASCII = Ink(), Ink(ascii=True)


def store(series: Mapping[str, Sequence[float]]) -> Store:
    """A store of these values, at steps 1, 2, 3, …, a second apart."""
    found = Store()
    for tag, values in series.items():
        steps = np.arange(1, len(values) + 1)
        walls = 1_700_000_000.0 + steps
        found.apply(Batch(scalars={tag: Points(steps, walls, np.array(values, np.float32))}, bytes=1))
    return found


def drawn(series: Mapping[str, Sequence[float]], look: Look = Look(), size: Size = Size(60, 16), ink: Ink = ASCII) -> list[str]:  # noqa: B008
    """All tags of one run in one chart."""
    return chart("loss", {"run": store(series)}, list(series), look, size, ink)


def test_a_falling_curve_falls() -> None:
    """From the upper left to the lower right, with its last, lowest and highest value above it."""
    rows = drawn({"loss": [10.0 - x / 10 for x in range(100)]}, size=Size(70, 16))
    assert rows[:2] == ["loss by step", "** last 0.100  lowest 0.100 at 100  highest 10.0 at 1"]
    marks = [row.find("*") for row in rows[2:] if "*" in row]
    assert marks == sorted(marks) and len(marks) > 8 and rows[-1].split()[0] == "0"


def test_a_nan_is_a_gap_and_counted() -> None:
    """No line is drawn through it."""
    values = [1.0] * 40 + [math.nan] * 20 + [1.0] * 40
    rows = drawn({"loss": values}, size=Size(80, 12))
    assert "20 values not finite, first at 41" in rows[1]
    (line,) = [row for row in rows[2:] if "*" in row]
    assert "*" not in line[5 + 41 * 74 // 100 : 5 + 58 * 74 // 100] and line.count("*") > 50


@pytest.mark.parametrize(
    ("values", "log", "said"),
    [
        ([math.nan] * 5, False, "no finite values"),
        ([math.inf, -math.inf], False, "no finite values"),
        ([-1.0, 0.0], True, "no positive values"),
    ],
)
def test_a_curve_that_cannot_be_drawn_is_said(values: list[float], log: bool, said: str) -> None:
    """In words, in place of an empty plot."""
    assert drawn({"loss": values}, Look(log=log))[0] == f"loss: {said}"


def test_one_spike_does_not_flatten_the_rest() -> None:
    """The range is that of the other values; the spike is said, and touches the top."""
    values = [math.sin(x / 9) for x in range(400)]
    values[200] = 1e6
    rows = drawn({"loss": values}, size=Size(80, 20))
    assert rows[-1] == "cut at the top: values reach 1.0e6"
    assert "highest 1.0e6 at 201" in rows[1]
    assert sum("*" in row for row in rows) > 8


def test_no_extreme_of_a_long_series_is_lost() -> None:
    """A million points: the single low and high ones are in the picture, and it is fast."""
    values = np.full(1_000_000, 1.0, np.float32)
    values[123_456], values[777_777] = 0.0, 2.0
    found = Store()
    steps = np.arange(1_000_000)
    found.apply(Batch(scalars={"loss": Points(steps, 1.7e9 + steps, values)}, bytes=1))
    rows = chart("loss", {"run": found}, ["loss"], Look(), Size(60, 16), ASCII)
    plot = [row for row in rows[2:] if "|" in row or "+" in row][:-1]
    assert "*" in plot[0] + plot[1] and "*" in plot[-1] + plot[-2]


def test_a_smoothed_curve_is_said_to_be() -> None:
    """Validation is a mean already, and stays as it is."""
    series = {"loss/train": [1.0, 9.0] * 50, "loss/val": [1.0, 9.0] * 5}
    rows = drawn(series, Look(smoothing=0.9), Size(60, 20))
    assert rows[0] == "loss by step, smoothed 0.9"
    assert [row.split()[1] for row in rows[1:3]] == ["train", "val"]
    assert drawn({"loss/val": [1.0, 9.0] * 5}, Look(smoothing=0.9))[2:] == drawn({"loss/val": [1.0, 9.0] * 5})[2:]


def test_validation_is_seen_through_a_noisy_training_curve() -> None:
    """What has few points lies in front."""
    noise = np.random.default_rng(0).normal(1, 0.5, 5000).tolist()
    found = store({"loss/train": noise})
    steps = np.array([1000, 3000, 5000])
    found.apply(Batch(scalars={"loss/val": Points(steps, 1.7e9 + steps, np.array([1, 1, 1], np.float32))}, bytes=1))
    rows = chart("loss", {"run": found}, ["loss/train", "loss/val"], Look(), Size(60, 16), ASCII)
    assert max(row.count("o") for row in rows[3:]) > 40


def test_epochs_need_their_length() -> None:
    """A log that does not give it is told so, with what works instead."""
    with pytest.raises(TuimonError, match="how long its epochs are") as error:
        drawn({"loss": [1.0, 2.0]}, Look(axis="epoch"))
    assert "--x step" in error.value.hint
    assert drawn({"loss": [1.0, 2.0]}, Look(axis="time"))[0] == "loss by time"


@pytest.mark.parametrize("columns", [20, 40, 80, 100, 250])
@pytest.mark.parametrize("rows", [8, 10, 25])
@pytest.mark.parametrize("runs", [1, 3, 40])
@pytest.mark.parametrize("ink", [PLAIN, ASCII])
def test_a_chart_keeps_its_size(columns: int, rows: int, runs: int, ink: Ink) -> None:
    """However many runs, with names in other scripts; in ASCII, nothing else is drawn."""
    name = "long-name-of-a-run" if ink.ascii else "日本語-の-実験-名前"
    named = {f"{name}-{k}": store({"loss": [k + 1.0 + x for x in range(50)]}) for k in range(runs)}
    found = chart("loss", named, ["loss"], Look(), Size(columns, rows), ink)
    assert len(found) <= rows and max(map(cells, found)) <= columns
    assert all(row.isascii() for row in found) or not ink.ascii


def test_colours_are_only_where_they_are_asked_for(tmp_path: Path) -> None:
    """The text without its colours is the same."""
    import re

    values = {"loss": [1.0, 2.0, 3.0], "val_loss": [2.0, 1.0]}
    coloured = "\n".join(drawn(values, ink=Ink(colour=True)))
    plain = "\n".join(drawn(values, ink=PLAIN))
    assert "\x1b[" in coloured and "\x1b" not in plain
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [row.rstrip() for row in stripped.splitlines()] == plain.splitlines()


def test_a_name_from_a_log_controls_no_terminal() -> None:
    """Escape sequences in tags and names of runs are not printed."""
    found = chart(
        "a\x1b[2J", {"r\x1b[31m": store({"x\x1b]0;t\x07": [1.0]}), "b": store({})}, ["x\x1b]0;t\x07"], Look(), Size(), PLAIN
    )
    assert "\x1b" not in "".join(found) and "\x07" not in "".join(found)
