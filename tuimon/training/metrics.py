"""What is counted besides the loss: accuracy for classes, explained variance and mean error for values."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from tuimon.training.losses import CLASS_TASKS


class Tally(Protocol):
    """Counts over batches, on the device; nothing waits for it until `values` does."""

    sums: Tensor

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Counts a batch in."""

    def values(self) -> dict[str, float]:
        """The metrics so far, by name; NaN before the first batch."""


def tally(task: str, device: torch.device) -> Tally:
    """A new count of what is told of a task."""
    if task in CLASS_TASKS:
        return ClassTally(device)
    return ValueTally(device) if task == "regression" else NoTally(device)


class NoTally:
    """For tasks of which the loss says all."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(0, device=device)

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Counts nothing."""

    def values(self) -> dict[str, float]:
        """Nothing."""
        return {}


class ClassTally:
    """Accuracy: the share of examples, or of a text's characters, whose class has the greatest output.

    A single output says one of two classes by its sign.
    """

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(2, dtype=torch.int64, device=device)  # right, all

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Counts a batch in."""
        outputs = outputs.detach()
        said = (outputs[..., 0] > 0).long() if outputs.shape[-1] == 1 else outputs.argmax(-1)
        self.sums[0] += (said == targets).sum()
        self.sums[1] += targets.numel()

    def values(self) -> dict[str, float]:
        """The accuracy."""
        right, every = self.sums.tolist()
        return {"accuracy": right / every if every else torch.nan}


class ValueTally:
    """R² (the share of the targets' variance that is explained) and the mean absolute error."""

    def __init__(self, device: torch.device) -> None:
        wide = torch.float32 if device.type == "mps" else torch.float64
        self.sums = torch.zeros(5, dtype=wide, device=device)  # n, |error|, error², target, target²

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Counts a batch in."""
        wanted = targets.detach().to(self.sums.dtype)
        error = outputs.detach().to(self.sums.dtype).reshape(wanted.shape) - wanted
        size = torch.full_like(self.sums[0], wanted.numel())
        self.sums += torch.stack([size, error.abs().sum(), error.square().sum(), wanted.sum(), wanted.square().sum()])

    def values(self) -> dict[str, float]:
        """R², NaN where all targets are the same, and the mean absolute error."""
        n, absolute, squared, total, squares = self.sums.tolist()
        spread = squares - total * total / n if n else 0.0
        return {"r2": 1 - squared / spread if spread > 0 else torch.nan, "mae": absolute / n if n else torch.nan}
