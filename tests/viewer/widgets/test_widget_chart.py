"""Charts of a real log."""

import math
import os
import time

import numpy as np
import pytest

from tuimon.base.process import Process
from tuimon.log.records import Applied, RunStarted
from tuimon.viewer.draw.canvas import stroke_of
from tuimon.viewer.settings import View
from tuimon.viewer.widgets import Chart, ChartGrid, PlotOpened
from tuimon.viewer.widgets.chart_groups import EVIDENCE, first_chart, grouped, layer_labels, prefix_of
from tuimon.viewer.widgets.chart_groups import LOSS as LOSSES
from tuimon.viewer.widgets.curves import CurveBook

LOSS = ("loss/train", "loss/val")


async def test_before_the_first_value_it_says_what_will_come(run, show):
    """A message replaces the empty chart."""
    async with show(chart := Chart(LOSS, "loss")) as shown:
        chart.update_from(run.read())
        assert "nothing logged yet" in shown.text()


async def test_it_follows_the_log(run, show):
    """Curves and latest values in the legend grow with the log."""
    async with show(chart := Chart(LOSS, "loss")) as shown:
        run.train(1, 100)
        chart.update_from(run.read())
        assert "train 0.368" in shown.text() and "val 0.468" in shown.text()
        run.train(101, 200)
        chart.update_from(run.read())
        assert "train 0.135" in shown.text() and "200" in shown.lines()[-1]


async def test_a_resumed_run_is_drawn_from_where_it_resumed(run, show):
    """Steps that a resumed run repeats are removed from the curve."""
    run.train(1, 100)
    async with show(chart := Chart(("loss/train",), "loss")) as shown:
        chart.update_from(run.read())
        run.writer.event(RunStarted("digits-mlp", Process("host", "boot", os.getpid(), 0.0), first_step=50))
        for step in range(51, 121):
            run.writer.scalars(step, {"loss/train": 5.0}, 2e9 + step)
        chart.update_from(run.read())
        shown.lines()
        values = chart.plot.curves[0].data
        columns = values.columns(0, 120, 12)
        assert columns.high[:4].max() < 1 and columns.low[6:].min() == 5


async def test_a_value_that_is_logged_again_is_drawn_anew(run, show):
    """Also where neither the number of points nor their times have changed."""
    async with show(chart := Chart(("x",), "x")) as shown:
        for value in (1.0, 2.0):
            for step in (1, 2, 3):
                run.writer.scalars(step, {"x": value}, 1e9)
            chart.update_from(run.read())
            shown.lines()
            assert chart.plot.curves[0].data.values.tolist() == [value] * 3


T0 = 1.7e9
CLOCKS = {
    "nan": [T0, T0 + 1, math.nan],
    "inf": [T0, T0 + 1, math.inf],
    "first nan": [math.nan, T0, T0 + 1],
    "first inf": [-math.inf, T0, T0 + 1],
    "zero": [0.0, T0, T0 + 1],
    "negative": [-1.0, T0, T0 + 1],
    "huge": [T0, T0 + 1, 1e300],
    "far": [T0, T0 + 1, 1e15],
    "last year": [T0, T0 + 1, 2.534e11],
    "back": [T0, T0 - 3600, T0 + 1],
    "same": [T0] * 3,
    "all nan": [math.nan] * 3,
    "all inf": [math.inf] * 3,
    "all zero": [0.0] * 3,
    "all huge": [1e300] * 3,
}


@pytest.mark.parametrize(("walls", "smoothing"), [*((walls, 0.9) for walls in CLOCKS.values()), (CLOCKS["back"], 0.0)])
async def test_a_time_axis_is_drawn_whatever_the_clock_said(run, show, walls, smoothing):
    """Its ends are finite, times do not decrease, every key works, and all points are on it."""
    async with show(chart := Chart(("loss",), "loss", smoothing=smoothing)) as shown:
        for step, wall in enumerate(walls):
            run.writer.scalars(step, {"loss": 1.0 + step}, wall)
            chart.update_from(run.read())  # piece by piece, as of a live run
            await shown.press("x")
            shown.lines()
            await shown.press("x")
        await shown.press("x", "plus", "left", "left", "shift+left", "minus", "shift+right", "end", "g")
        assert chart.plot.x_axis == "time" and "nan" not in shown.text() and "inf" not in shown.text()
        xs = chart.plot.curves[-1].data.xs
        assert len(xs) == 3 and np.isfinite(xs).all() and (np.diff(xs) >= 0).all()
        low, high = chart.plot.picture.x_range
        assert math.isfinite(low) and math.isfinite(high) and low < high


