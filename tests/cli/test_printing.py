"""Printing a run as lines of text."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest

from tuimon.base import format
from tuimon.base.process import this_process
from tuimon.cli.printing import Printer, outcome, progress_text
from tuimon.launcher.runs.status import Status
from tuimon.log.batch import Batch, EventRecord
from tuimon.log.reader import read_run
from tuimon.log.records import Ended, Launched, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run in the middle of its training."""
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted(name="r", process=this_process(), total_steps=27_000, steps_per_epoch=180))
    for step in (1804, 1805):
        writer.scalars(step, {"loss/train": 0.249, "loss/val": 0.243, "accuracy/val": 0.94, "throughput": 686.0})
    writer.close()
    return read_run(tmp_path)


def test_progress_on_a_narrow_terminal_keeps_step_loss_and_eta(store: Store) -> None:
    """The epoch is dropped first, since the step implies it; step, loss and ETA are never dropped."""
    running = Status("running")
    whole = progress_text(store, running)
    assert whole == "epoch 11/150  step 1 805/27 000  loss 0.249  val 0.243  acc 94 %  686 it/s  ETA 0:37"
    assert progress_text(store, running, len(whole)) == whole
    assert progress_text(store, running, 79) == "step 1 805/27 000  loss 0.249  val 0.243  acc 94 %  686 it/s  ETA 0:37"
    for room in (60, 50, 40, 10):
        assert progress_text(store, running, room).startswith("step 1 805/27 000  loss 0.249")
        assert progress_text(store, running, room).endswith("ETA 0:37")


def test_a_regression_tells_how_much_it_explains_and_how_far_off_it_is(tmp_path: Path) -> None:
    """The error in the target's own unit; on a narrow terminal it goes before R²."""
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted(name="r", process=this_process(), total_steps=100))
    writer.scalars(50, {"loss/train": 0.5, "loss/val": 0.6, "r2/val": 0.44, "mae/val": 43.2})
    writer.close()
    whole = progress_text(read_run(tmp_path), Status("running"))
    assert "val 0.600  R2 0.440  MAE 43.2" in whole
    narrow = progress_text(read_run(tmp_path), Status("running"), len(whole) - 1)
    assert "R2 0.440" in narrow and "MAE" not in narrow


def test_how_long_a_resumed_run_trained_leaves_out_the_time_between(store: Store) -> None:
    """A run that was stopped in the evening and resumed in the morning did not train all night."""
    me = this_process()
    launched = Launched(name="r", command=(), cwd="", supervisor=me)
    times = {0.0: launched, 60.0: Ended("stopped", step=500), 40_000.0: launched}
    times |= {40_005.0: RunStarted(name="r", process=me, first_step=500), 40_095.0: Ended("finished", step=800)}
    night = Store()
    night.apply(Batch({}, events=[EventRecord(0, 1e9 + wall, event) for wall, event in times.items()], bytes=1))
    night.step = 800
    assert outcome(night, Status("finished")) == "finished after 2:35, 800 steps"
    assert outcome(store, Status("lost", "why")) == "lost after 0:00, 1 805 steps: why"


def test_one_step_is_not_many(store: Store) -> None:
    """The word is singular for a run that ended after its first step."""
    store.step = 1
    assert outcome(store, Status("failed")) == "failed after 0:00, 1 step"


@pytest.mark.parametrize(
    ("hours", "epoch_s", "fewest", "most"),
    [
        (0.01, 1.0, 35, 37),
        (0.01, 0.1, 30, 37),
        (0.01, 1e9, 7, 9),
        (24, 0.1, 300, 3000),
        (24, 600.0, 500, 1000),
        (24, 1e9, 300, 1000),
    ],
)
def test_plain_lines_become_rarer_as_a_run_goes_on(hours: float, epoch_s: float, fewest: int, most: int) -> None:
    """At first a line each second or each epoch; the log of a whole day stays readable. The last line is always printed."""
    now, stream, store = 0.0, io.StringIO(), Store()
    printer = Printer(stream, lambda: now)
    store.started = RunStarted(name="r", process=this_process(), steps_per_epoch=math.ceil(epoch_s * 10))
    while now < hours * 3600:
        now += 0.5
        store.step = round(now * 10)
        printer.progress(store, Status("running"))
    store.step += 1
    printer.progress(store, Status("running"), last=True)
    lines = stream.getvalue().splitlines()
    assert fewest <= len(lines) <= most
    assert lines[-1].endswith(f"step {format.count(store.step)}")
