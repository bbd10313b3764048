"""Charts, compared as rows of text."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tuimon.viewer.draw.chart import draw_chart, full_range
from tuimon.viewer.draw.curve import Curve, Marker, Options, Points
from tuimon.viewer.draw.pyramid import Pyramid
from tuimon.viewer.draw.rows import text_of, width_of

NAN, INF = math.nan, math.inf
BARE = Options(legend=False)


def curve(xs, ys, name="", style="train"):
    pyramid = Pyramid()
    pyramid.extend(np.array(xs, np.int64), np.array(ys, np.float32))
    return Curve(name, style, pyramid)


def rows(curves, options, width, height, ascii=False):
    return [text_of(row) for row in draw_chart(curves, options, width, height, ascii).rows]


def test_a_rising_line_rises():
    """Nine points over eight dot columns: each column joins the next, bottom left to top right."""
    ramp = curve(range(9), range(9))
    assert rows([ramp], BARE, 4, 2) == ["  ⣠⠞", "⣠⠞⠁ "]
    assert rows([ramp], BARE, 4, 4, ascii=True) == ["   *", "  **", "*** ", "*   "]


def test_axes_go_first_where_room_is_short():
    """One row is all curve; the legend needs two rows, the axes sixteen columns and five rows."""
    ramp = curve(range(9), range(9))
    assert rows([ramp], Options("loss"), 1, 1) == ["⡼"]
    assert rows([ramp], Options("loss"), 5, 2) == ["loss ", "⣠⠤⠴⠒⠋"]
    assert draw_chart([ramp], BARE, 0, 5).rows == []


@pytest.mark.parametrize("width", [1, 2, 5, 15, 16, 17, 39, 40, 41, 120])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 6, 30])
@pytest.mark.parametrize("ascii", [False, True])
def test_every_size_is_filled_exactly(width, height, ascii):
    """No row is missing, too long or too short, and ASCII charts contain only ASCII."""
    curves = [curve(range(50), np.sin(range(50)), "train"), curve([10, 40], [NAN, 1], "validation", "val")]
    options = Options("loss of a long name", cursor=20, markers=(Marker(5, "lr 1/2"), Marker(49, "wd off")), note="log y")
    drawn = draw_chart(curves, options, width, height, ascii).rows
    assert [width_of(row) for row in drawn] == [width] * height
    assert not ascii or "".join(map(text_of, drawn)).isascii()


def test_without_values_it_says_so():
    """The axes and a message are drawn."""
    assert rows([], Options("loss"), 20, 5) == [
        "loss                ",
        "   no values yet    ",
        "                    ",
        "┬──────────────────┬",
        "0                  1",
    ]


def test_a_single_point_is_seen():
    """It is two dots high, in the middle of the axes."""
    assert rows([curve([7], [3.0])], Options("loss"), 20, 6) == [
        "loss ─ 3.00         ",
        "   │                ",
        "3.0┤        ⡄       ",
        "   │                ",
        "   └────────┬───────",
        "            7       ",
    ]


def test_a_constant_series_runs_through_the_middle():
    """The axis reaches a tenth of the value above and below it."""
    drawn = rows([curve(range(10), [2] * 10)], BARE, 20, 6)
    assert drawn[2] == "2.0┤⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉"
    assert drawn[0].startswith("2.2┤") and drawn[3].startswith("1.8┤")


def test_values_that_are_not_finite_are_gaps_and_crosses():
    """The line has a gap there, and crosses on the axis mark it without colour."""
    drawn = rows([curve(range(9), [0, 0, 0, NAN, INF, NAN, 0, 0, 0])], BARE, 26, 6, ascii=True)
    assert drawn == [
        " 0.5+                     ",
        "    |                     ",
        "   0+******         ******",
        "-0.5+                     ",
        "    ++------x--x--x-------",
        "     0            5       ",
    ]


def test_only_nan_says_so():
    """The axis has crosses at the points, and a message is drawn."""
    drawn = rows([curve(range(3), [NAN] * 3)], BARE, 24, 5)
    assert drawn[1] == "    no finite values    "
    assert drawn[3].count("×") == 3


def test_a_log_axis_shows_decades():
    """All decades have the same height."""
    assert rows([curve(range(4), [1e-3, 1, 1e3, 1e6])], Options(legend=False, log_y=True), 24, 8, ascii=True) == [
        "   |                 ***",
        "1e5+              ****  ",
        "   |         ******     ",
        "  1+     *****          ",
        "   |  ****              ",
        "   |***                 ",
        "   ++------------+------",
        "    0            2      ",
    ]


def test_what_is_not_positive_has_no_place_on_a_log_axis():
    """It is a gap; if no value is positive, a message is drawn."""
    log = Options(legend=False, log_y=True)
    drawn = rows([curve(range(4), [1, -1, -2, 100])], log, 24, 7, ascii=True)
    assert drawn[:5] == [
        "100+                   *",
        "   |                   *",
        " 10+                    ",
        "   |                    ",
        "  1+*                   ",
    ]
    assert "no positive values" in rows([curve([1, 2], [-1, 0])], log, 30, 7)[2]


def test_the_largest_floats_have_an_axis():
    """Values near the float limit do not overflow."""
    drawn = rows([curve(range(4), [-3e38, 0, 1, 3e38])], BARE, 24, 6, ascii=True)
    assert drawn[2] == "0+  *************       "


def test_markers_cursor_and_legend():
    """A marker has its label above its line, or an arrow if curves are in the way. The cursor shows values in the legend."""
    curves = [curve(range(101), range(101), "train"), curve([0, 50, 100], [100, 50, 0], "val", "val")]
    options = Options("loss", cursor=75, markers=(Marker(20, "lr 1/2"), Marker(22, "wd off"), Marker(100, "x 3")))
    assert rows(curves, options, 40, 9, ascii=True) == [
        "loss step 75 * train 75.0  o val 50.0   ",
        " 100+oooo   v lr 1/2           |    ***v",
        "    |   oooooooo             ********  :",
        "  50+       :  ooooooo******** |       :",
        "    |       :  ********ooooooo |       :",
        "    |   ********             oooooooo  :",
        "   0+****   :                  |    oooo",
        "    ++----------------+----------------+",
        "     0               50              100",
    ]


def test_the_cursor_stands_where_it_is_whatever_the_first_curve_has_there():
    """Curves that ended before it or begin after it show a dash; a curve with sparse points shows the nearest one."""
    short, late = curve(range(1001), [0.5] * 1001, "short"), curve(range(900, 2001), [0.9] * 1101, "late", "val")
    sparse = curve(range(0, 2001, 400), [0.7] * 6, "sparse", "val")
    drawn = rows([short, late, sparse], Options("loss", cursor=1500), 70, 6)
    assert drawn[0].startswith("loss step 1 500 ─ short –  ┄ late 0.900  ┈ sparse 0.700")
    assert "short 0.500  ┄ late –" in rows([short, late, sparse], Options("loss", cursor=500), 70, 6)[0]
    assert "short 0.500" in rows([short, late, sparse], Options("loss", cursor=1010), 70, 6)[0]  # within a column
    assert "sparse 0.700" in rows([sparse], Options("loss", cursor=2100, x_range=(0, 2200)), 70, 6)[0]


def test_a_legend_that_has_no_room_for_names_is_the_plain_title():
    """Values without names are shown only for train and validation, which have colours of their own."""
    runs = [curve([0, 1], [1, 2], f"digits-mlp-{n}", f"series-{n}") for n in range(3)]
    assert rows(runs, Options("accuracy"), 60, 4)[0].rstrip() == "accuracy ─ digits-mlp-0  ┄ digits-mlp-1  ┈ digits-mlp-2"
    for count in (2, 3):
        assert rows(runs[:count], Options("accuracy"), 30, 4)[0].rstrip() == "accuracy"
    own = [curve([0, 1], [1, 2], "train", "train"), curve([0, 1], [1, 2], "val", "val")]
    assert rows(own, Options("accuracy"), 30, 4)[0].rstrip() == "accuracy ─ 2.00  ┄ 2.00"
    assert rows(own, Options("accuracy"), 20, 4)[0].rstrip() == "accuracy"
    assert rows(own, Options("accuracy"), 6, 4)[0].rstrip() == "ac…cy"


def test_small_charts_of_several_runs_point_to_the_big_one():
    """Without room for names, a legend says where they are; curves of runs have line styles of their own."""
    runs = [replace(curve([0, 1], [1, 2], f"digits-mlp-{n}", f"series-{n}"), pattern=n) for n in range(3)]
    assert rows(runs, Options("accuracy"), 30, 4)[0].rstrip() == "accuracy colours as above"
    assert rows(runs, Options("accuracy"), 20, 4)[0].rstrip() == "accuracy"


def test_one_spike_flattens_nothing():
    """The y range leaves it out, says so, and includes it where asked to; the latest value is always in."""
    values = [1.0 - i / 200 for i in range(100)]
    spiky = [*values[:50], 1000.0, *values[50:]]
    one = [curve(range(101), spiky, "train", "train")]
    picture = draw_chart(one, Options(), 60, 12)
    assert picture.y_range[1] <= 2 and "y cut" in text_of(picture.rows[0])
    assert draw_chart(one, Options(fit="all"), 60, 12).y_range[1] >= 1000
    assert draw_chart([curve(range(101), [*values, 1000.0], "train", "train")], Options(), 60, 12).y_range[1] >= 1000
    fixed = draw_chart(one, Options(fit="fixed", y_range=(0.0, 5.0)), 60, 12)
    assert fixed.y_range == (0.0, 5.0)


def test_raw_values_behind_a_smoothed_curve_do_not_decide_the_axis():
    """Only the clear curve does."""
    raw = replace(curve(range(100), [(-1) ** i * 50.0 for i in range(100)], "", "raw"), faint=True)
    smooth = curve(range(100), [1 + i / 100 for i in range(100)], "train", "train")
    assert draw_chart([raw, smooth], Options(), 60, 12).y_range == draw_chart([smooth], Options(), 60, 12).y_range


@pytest.mark.parametrize("height", range(6, 40))
def test_a_small_value_is_not_drawn_below_zero(height):
    """The label of a tick stands in the row in which a curve of its value runs."""
    shown = rows([curve(range(100), [0.0] * 50 + [1.0] * 50, "train", "train")], Options(legend=False), 60, height)
    label = next(index for index, row in enumerate(shown) if row.lstrip().startswith("0┤"))
    assert any(ord(char) > 0x2800 for char in shown[label].partition("┤")[2])


def test_two_curves_in_one_cell_are_both_seen():
    """They take turns, two cells each."""
    both = [curve(range(100), [1.0] * 100, "train", "train"), curve(range(100), [1.0] * 100, "val", "val")]
    picture = draw_chart(both, Options(legend=False), 60, 12)
    styles = [span.style for row in picture.rows for span in row if any(ord(char) > 0x2800 for char in span.text)]
    assert styles.count("train") > 10 and styles.count("val") > 10


def test_the_cursor_of_a_big_chart_lists_each_curve():
    """With the logged value, the smoothed one, the step and the time."""
    steps, walls = np.arange(100), 1e9 + np.arange(100) * 60.0
    curves = []
    for name, value in (("one", 1.0), ("two", 2.0)):
        points = Points(np.full(100, value, np.float32), steps, walls, 1e9)
        curves.append(replace(curve(steps, [value + 0.5] * 100, name, name), points=points, smoothed=True))
    shown = rows(curves, Options(cursor=50, big=True), 80, 20)
    assert [row.split() for row in shown[-2:]] == [
        ["─", "one", "1.00", "1.50", "50", "50:00"], ["┄", "two", "2.00", "2.50", "50", "50:00"],
    ]  # fmt: skip
    assert " step " in shown[-5]


def test_a_note_loses_its_last_parts_where_the_room_is_short():
    """The most important part comes first."""
    own, note = [curve([0, 1], [1, 2], "train", "train")], "zoom, log y, smooth 0.6"
    assert rows(own, Options(note=note), 50, 4)[0].endswith("   zoom, log y, smooth 0.6")
    assert rows(own, Options(note=note), 30, 4)[0] == "─ train 2.00       zoom, log y"
    assert rows(own, Options(note=note), 20, 4)[0] == "─ train 2.00    zoom"
    assert rows(own, Options(note=note), 15, 4)[0].rstrip() == "─ train 2.00"


def test_a_long_name_does_not_take_the_others_out_of_the_legend():
    """The long name is shortened to its share of the room."""
    names = ("a", "a name that is much longer than there is room for", "b")
    runs = [curve([0, 1], [1, 2], name, f"series-{n}") for n, name in enumerate(names)]
    assert rows(runs, Options("loss"), 60, 4)[0].rstrip() == "loss ─ a  ┄ a name…om for  ┈ b"


def test_a_marker_near_the_edge_has_its_label_at_its_left_or_below():
    """At the top if that is free; at the bottom if a curve runs along the top."""
    marked = Options(legend=False, markers=(Marker(8, "wd off"),))
    assert rows([curve(range(9), [0, 0, 0, 0, 0, 0, 0, 0, 0])], marked, 12, 3)[0] == "    wd off ▼"
    assert rows([curve(range(9), [0] + [9] * 8)], marked, 12, 3)[-1].endswith("wd off ▲")


def test_markers_close_to_each_other_leave_a_label_whole():
    """Their lines begin below it; a marker without room for its own label is in the event list only."""
    close = Options(legend=False, markers=(Marker(2, "lr 1/2"), Marker(3, "wd off"), Marker(4, "lr 1")))
    drawn = rows([curve(range(9), [0] * 9)], close, 12, 4, ascii=True)
    assert "v lr 1/2" in drawn[0]
    assert drawn[1].count(":") == 3


def test_the_cursor_shows_on_a_marker_without_colour():
    """Its line replaces the marker's."""
    on_it = Options(legend=False, cursor=6, markers=(Marker(6, "lr 1/2"),))
    for ascii, line in ((True, "|"), (False, "│")):
        drawn = rows([curve(range(9), [0] * 9)], on_it, 12, 4, ascii)
        assert drawn[1].count(line) == 1 and not set(":┊") & set("".join(drawn))


