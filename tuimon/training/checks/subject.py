"""What is checked: a model as it would start, its data, its loss and its optimizer; and the fence around every check.

Checks take copies of the model and fixed samples of the data, so that whoever trains afterwards finds everything as it was.
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
    """What is checked.

    Args:
        model: as it would start; never changed.
        train: the training split, without augmentation.
        val: the validation split.
        task: classification, regression, reconstruction, text or quadratic.
        outputs: how many the model gives (of a text: at each character).
        loss: without regularizers and without label smoothing, whose least value is not near 0.
        loss_name: cross_entropy, mse, hinge or bce.
        optimizer: a new one over a model's parameters, at the spec's rate.
        lr: the spec's rate.
        batch_size: examples a step.
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

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.train.targets.device

    @property
    def has_classes(self) -> bool:
        """Whether targets are class numbers."""
        return not self.train.targets.is_floating_point()

    def fresh(self) -> nn.Module:
        """A copy of the model in training mode, without dropout: what is measured twice is to be the same twice."""
        model = copy.deepcopy(self.model).train()
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
            elif isinstance(module, nn.RNNBase | nn.MultiheadAttention):
                module.dropout = 0.0
        return model

    def sample(self, count: int, split: Split | None = None) -> Split:
        """At most `count` examples of the training split, or another: by chance, and always the same."""
        split = split or self.train
        chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(_SEED))[:count]
        return split.batch(chosen.to(split.targets.device))

    def loss_of(self, model: nn.Module, batch: Split) -> Tensor:
        """The loss of a model on a batch."""
        return self.loss(model(batch.inputs), batch.targets)


@contextlib.contextmanager
def fenced(device: torch.device) -> Iterator[None]:
    """Seeds all generators for a check, and puts back what it found: random states, default type, gradient mode."""
    states, dtype, grad = random_states(device), torch.get_default_dtype(), torch.is_grad_enabled()
    seed_everything(_SEED)
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        restore_random_states(states, device)