async def test_keys_change_the_axes(run, show):
    """Log scale, smoothing, time and epochs are each shown as a note."""
    run.train(1, 200)
    async with show(chart := Chart(LOSS, "loss")) as shown:
        chart.update_from(run.read())
        await shown.press("g", "m")
        assert "log y, smooth 0.6" in shown.lines()[0] and "smoothed, " in shown.lines()[0]
        await shown.press("x")
        assert chart.plot.x_axis == "time" and shown.lines()[-1].split()[-1] == "2.0s"
        await shown.press("x")
        assert "x: epochs" in shown.lines()[0]
        assert chart.plot.x_axis == "epoch" and shown.lines()[-1].split() == ["0", "1", "2", "3", "4", "5"]
        await shown.press("x", "g", "m", "m", "m")
        assert (chart.plot.x_axis, chart.plot.log_y, chart.plot.smoothing) == ("step", False, 0.0)


async def test_the_raw_values_are_switched_off_and_on(run, show):
    """They stand behind a smoothed curve only, and the axis is the same with and without them."""
    run.train(1, 200)
    async with show(chart := Chart(LOSS, "loss", smoothing=0.9)) as shown:
        chart.update_from(run.read())
        shown.lines()
        with_raw = chart.plot.picture.y_range
        assert [curve.faint for curve in chart.plot.curves] == [True, False, False]
        await shown.press("w")
        assert [curve.faint for curve in chart.plot.curves] == [False, False]
        assert chart.plot.picture.y_range == with_raw
        await shown.press("m", "m")  # the strongest, then none: nothing is left to stand behind
        await shown.press("w")
        assert [curve.faint for curve in chart.plot.curves] == [False, False]


async def test_zoom_follows_the_newest_until_one_pans_away(run, show):
    """Zoomed in, new points move the window; after panning left it stays, until end follows again."""
    run.train(1, 200)
    async with show(chart := Chart(LOSS, "loss")) as shown:
        chart.update_from(run.read())
        await shown.press("plus", "plus")
        low, high = chart.plot.picture.x_range
        assert high - low == 50 and high >= 200
        run.train(201, 300)
        chart.update_from(run.read())
        assert chart.plot.picture.x_range[1] >= 300
        await shown.press("shift+left")
        kept = chart.plot.picture.x_range
        run.train(301, 350)
        chart.update_from(run.read())
        assert chart.plot.picture.x_range == kept and "not following" in shown.lines()[0]
        await shown.press("end")
        assert chart.plot.picture.x_range[1] >= 350
        await shown.press("0")
        assert chart.plot.picture.x_range[0] == 0


async def test_the_cursor_reads_values_off(run, show):
    """It starts at the latest value, moves with the keys, and jumps to the mouse."""
    run.train(1, 200)
    async with show(chart := Chart(LOSS, "loss")) as shown:
        chart.update_from(run.read())
        await shown.press("left")
        assert "step 200" in shown.lines()[0]
        await shown.press("left", "left")
        assert chart.plot.cursor is not None and chart.plot.cursor < 200
        await shown.pilot.click(Chart, offset=(chart.plot.picture.left, 5))
        await shown.pilot.pause()
        assert "step 1 " in shown.lines()[0] and "train 0.990" in shown.lines()[0]
        assert sum("│" in line[chart.plot.picture.left :] for line in shown.lines()) > 10


async def test_markers_stand_where_a_lever_moved(run, show):
    """They have a short label; actions have no marker."""
    run.train(1, 200)
    run.writer.event(Applied(100, "lr_scale", 1.0, 0.5), 100)
    run.writer.event(Applied(120, "checkpoint", note="saved"), 120)
    async with show(chart := Chart(LOSS, "loss")) as shown:
        chart.update_from(run.read())
        assert "▼ lr ½" in shown.text() and shown.text().count("▼") == 1
        assert sum("┊" in line for line in shown.lines()) > 5


async def test_runs_are_overlaid(make_run, show):
    """Each has its name and its own line style."""
    runs = {}
    for name in ("first", "second"):
        run = make_run(name)
        run.start(name)
        run.train(1, 50)
        runs[name] = run.read()
    async with show(chart := Chart(("loss/train",), "loss")) as shown:
        chart.set_runs(runs)
        assert "─ first 0.607  ┄ second 0.607" in shown.lines()[0]


