"""Runs that go on from another run's checkpoint: exactly as it went on, or with what was changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from tuimon.base.errors import TuimonError
from tuimon.log.reader import read_run
from tuimon.log.records import STEERING_FILE, Applied, CheckpointSaved, Command, Forked, Planned
from tuimon.spec.loading import load_spec
from tuimon.training import checkpoint, kept
from tuimon.training.forking import hyperparameters
from tuimon.training.loop import Trainer, train
from tuimon.training.signals import StopSignals

# 45 steps per epoch; dropout draws random numbers at every step.
QUICK = ("batch_size=32", "hidden=32", "lr=1e-3", "checkpoint_every=0", "device=cpu", "dropout=0.2", "steps=120")


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([value.flatten() for value in trainer.model.state_dict().values()])


def asked_at(folder: Path, step: int, *changes: str) -> Trainer:
    """A whole run that is asked for a checkpoint right after it has logged a step."""
    trainer = Trainer(load_spec("digits-mlp", [*QUICK, *changes]), folder, resume=False, signals=StopSignals())
    log = trainer.monitor.log

    def ask(*arguments: Any, **values: Any) -> None:
        if trainer.step == step and "loss" in values:
            trainer.monitor.send(Command("checkpoint", "do", id="1"))
        log(*arguments, **values)

    trainer.monitor.log = ask  # type: ignore[method-assign]
    trainer.run()
    return trainer


def forked(parent: Path, folder: Path, step: int, *changes: str, steering: tuple[Planned, ...] = ()) -> Trainer:
    (folder / "checkpoints").mkdir(parents=True)
    shutil.copy(parent / "checkpoints" / f"step-{step}.pt", folder / "checkpoints" / "fork.pt")
    if steering:
        (folder / STEERING_FILE).write_bytes(msgspec.json.encode(steering))
    return train(load_spec("digits-mlp", [*QUICK, *changes]), folder, fork=parent)


PLATEAU = ("schedule.name=plateau", "patience=0", "lr=0.05", "steps=225")


COSINE, ONE_CYCLE = ("schedule.name=cosine", "warmup=0.5"), ("schedule.name=one_cycle",)


@pytest.mark.parametrize(("step", "schedule"), [(1, ()), (67, COSINE), (45, ONE_CYCLE), (45, PLATEAU), (90, PLATEAU)])
def test_an_unchanged_fork_ends_with_the_very_weights(tmp_path: Path, step: int, schedule: tuple[str, ...]) -> None:
    """Over dropout, schedules and shuffled batches; also where a validation was due at the step of the checkpoint."""
    whole = asked_at(tmp_path / "a", step, *schedule)
    twin = forked(tmp_path / "a", tmp_path / "b", step, *schedule)
    assert torch.equal(weights(whole), weights(twin))
    assert twin.schedule.state_dict() == whole.schedule.state_dict() and twin.best == whole.best
    log = read_run(tmp_path / "b")
    assert log.forked == Forked("a", str(tmp_path / "a"), step) and log["loss/train"].steps[0] == step + 1


def test_a_change_takes_effect_before_the_first_forward_pass(tmp_path: Path) -> None:
    """A lever that is set at the fork is set at its step, like one that was set in the parent at that step."""
    asked_at(tmp_path / "a", 50)
    settings = (Planned(50, Command("dropout", "off")), Planned(50, Command("lr_scale", "set", 0.5)))
    child = forked(tmp_path / "a", tmp_path / "b", 50, steering=settings)
    moved = [record.event for record in read_run(tmp_path / "b").events if isinstance(record.event, Applied)]
    assert [(one.step, one.lever, one.mid_step) for one in moved] == [(50, "dropout", False), (50, "lr_scale", False)]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / STEERING_FILE).write_bytes(msgspec.json.encode(settings))
    assert torch.equal(weights(child), weights(train(load_spec("digits-mlp", QUICK), tmp_path / "c")))


@pytest.mark.parametrize(
    ("before", "change"),
    [((), "lr=0.01"), (COSINE, "lr=0.01"), (("schedule.name=step", "every=1"), "factor=0.1"), ((), "betas=0.5,0.9")],
)
def test_optimizer_and_schedule_may_differ(tmp_path: Path, before: tuple[str, ...], change: str) -> None:
    """From the fork on, the optimizer's settings and the rate are those of a run that had them from its beginning."""
    asked_at(tmp_path / "a", 50, *before)
    child = forked(tmp_path / "a", tmp_path / "b", 50, *before, change)
    other = train(load_spec("digits-mlp", [*QUICK, *before, change]), tmp_path / "c")
    assert hyperparameters(child.optimizer) == hyperparameters(other.optimizer)
    assert not torch.equal(weights(child), weights(other)) and child.step == 120


