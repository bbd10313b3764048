"""Examples on a device, in two splits, and the order in which an epoch goes through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import torch
from torch import Tensor

from tuimon.spec.data import Dataset, ReadDataSpec
from tuimon.spec.spec import Spec

Vary = Callable[[Tensor, int], Tensor]  # (indices [B], step) → inputs [B, *shape]


@dataclass(frozen=True)
class Split:
    """Examples: inputs [N, *shape] and targets [N, …], on one device.

    Inputs are float32, of a text characters; targets are class numbers [N], values [N, K], or of a text the next characters.
    Integers of any width may be stored; batches have int64.
    """

    inputs: Tensor
    targets: Tensor
    vary: Vary | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.targets.shape[0]

    def batch(self, indices: Tensor, step: int | None = None) -> Split:
        """The examples at `indices` (int64, on the same device), in that order.

        Args:
            indices: [B].
            step: the training step that the batch is for: it is augmented, by a function of the seed and the step alone.
                None: the examples as they are.
        """
        targets = _whole(self.targets.index_select(0, indices))
        if self.vary is not None and step is not None:
            return Split(self.vary(indices, step), targets)
        return Split(_whole(self.inputs.index_select(0, indices)), targets)

    def to(self, device: torch.device) -> Split:
        """The same examples on another device, without augmentation."""
        return Split(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Data:
    """The two splits of a dataset, and what is known of it."""

    train: Split
    val: Split
    known: Dataset
    class_names: tuple[str, ...] = ()  # of a text: the character of each number
    input_names: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """What is learned."""
        return self.known.task

    @property
    def example(self) -> Tensor:
        """The inputs of the first two training examples (or the only one): to try a model on."""
        return self.train.batch(torch.arange(min(2, len(self.train)), device=self.train.inputs.device)).inputs

    @property
    def positions(self) -> int:
        """How many things are predicted from one example: the characters of a text, else 1."""
        return self.known.input_shape[0] if self.task == "text" else 1

    def resolve(self, spec: Spec) -> Spec:
        """The spec with all that was found in the data: what `build(spec)` of a model gets."""
        section = msgspec.to_builtins(spec.data) | {"found": msgspec.to_builtins(self.known)}
        return msgspec.structs.replace(spec, data=msgspec.convert(section, ReadDataSpec))


def order(examples: int, seed: int, epoch: int) -> Tensor:
    """The order of the examples in an epoch: a permutation, int64 [examples] on the CPU.

    A function of its arguments alone, so that a resumed run takes up an epoch where it was left.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(examples, generator=generator)


def _whole(values: Tensor) -> Tensor:
    return values if values.is_floating_point() else values.long()