def test_curves_differ_without_colour():
    """The second curve is dashed, and the legend shows both line styles; faint curves are not in the legend."""
    first, second = curve(range(9), [0] * 9, "a"), curve(range(9), [1] * 9, "b", "val")
    raw = Curve("raw", "raw", first.data, faint=True)
    drawn = rows([raw, first, second], Options(), 24, 4)
    assert drawn[0] == "─ a 0  ┄ b 1.00         "
    assert "⠉⠉⠉ ⠉⠉⠉" in drawn[1] and " " not in drawn[3][6:20]


def test_a_curve_s_cells_hold_no_dots_of_another():
    """A cell has one colour, so dots of a curve behind would seem to belong to the curve on top."""
    below, above = curve(range(9), [0.3] * 9, "a"), curve(range(9), [0, *[0.5] * 7, 1], "b", "val")
    both = draw_chart([below, above], Options(legend=False), 24, 4).rows
    alone = rows([above], Options(legend=False), 24, 4)
    for mixed, single in zip(both, alone, strict=True):
        letters = [(letter, style) for text, style in mixed for letter in text]
        on_top = [(ord(one), ord(two)) for (one, style), two in zip(letters, single, strict=True) if style == "val"]
        assert all(one & two == one for one, two in on_top if one > 0x2800)  # dots, as bits


