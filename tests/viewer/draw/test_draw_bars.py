"""Sparklines, bars and the signs of states."""

import math

import numpy as np
import pytest

from tuimon.viewer.draw.meter import bar, level, meter, state_glyph
from tuimon.viewer.draw.rows import text_of, width_of
from tuimon.viewer.draw.sparkline import sparkline


def test_a_sparkline_follows_its_values():
    """The lowest value is the lowest block, the highest the full one."""
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 7], 2, ascii=True) == "_#"


def test_a_sparkline_is_as_wide_as_asked_for():
    """Few values fill the left, many are averaged, and no cell between is blank."""
    assert sparkline([1, 2], 4) == "▁█  "
    assert sparkline([0, 0, 1, 1, 2, 2], 3) == "▁▅█"
    assert sparkline([], 3) == "   "
    assert sparkline([1, 2, 3], 0) == ""


def test_a_sparkline_leaves_out_what_is_not_finite():
    """NaN and infinity are blanks and do not affect other cells; a constant is drawn at the bottom."""
    assert sparkline([0, math.nan, math.inf, 1], 4) == "▁  █"
    assert sparkline([math.nan] * 9, 3) == "   "
    assert sparkline(np.full(9, 2.0), 3) == "▁▁▁"


def test_a_sparkline_over_decades_is_averaged_by_its_logarithms():
    """One large value does not lift a cell of tiny ones; zeros lie at the bottom, NaN and infinity stay blank."""
    assert sparkline([1, 1e-8, 1e-8, 1e-8, 1e-8, 1e-16], 3, log=True) == "█▅▁"
    assert sparkline([1, 1e-4, 1e-4, 1e-4, 0, 0], 3, log=True) == "█▁▁"
    assert sparkline([1, math.nan, 1e-4, math.inf], 4, log=True) == "█ ▁ "


@pytest.mark.parametrize(
    ("fraction", "drawn"),
    [(0, "    "), (0.5, "██  "), (0.53125, "██▏ "), (1, "████"), (7, "████"), (-1, "    "), (math.nan, "    ")],
)
def test_a_bar_fills_in_eighths(fraction, drawn):
    """Fractions above 1 fill the bar; NaN leaves it empty."""
    assert bar(fraction, 4) == drawn


def test_a_bar_in_ascii_fills_in_cells():
    """The empty part is dotted."""
    assert bar(0.5, 4, ascii=True) == "##.."


def test_a_meter_gives_up_its_bar_before_its_words():
    """If room is short, the label and the text stay."""
    assert text_of(meter("cpu", 0.5, "50 %", 20)) == "cpu █████▌      50 %"
    assert text_of(meter("cpu", 0.5, "50 %", 10)) == "cpu 50 %"
    assert all(width_of(meter("cpu", 0.5, "50 %", width, ascii=True)) == width for width in range(12, 40))


def test_levels():
    """NaN is dim; a high level is a warning first, then bad."""
    assert [level(x) for x in (0.1, 0.9, 0.99, math.nan)] == ["good", "warn", "bad", "dim"]


def test_states_have_signs_of_their_own():
    """Running, paused, done and failed differ without colour; a state that does not exist is shown as unknown."""
    for plain in (False, True):
        signs = [state_glyph(state, plain)[0] for state in ("starting", "running", "paused", "finished", "stopped", "failed")]
        assert len(set(signs)) == len(signs)
    assert state_glyph("asleep") == state_glyph("unknown")


def test_a_loss_that_fell_far_still_shows_that_it_falls() -> None:
    """With `log`, values over more than a decade are drawn by their logarithms; others as they are."""
    losses = [10.0**-i for i in range(8)]
    assert sparkline(losses, 8) == "█▁▁▁▁▁▁▁"
    assert sparkline(losses, 8, log=True) == "█▇▆▅▄▃▂▁"
    assert sparkline([8.0, 4.0, 1.0], 3, log=True) == sparkline([8.0, 4.0, 1.0], 3)
    assert sparkline([0.0, 100.0], 2, log=True) == "▁█"
