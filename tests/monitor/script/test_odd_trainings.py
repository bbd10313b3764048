"""Trainings that are not one model, one optimizer and one finite loss: what is logged of them is so, and they stay the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tuimon
from tuimon.log.records import Command, Notice, RunStarted
from tuimon.log.store import Store
from tuimon.monitor import ending
from tuimon.monitor.script.unasked import UnaskedWatch

Told = list[float]


def step_in_backward() -> tuple[list[Tensor], Told]:
    """One optimizer for each parameter, stepped from inside of backward, as memory-saving fine-tuning does."""
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizers = {p: torch.optim.SGD([p], lr=0.05) for p in net.parameters()}

    def step_now(parameter: Tensor) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in net.parameters():
        parameter.register_post_accumulate_grad_hook(step_now)
    told = []
    for _ in range(20):
        loss = nn.functional.mse_loss(net(torch.randn(32, 8)), torch.zeros(32, 2))
        loss.backward()
        told.append(loss.item())
    return list(net.parameters()), told


def two_by_turns() -> tuple[list[Tensor], Told]:
    """A critic, whose loss is above 10, and a generator, whose loss is below, step by turns."""
    generator, critic = nn.Linear(4, 2), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    first, second = torch.optim.Adam(critic.parameters(), lr=1e-3), torch.optim.Adam(generator.parameters(), lr=1e-3)
    bce, told = nn.functional.binary_cross_entropy_with_logits, []
    for _ in range(20):
        real, fake = torch.randn(16, 2), generator(torch.randn(16, 4))
        loss = 10 + bce(critic(real), torch.ones(16, 1)) + bce(critic(fake.detach()), torch.zeros(16, 1))
        first.zero_grad()
        loss.backward()
        first.step()
        second.zero_grad()
        bce(critic(fake), torch.ones(16, 1)).backward()
        second.step()
        told.append(loss.item())
    return [*critic.parameters(), *generator.parameters()], told


def no_finite_loss() -> tuple[list[Tensor], Told]:
    """The loss becomes infinite once, and is not a number from then on."""
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer, told = torch.optim.SGD(net.parameters(), lr=1e-2), []
    for step in range(30):
        loss = nn.functional.mse_loss(net(torch.randn(32, 8)), torch.randn(32, 2))
        if step == 10:
            loss = loss * 1e38 * 10
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        told.append(loss.item())
    return list(net.parameters()), told


def watched(training: Callable[[], tuple[list[Tensor], Told]], unasked: UnaskedWatch, folder: Path) -> tuple[Store, Told]:
    """Trains with and without tuimon: the weights and losses are the same to the bit. Returns the log, and the losses."""
    torch.manual_seed(0)
    weights, told = training()
    for monitor in ending.still_open():
        monitor.close()
    unasked.close()
    torch.manual_seed(0)
    plain_weights, plain_told = training()
    assert all(torch.equal(a, b) or (a.isnan() == b.isnan()).all() for a, b in zip(weights, plain_weights, strict=True))
    assert np.array_equal(told, plain_told, equal_nan=True)
    return tuimon.read_run(folder), told


def notices(store: Store) -> list[str]:
    """The texts of a log's notices."""
    return [record.event.text for record in store.events if isinstance(record.event, Notice)]


