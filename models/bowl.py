"""A bowl over two weights, (x² + c·y²) / 2, to see the path of an optimizer over its contours.

Its gradient is (x, c·y): along y it is c times as steep as along x. Plain gradient descent multiplies x by 1 − lr and y by
1 − c·lr at each step, so a rate above 2/c diverges along y, and a rate that y can stand is slow along x: the zigzag in a
valley. The options `condition` (c), `x` and `y` set the shape and where it starts.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tuimon.spec.spec import Spec


def build(spec: Spec) -> nn.Module:
    """[B, 1] → [B, 1]: the same value for every input."""
    kind = torch.float32 if spec.training.device == "mps" else torch.float64  # Apple's GPUs have no float64
    options = spec.model.options
    start = torch.tensor([float(options.get("x", -8.0)), float(options.get("y", 2.0))], dtype=kind)
    return nn.Sequential(OrderedDict(bowl=Bowl(start, float(options.get("condition", 20.0)))))


class Bowl(nn.Module):
    """(x² + condition · y²) / 2."""

    def __init__(self, start: Tensor, condition: float) -> None:
        super().__init__()
        self.x, self.y = (nn.Parameter(part[None].clone()) for part in start)
        self._condition = condition

    def forward(self, x: Tensor) -> Tensor:
        """The value at the weights, once per row of `x`: [B, 1]."""
        return ((self.x**2 + self._condition * self.y**2) / 2).expand(len(x), 1)