async def test_nan_is_a_gap_with_crosses(make_run, show):
    """In ASCII an x."""
    run = make_run()
    for step in range(100):
        run.writer.scalars(step, {"loss/train": math.nan if 40 <= step < 60 else 1.0})
    async with show(chart := Chart(("loss/train",), "loss"), 60, 12, ascii=True) as shown:
        chart.update_from(run.read())
        assert "xxxx" in shown.lines()[-2] and shown.text().isascii()


async def test_enter_opens(make_run, show):
    """The message names the chart."""
    async with show(chart := Chart(LOSS, "loss")) as shown:
        await shown.press("enter")
        (opened,) = shown.posted(PlotOpened)
        assert opened.plot is chart.plot


async def test_the_grid_has_a_chart_for_each_metric(run, show):
    """Train and validation share one; new metrics get one when they appear; a metric shown elsewhere is left out."""
    async with show(grid := ChartGrid(), 100, 40) as shown:
        grid.update_from(run.read())
        assert grid.titles == [] and "No metrics yet" in shown.text()
        run.train(1, 50)
        grid.update_from(run.read())
        assert grid.titles == ["loss", "lr", "throughput"]
        assert "train" in shown.text()
        run.writer.scalars(51, {"accuracy/val": 0.5, "system/host/cpu_percent": 3.0})
        grid.update_from(run.read())
        assert "accuracy" in grid.titles and "accuracy" in shown.text()
        grid.leave_out("loss")
        assert grid.titles == ["accuracy", "lr", "throughput"]


async def test_names_may_hold_brackets(make_run, show):
    """They are not markup in a title: no error, and no lost text."""
    run = make_run()
    run.writer.scalars(1, {"loss[train]": 1.0, "[/end]": 1.0})
    async with show(grid := ChartGrid(), 80, 24) as shown:
        grid.update_from(run.read())
        assert "loss[train]" in shown.text() and "[/end]" in shown.text()


def _metrics(run, count, step=1, prefix=""):
    run.writer.scalars(step, {f"{prefix}metric{i:03}": float(i + step) for i in range(count)})


async def test_a_page_of_a_thousand_charts_costs_no_more_than_its_own(make_run, show):
    """Only visible charts are drawn, and moving through the pages stays as quick as with a few."""
    run = make_run()
    for step in (1, 2, 3):
        _metrics(run, 1000, step)
    async with show(grid := ChartGrid(), 120, 40) as shown:
        began = time.process_time()
        grid.update_from(run.read())
        assert "charts 1–18 of 1000" in shown.text() and len(grid.titles) == 1000
        assert len(grid._drawn) == 18
        await shown.press("pagedown")
        assert "charts 4–21" in shown.text() or "of 1000" in shown.text()
        await shown.press("end")
        assert "–1000 of 1000" in shown.text() and len(grid._drawn) <= 54
        assert time.process_time() - began < 10.0  # a fraction of a second by itself
        assert grid.chosen.title == "metric999"


async def test_a_chart_is_reached_by_arrows_and_acted_on_alone(make_run, show):
    """Right goes on to the next row; g, m and y change the current chart only; enter opens it."""
    run = make_run()
    for step in (1, 2, 3):
        _metrics(run, 9, step)
    async with show(grid := ChartGrid(), 120, 24) as shown:
        grid.update_from(run.read())
        await shown.press("right", "right", "right")
        assert grid.chosen.title == "metric003"
        await shown.press("up")
        assert grid.chosen.title == "metric000"
        await shown.press("down", "enter")
        assert [event.plot.title for event in shown.posted(PlotOpened)] == ["metric003"]
        grid.action_do("toggle_log")
        assert "log y" in shown.text() and shown.text().count("log y") == 1
        assert any(line.lstrip().startswith("▸") for line in shown.lines())


