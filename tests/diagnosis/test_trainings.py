"""Each kind of fault is found in a small real training that has it, by its name; and nothing critical in its healthy twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import tuimon
from tuimon.log.records import Finding


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For small models: several threads would wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Script:
    """A small classification as a script would train it, and what it does wrong."""

    model: Callable[[], nn.Module] = lambda: mlp(nn.ReLU)
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam
    lr: float = 3e-3
    steps: int = 120
    batch: int = 32
    inputs: Callable[[Tensor], Tensor] = lambda x: x
    labels: Callable[[Tensor], Tensor] = lambda y: y
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy
    zero_grad: bool = True
    clip: float = 0.0
    evaluates: bool = False
    rate: Callable[[int], float] = lambda step: 1.0
    trained: Callable[[nn.Module], Any] = lambda model: model.parameters()
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, folder: Path) -> list[Finding]:
        """Trains, every step being sampled; returns the findings of the log."""
        torch.manual_seed(0)
        model = self.model()
        x = torch.randn(512, 8)
        y = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
        x, y = self.inputs(x), self.labels(y)
        optimizer = self.optimizer(self.trained(model), lr=self.lr)  # type: ignore[call-arg]
        with tuimon.watch(
            model, optimizer, run_dir=folder, budget=1.0, meters=False, serve=False, total_steps=self.steps, **self.options
        ) as monitor:
            for step in range(self.steps):
                self._step(step, model, optimizer, x, y, monitor)
        return tuimon.diagnose(tuimon.read_run(folder))

    def _step(self, step: int, model: nn.Module, optimizer: Any, x: Tensor, y: Tensor, monitor: Any) -> None:
        optimizer.param_groups[0]["lr"] = self.lr * self.rate(step)
        chosen = torch.randint(len(x) - 64, (self.batch,)) + 64
        loss = self.loss(model(x[chosen]), y[chosen])
        if self.zero_grad:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip:
            nn.utils.clip_grad_norm_(model.parameters(), self.clip)
        optimizer.step()
        monitor.log(loss=loss.item())
        if step % 10 == 9:
            model.eval()
            with torch.no_grad():
                monitor.log(val_loss=self.loss(model(x[:64]), y[:64]).item())
            if not self.evaluates:
                model.train()


def mlp(
    activation: Callable[[], nn.Module], depth: int = 2, width: int = 24, last: nn.Module | None = None, norm: Any = None
) -> nn.Sequential:
    """A classifier of eight features and four classes."""
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(8 if i == 0 else width, width), *([norm(width)] if norm else []), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 4), *([last] if last else []))


def started(model: nn.Module, start: Callable[[nn.Linear], Any]) -> nn.Module:
    """A model whose linear layers are initialized by a function."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                start(module)
    return model


def head_times(model: nn.Sequential, factor: float) -> nn.Module:
    """A model whose last layer has larger weights."""
    with torch.no_grad():
        model[-1].weight *= factor
    return model


def detached() -> nn.Module:
    """A model whose first layers get no gradient."""

    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = mlp(nn.Tanh)[:-1], nn.Linear(24, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x).detach())

    return Cut()


def shuffled(y: Tensor) -> Tensor:
    """Labels of other rows."""
    return y[torch.randperm(len(y))]


def squares(out: Tensor, y: Tensor) -> Tensor:
    """Numbers from -6 to 6 as targets of the first output."""
    return functional.mse_loss(out[:, 0], 4.0 * y - 6.0)


def binary(out: Tensor, y: Tensor) -> Tensor:
    """One of two, with targets that are -1 and 1."""
    return functional.binary_cross_entropy_with_logits(out[:, 0], 2.0 * (y % 2) - 1.0)


