"""A training diagnoses itself while it runs, says so in its log, and is none the worse for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import tuimon
from conftest import wait_until
from tuimon.diagnosis import Diagnosis, diagnose
from tuimon.diagnosis.diagnosis import VERSION
from tuimon.log.reader import read_run
from tuimon.log.records import Ended, Finding
from tuimon.monitor import diagnosing


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For small models: several threads would wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(folder: Path, model: nn.Module, lr: float, steps: int = 150, budget: float = 1.0, **options: object) -> torch.Tensor:
    """Trains a classifier of four classes for some steps, watched; returns its weights as one vector."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    inputs = torch.randn(256, 8)
    targets = (inputs[:, 0] > 0).long() + 2 * (inputs[:, 1] > 0).long()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    with tuimon.watch(model, optimizer, run_dir=folder, budget=budget, meters=False, serve=False, **options) as monitor:  # type: ignore[arg-type]
        for step in range(steps):
            batch = slice(32 * (step % 8), 32 * (step % 8) + 32)
            loss = nn.functional.cross_entropy(model(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.log(loss=loss.item())
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def small() -> nn.Sequential:
    """A small classifier."""
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))


def test_a_training_logs_its_findings_before_its_end(tmp_path: Path) -> None:
    """What the log says is what the same rules find in it afterwards."""
    train(tmp_path, small(), lr=1e6)
    store = read_run(tmp_path)
    assert store.started and store.started.diagnosis == VERSION
    kinds = [type(record.event) for record in store.events]
    assert Finding in kinds and kinds.index(Finding) < kinds.index(Ended)
    logged = [record.event for record in store.findings]
    assert "non-finite-loss" in [finding.rule for finding in logged if isinstance(finding, Finding)]
    replayed, reader = Diagnosis(), tuimon.log.reader.RunReader(tmp_path)
    told: list[Finding] = []
    while batch := reader.read(5000):
        told += replayed.take(batch)
    assert told == logged
    assert diagnose(store) == tuimon.diagnose(store)
    again = diagnose(store, again=True)  # in the order of the steps, while the log has a sample a little behind its step
    assert {finding.rule for finding in again} == {finding.rule for finding in logged if isinstance(finding, Finding)}


def test_findings_come_while_it_trains(tmp_path: Path) -> None:
    """A reader of a live run sees them in its log."""
    model, seen = small(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tuimon.watch(model, optimizer, run_dir=tmp_path, meters=False, serve=False) as monitor:
        for step in range(20):
            monitor.log(step=step, loss=float("nan") if step > 5 else 1.0)
        wait_until(lambda: seen.extend(read_run(tmp_path).findings) or seen, what="a finding in the log of a live run")
    assert seen[0].event.rule == "non-finite-loss" and seen[0].event.step == 6


def test_weights_are_the_same_with_and_without(tmp_path: Path) -> None:
    """To the bit, on a CPU with the same seed."""
    with_it, without = (train(tmp_path / str(on), small(), lr=0.05, diagnose=on) for on in (True, False))
    assert torch.equal(with_it, without)
    assert read_run(tmp_path / "False").started.diagnosis == 0  # type: ignore[union-attr]


def test_an_error_is_told_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No error of the diagnosis reaches the user's loop."""

    class Broken(Diagnosis):
        take: Callable[..., list[Finding]] = lambda self, batch: 1 / 0  # type: ignore[assignment, return-value]

    monkeypatch.setattr(diagnosing, "Diagnosis", Broken)
    train(tmp_path, small(), lr=0.05)
    store = read_run(tmp_path)
    told = [record.event.text for record in store.events if "diagnosis failed" in getattr(record.event, "text", "")]
    assert told == ["the monitor's diagnosis failed: ZeroDivisionError: division by zero"]
    assert len(store["loss/train"]) == 150 and store.ended and store.ended.how == "finished"
    assert capsys.readouterr().err.count("diagnosis failed") == 1


def test_the_thread_ends_with_the_run(tmp_path: Path) -> None:
    """And does not outlive it by more than one reading."""
    import threading

    train(tmp_path, small(), lr=0.05, steps=5)
    begun = time.monotonic()
    wait_until(lambda: not any(thread.name == "tuimon-diagnosis" for thread in threading.enumerate()))
    assert time.monotonic() - begun < 60
