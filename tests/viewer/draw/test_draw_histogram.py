"""Histograms in one line and through time."""

import numpy as np
import pytest

from tuimon.log.histogram import BINS, ZERO, bin_of, of
from tuimon.viewer.draw.histogram import SampleColumns, exponent_range, fold, heat_map, histogram_line
from tuimon.viewer.draw.rows import text_of, width_of


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


def test_a_heat_map_drifts_with_its_values():
    """Vanishing gradients move down, to smaller powers; few samples are wide, so that they span the panel."""
    samples = np.array([counts(*[2.0**-exponent] * 4) for exponent in (4, 5, 6, 7)])
    drawn = [text_of(row) for row in heat_map(samples, [10, 20, 30, 40], 24, 11)]
    assert drawn == [
        " 2^-1                   ",
        " 2^-2                   ",
        " 2^-3                   ",
        " 2^-4 ████              ",
        " 2^-5     ████          ",
        " 2^-6         ████      ",
        " 2^-7             ████  ",
        " 2^-8                   ",
        "    0                   ",
        "      step 10       40  ",
        "                        ",
    ]


def test_a_signed_heat_map_keeps_the_sides_apart():
    """Positive values are above zero, negative ones below."""
    drawn = [text_of(row) for row in heat_map(np.array([counts(1.0, -1.0)]), [1], 20, 12, signed=True)]
    assert [row[7:8] for row in drawn if row.split()[:1] == ["2^0"]] == ["█"]
    assert [row[7:8] for row in drawn if row.split()[:1] == ["-2^0"]] == ["█"]


def test_samples_share_columns_when_they_are_many():
    """Groups of 2, 4, 8 and so on keep columns in place as samples arrive; the legend shows the group size."""
    samples = np.zeros((100, BINS))
    samples[:, bin_of(1.0)] = 1
    drawn = [text_of(row) for row in heat_map(samples, np.arange(100), 100, 10)]
    assert max(row.count("█") for row in drawn) == 50
    assert drawn[5].split() == ["step", "0", "99", "(a", "column:", "2", "samples)"]


@pytest.mark.parametrize("width", [1, 2, 10, 16, 40])
@pytest.mark.parametrize("height", [1, 2, 3, 10, 60])
@pytest.mark.parametrize("signed", [False, True])
def test_a_heat_map_fills_every_size(width, height, signed):
    """All rows have the full width, also without samples and with empty or NaN ones."""
    broken = np.full((2, BINS), np.nan)
    for samples in (np.zeros((0, BINS)), np.zeros((3, BINS)), broken, np.eye(BINS)[:40]):
        drawn = heat_map(samples, np.arange(len(samples)), width, height, ascii=True, signed=signed)
        assert [width_of(row) for row in drawn] == [width] * height
        assert "".join(map(text_of, drawn)).isascii()


def test_zero_has_its_own_row():
    """Exact zeros are separate from small values."""
    samples = np.zeros((1, BINS))
    samples[0, ZERO] = 5
    drawn = [text_of(row) for row in heat_map(samples, [1], 20, 24)]
    assert next(row for row in drawn if row.strip().startswith("0")).strip() == f"0 {'█' * 14}"


@pytest.mark.parametrize("most", [1, 7, 8, 40])
def test_columns_that_grow_are_those_of_all_samples_at_once(most):
    """Adding samples one by one or in pieces gives the same sums, in groups that double when there are too many."""
    samples = np.random.default_rng(0).random((100, BINS)).astype(np.float32)
    growing = SampleColumns()
    for count in (0, 1, 2, 3, 9, 10, 33, 34, 99, 100):
        columns = growing.of(samples[:count], most)
        assert len(columns) <= most
        starts = np.arange(0, count, growing.group)
        expected = np.add.reduceat(samples[:count].astype(float), starts, axis=0) if count else columns
        np.testing.assert_allclose(columns, expected)
    assert growing.group == {1: 128, 7: 16, 8: 16, 40: 4}[most]


def test_columns_begin_anew_when_there_is_more_room_or_the_run_was_cut():
    """The result is the same as without cached columns."""
    samples = np.ones((100, BINS))
    kept = SampleColumns()
    assert len(kept.of(samples, 10)) == 7
    assert len(kept.of(samples, 100)) == 100
    assert len(kept.of(samples[:40], 100)) == 40
    assert kept.of(samples[:40], 5).sum() == 40 * BINS
