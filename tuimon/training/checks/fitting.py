"""Short test trainings without regularizers, schedules, clipping or a monitor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from tuimon.training.checks.subject import Loss, Subject
from tuimon.training.data import Split


def batches(split: Split, size: int, seed: int = 1) -> Iterator[Split]:
    """Yields shuffled batches forever; drops the incomplete last batch of an epoch."""
    generator = torch.Generator().manual_seed(seed)
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
    """Trains, and returns the loss of each batch before its step.

    Stops after `steps`, after `seconds` of CPU time of this thread, when `enough` returns True for a loss, or at a loss that is
    not finite.
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
    """One backward pass and optimizer step."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Adam over the trainable parameters; it needs little tuning."""
    return torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=rate)


def blind_outputs(subject: Subject, targets: Tensor) -> Tensor:
    """The best outputs without looking at inputs: zero logits for classes, otherwise the mean target."""
    shape = (*targets.shape, subject.outputs) if subject.has_classes else (len(targets), subject.outputs)
    if subject.has_classes or subject.loss_name == "bce":
        return torch.zeros(shape, device=targets.device)
    mean = subject.train.targets.flatten(1).mean(0)
    return mean.to(targets.device).expand(shape)


def chance(subject: Subject, batch: Split) -> float:
    """The loss of those outputs: ln C for cross-entropy, ln 2 for binary cross-entropy, the variance for MSE."""
    return float(subject.loss(blind_outputs(subject, batch.targets), batch.targets))
