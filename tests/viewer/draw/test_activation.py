"""Activation functions as lines, and where a layer's inputs lie on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tuimon.log.histogram import BINS, of
from tuimon.viewer.draw.activation import FUNCTIONS, activation_rows, inputs
from tuimon.viewer.draw.rows import text_of

X = torch.linspace(-6, 6, 481, dtype=torch.float64)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_pytorchs(name: str) -> None:
    """With the defaults of its classes; GELU in the form with tanh, which differs by less than a line shows."""
    ours, theirs = FUNCTIONS[name].of(X.numpy()), getattr(nn, name)()(X).numpy()
    assert np.abs(ours - theirs).max() < (1e-3 if name == "GELU" else 1e-12)


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if function.inverse])
def test_an_output_tells_its_input(name: str) -> None:
    """Wherever the function rises."""
    function = FUNCTIONS[name]
    assert function.inverse is not None
    x = X.numpy()[X.numpy() > (0 if name == "ReLU" else -6.1)]
    assert np.abs(function.inverse(function.of(x)) - x).max() < 1e-6


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "Tanh", "Sigmoid", "Softplus"])
def test_inputs_lie_where_they_were(name: str) -> None:
    """Shares left of, around and right of zero, from the outputs' histogram alone; of a ReLU, as much below zero as was.

    The last bin of what ends at 1 goes from a half to 1, which many inputs share: these are only known to be right of zero.
    """
    function = FUNCTIONS[name]
    x = np.random.default_rng(0).normal(0.5, 1.0, 4000)
    y = function.of(x)
    share = inputs(function, np.array(of(y.tolist()).counts), y.min(), y.max(), 41)
    assert len(share) == 41 and share.sum() == pytest.approx(1)
    assert share[:20].sum() + share[20] / 2 == pytest.approx((x < 0).mean(), abs=0.06)
    if name not in ("ReLU", "Tanh", "Sigmoid"):
        assert share[10:31].sum() == pytest.approx((abs(x) < 2.05).mean(), abs=0.12)
    assert share[:5].sum() < 0.25 * share[:21].sum() + 1e-6


def test_each_line_stands_over_the_same_inputs() -> None:
    """Zero in the middle; a ReLU rises from there on, and its slope is nothing or full."""
    counts = np.array(of([0.0] * 5 + [1.0] * 5).counts)
    function, slope, shares, axis = map(text_of, activation_rows("ReLU", counts, 0.0, 1.0, 60, 13))
    assert [line[:13].strip() for line in (function, slope, shares, axis)] == ["function", "its slope", "its inputs", ""]
    assert slope[13:].startswith("▁" * 20) and slope.endswith("█" * 20) and axis[13 + 20] == "0" and axis.endswith("4")
    assert function[13:34] == "▁" * 21 and function[-1] == "█" and len(function) == len(shares) == len(axis) == 54
    assert not activation_rows("ReLU", counts, 0.0, 1.0, 20, 13) and not activation_rows("Mine", counts, 0.0, 1.0, 60, 13)


def test_without_outputs_or_where_they_do_not_tell_there_are_no_inputs() -> None:
    """Before the first sample, of NaN alone, and of functions that fall and rise."""
    for name, counts, low in (("Tanh", None, 0.0), ("Tanh", np.zeros(BINS), 0.0), ("Tanh", np.ones(BINS), np.nan)):
        assert len(activation_rows(name, counts, low, 1.0, 60, 13, ascii=True)) == 3
    rows = activation_rows("GELU", np.ones(BINS), -0.1, 1.0, 60, 13, ascii=True)
    assert len(rows) == 3 and all(text_of(row).isascii() for row in rows)


def test_outputs_that_are_all_alike_and_beyond_any_bin() -> None:
    """One column gets all."""
    for value in (0.5, 0.0, 1e9, -1e9):
        share = inputs(FUNCTIONS["LeakyReLU"], np.array(of([value] * 3).counts), value, value, 21)
        assert np.isfinite(share).all() and share.sum() == pytest.approx(1)
