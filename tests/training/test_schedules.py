"""Schedules: the learning rate at given steps, together with lr_scale, and after a resume."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from tuimon.log.reader import read_run
from tuimon.log.records import Command
from tuimon.spec.loading import load_spec
from tuimon.training import checkpoint
from tuimon.training.loop import Trainer, train
from tuimon.training.schedules import Schedule
from tuimon.training.signals import StopSignals

EPOCH, STEPS = 10, 100


def schedule(*overrides: str, total: int = STEPS) -> tuple[SGD, Schedule]:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    spec = load_spec("digits-mlp", [override if "=" in override else f"schedule.name={override}" for override in overrides])
    return optimizer, Schedule(spec.schedule, optimizer, EPOCH, total)


def rates(*overrides: str, steps: int = STEPS, losses: tuple[float, ...] = ()) -> list[float]:
    """The rate at each step, with a validation after every epoch."""
    optimizer, plan = schedule(*overrides)
    found = []
    for step in range(1, steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        plan.after_step()
        if step % EPOCH == 0 and losses:
            plan.after_validation(losses[step // EPOCH - 1])
    return found


def test_a_constant_rate_is_constant():
    """This is the default."""
    assert set(rates("constant")) == {0.5}


def test_the_rate_is_halved_when_the_validation_loss_stops_falling():
    """After `patience` validations without a lower one, as early stopping counts."""
    falling, flat = (1.0, 0.9, 0.8), (0.8,) * 7
    found = rates("plateau", "schedule.patience=2", losses=falling + flat)[::EPOCH]
    assert found == [0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625]


def test_the_inverse_schedule_is_one_over_t():
    """In epochs: half the rate after 1 / decay epochs."""
    found = rates("inverse", "schedule.decay=0.5")
    assert found == pytest.approx([0.5 / (1 + 0.5 * step / EPOCH) for step in range(STEPS)])
    assert found[20] == pytest.approx(0.25)


def test_the_step_schedule_reduces_every_few_epochs():
    """Each reduction multiplies the rate."""
    found = rates("step", "schedule.every=3", "schedule.factor=0.1")
    assert [found[n] for n in (0, 29, 30, 59, 60, 90)] == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.005, 0.0005])


def test_a_cosine_falls_over_the_whole_run():
    """From the full rate to `last` times the rate."""
    found = rates("cosine", "schedule.last=0.1")
    wanted = [0.05 + 0.45 * (1 + math.cos(math.pi * step / STEPS)) / 2 for step in range(STEPS)]
    assert found == pytest.approx(wanted, rel=1e-9)


def test_a_warm_up_rises_to_the_rate_before_the_schedule_begins():
    """Linearly from `start` times the rate; the schedule then covers the rest of the run."""
    found = rates("cosine", "schedule.warmup=2", "schedule.start=0.1")
    assert found[:21] == pytest.approx([0.05 + 0.45 * step / 20 for step in range(20)] + [0.5])
    assert found[60] == pytest.approx(0.25)
    assert rates("schedule.warmup=2", "schedule.start=0.1")[20:] == pytest.approx([0.5] * 80)


def test_one_cycle_is_torchs_own():
    """Up to the rate at `peak` of the run, then down again."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = OneCycleLR(optimizer, 0.5, STEPS, pct_start=0.25, div_factor=10, cycle_momentum=False)
    wanted = []
    for _ in range(STEPS):
        wanted.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(wanted) < STEPS:
            theirs.step()
    found = rates("one_cycle", "schedule.peak=0.25", "schedule.start=0.1")
    assert found == wanted
    assert (found[0], max(found), found.index(max(found))) == (pytest.approx(0.05), 0.5, 24)


@pytest.mark.parametrize("total", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
def test_a_schedule_works_in_a_very_short_run(name: str, total: int):
    """It also does no harm after its end."""
    peak = ["schedule.peak=0.01"] if name == "one_cycle" else []
    optimizer, plan = schedule(name, *peak, total=total)
    for _ in range(total + 3):
        optimizer.step()
        plan.after_step()
        assert 0 <= optimizer.param_groups[0]["lr"] <= 0.5


ALL = [
    ["schedule.name=plateau", "schedule.patience=0", "schedule.factor=0.9"], ["schedule.name=inverse"],
    ["schedule.name=step", "schedule.every=1"], ["schedule.name=cosine", "schedule.warmup=0.5"], ["schedule.name=one_cycle"],
]  # fmt: skip


@pytest.mark.parametrize("overrides", ALL, ids=lambda overrides: overrides[0].partition("=")[2])
@pytest.mark.parametrize("stop", [30, 37])
def test_a_resumed_run_has_the_same_rates(tmp_path: Path, overrides: list[str], stop: int):
    """Stopped at the end of an epoch or within one; the weights are bit-identical."""
    spec = load_spec(
        "digits-mlp", [*overrides, "hidden=8", "batch_size=100", "epochs=4", "device=cpu", "optimizer=muon", "lr=0.2"]
    )
    whole = train(spec, tmp_path / "whole")
    stopping = Trainer(spec, tmp_path / "parts", resume=False, signals=StopSignals())
    log = stopping.monitor.log

    def stop_and_log(*arguments: Any, **values: Any) -> None:
        if stopping.step == stop and "loss" in values:
            stopping._ask_to_stop()
        log(*arguments, **values)

    stopping.monitor.log = stop_and_log  # type: ignore[method-assign]
    stopping.run()
    resumed = train(spec, tmp_path / "parts", resume=True)
    ends = [checkpoint.load(tmp_path / folder / "checkpoints" / "last.pt") for folder in ("whole", "parts")]
    rates = [read_run(tmp_path / folder)["lr"].values for folder in ("whole", "parts")]
    assert (rates[0] == rates[1]).all()
    assert ends[0]["schedule"] == ends[1]["schedule"]
    for one, two in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, two)
    assert len(set(rates[0].tolist())) > 1


@pytest.mark.parametrize("overrides", ALL[1:], ids=lambda overrides: overrides[0].partition("=")[2])
def test_a_run_resumed_for_longer_has_the_rates_of_a_longer_run(tmp_path: Path, overrides: list[str]):
    """A cosine or one-cycle schedule ended near zero, where training would make no progress."""
    shorter, longer = (
        load_spec("digits-mlp", [*overrides, f"epochs={n}", "hidden=8", "batch_size=300", "device=cpu"]) for n in (2, 4)
    )
    train(longer, tmp_path / "whole")
    train(shorter, tmp_path / "parts")
    train(longer, tmp_path / "parts", resume=True)
    whole, parts = (read_run(tmp_path / folder)["lr"].values for folder in ("whole", "parts"))
    assert parts[10:] == pytest.approx(whole[10:])


def test_the_lever_multiplies_the_scheduled_rate(tmp_path: Path):
    """It does not change the schedule itself."""
    spec = load_spec("digits-mlp", ["schedule.name=cosine", "hidden=8", "batch_size=100", "steps=10", "device=cpu", "lr=0.1"])
    trainer = Trainer(spec, tmp_path, resume=False, signals=StopSignals())
    trainer.monitor.send(Command("lr_scale", "set", 0.5, id="1"))
    trainer.run()
    applied = [record.event for record in read_run(tmp_path).events if getattr(record.event, "lever", "") == "lr_scale"]
    assert applied[0].note == "lr 0.1 → 0.05"
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * (1 + math.cos(math.pi * 0.9)) / 2)
