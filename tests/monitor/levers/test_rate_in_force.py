"""Which rate each step of each parameter group really uses while `lr_scale` is ½, whatever the script does to its optimizer."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from tuimon.log.records import Command

Start = Callable[..., Any]


class Spied(torch.optim.SGD):
    """Notes the rates that each step uses."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.used: list[list[float]] = []

    def step(self, closure: Any = None) -> Any:
        self.used.append([round(float(group["lr"]), 9) for group in self.param_groups])
        return super().step(closure)


def _set_to(optimizer: torch.optim.Optimizer, rate: Callable[[Any], Any]) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate(group["lr"])


def _add_group(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": 0.04})


def _replace_groups(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    optimizer.param_groups = [dict(group, lr=0.02) for group in optimizer.param_groups]


DOES: dict[str, tuple[Callable[[Any, Any], object], list[float]]] = {  # what a script does, and its own rates from then on
    "nothing": (lambda optimizer, saved: None, [0.1, 0.04]),
    "sets the rate": (lambda optimizer, saved: _set_to(optimizer, lambda rate: 0.02), [0.02, 0.02]),
    "changes the rate relatively": (lambda optimizer, saved: _set_to(optimizer, lambda rate: rate * 0.1), [0.01, 0.004]),
    "loads a state": (lambda optimizer, saved: optimizer.load_state_dict(saved), [0.1, 0.04]),
    "adds a group": (_add_group, [0.1, 0.04, 0.04]),
    "replaces its groups": (_replace_groups, [0.02, 0.02]),
}
SCHEDULES: dict[str, Callable[[torch.optim.Optimizer], Any] | None] = {
    "no schedule": None,
    "StepLR": lambda optimizer: lr_scheduler.StepLR(optimizer, 10**9),
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
    "ReduceLROnPlateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=10**9),
}

CASES = [pair for pair in itertools.product(DOES, SCHEDULES) if pair != ("adds a group", "LambdaLR")]  # PyTorch's own cannot


@pytest.mark.parametrize("as_tensor", [False, True], ids=["number", "tensor"])
@pytest.mark.parametrize(("does", "schedule"), CASES)
def test_each_step_uses_half_of_the_scripts_rate(start: Start, does: str, schedule: str, as_tensor: bool) -> None:
    """And the script sees its own rates throughout: in its groups, and in the state that it saves.

    A LambdaLR sets the initial rates again at each of its steps, as without the lever.
    """
    body, head = nn.Linear(8, 16), nn.Linear(16, 4)
    groups = [
        {"params": list(head.parameters()), "lr": torch.tensor(0.1) if as_tensor else 0.1},
        {"params": list(body.parameters()), "lr": 0.04},
    ]
    training = start(nn.Sequential(body, nn.ReLU(), head), Spied(groups))
    optimizer, make = training.optimizer, SCHEDULES[schedule]
    scheduler = make(optimizer) if make else None
    saved = copy.deepcopy(optimizer.state_dict())
    act, rates = DOES[does]

    def step() -> list[float]:
        loss = training.step()
        if scheduler is not None:
            scheduler.step(*([loss] if schedule == "ReduceLROnPlateau" else []))
        return optimizer.used[-1]

    assert step() == pytest.approx([0.1, 0.04])
    training.monitor.send(Command("lr_scale", "multiply", 0.5, by="test"))
    step()
    assert step() == pytest.approx([0.05, 0.02])
    act(optimizer, saved)
    assert sees(optimizer) == pytest.approx(rates)
    assert step() == pytest.approx([rate / 2 for rate in rates])
    if schedule == "LambdaLR":
        rates = [0.1, 0.04]
    assert sees(optimizer) == pytest.approx(rates)
    assert step() == pytest.approx([rate / 2 for rate in rates])
    training.monitor.send(Command("lr_scale", "default", by="test"))
    step()
    assert step() == pytest.approx(rates) == sees(optimizer)


def sees(optimizer: torch.optim.Optimizer) -> list[float]:
    """The rates as the script sees them, which are those of the state that it would save."""
    seen = [float(group["lr"]) for group in optimizer.param_groups]
    assert seen == [float(group["lr"]) for group in optimizer.state_dict()["param_groups"]]
    return seen
