"""The autopilot inside a real training: it mends a rate that is far too low, says so in the log, and is a lever like others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tuimon.base import given
from tuimon.base.errors import TuimonError
from tuimon.log.records import Applied, CheckpointSaved, Command, Notice

Start = Callable[..., Any]
LONG_S = 120.0


class Slow:
    """A classifier that learns nothing at its rate; each step takes a while, as real ones do."""

    def __init__(self, start: Start, **options: Any) -> None:
        torch.manual_seed(1)
        self.x = torch.randn(512, 16)
        self.y = (self.x @ torch.randn(16, 4)).argmax(1)
        self.model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-6)
        self.training = start(self.model, self.optimizer, budget=0.5, **options)

    def train_until(self, done: Callable[[], bool]) -> None:
        ends = time.monotonic() + LONG_S
        while not done():
            assert time.monotonic() < ends, [one.text for one in self.training.events(Notice)]
            for _ in range(10):
                self.optimizer.zero_grad()
                some = torch.randint(0, len(self.x), (32,))
                loss = nn.functional.cross_entropy(self.model(self.x[some]), self.y[some])
                loss.backward()
                self.optimizer.step()
                self.training.monitor.log(loss=loss.detach())
                time.sleep(0.005)


def test_a_rate_that_is_too_low_is_raised_in_place(start: Start) -> None:
    """Behind a checkpoint, with the reason, and watched until it can say what came of it; all of it is in the log."""
    slow = Slow(start, autopilot=True)
    training = slow.training

    def told(beginning: str) -> list[str]:
        return [one.text for one in training.events(Notice) if one.text.startswith(beginning)]

    slow.train_until(lambda: bool(told("autopilot: rate-too-low, lr_scale=")))
    done = [one for one in training.events(Applied) if one.by == "autopilot"]
    at = next(i for i, one in enumerate(done) if one.lever == "lr_scale")
    assert done[at - 1].lever == "checkpoint" and float(done[at].new) >= 100
    assert "steps of a usual share of the weights" in told("autopilot: rate-too-low: ")[0]
    assert training.store["loss/train"].last < 1.3
    saved = training.events(CheckpointSaved)
    assert saved[0].step == 0 and (training.monitor.run_dir / saved[0].path).is_file()


def test_it_is_switched_while_the_run_trains(start: Start) -> None:
    """Off by default: the finding is told, and nothing is done about it until somebody switches it on."""
    slow = Slow(start)
    training = slow.training
    slow.train_until(lambda: any(one.rule == "rate-too-low" for one in [r.event for r in training.store.findings]))
    assert [one for one in training.events(Applied) if one.by == "autopilot"] == []
    training.monitor.send(Command("autopilot", "on"))
    slow.train_until(lambda: any(one.lever == "lr_scale" for one in training.events(Applied)))
    assert training.store.levers["autopilot"].value is True


def test_where_it_gets_its_bounds_from(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the launcher's environment, unless the script says; its lever tells them. Nonsense is an error of the call."""
    monkeypatch.setenv(given.AUTOPILOT, "most=2,every=7")
    told = {info.name: info for info in start().monitor.levers.infos()}["autopilot"]
    assert told.value is True and "most=2,every=7" in told.help
    off = {info.name: info for info in start(name="off", autopilot=False).monitor.levers.infos()}["autopilot"]
    assert off.value is False
    with pytest.raises(TuimonError, match="bounds"):
        start(name="bad", autopilot="few=1")


def test_its_bounds_go_with_a_checkpoint(start: Start) -> None:
    """A run that is resumed keeps them, as it keeps the switch, unless it is given others."""

    def told(name: str, **options: Any) -> Any:
        monitor = start(name=name, **options).monitor
        monitor.load_state_dict(state)
        return {info.name: info for info in monitor.levers.infos()}["autopilot"]

    state = start(autopilot="most=2,every=7,levers=lr_scale").monitor.state_dict()
    resumed = told("resumed")
    assert resumed.value is True and "most=2,every=7,levers=lr_scale" in resumed.help
    assert "most=3" in told("others", autopilot="most=3").help
    state = {name: value for name, value in state.items() if name != "autopilot"}  # of an earlier version
    assert "most=6" in told("old").help


def test_a_healthy_training_ends_with_the_very_same_weights(start: Start) -> None:
    """The autopilot that finds nothing changes nothing."""

    def trained(name: str, autopilot: bool) -> torch.Tensor:
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 4))
        training = start(model, torch.optim.Adam(model.parameters(), lr=1e-3), name=name, autopilot=autopilot)
        for _ in range(30):
            training.step()
        training.monitor.close()
        return model[0].weight.detach()

    assert torch.equal(trained("with", True), trained("without", False))