async def test_a_filter_without_a_match_keeps_the_view(make_run, show):
    """It filters by titles and tags, and says how many it found."""
    run = make_run()
    _metrics(run, 30)
    run.writer.scalars(2, {"train_loss": 1.0, "val_loss": 2.0})
    async with show(grid := ChartGrid(), 120, 24) as shown:
        grid.update_from(run.read())
        assert grid.filter_by("metric00? | train_loss") == "11 of 31 charts"
        assert grid.titles == ["loss", *(f"metric00{i}" for i in range(10))] and "of 11, / metric00?" in shown.text()
        assert grid.filter_by("nothing") == "no chart matches: all are shown"
        assert len(grid.titles) == 31
        grid.filter_by("")
        assert len(grid.titles) == 31 and " / " not in shown.text()


async def test_headings_fold_and_pinned_charts_come_first(make_run, show):
    """What the user folded or pinned is told, so that it can be remembered."""
    run = make_run()
    for part in ("attn/", "mlp/"):
        _metrics(run, 20, prefix=part)
    async with show(grid := ChartGrid(), 120, 40) as shown:
        grid.update_from(run.read())
        assert "▾ attn  20" in shown.text()
        await shown.press("enter")
        assert "▸ attn  20" in shown.text() and "20 folded" in shown.text() and grid.folded == {"attn"}
        await shown.press("down", "down", "asterisk")
        assert grid.pinned == ["mlp/metric000"] and "pinned" in shown.text() and "* mlp/metric000" in shown.text()
        assert grid.chosen.title == "mlp/metric000" and len(shown.posted(ChartGrid.Arranged)) == 2
        await shown.press("asterisk")
        assert not grid.pinned and "pinned" not in shown.text()


async def test_a_chosen_grid_has_these_rows_and_columns(make_run, show):
    """As many of them as fit."""
    run = make_run()
    _metrics(run, 60)
    async with show(grid := ChartGrid(), 120, 41) as shown:
        grid.update_from(run.read())
        grid.choose_grid((2, 2))
        assert "charts 1–4 of 60" in shown.text()
        grid.choose_grid((9, 9))
        assert "charts 1–24 of 60" in shown.text()  # 6 rows, 4 columns
        grid.choose_grid(None)
        assert "charts 1–18 of 60" in shown.text()


async def test_all_small_charts_share_the_cursor(run, show):
    """A chart that comes into sight later has it, too."""
    run.train(1, 100)
    async with show(grid := ChartGrid(), 120, 24) as shown:
        grid.update_from(run.read())
        grid.point_at(50.0, "step")
        assert shown.text().count("step 50") == 3
        grid.point_at(None, "time")
        assert "step 50" not in shown.text() and "1.0s" in shown.text()


def test_tags_are_grouped_and_ordered():
    """Loss first, then accuracy, learning rate, throughput, then the rest by name."""
    tags = {"throughput", "lr", "loss/val", "loss/train", "accuracy/val", "bleu", "head/score", "val"}
    assert grouped(tags) == {
        "loss": ("loss/train", "loss/val"),
        "accuracy": ("accuracy/val",),
        "lr": ("lr",),
        "throughput": ("throughput",),
        "bleu": ("bleu",),
        "val": ("val",),
        "head/score": ("head/score",),
    }


def test_training_and_validation_of_other_programs_share_a_chart():
    """In whatever way their names say so; alone, a tag keeps its name."""
    pairs = [
        ("train_loss", "val_loss"),
        ("train/acc", "valid/acc"),
        ("f1.train", "f1.validation"),
        ("Training Err", "Eval Err"),
    ]
    groups = grouped({tag for pair in pairs for tag in pair} | {"train_only", "grad/val"})
    assert {title: set(tags) for title, tags in groups.items() if len(tags) == 2} == {
        "loss": set(pairs[0]), "acc": set(pairs[1]), "f1": set(pairs[2]), "Err": set(pairs[3])
    }  # fmt: skip
    assert groups["train_only"] == ("train_only",)
    assert grouped({"train_loss", "val_loss", "loss"})["train_loss"] == ("train_loss",)


def test_the_first_chart_is_that_of_the_loss_by_whatever_name():
    """Otherwise the first metric logged on purpose; `loss` while there are none."""
    assert first_chart([], "") == first_chart(["lr", "grad_norm/fc1"], "") == LOSSES
    assert first_chart(["Loss", "a", "loss/val"], "Loss") == LOSSES
    assert first_chart(["Loss", "a", "lr"], "Loss") == ("Loss", ("Loss",))
    assert first_chart(["net/loss/train", "net/loss/val", "a"], "net/loss/train")[1] == ("net/loss/train", "net/loss/val")
    assert first_chart(["lr", "mse", "throughput", ""], "") == ("", ("",))
    assert first_chart(["lr", "mse", "throughput"], "") == ("mse", ("mse",))


