"""Splits an epoch into batches."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_sizes(examples: int, wanted: int, least: int = 1) -> list[int]:
    """The sizes of the batches of an epoch, in order: all `wanted`, except the last.

    If the last batch would have fewer than `least` examples, they join the batch before it.
    """
    whole, rest = divmod(examples, wanted)
    sizes = [wanted] * whole + ([rest] if rest else [])
    if len(sizes) > 1 and sizes[-1] < least:
        sizes[-2:] = [sizes[-2] + sizes[-1]]
    return sizes


def least_batch(model: nn.Module) -> int:
    """The smallest batch that a model can train on: batch normalization needs 2, because one example has no variance."""
    return 2 if any(isinstance(module, _BatchNorm) for module in model.modules()) else 1
