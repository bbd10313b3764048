"""Histograms side by side: over time, and over layers."""

import numpy as np
import pytest

from tuimon.log.histogram import BINS, ZERO, of
from tuimon.viewer.draw.curve import Options
from tuimon.viewer.draw.heat_map import key, over_layers, over_time
from tuimon.viewer.draw.rows import text_of, width_of


def counts(*values):
    return np.array(of(values).counts, np.float32)


def column(exponent):
    """A sample all of whose values are one power of two."""
    return counts(*[2.0**exponent] * 4)


def texts(found):
    return [text_of(row) for row in found.rows]


def shaded(found, label):
    """The cells of the row with that label."""
    return next(row for row in texts(found) if row.split()[:1] == [label])[6:]


def test_vanishing_values_drift_down_over_time():
    """Each sample lies at its step, and stands until the next; nothing is drawn before the first and after the last."""
    samples = np.array([column(-exponent) for exponent in (4, 5, 6, 7)])
    found = over_time(samples, np.array([10, 20, 30, 40]), Options(x_range=(0, 60)), 26, 12)
    assert texts(found) == [
        " 2^-1                     ",
        " 2^-2                     ",
        " 2^-3                     ",
        " 2^-4    ███              ",
        " 2^-5       ████          ",
        " 2^-6           ███       ",
        " 2^-7              █      ",
        " 2^-8                     ",
        "    0                     ",
        "                          ",
        "     └┬───────────────┬───",
        "      0              50   ",
    ]


def test_many_samples_share_cells():
    """Those of one cell are summed: none is left out."""
    samples = np.array([column(0 if k % 2 else -1) for k in range(1000)])
    found = over_time(samples, np.arange(1000), Options(), 46, 12)
    assert shaded(found, "2^0") == shaded(found, "2^-1") == "█" * 40 and 0.5 <= found.darkest < 0.6


def test_a_part_of_the_run_begins_with_the_sample_before_it():
    """As the chart above is zoomed; past the last sample, there is nothing to show."""
    samples = np.array([column(0), column(1)])
    steps = np.array([0, 100])
    inside = over_time(samples, steps, Options(x_range=(40, 60)), 26, 12)
    assert shaded(inside, "2^0") == "█" * 20
    assert "no samples in this range" in "".join(texts(over_time(samples, steps, Options(x_range=(-9, -1)), 26, 12)))
    after = over_time(samples, steps, Options(x_range=(101, 120)), 26, 12)
    assert not any(set("░▒▓█") & set(row) for row in texts(after))


def test_the_cursor_is_where_the_charts_is():
    """In every row of the map."""
    samples = np.array([column(0), column(0)])
    found = over_time(samples, np.array([0, 100]), Options(x_range=(0, 100), cursor=50), 26, 12)
    assert {row[16] for row in texts(found)[:5]} == {"│"}


def test_signs_are_kept_apart_where_they_matter():
    """Positive values are above zero, negative ones below."""
    drawn = texts(over_time(np.array([counts(1.0, -1.0)]), np.array([1]), Options(), 20, 14, signed=True))
    assert [row[13] for row in drawn if row.split()[:1] == ["2^0"]] == ["█"]
    assert [row[13] for row in drawn if row.split()[:1] == ["-2^0"]] == ["█"]


def test_zero_has_its_own_row():
    """Exact zeros are separate from small values."""
    samples = np.zeros((1, BINS))
    samples[0, ZERO] = 5
    found = over_layers(samples, ["fc1"], 20, 24)
    assert shaded(found, "0") == "█" * 13 + " "


def test_layers_stand_side_by_side_with_their_names():
    """From the input to the output: here, each gets half of the gradient of the next."""
    samples = np.array([column(-exponent) for exponent in (7, 6, 5, 4)])
    found = over_layers(samples, ["encoder.in", "fc2", "fc3", "out"], 38, 10)
    assert shaded(found, "2^-7") == "███████" + " " * 25 and shaded(found, "2^-4") == " " * 24 + "███████ "
    assert texts(found)[-1] == "      enc….in fc2     fc3     out     "


def test_more_layers_than_cells_are_thinned_out():
    """The first and the last are named, and lie at the edges."""
    samples = np.array([column(-8 + k // 30) for k in range(240)])
    found = over_layers(samples, [f"layer{k}" for k in range(240)], 46, 12)
    assert texts(found)[-1] == "      layer0" + " " * 26 + "layer239"
    assert shaded(found, "2^-8").startswith("█") and shaded(found, "2^-1").endswith("█")


def test_the_key_tells_what_the_shades_stand_for():
    """In shares of one histogram; the darkest is the largest share of all."""
    assert key(0.5) == "share: ░ 3 %  ▒ 12 %  ▓ 28 %  █ 50 %"
    assert key(0.5, ascii=True).isascii() and key(0.0) == ""


@pytest.mark.parametrize("width", [1, 2, 10, 16, 40])
@pytest.mark.parametrize("height", [1, 2, 3, 8, 60])
@pytest.mark.parametrize("signed", [False, True])
def test_every_size_is_filled(width, height, signed):
    """All rows have the full width, also without samples and with empty or NaN ones."""
    broken = np.full((2, BINS), np.nan)
    for samples in (np.zeros((0, BINS)), np.zeros((3, BINS)), broken, np.eye(BINS)[:40]):
        names = [f"layer{k}" for k in range(len(samples))]
        for found in (
            over_time(samples, np.arange(len(samples)), Options(), width, height, ascii=True, signed=signed),
            over_layers(samples, names, width, height, ascii=True, signed=signed),
        ):
            assert [width_of(row) for row in found.rows] == [width] * height
            assert "".join(texts(found)).isascii()
