"""Histograms in one line."""

import numpy as np
import pytest

from tuimon.log.histogram import BINS, of
from tuimon.viewer.draw.histogram import exponent_range, fold, histogram_line


def counts(*values):
    return np.array(of(values).counts)


def test_the_range_holds_the_mass_and_moves_in_fours():
    """One value in ten thousand does not widen the range; without any counts it is 2^-20 to 2^0."""
    assert exponent_range(counts(2.0**-7)) == (-8, -5)
    assert exponent_range(counts(2.0**-8, 2.0**-4)) == (-8, -1)
    assert exponent_range(counts(*[2.0**-7] * 9999, 2.0**10)) == (-8, -5)
    assert exponent_range(np.zeros(BINS)) == (-20, -1)


def test_folding_is_mirrored_around_zero():
    """Negative left, positive right; zero and tiny values in the middle, values above the range outermost."""
    folded = fold(counts(-1.0, -1.0, 0.0, 2.0**-30, 1.0, 1024.0), 7, (-2, 0))
    assert folded.tolist() == [2, 0, 0, 2, 0, 0, 2]


@pytest.mark.parametrize("columns", range(1, 30))
def test_folding_loses_nothing(columns):
    """For any number of columns, every count is in exactly one."""
    every = np.ones(BINS)
    assert fold(every, columns, (-20, 0)).sum() == BINS
    assert len(fold(every, columns, (-20, 0))) == columns


def test_one_line():
    """The largest column is a full block, and every nonzero count is visible."""
    assert histogram_line(counts(*[1.0] * 99, -1.0), 7, (-2, 0)) == "▁     █"
    assert histogram_line(counts(*[1.0] * 99, -1.0), 7, (-2, 0), ascii=True) == "_     #"
    assert histogram_line(None, 5, (-2, 0)) == "–    "
    assert histogram_line(np.zeros(BINS), 5, (-2, 0)) == "     "
