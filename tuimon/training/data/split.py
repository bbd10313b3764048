"""Two splits of examples on a device, and the order of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import torch
from torch import Tensor

from tuimon.spec.data import Dataset, ReadDataSpec
from tuimon.spec.spec import Spec
from tuimon.training.data.scaling import Preparation

Vary = Callable[[Tensor, int], Tensor]  # (indices [B], step) → inputs [B, *shape]


@dataclass(frozen=True)
class Split:
    """Examples: inputs [N, *shape] and targets [N, …], on one device.

    Inputs are float32, or characters for text; targets are class numbers [N], values [N, K], or the next characters for text.
    Integers can be stored in any width; batches have int64.
    """

    inputs: Tensor
    targets: Tensor
    vary: Vary | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.targets.shape[0]

    def batch(self, indices: Tensor, step: int | None = None) -> Split:
        """Selects the examples at `indices`, in that order.

        Args:
            indices: [B] int64, on the same device.
            step: the training step of the batch, which is then augmented, depending on the seed and the step only. None: no
                augmentation.
        """
        targets = _whole(self.targets.index_select(0, indices))
        if self.vary is not None and step is not None:
            return Split(self.vary(indices, step), targets)
        return Split(_whole(self.inputs.index_select(0, indices)), targets)

    def to(self, device: torch.device) -> Split:
        """Copies the examples to another device, without augmentation."""
        return Split(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Data:
    """The two splits of a dataset, and its description."""

    train: Split
    val: Split
    known: Dataset
    class_names: tuple[str, ...] = ()  # for text: the character of each number
    input_names: tuple[str, ...] = ()
    undo: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)  # prepared inputs → inputs as they were read

    scaled_targets: Preparation | None = field(default=None, repr=False)  # of a regression; None: they are as they were read

    @property
    def unit(self) -> Tensor | None:
        """What an error of 1 in the scaled targets is in the unit in which they were read, [K]; None: 1."""
        return None if self.scaled_targets is None else 1 / self.scaled_targets.factor

    @property
    def task(self) -> str:
        """The task, such as classification."""
        return self.known.task

    @property
    def example(self) -> Tensor:
        """The inputs of the first two training examples (or the only one), to try a model on."""
        return self.train.batch(torch.arange(min(2, len(self.train)), device=self.train.inputs.device)).inputs

    @property
    def positions(self) -> int:
        """Number of predictions per example: the characters of a text, otherwise 1."""
        return self.known.input_shape[0] if self.task == "text" else 1

    def resolve(self, spec: Spec) -> Spec:
        """The spec with everything that was found in the data; a model's `build(spec)` gets this one."""
        section = msgspec.to_builtins(spec.data) | {"found": msgspec.to_builtins(self.known)}
        return msgspec.structs.replace(spec, data=msgspec.convert(section, ReadDataSpec))


def order(examples: int, seed: int, epoch: int) -> Tensor:
    """The order of the examples in an epoch: a permutation, int64 [examples] on the CPU.

    Depends on its arguments only, so that a resumed run continues an epoch where it stopped.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(examples, generator=generator)


def _whole(values: Tensor) -> Tensor:
    return values if values.is_floating_point() else values.long()
