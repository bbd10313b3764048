"""The names of event files put them in order, whatever the clock does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tuimon.base.process import Process
from tuimon.log.files import event_files, new_name
from tuimon.log.reader import read_run
from tuimon.log.records import Ended, Launched, RunStarted
from tuimon.log.writer import LogWriter

NOBODY = Process("nowhere", "boot", 1, 1.0)


@pytest.mark.parametrize("step_s", [-7200.0, -3600.0, -1.0, 0.0, 1.0, 3600.0])
def test_files_sort_as_they_were_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
    """However far the clock is set back or forward between two; TensorBoard sorts names as text and finds the same order."""
    now = 1_700_000_000.5
    monkeypatch.setattr(time, "time", lambda: now)
    begun = []
    for pid in (9, 10, 100, 99, 11):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        for suffix in ("launch", "run"):
            writer = LogWriter(tmp_path, suffix)
            begun.append(writer.path.name)
            writer.close()
        now += step_s
    assert [path.name for path in event_files(tmp_path)] == begun == sorted(begun)


def test_a_name_tells_the_second_as_long_as_the_clock_runs_forward(tmp_path: Path) -> None:
    """Which is what lists of runs and TensorBoard take it for."""
    before = int(time.time())
    number = int(new_name(tmp_path, "host.1.0.run").split(".")[3])
    assert before <= number <= time.time()


@pytest.mark.parametrize("other", ["x.tfevents.9", "events.out.tfevents.99999999999.h", "events.out.tfevents.9999999999.h.1"])
def test_names_that_cannot_be_counted_on_are_left_alone(tmp_path: Path, other: str) -> None:
    """Another writer's, and the last number that a name has room for: a log is still written and read."""
    (tmp_path / other).touch()
    writer = LogWriter(tmp_path, "run")
    writer.scalars(1, {"loss": 0.5})
    writer.close()
    assert read_run(tmp_path)["loss"].last == 0.5


def test_a_resumed_run_is_read_in_order_after_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest attempt's description counts, and its steps replace those of the earlier one."""
    now = time.time()
    for first, last, back_s in ((0, 10, 0.0), (6, 8, 3600.0), (7, 9, 7200.0)):
        monkeypatch.setattr(time, "time", lambda back_s=back_s: now - back_s)
        supervisor = LogWriter(tmp_path, "launch")
        supervisor.event(Launched(name=f"from {first}", command=(), cwd="", supervisor=NOBODY))
        training = LogWriter(tmp_path, "run")
        training.event(RunStarted(name="r", process=NOBODY, first_step=first))
        for step in range(first + 1, last + 1):
            training.scalars(step, {"x": step + 100 * back_s})
        training.close()
        supervisor.close()
    store = read_run(tmp_path)
    assert store["x"].steps.tolist() == list(range(1, 10))
    assert [value > 1e5 for value in store["x"].values] == [False] * 6 + [True] * 3
    assert store.launched and store.launched.name == "from 7" and store.started and store.started.first_step == 7


def test_an_attempt_that_only_just_began_has_not_ended(tmp_path: Path) -> None:
    """What an earlier one said of its end is not the latest attempt's."""
    for events in ((RunStarted(name="r", process=NOBODY), Ended("stopped")), ()):
        supervisor = LogWriter(tmp_path, "launch")
        supervisor.event(Launched(name="r", command=(), cwd="", supervisor=NOBODY))
        training = LogWriter(tmp_path, "run")
        for event in events:
            training.event(event)
        training.close()
        supervisor.close()
    assert read_run(tmp_path).ended is None
