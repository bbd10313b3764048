"""The pyramid against the slow, plain reduction of all points."""

import numpy as np
import pytest

from tuimon.viewer.draw.pyramid import FACTOR, Pyramid


def built(xs, ys):
    pyramid = Pyramid()
    pyramid.extend(xs, np.asarray(ys, np.float32))
    return pyramid


def plain_columns(xs, ys, low, high, count):
    """Lowest, highest, first and last finite value per column; NaN if there is none."""
    out = np.full((4, count), np.nan)
    for column in range(count):
        left, right = low + column * (high - low) / count, low + (column + 1) * (high - low) / count
        inside = (xs >= left) & ((xs < right) | ((column == count - 1) & (xs <= high)))
        kept = ys[inside][np.isfinite(ys[inside])]
        if len(kept):
            out[:, column] = kept.min(), kept.max(), kept[0], kept[-1]
    return out


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 500])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_while_points_are_few_columns_are_exact(length, kind):
    """At any zoom, and with NaN and infinity among the values."""
    rng = np.random.default_rng(length)
    xs = np.cumsum(rng.integers(1, 4, length)).astype(kind)
    ys = rng.standard_normal(length).astype(np.float32)
    ys[rng.random(length) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    for low, high, count in [(0, xs[-1] + 1, 40), (xs[-1] * 0.3, xs[-1] * 0.6 + 1, 17), (xs[-1], xs[-1] + 5, 1)]:
        found = built(xs, ys).columns(low, high, count)
        np.testing.assert_array_equal(np.array(found[:4]), plain_columns(xs, ys, low, high, count).astype(np.float32))


def test_of_many_points_no_extreme_is_lost():
    """A single spike among a million points is in one of the columns, within a quarter of a column of its place."""
    ys = np.zeros(1_000_000, np.float32)
    ys[123_456], ys[777_777] = 9.0, -9.0
    found = built(np.arange(len(ys)), ys).columns(0, len(ys), 100)
    assert found.high.max() == 9 and abs(found.high.argmax() - 12.3456) < 1.25
    assert found.low.min() == -9 and abs(found.low.argmin() - 77.7777) < 1.25


def test_points_that_arrive_in_pieces_give_the_same_pyramid():
    """For any piece sizes, also across block borders."""
    rng = np.random.default_rng(3)
    xs, ys = np.arange(5 * FACTOR**2), rng.standard_normal(5 * FACTOR**2).astype(np.float32)
    ys[1000:1100] = np.nan
    pieces = Pyramid()
    for end in sorted({1, 31, 32, 33, 1023, 1024, 1025, 3000, len(xs), *rng.integers(1, len(xs), 20).tolist()}):
        pieces.extend(xs[:end], ys[:end])
    for found, whole in zip(pieces.columns(0, len(xs), 20), built(xs, ys).columns(0, len(xs), 20), strict=True):
        np.testing.assert_array_equal(found, whole)


def test_columns_know_gaps_from_emptiness():
    """No points is no gap; only non-finite points are a gap; one non-finite point among others is a hole."""
    found = built(np.array([0, 2, 3, 3]), [1, np.nan, 1, np.nan]).columns(0, 4, 4)
    assert found.gaps.tolist() == [False, False, True, False]
    assert found.holes.tolist() == [False, False, True, True]


def test_holes_survive_reduction():
    """One NaN among a hundred thousand values is still reported."""
    ys = np.zeros(100_000, np.float32)
    ys[50_000] = np.nan
    found = built(np.arange(len(ys)), ys).columns(0, len(ys), 20)
    assert found.holes.sum() == 1 and not found.gaps.any()


def test_the_points_beside_the_range_are_known():
    """The line is drawn towards the neighbours outside the range, unless they are not finite."""
    pyramid = built(np.array([0, 10, 20]), [1, 2, np.nan])
    found = pyramid.columns(5, 15, 10)
    assert found.before == (-5.5, 1.0) and found.after is None


def test_the_nearest_point():
    """Looks to both sides; None if there are no points."""
    pyramid = built(np.array([0, 10, 20]), [1, 2, 3])
    assert [pyramid.nearest(x) for x in (-5, 4, 6, 10, 99)] == [0, 0, 1, 1, 2]
    assert Pyramid().nearest(1) is None
