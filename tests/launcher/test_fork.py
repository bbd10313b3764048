"""Forks of runs: real trainings, forked while they live and later, exactly or with something different."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import wait_until
from launching import Runs, status
from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.glance import glance, lifecycle
from tuimon.launcher.start.fork import FORK_CHECKPOINT, fork, split_at
from tuimon.launcher.start.point import points
from tuimon.launcher.start.replay import replay
from tuimon.launcher.start.start import start
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Forked
from tuimon.spec.loading import load_spec
from tuimon.training.loop import train

LONG_S = 100.0
QUICK = ("batch_size=32", "hidden=16", "device=cpu", "dropout=0.2", "seed=3")  # 45 steps per epoch


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.pt", weights_only=True)["model"]
    return found


def same(one: Path, other: Path) -> bool:
    first, second = last_weights(one), last_weights(other)
    return all(torch.equal(first[key], second[key]) for key in first | second)


def trained(folder: Path, *changes: str) -> Path:
    """A finished run, trained in this process, with a checkpoint for each epoch."""
    torch.set_num_threads(1)
    train(load_spec("digits-mlp", [*QUICK, *changes]), folder)
    return folder


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not in the folder of `runs`, whose processes are killed: its process is this one. Only read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuimon.training.routine.EVERY_S", 0.0)
        return trained(tmp_path_factory.mktemp("parents") / "a", "epochs=4")


@pytest.mark.timeout(300)
def test_a_live_run_is_forked_and_goes_on(runs: Runs) -> None:
    """It saves a checkpoint at its next boundary; the unchanged fork has all of its curve, and ends with its very weights."""
    spec = load_spec("digits-mlp", [*QUICK, "epochs=100", "schedule.name=cosine"])
    run = start(spec, runs_dir=runs.folder, name="a")
    wait_until(lambda: "loss/val" in glance(run), LONG_S, "the run trains")
    send(run, parse_setting("lr_scale=0.5"))
    started = fork(run, runs_dir=runs.folder)
    assert status(run) == "running" and started.fork.name == "a-fork-01" and started.point.step > 0
    wait_until(lambda: lifecycle(run).exited and lifecycle(started.fork).exited, LONG_S, "both end")
    assert status(run) == status(started.fork) == "finished" and same(run, started.fork)
    whole, joined = read_run(run), read_run(started.fork)
    assert joined.forked == Forked("a", str(run), started.point.step)
    for tag in ("loss/train", "loss/val", "lr"):
        assert np.array_equal(whole[tag].steps, joined[tag].steps) and np.array_equal(whole[tag].values, joined[tag].values)
    assert [record.event.new for record in joined.events if isinstance(record.event, Applied)] == [0.5]


@pytest.mark.timeout(300)
def test_a_fork_with_a_change_and_its_twin(runs: Runs, parent: Path) -> None:
    """The command compares both and says what the change did; the twin ends as its parent did; a replay ends as the fork."""
    command = [sys.executable, "-m", "tuimon", "fork", f"{parent}@100", "lr_scale=*0.1", "--twin", "--headless"]
    done = subprocess.run([*command, "--runs-dir", str(runs.folder)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "a-fork-01: a from step 90 on, lr_scale=*0.1" in done.stderr
    assert "lr_scale=*0.1: made it worse: loss/" in done.stdout  # half a training is left, at a tenth of the rate
    assert "\nlowest loss/val since step 90 " in done.stdout and " higher" in done.stdout
    changed, twin = runs.folder / "a-fork-01", runs.folder / "a-fork-01-twin"
    assert same(parent, twin) and not same(parent, changed)
    moved = [record.event for record in read_run(changed).events if isinstance(record.event, Applied)]
    assert [(one.step, one.lever, one.new, one.mid_step) for one in moved] == [(90, "lr_scale", 0.1, False)]
    again = replay(changed, runs_dir=runs.folder)
    wait_until(lambda: lifecycle(again).exited, LONG_S, "the replay ends")
    assert same(changed, again) and read_run(again).forked == read_run(changed).forked


def test_the_checkpoint_at_or_before_a_step_is_used(parent: Path) -> None:
    """Among those that were kept."""
    assert {point.step for point in points(parent)} == {45, 90, 135, 180}
    assert split_at("a@100") == ("a", 100) and split_at("user@host") == ("user@host", None)


@pytest.mark.parametrize(
    ("at", "settings", "why"),
    [
        (44, (), "its first checkpoint is later"),
        (None, (), "Nothing is left to train of a after step 180"),
        (90, ("lr_scale=fast",), "lr_scale cannot be fast"),
        (90, ("model.dropout=0.5",), "dropout is a lever"),
        (90, ("hidden=8",), "its checkpoints would not fit"),
        (90, ("learning_rate=1",), "no such key"),
        (90, ("checkpoint",), "it must be lever=value or key=value"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    runs: Runs, parent: Path, at: int | None, settings: tuple[str, ...], why: str
) -> None:
    """In one line; no folder is made."""
    with pytest.raises(TuimonError, match=why):
        fork(parent, at, settings, runs_dir=runs.folder)
    with pytest.raises(TuimonError, match="needs a fork that is different"):
        fork(parent, 90, ("epochs=9",), runs_dir=runs.folder, twin=True)
    assert os.listdir(runs.folder) == []


def test_a_program_that_keeps_no_checkpoints_is_not_forked(runs: Runs) -> None:
    """Nor is a run without a checkpoint; both are said before anything starts."""
    run = runs.start("script")
    with pytest.raises(TuimonError, match="it is the run of a program, and has no checkpoint to go on from"):
        fork(run, runs_dir=runs.folder)
    (runs.folder / "b").mkdir()
    (runs.folder / "b" / "events.out.tfevents.1").touch()
    (runs.folder / "b" / "spec.toml").write_text(load_spec("digits-mlp").to_toml())
    with pytest.raises(TuimonError, match="Cannot fork b: it has no checkpoint"):
        fork(runs.folder / "b", 5, runs_dir=runs.folder)
    assert status(run) == "running" and sorted(os.listdir(runs.folder)) == ["b", "script"]


def test_a_full_disk_leaves_no_half_of_a_fork(parent: Path, small_disk: Callable[[int], Path]) -> None:
    """Its checkpoint has no room there."""
    disk = small_disk(8)
    with pytest.raises(TuimonError, match=r"Cannot fork a into .*No space left"):
        fork(parent, 90, runs_dir=disk)
    assert os.listdir(disk) == []


def test_a_fork_outlives_its_parents_checkpoints(runs: Runs, parent: Path) -> None:
    """What it began with is in its own folder, also when the parent saves a new checkpoint or is deleted."""
    started = fork(parent, 90, runs_dir=runs.folder).fork
    kept = torch.load(started / FORK_CHECKPOINT, weights_only=True)
    trained(parent, "epochs=1")
    assert kept["step"] == torch.load(started / FORK_CHECKPOINT, weights_only=True)["step"] == 90