def test_time_and_epoch_axes():
    """Seconds are shown as on a clock, steps as epochs."""
    line = [curve([0, 7200], [0, 1])]
    assert rows(line, Options(x_axis="time", legend=False), 50, 6)[-1].split() == ["0:00", "1:00:00", "2:00:00"]
    assert rows(line, Options(x_axis="epoch", legend=False, steps_per_epoch=720), 50, 6)[-1].split() == ["0", "5", "10"]


def test_a_range_between_two_points_shows_the_line_that_joins_them():
    """Zoomed in so far that no point is visible, the line still is."""
    drawn = rows([curve([0, 100], [0, 100])], Options(x_range=(40, 60), legend=False), 20, 6, ascii=True)
    assert drawn[1:3] == ["   |        ********", " 50+*********       "]


def test_the_column_under_the_mouse_has_an_x():
    """Columns of the plot map to the x range; columns outside map to its ends."""
    picture = draw_chart([curve(range(101), range(101))], Options("loss"), 60, 10)
    low, high = picture.x_range
    assert low < picture.x_at(picture.left) < low + 2 and high - 2 < picture.x_at(59) < high
    assert picture.x_at(0) == picture.x_at(picture.left)


def test_a_growing_series_moves_its_axes_seldom():
    """Between 1 000 and 1 300 steps the range changes only a few times, and always holds all points."""
    ranges = {full_range([curve(range(n), range(n))]) for n in range(1000, 1300)}
    assert len(ranges) <= 8
    assert full_range([curve(range(1300), range(1300))])[1] >= 1299