def test_what_the_diagnosis_reads_comes_last_under_a_heading_of_its_own():
    """Thirty charts would fill the first pages of every run; a program's own `input/x` is left in place."""
    evidence = ["aim/classes", "grad_cosine", "input/mean", "model/training", "output/std", "step/rows"]
    titles = list(grouped([*evidence, "loss/train", "loss/val", "input/tokens", "zebra"]))
    assert titles == ["loss", "zebra", "input/tokens", *evidence]
    assert {prefix_of(title) for title in evidence} == {EVIDENCE} == {*View().folded}
    assert prefix_of("input/tokens") == "input"


def test_all_layers_share_a_chart_for_each_kind():
    """In the model's order, at most six, evenly spread from the first to the last; dead units as fractions."""
    layers = [f"block.{index}" for index in range(50)]
    kinds = ("grad_norm", "weight_norm", "dead_fraction", "dead_units")
    groups = grouped({"loss/train"} | {f"{kind}/{layer}" for kind in kinds for layer in layers}, layers)
    assert list(groups) == ["loss", "grad_norm", "weight_norm", "dead_fraction"]
    assert groups["grad_norm"] == tuple(f"grad_norm/block.{index}" for index in (0, 10, 20, 29, 39, 49))


def test_layers_are_named_without_the_path_they_share():
    """Only what tells them apart is left."""
    assert layer_labels(["grad_norm/net.blocks.0.fc", "grad_norm/net.blocks.1.fc"]) == ["0.fc", "1.fc"]
    assert layer_labels(["grad_norm/net.fc", "grad_norm/net"]) == ["net.fc", "net"]
    assert layer_labels(["grad_norm/net.fc"]) == ["net.fc"]


async def test_a_chart_of_layers_names_them(show, make_run):
    """If names and values do not both fit, the names stay."""
    run = make_run()
    run.start()
    run.sample(1)
    run.sample(2)
    grid = ChartGrid()
    async with show(grid, 80, 80) as shown:
        grid.update_from(run.read())
        await shown.pilot.pause()
        assert grid.plot("grad_norm").log_y
        assert [name in shown.text() for name in ("grad_norm", "fc1", "fc2", "out")] == [True] * 4


def test_each_run_has_one_colour_in_all_charts(make_run):
    """Whatever tags a chart shows, and whichever of them the run has."""
    first, second = make_run("a"), make_run("b")
    for run in (first, second):
        run.start()
        run.train(1, 40)
    runs = {"a": first.read(), "b": second.read()}
    for tags in (("loss/train",), ("loss/train", "loss/val"), ("nothing", "lr")):
        curves = CurveBook().curves(runs, tags, "step", 0.0)
        assert {(curve.label[0], curve.style) for curve in curves} == {("a", "series-0"), ("b", "series-1")}


async def test_each_run_has_one_stroke_in_all_charts_of_one_tag(make_run, show):
    """Also if another run has no values there: without colours, only the line style identifies a run."""
    runs = {}
    for number in range(7):
        run = make_run(f"run-{number}")
        run.start()
        run.train(1, 40 if number else 19)  # the first is over before the first validation
        runs[f"run-{number}"] = run.read()
    assert "loss/val" not in runs["run-0"]
    async with show(chart := Chart(("loss/val",), "val"), 120, 10) as shown:
        chart.set_runs(runs)
        assert [shown.lines()[0].partition(f" run-{number}")[0][-1] for number in range(1, 7)] == list("┄┈╌╍┅┄")
    looks = [(curve.style, curve.pattern) for curve in CurveBook().curves(runs, ("loss/val",), "step", 0.0)]
    assert len({(style, stroke_of(pattern)) for style, pattern in looks}) == 6


def test_smoothing_reaches_as_far_in_a_long_run_as_in_a_short_one() -> None:
    """The weight grows each time the length quadruples, so that a curve is rarely smoothed again."""
    from tuimon.viewer.widgets.curves import _stretched

    assert _stretched(0.0, 10**6) == 0.0
    assert _stretched(0.6, 100) == 0.6
    assert _stretched(0.6, 1000) == _stretched(0.6, 600) == 0.6**0.25
    assert 0.998 < _stretched(0.6, 100_000) < 1
