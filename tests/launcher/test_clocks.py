"""A clock that is set back decides nothing: not who trains, not which record is the latest, not what may be started."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clock import Clock
from conftest import wait_until
from launching import STANDIN, Runs, status
from tuimon.base.process import Process, is_alive
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.summary import summarize
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.launcher.steering.stop import stop
from tuimon.log.reader import read_run
from tuimon.log.records import Applied

HOUR_S = 3600.0
SHIFTS = (-HOUR_S, -1.0, HOUR_S)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all processes that the test starts."""
    return Clock(tmp_path / "clock", monkeypatch)


def trainer_of(run: Path) -> Process:
    """The latest attempt's training process, once it has attached its monitor."""
    wait_until(lambda: lifecycle(run).training, what="it has begun to train")
    training = lifecycle(run).training
    assert training
    return training.process


@pytest.mark.parametrize("shift_s", SHIFTS)
def test_a_clock_set_between_launch_and_training_changes_nothing(runs: Runs, clock: Clock, shift_s: float) -> None:
    """The run is running, is steered and is stopped."""
    go = runs.folder / "go"
    trainer = shlex.join([sys.executable, str(STANDIN), str(runs.folder / "a")])
    run = runs.supervise("a", "sh", "-c", f"until [ -e {shlex.quote(str(go))} ]; do sleep 0.02; done; exec {trainer}")
    assert status(run) == "starting"
    clock.set(shift_s)
    go.touch()
    trainer_of(run)
    assert status(run) == summarize(run).status.state == "running"
    assert isinstance(send(run, parse_setting("lr_scale=0.5")), Applied)
    assert stop(run).startswith("applied at step")
    wait_until(lambda: lifecycle(run).exited)
    assert status(run) == "stopped"


@pytest.mark.parametrize("shift_s", SHIFTS)
@pytest.mark.parametrize("end", [lambda run: stop(run, now=True), lambda run: stop(run)], ids=["now", "gracefully"])
def test_a_clock_set_before_a_resume_changes_nothing(
    runs: Runs, clock: Clock, shift_s: float, end: Callable[[Path], object]
) -> None:
    """The latest attempt is the one that counts, while it trains and when it has ended; the earlier one's end does not."""
    run = runs.start("a", "--steps", "30")
    wait_until(lambda: lifecycle(run).exited)
    assert status(run) == "finished"
    clock.set(shift_s)
    runs.supervise("a", sys.executable, str(STANDIN), str(run))
    assert status(run) in ("starting", "running")
    trainer = trainer_of(run)
    assert status(run) == summarize(run).status.state == "running"
    end(run)
    wait_until(lambda: not is_alive(trainer) and lifecycle(run).exited)
    assert status(run) == "stopped"
    assert read_run(run).ended == lifecycle(run).ended


def test_a_clock_set_back_while_it_trains_changes_nothing(runs: Runs, clock: Clock) -> None:
    """What is logged after is later all the same: a pause, its end, and the end of the run."""
    run = runs.start("a")
    for back_s, setting, state in ((0.0, "pause", "paused"), (-HOUR_S, "resume", "running"), (-2 * HOUR_S, "pause", "paused")):
        clock.set(back_s)
        send(run, parse_setting(setting))
        assert status(run) == summarize(run).status.state == state
    send(run, parse_setting("resume"))
    stop(run)
    wait_until(lambda: lifecycle(run).exited)
    assert status(run) == "stopped"
