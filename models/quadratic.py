"""The quadratic w² − 10w + 25 = (w − 5)²: one parameter and no data, to study gradient descent itself.

Its gradient is 2w − 10. From w = 0, one step of plain gradient descent with learning rate 0.01 gives 0.1, a thousand steps
about 5; with a learning rate above 1 it diverges. The option `start` sets the initial w.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tuimon.spec.spec import Spec


def build(spec: Spec) -> nn.Module:
    """[B, 1] → [B, 1]: the same value for every input."""
    return nn.Sequential(OrderedDict(parabola=Parabola(float(spec.model.options.get("start", 0.0)))))


class Parabola(nn.Module):
    """w² − 10w + 25."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([start]))

    def forward(self, x: Tensor) -> Tensor:
        """The value at w, once per row of `x`: [B, 1]."""
        return (self.w**2 - 10 * self.w + 25).expand(len(x), 1)
