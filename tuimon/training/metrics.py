"""Metrics besides the loss: accuracy for classes; R² and mean absolute error for values."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from tuimon.log.confusion import MOST_CLASSES
from tuimon.training.losses import CLASS_TASKS


class Tally(Protocol):
    """A metric accumulated over batches on the device; only `values` synchronizes."""

    sums: Tensor

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Adds a batch: outputs and targets as for the loss."""

    def values(self) -> dict[str, float]:
        """The metrics so far, by name; NaN before the first batch."""


def tally(task: str, device: torch.device, unit: Tensor | None = None) -> Tally:
    """A new, empty metric for a task; `unit` as in `ValueTally`."""
    if task in CLASS_TASKS:
        return ClassTally(device)
    return ValueTally(device, unit) if task == "regression" else NoTally(device)


class NoTally:
    """No metric, for tasks where the loss is enough."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(0, device=device)

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Ignores the batch."""

    def values(self) -> dict[str, float]:
        """Returns no metrics."""
        return {}


class ClassTally:
    """Accuracy: the fraction of examples, or of characters of text, whose class has the largest output.

    The sign of a single output decides between two classes.
    """

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(2, dtype=torch.int64, device=device)  # number correct, total number

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Adds a batch: outputs and targets as for the loss."""
        self.sums[0] += (predicted(outputs) == targets).sum()
        self.sums[1] += targets.numel()

    def values(self) -> dict[str, float]:
        """The accuracy."""
        right, every = self.sums.tolist()
        return {"accuracy": right / every if every else torch.nan}


def predicted(outputs: Tensor) -> Tensor:
    """The class of each example, [...]: the largest of outputs [..., C]; of a single output, its sign."""
    outputs = outputs.detach()
    return (outputs[..., 0] > 0).long() if outputs.shape[-1] == 1 else outputs.argmax(-1)


class Confusions:
    """A confusion matrix accumulated over batches on the device; stays empty beyond `MOST_CLASSES` classes.

    Attributes:
        counts: int64 [C, C]: of each class (row), how many examples were taken for which (column); None before the first batch.
    """

    def __init__(self) -> None:
        self.counts: Tensor | None = None

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Adds a batch: outputs and targets as for the loss."""
        classes = max(outputs.shape[-1], 2)
        if classes > MOST_CLASSES:
            return
        place = targets.detach().reshape(-1).long() * classes + predicted(outputs).reshape(-1)
        found = torch.bincount(place, minlength=classes * classes).reshape(classes, classes)
        self.counts = found if self.counts is None else self.counts + found


class ValueTally:
    """R² (the explained fraction of the targets' variance) and the mean absolute error.

    Args:
        device: where the sums are.
        unit: [K], what an error of 1 is in the targets' own unit, in which the absolute error is told; None: 1.
    """

    def __init__(self, device: torch.device, unit: Tensor | None = None) -> None:
        wide = torch.float32 if device.type == "mps" else torch.float64
        self._unit = torch.ones((), dtype=wide, device=device) if unit is None else unit.to(device, wide)
        self.sums = torch.zeros(5, dtype=wide, device=device)  # n, |error|, error², target, target²

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Adds a batch: outputs and targets as for the loss."""
        wanted = targets.detach().to(self.sums.dtype)
        error = outputs.detach().to(self.sums.dtype).reshape(wanted.shape) - wanted
        size = torch.full_like(self.sums[0], wanted.numel())
        self.sums += torch.stack(
            [size, (error.abs() * self._unit).sum(), error.square().sum(), wanted.sum(), wanted.square().sum()]
        )

    def values(self) -> dict[str, float]:
        """R², which is NaN if all targets are the same, and the mean absolute error."""
        n, absolute, squared, total, squares = self.sums.tolist()
        spread = squares - total * total / n if n else 0.0
        return {"r2": 1 - squared / spread if spread > 0 else torch.nan, "mae": absolute / n if n else torch.nan}