SGD = torch.optim.SGD
FAULTS: dict[str, tuple[str, Script]] = {
    "inf": ("non-finite-loss", Script(loss=lambda out, y: functional.cross_entropy(out, y) + (out.sum() * 0).log().detach())),
    "diverging": ("diverging-loss", Script(loss=squares, model=lambda: mlp(nn.Identity), optimizer=SGD, lr=2.0)),
    "deep, large weights": (
        "exploding-gradient",
        Script(
            model=lambda: started(mlp(nn.ReLU, depth=8), lambda layer: nn.init.normal_(layer.weight, std=0.8)),
            optimizer=SGD,
            lr=0.1,
        ),
    ),
    "deep sigmoid": ("vanishing-gradient", Script(model=lambda: mlp(nn.Sigmoid, depth=8), optimizer=SGD, lr=0.05)),
    "dead from the start": (
        "dead-units",
        Script(model=lambda: started(mlp(nn.ReLU), lambda layer: nn.init.constant_(layer.bias, -8.0))),
    ),
    "large weights before tanh": (
        "saturated-units",
        Script(
            model=lambda: started(mlp(nn.Tanh), lambda layer: nn.init.normal_(layer.weight, std=6.0)), optimizer=SGD, lr=0.01
        ),
    ),
    "constant weights, and biases that are not": (
        "symmetric-units",
        Script(model=lambda: started(mlp(nn.ReLU), lambda layer: nn.init.constant_(layer.weight, 0.1))),
    ),
    "huge rate": ("rate-too-high", Script(lr=3.0)),
    "tiny rate": ("rate-too-low", Script(optimizer=SGD, lr=1e-5)),
    "head too large": ("first-loss", Script(model=lambda: head_times(mlp(nn.ReLU), 80.0), lr=1e-4)),
    "raw inputs": ("inputs-not-normalized", Script(inputs=lambda x: 200 * x + 500, optimizer=SGD, lr=0.05)),
    "labels of other rows": ("labels", Script(labels=shuffled, model=lambda: mlp(nn.ReLU, width=128), lr=1e-2, steps=250)),
    "one class": ("labels", Script(labels=lambda y: 0 * y + 2)),
    "labels out of range": ("labels", Script(loss=binary)),
    "relu before targets below zero": ("output-or-loss", Script(model=lambda: mlp(nn.ReLU, last=nn.ReLU()), loss=squares)),
    "likelihood of what is none": ("output-or-loss", Script(loss=functional.nll_loss)),
    "softmax twice": ("double-softmax", Script(model=lambda: mlp(nn.ReLU, last=nn.Softmax(1)))),
    "gradients add up": ("missing-zero-grad", Script(zero_grad=False, optimizer=SGD, lr=0.01)),
    "not in the optimizer": ("layers-not-trained", Script(trained=lambda model: list(model.parameters())[-2:])),
    "cut off": ("layers-not-trained", Script(model=detached)),
    "evaluates for ever": ("eval-mode", Script(evaluates=True, model=lambda: mlp(nn.ReLU, norm=nn.BatchNorm1d))),
    "batch norm over two": ("tiny-batch-norm", Script(batch=2, model=lambda: mlp(nn.ReLU, norm=nn.BatchNorm1d))),
    "schedule too short": ("schedule-ended", Script(rate=lambda step: 0.7**step)),
    "clipped by the script": ("always-clipped", Script(clip=1e-3, optimizer=SGD, lr=0.1)),
    "clipped by the lever": ("always-clipped", Script(optimizer=SGD, lr=0.1, options={"settings": {"clip_norm": 1e-3}})),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_name(tmp_path: Path, fault: str) -> None:
    """By a finding that is more than a hint, within the first half of the run."""
    rule, script = FAULTS[fault]
    found = script.run(tmp_path)
    named = [finding for finding in found if finding.rule == rule and finding.severity != "hint"]
    assert named, found
    assert named[0].raised <= script.steps / 2 or fault == "labels of other rows"


HEALTHY: dict[str, Script] = {
    "relu": Script(),
    "tanh, plain descent": Script(model=lambda: mlp(nn.Tanh), optimizer=SGD, lr=0.3),
    "batch norm": Script(model=lambda: mlp(nn.ReLU, norm=nn.BatchNorm1d)),
    "one sample a batch": Script(batch=1, optimizer=SGD, lr=0.01, steps=300),
    "regression": Script(loss=squares),
    "log-likelihood": Script(model=lambda: mlp(nn.ReLU, last=nn.LogSoftmax(1)), loss=functional.nll_loss),
    "warm-up and cosine": Script(rate=lambda step: min(step / 30, 1.0) * (1 - step / 120)),
    "label noise": Script(labels=lambda y: torch.where(torch.rand(len(y)) < 0.3, shuffled(y), y), lr=1e-3),
    "a summed loss": Script(loss=lambda out, y: functional.cross_entropy(out, y, reduction="sum"), lr=1e-3),
    "clipped at times": Script(options={"settings": {"clip_norm": 1.0}}),
}


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_training_has_no_finding(tmp_path: Path, case: str) -> None:
    """Not even a warning: a user would change what is right."""
    assert [finding for finding in HEALTHY[case].run(tmp_path) if finding.severity != "hint"] == []
