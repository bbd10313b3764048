"""The subject of the checks: an untrained model, its data, loss and optimizer; and a fence around every check.

Checks use copies of the model and fixed samples of the data, so that they change nothing for a later training.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tuimon.training.data import Split
from tuimon.training.randomness import random_states, restore_random_states, seed_everything

Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs, targets) → a number
_SEED = 20_231


@dataclass(frozen=True)
class Subject:
    """Everything that the checks need.

    Args:
        model: initialized, untrained; never changed.
        train: the training split, without augmentation.
        val: the validation split.
        task: classification, regression, reconstruction, text or quadratic.
        outputs: number of outputs of the model (for text: per character).
        loss: without regularizers, and without label smoothing, which keeps the loss away from 0.
        loss_name: cross_entropy, mse, hinge or bce.
        optimizer: returns a new optimizer of a model's parameters, with the spec's learning rate.
        lr: the spec's learning rate.
        batch_size: examples per step.
        again: returns another model, initialized with the given seed; None: only `model` itself is known.
    """

    model: nn.Module
    train: Split
    val: Split
    task: str
    outputs: int
    loss: Loss
    loss_name: str
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    lr: float
    batch_size: int
    input_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    again: Callable[[int], nn.Module] | None = None

    @property
    def device(self) -> torch.device:
        """The device of the data and the model."""
        return self.train.targets.device

    @property
    def has_classes(self) -> bool:
        """Whether targets are class numbers."""
        return not self.train.targets.is_floating_point()

    def fresh(self, seed: int | None = None) -> nn.Module:
        """The model in training mode, but without dropout, so that measurements repeat: a copy, or one of another seed."""
        model = copy.deepcopy(self.model) if seed is None or self.again is None else self.again(seed)
        model.train()
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
            elif isinstance(module, nn.RNNBase | nn.MultiheadAttention):
                module.dropout = 0.0
        return model

    def sample(self, count: int, split: Split | None = None) -> Split:
        """A random sample of at most `count` examples of the training split (or `split`); always the same one."""
        split = split or self.train
        chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(_SEED))[:count]
        return split.batch(chosen.to(split.targets.device))

    def loss_of(self, model: nn.Module, batch: Split) -> Tensor:
        """The loss of a model on a batch."""
        return self.loss(model(batch.inputs), batch.targets)


@contextlib.contextmanager
def fenced(device: torch.device) -> Iterator[None]:
    """Seeds all generators for a check; then restores the random states, the default dtype and the gradient mode."""
    states, dtype, grad = random_states(device), torch.get_default_dtype(), torch.is_grad_enabled()
    seed_everything(_SEED)
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        restore_random_states(states, device)