def test_optimizers_that_step_inside_of_backward_are_told_so(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """Each loss is there once, each step counts once; and the log says how much of the model it is about."""
    store, told = watched(step_in_backward, unasked, tmp_path / "train-01")
    assert store["loss/train"].values.tolist() == pytest.approx(told) and store.step == 20
    (notice,) = notices(store)
    assert notice.startswith(
        "several optimizers make their steps inside of backward: only the first, of 2 parameters, is watched"
    )


def test_two_optimizers_by_turns_are_not_mixed(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """Steps, losses and layers are those of the first that steps."""
    store, told = watched(two_by_turns, unasked, tmp_path / "train-01")
    assert store["loss/train"].values.tolist() == pytest.approx(told) and store.step == 20
    assert min(store["loss/train"].values) > 10
    (started,) = [record.event for record in store.events if isinstance(record.event, RunStarted)]
    assert (started.model, started.parameters) == ("Sequential", 33)
    (notice,) = notices(store)
    assert notice.startswith("a second optimizer (Adam) makes steps, too: only the first, of 33 parameters, is watched")


def test_losses_that_are_not_finite_are_logged_as_they_are(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """The step at which it begins is told once, and then what first reads the weights that are lost by it."""
    store, told = watched(no_finite_loss, unasked, tmp_path / "train-01")
    assert np.allclose(store["loss/train"].values, told, equal_nan=True)
    assert math.isinf(told[10]) and all(map(math.isnan, told[11:]))
    began, origin = notices(store)
    assert began == "loss/train is inf since step 11"
    assert origin.startswith("step 12: weights are not finite any more; the first to read them is addmm in 0 at ")


class Spy(torch.optim.SGD):
    """Remembers the rates that each of its steps really uses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.used: list[list[float]] = []
        super().__init__(*args, **kwargs)

    def step(self, closure: Any = None) -> Any:
        self.used.append([round(float(group["lr"]), 6) for group in self.param_groups])
        return super().step(closure)


def add_group(optimizer: Spy, body: nn.Module) -> None:
    """A further group, as when layers are unfrozen."""
    optimizer.add_param_group({"params": list(body.parameters()), "lr": 0.04})


def set_rates(optimizer: Spy, body: nn.Module) -> None:
    """The script's own schedule, by hand."""
    for group in optimizer.param_groups:
        group["lr"] = 0.02


def replace_groups(optimizer: Spy, body: nn.Module) -> None:
    """The groups are replaced by others."""
    optimizer.param_groups = [dict(group, lr=0.02) for group in optimizer.param_groups]


def load_own_state(optimizer: Spy, body: nn.Module) -> None:
    """A checkpoint of the script's own, saved while the lever was moved, is loaded."""
    optimizer.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize(
    ("event", "before", "after"),
    [
        (add_group, [0.05], [0.05, 0.02]),
        (set_rates, [0.05], [0.01]),
        (replace_groups, [0.05], [0.01]),
        (load_own_state, [0.05], [0.05]),
    ],
)
@pytest.mark.parametrize("another_first", [False, True], ids=["alone", "after a plain one"])
def test_the_rate_in_force_is_the_scripts_own_times_the_lever(
    unasked: UnaskedWatch,
    event: Callable[[Spy, nn.Module], None],
    before: list[float],
    after: list[float],
    another_first: bool,
) -> None:
    """Whatever the script does to its groups; what it sees itself is its own rate. Each step counts once."""
    if another_first:
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # from then on PyTorch wraps the step of SGD itself, too
    body, head = nn.Linear(8, 16), nn.Linear(16, 2)
    net = nn.Sequential(body, nn.ReLU(), head)
    optimizer = Spy(head.parameters(), lr=0.1)

    def steps() -> None:
        for _ in range(3):
            nn.functional.mse_loss(net(torch.randn(32, 8)), torch.zeros(32, 2)).backward()
            optimizer.step()
            optimizer.zero_grad()

    steps()
    (monitor,) = ending.still_open()
    assert isinstance(monitor, tuimon.Monitor)
    monitor.send(Command("lr_scale", "multiply", 0.5))
    steps()
    event(optimizer, body)
    own = [float(group["lr"]) for group in optimizer.param_groups]
    steps()
    assert optimizer.used == [[0.1]] * 3 + [before] * 3 + [after] * 3
    assert own == [2 * rate for rate in after] and monitor.step == 9


def test_a_step_within_a_step_is_one(start: Callable[..., Any]) -> None:
    """A class that calls its parent's step: a penalty is added once, also after a step that has failed."""
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # has PyTorch hook the parent's step, too
    weight = nn.Linear(1, 1, bias=False)
    nn.init.constant_(weight.weight, 1.0)
    optimizer = Spy(weight.parameters(), lr=0.5)
    monitor = start(weight, optimizer).monitor
    weight.weight.grad = torch.zeros(1, 1)

    def fails() -> None:
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            optimizer.step(fails)
    monitor.send(Command("l2", "set", 0.1))
    for expected in (0.95, 0.95**2):
        weight.weight.grad.zero_()
        optimizer.step()
        assert weight.weight.item() == pytest.approx(expected)
    assert monitor.step == 2
