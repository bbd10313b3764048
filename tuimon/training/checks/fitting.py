"""Small trainings for the sake of a look: without regularizers, schedules, clipping or a monitor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from tuimon.training.checks.subject import Loss, Subject
from tuimon.training.data import Split


def batches(split: Split, size: int) -> Iterator[Split]:
    """Batches without end, in orders of their own drawing; each epoch is the whole split."""
    generator = torch.Generator().manual_seed(1)
    while True:
        order = torch.randperm(len(split), generator=generator).to(split.targets.device)
        whole = order[: len(order) - len(order) % size] if len(order) > size else order
        yield from (split.batch(indices) for indices in torch.split(whole, size))


def fit(
    model: nn.Module,
    loss: Loss,
    data: Iterator[Split],
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    seconds: float = math.inf,
    enough: Callable[[float], bool] = lambda loss: False,
) -> list[float]:
    """Trains, and returns the loss of each step's batch before the step.

    Ends after `steps`, or `seconds` of computing (those of other programs do not count), when `enough` says so of a loss, or
    at one that is not finite.
    """
    losses: list[float] = []
    until = time.thread_time() + seconds
    while len(losses) < steps and time.thread_time() < until:
        batch = next(data)
        value = loss(model(batch.inputs), batch.targets)
        losses.append(float(value.detach()))
        if not math.isfinite(losses[-1]) or enough(losses[-1]):
            break
        step(value, optimizer)
    return losses


def step(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step down."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Adam over what is trained: what needs the least tuning."""
    return torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=rate)


def blind_outputs(subject: Subject, targets: Tensor) -> Tensor:
    """What a model that sees no input had best put out: nothing for classes, else the mean target."""
    shape = (*targets.shape, subject.outputs) if subject.has_classes else (len(targets), subject.outputs)
    if subject.has_classes or subject.loss_name == "bce":
        return torch.zeros(shape, device=targets.device)
    mean = subject.train.targets.flatten(1).mean(0)
    return mean.to(targets.device).expand(shape)


def chance(subject: Subject, batch: Split) -> float:
    """The loss of a model that sees no input: ln C for cross-entropy, ln 2 for the binary one, the variance for MSE."""
    return float(subject.loss(blind_outputs(subject, batch.targets), batch.targets))
