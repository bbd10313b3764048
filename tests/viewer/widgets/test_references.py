"""Lines to compare curves with."""

from __future__ import annotations

import msgspec
import pytest

from tuimon.base.process import this_process
from tuimon.log.reader import read_run
from tuimon.log.records import RunStarted
from tuimon.log.writer import LogWriter
from tuimon.spec.loading import load_spec
from tuimon.viewer.widgets import Chart
from tuimon.viewer.widgets.references import References, classes_of


@pytest.fixture
def store(tmp_path):
    """A run of a classifier of ten classes, whose validation was best in the middle."""
    writer = LogWriter(tmp_path / "run", "run")
    writer.event(RunStarted("r", this_process(), spec=msgspec.to_builtins(load_spec("digits-mlp"))))
    for step in range(1, 41):
        writer.scalars(
            step, {"loss/train": 3 - step / 20} | ({"loss/val": abs(step - 20) / 20 + 0.5} if step % 10 == 0 else {})
        )
    writer.close()
    return read_run(tmp_path / "run")


def test_chance_and_best_are_lines_of_the_loss_and_the_accuracy(store):
    """Chance of a classifier of ten classes, and the lowest validation loss."""
    lines = References().of(store, "loss", ("loss/train", "loss/val"))
    assert [(line.label, round(line.value, 3)) for line in lines] == [("best 0.500", 0.5), ("chance 2.30", 2.303)]
    assert References().of(store, "accuracy", ("accuracy/val",))[0].value == 0.1
    assert References().of(store, "lr", ("lr",)) == ()


def test_other_tasks_have_no_chance():
    """Nor has a spec that cannot be read."""
    for loss, classes in (("auto", 10), ("cross_entropy", 10), ("mse", 0)):
        assert classes_of(msgspec.to_builtins(load_spec("digits-mlp", [f"loss.name={loss}"]))) == classes
    assert classes_of({"data": 3}) == classes_of({}) == 0


async def test_the_lines_are_drawn_with_their_labels(store, show):
    """Where no curve is in the way; in ASCII, too."""
    for ascii in (False, True):
        async with show(chart := Chart(("loss/train", "loss/val"), "loss"), 90, 20, ascii=ascii) as shown:
            chart.update_from(store)
            row = next(line for line in shown.lines() if "chance 2.30" in line)
            assert row.count("." if ascii else "·") > 20 and "best 0.500" in shown.text()