def test_a_plateau_keeps_the_rate_that_it_has_reached(tmp_path: Path) -> None:
    """Unless another rate is asked for."""
    parent = asked_at(tmp_path / "a", 200, *PLATEAU, "lr=1")
    reached = checkpoint.load(tmp_path / "a" / "checkpoints" / "step-200.pt")["optimizer"]["param_groups"][0]["lr"]
    assert reached < 1 and parent.step == 225
    child = forked(tmp_path / "a", tmp_path / "b", 200, *PLATEAU, "lr=1", "patience=50")
    assert child.optimizer.param_groups[0]["lr"] == reached
    other = forked(tmp_path / "a", tmp_path / "c", 200, *PLATEAU, "lr=0.3", "patience=50")
    assert other.optimizer.param_groups[0]["lr"] == 0.3


@pytest.mark.parametrize("change", ["hidden=16", "seed=1", "batch_size=16", "optimizer=sgd"])
def test_what_does_not_fit_the_checkpoint_is_refused(tmp_path: Path, change: str) -> None:
    """Its weights, its optimizer's state, or its place in the data."""
    asked_at(tmp_path / "a", 1)
    with pytest.raises(TuimonError, match="Cannot fork with"):
        forked(tmp_path / "a", tmp_path / "b", 1, change)


def test_a_fork_that_was_stopped_resumes_as_itself(tmp_path: Path) -> None:
    """From its own checkpoint, and it still knows whose fork it is."""
    asked_at(tmp_path / "a", 50)
    forked(tmp_path / "a", tmp_path / "b", 50, "steps=60", "lr=0.01")
    resumed = train(load_spec("digits-mlp", [*QUICK, "lr=0.01"]), tmp_path / "b", resume=True)
    whole = forked(tmp_path / "a", tmp_path / "c", 50, "lr=0.01")
    assert torch.equal(weights(resumed), weights(whole))
    forks = [record.event for record in read_run(tmp_path / "b").events if isinstance(record.event, Forked)]
    assert forks == [Forked("a", str(tmp_path / "a"), 50)] * 2


def test_a_later_best_checkpoint_is_not_the_forks(tmp_path: Path) -> None:
    """The fork knows of the best up to its step; another file under that name would be wrong."""
    asked_at(tmp_path / "a", 50)
    for step, left in ((45, True), (90, False)):
        folder = tmp_path / f"b{step}"
        (folder / "checkpoints").mkdir(parents=True)
        checkpoint.save(folder / "checkpoints" / "best.pt", {"step": step})
        trainer = forked_in(tmp_path / "a", folder, 50)
        trainer._begin_fork()
        assert (folder / "checkpoints" / "best.pt").exists() is left
        trainer.monitor.close()


def forked_in(parent: Path, folder: Path, step: int) -> Trainer:
    shutil.copy(parent / "checkpoints" / f"step-{step}.pt", folder / "checkpoints" / "fork.pt")
    return Trainer(load_spec("digits-mlp", QUICK), folder, resume=False, fork=parent, signals=StopSignals())


def test_earlier_checkpoints_are_kept_spread_over_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than asked for, the latest among them; each is the whole checkpoint of its step."""
    monkeypatch.setattr("tuimon.training.routine.EVERY_S", 0.0)
    spec = load_spec("digits-mlp", [*QUICK, "checkpoint_every=1", "keep_checkpoints=3", "steps=360"])
    train(spec, tmp_path)
    files = kept.kept_in(tmp_path / "checkpoints" / "kept")
    assert len(files) == 3 and max(files) == 360
    assert [checkpoint.load(path)["step"] for path in files.values()] == list(files)
    saved = [record.event.step for record in read_run(tmp_path).events if isinstance(record.event, CheckpointSaved)]
    assert set(files) <= set(saved)


def test_kept_steps_are_spread() -> None:
    """What is closest to others goes first; the last one always stays."""
    steps: list[int] = []
    for step in range(1, 101):
        steps = kept.spread([*steps, step], 5)
    assert len(steps) == 5 and steps[-1] == 100
    gaps = [later - sooner for sooner, later in zip([0, *steps], steps, strict=False)]
    assert max(gaps[:-1]) <= 50


def test_kept_checkpoints_are_bounded_in_bytes_and_give_way(tmp_path: Path) -> None:
    """Those larger than the limit together are not kept; where there is no room, the newest checkpoint counts."""
    last = tmp_path / "last.pt"
    for step in range(4):
        kept.save(last, {"step": step, "weights": torch.zeros(1000)})
        kept.keep(last, step, most=8, most_bytes=2 * last.stat().st_size)
    assert sorted(kept.kept_in(tmp_path / "kept")) == [2, 3]
    kept.keep(last, 9, most=0)
    assert 9 not in kept.kept_in(tmp_path / "kept")


def test_a_full_disk_takes_the_kept_ones_first(small_disk: Any) -> None:
    """Three checkpoints fill it; the fourth is written all the same."""
    disk = small_disk(1024)
    last = disk / "last.pt"
    for step in range(6):
        kept.save(last, {"step": step, "weights": torch.zeros(50_000)})
        kept.keep(last, step, most=8)
    assert checkpoint.load(last)["step"] == 5
