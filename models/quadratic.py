"""The quadratic w² − 10w + 25 = (w − 5)²: one parameter and no data, to study gradient descent itself.

Its gradient is 2w − 10. From w = 0, one step of plain gradient descent with learning rate 0.01 gives 0.1, a thousand steps
about 5; with a learning rate above 1 it diverges. The option `start` sets the initial w.

Each step multiplies the distance from 5 by 1 − 2·lr, so the loss is a straight line on a logarithmic axis. To keep it straight
to the end, w is a float64 and the value a square: in float32, or computed as w² − 10w + 25, it would end in rounding.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tuimon.spec.spec import Spec


def build(spec: Spec) -> nn.Module:
    """[B, 1] → [B, 1]: the same value for every input."""
    kind = torch.float32 if spec.training.device == "mps" else torch.float64  # Apple's GPUs have no float64
    return nn.Sequential(OrderedDict(parabola=Parabola(float(spec.model.options.get("start", 0.0)), kind)))


class Parabola(nn.Module):
    """w² − 10w + 25."""

    def __init__(self, start: float, kind: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([start], dtype=kind))

    def forward(self, x: Tensor) -> Tensor:
        """The value at w, once per row of `x`: [B, 1]."""
        return ((self.w - 5) ** 2).expand(len(x), 1)
