"""Spaces: what is typed, the scale of each range, grids, and boxes around the best."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuimon.base.errors import TuimonError
from tuimon.search.space import around, dimension, grid, is_dimension

LR = dimension("lr", "log(1e-5, 1e-1)")
MOMENTUM = dimension("momentum", "one_minus_log(0.9,0.999)")
HIDDEN = dimension("hidden", "int(50,100)")
ACT = dimension("activation", "choice(relu, elu,tanh)")


def test_each_range_is_even_in_its_own_scale() -> None:
    """The middle of 1e-5 … 1e-1 is 1e-3; of 0.9 … 0.999, it is 0.99."""
    assert LR.at(0.5) == pytest.approx(1e-3) and LR.at(0) == 1e-5 and LR.at(1) == 1e-1
    assert MOMENTUM.at(0.5) == pytest.approx(0.99) and MOMENTUM.place(0.99) == pytest.approx(0.5)
    assert dimension("x", "uniform(-1,3)").at(0.25) == 0 and HIDDEN.at(0.5) == 75
    assert dimension("b", "int_log(16,256)").at(0.5) == 64
    assert dimension("b", "bool()").choices == ("true", "false")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([LR, MOMENTUM, HIDDEN, dimension("x", "uniform(-2,5)")]), st.floats(0, 1))
def test_what_is_shown_is_within_the_range(one, place: float) -> None:
    """As text, too, which is what is tried; and it is at the place that it was drawn at."""
    value = one.at(place)
    shown = float(one.shown(value))
    assert one.low - 1e-12 <= value <= one.high + 1e-12 and shown == pytest.approx(value, rel=1e-5)
    if not one.is_whole:
        assert one.place(value) == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("log(0,1)", "begins above 0"),
        ("log(1,0.1)", "lower than the second"),
        ("log(1)", "needs two numbers"),
        ("one_minus_log(0.9,1)", "to below 1"),
        ("int(0.5,2)", "whole numbers"),
        ("choice(a)", "at least two different"),
        ("choice(a,a)", "at least two different"),
        ("uniform(nan,1)", "lower than the second"),
        ("loge(1,2)", "did you mean"),
        ("0.1", "neither a range nor a choice"),
    ],
)
def test_a_wrong_range_says_what_is_wrong(text: str, why: str) -> None:
    """In one line, with the name and examples."""
    with pytest.raises(TuimonError, match=why) as caught:
        dimension("lr", text)
    assert "lr=" in caught.value.message and "lr=log(1e-5,1e-1)" in (caught.value.hint or "lr=log(1e-5,1e-1)")


def test_settings_are_told_from_ranges() -> None:
    """By the word before the parenthesis."""
    assert is_dimension("log(1,2)") and is_dimension("choice(a,b)") and is_dimension("bool()")
    assert not any(is_dimension(text) for text in ("0.1", "[64,64]", "relu", "f(x)", "runs/log(1)x"))


def test_a_grid_has_as_many_values_as_the_trials_allow() -> None:
    """All choices, and equally many of each range, ends included; of 30 trials, 5 of each of two ranges."""
    points = grid([LR, HIDDEN], 30)
    assert len(points) == 25 and {point["lr"] for point in points} == {LR.at(i / 4) for i in range(5)}
    assert len(grid([LR, ACT], 30)) == 30 and len(grid([ACT], 30)) == 3
    assert len(grid([LR, HIDDEN, MOMENTUM], 5)) == 8
    assert len(grid([dimension("n", "int(1,2)")], 30)) == 2


def test_a_box_is_drawn_around_the_best() -> None:
    """In the range's own scale, within the former box, never narrower than a fifth of it; choices stay."""
    box = around([LR, ACT], [{"lr": 1e-3, "activation": "relu"}, {"lr": 1e-2, "activation": "relu"}])
    lr, act = box
    assert act == ACT
    assert LR.place(lr.low) == pytest.approx(0.45) and LR.place(lr.high) == pytest.approx(0.8)
    (narrow,) = around([LR], [{"lr": 1e-5}])
    assert narrow.low == 1e-5 and LR.place(narrow.high) == pytest.approx(0.1)
    assert around([HIDDEN], []) == [HIDDEN]
    assert math.isclose(around([MOMENTUM], [{"momentum": 0.99}])[0].low, MOMENTUM.at(0.4))
