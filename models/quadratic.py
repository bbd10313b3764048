"""The quadratic w² − 10w + 25 = (w − 5)²: one parameter and no data, to see gradient descent itself.

Its gradient is 2w − 10. From w = 0, a step of plain gradient descent at a rate of 0.01 leads to 0.1, a thousand to about 5; at
a rate above 1 it diverges. The option `start` is another w to begin with.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tuimon.spec.spec import Spec


def build(spec: Spec) -> nn.Module:
    """[B, 1] → [B, 1]: the same value for each, whatever goes in."""
    return nn.Sequential(OrderedDict(parabola=Parabola(float(spec.model.options.get("start", 0.0)))))


class Parabola(nn.Module):
    """w² − 10w + 25."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([start]))

    def forward(self, x: Tensor) -> Tensor:
        """Its value, for each row of `x`."""
        return (self.w**2 - 10 * self.w + 25).expand(len(x), 1)
