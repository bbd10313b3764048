"""What a sample says of how its step was made: waiting, the model's mode, the batch."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import tuimon
from tuimon.log.store import Store
from tuimon.monitor.probe.entries import Facts
from tuimon.monitor.probe.manner import Manner, _own_clock, has_modes


def trained(folder: Path, model: nn.Module, between: Callable[[], object] = lambda: None, steps: int = 6) -> Store:
    """A few steps, each of them sampled."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with tuimon.watch(model, optimizer, run_dir=folder, budget=1.0, meters=False, serve=False) as monitor:
        for _ in range(steps):
            between()
            model(torch.randn(7, 4)).sum().backward()
            optimizer.step()
            monitor.log(loss=1.0)
        copy.deepcopy(model)
        pickle.dumps(model)
    return tuimon.read_run(folder)


def test_the_rows_of_a_batch_are_told(tmp_path: Path) -> None:
    """By the first dimension of what the model is called with."""
    store = trained(tmp_path, nn.Linear(4, 3))
    assert set(store["step/rows"].values.tolist()) == {7.0}
    assert "model/training" not in store  # nothing in it differs between training and evaluation


def test_waiting_is_a_share_of_the_time_between_steps(tmp_path: Path) -> None:
    """A loader that takes most of the time shows; a validation between is no waiting."""
    slow = trained(tmp_path / "slow", nn.Linear(4, 3), lambda: time.sleep(0.05))
    assert sorted(slow["step/wait_fraction"].values.tolist())[2] > 0.5
    model = nn.Linear(4, 3)

    def validate() -> None:
        with torch.no_grad():
            model(torch.randn(7, 4))

    assert "step/wait_fraction" not in trained(tmp_path / "validates", model, validate)


@pytest.mark.parametrize(("waited", "share"), [(0.0009, None), (0.002, 0.5), (0.1, 0.1 / 0.102)])
def test_what_python_takes_between_two_steps_is_no_waiting(
    monkeypatch: pytest.MonkeyPatch, waited: float, share: float | None
) -> None:
    """Of a tiny model that is most of the time, and no loader would make it shorter."""
    clock = iter([10.0, 10.0 + waited, 10.002 + waited])
    monkeypatch.setattr("tuimon.monitor.probe.manner._own_clock", lambda: next(clock))
    model = nn.Linear(4, 3)
    manner = Manner(model)
    manner.begin()
    manner.forward(model, (torch.zeros(7, 4),))
    manner.over()
    (found,) = manner.take(torch.device("cpu"), 0.0)
    (facts,) = found.read()
    assert isinstance(facts, Facts)
    told = dict(zip(facts.tags, facts.values, strict=True))
    assert told.get("step/wait_fraction") == (None if share is None else pytest.approx(share))
    assert told["step/rows"] == 7


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="the kernel does not tell what a thread waits for")
def test_time_without_a_processor_is_no_waiting(tmp_path: Path) -> None:
    """A thread that shares its processors with twice as many others takes three times as long, and waits for nothing."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        began, wall, worked = _own_clock(), time.perf_counter(), time.thread_time()
        while time.thread_time() - worked < 0.3:
            pass
        own, lasted = _own_clock() - began, time.perf_counter() - wall
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert own < 0.3 + (lasted - 0.3) / 2 + 0.05


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_of_the_model_is_told(tmp_path: Path, mode: bool) -> None:
    """Where it matters."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.Linear(3, 2)).train(mode)
    assert set(trained(tmp_path, model)["model/training"].values.tolist()) == {float(mode)}


@pytest.mark.parametrize(
    ("model", "modes"),
    [
        (nn.Linear(1, 1), False),
        (nn.Dropout(0.0), False),
        (nn.Dropout(0.1), True),
        (nn.BatchNorm1d(2), True),
        (nn.BatchNorm1d(2, track_running_stats=False), False),
        (nn.LayerNorm(2), False),
        (nn.LSTM(2, 2, num_layers=2, dropout=0.3), True),
    ],
)
def test_which_models_have_modes(model: nn.Module, modes: bool) -> None:
    """Those with dropout, or with norms that keep running statistics."""
    assert any(map(has_modes, model.modules())) is modes
