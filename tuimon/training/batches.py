"""How an epoch is cut into batches."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_sizes(examples: int, wanted: int, least: int = 1) -> list[int]:
    """The batches of an epoch, in order: all of size `wanted` but the last.

    A last one of fewer than `least` examples goes into the one before it.
    """
    whole, rest = divmod(examples, wanted)
    sizes = [wanted] * whole + ([rest] if rest else [])
    if len(sizes) > 1 and sizes[-1] < least:
        sizes[-2:] = [sizes[-2] + sizes[-1]]
    return sizes


def least_batch(model: nn.Module) -> int:
    """How many examples a training batch must have: one alone has no variance to be normalized by."""
    return 2 if any(isinstance(module, _BatchNorm) for module in model.modules()) else 1
