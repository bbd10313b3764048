"""How a sampled step was made: how long the script waited before it, in which mode the model was, how many samples it got.

Read on the training thread where the model's first forward with gradients begins; a few attribute reads and two clocks. Nothing
here touches a tensor's values.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from tuimon.monitor.probe.entries import Facts
from tuimon.monitor.probe.found import Found

TAGS = ("step/wait_fraction", "model/training", "step/rows")
_MODAL = (_DropoutNd, _NormBase, nn.RNNBase, nn.MultiheadAttention)


class Manner:
    """Notes how one sampled step after the other is made.

    Args:
        model: what is called.
    """

    def __init__(self, model: nn.Module) -> None:
        self._modal = [module for module in model.modules() if isinstance(module, _MODAL)]
        self._began = self._forward_at = 0.0
        self._seen = self._disturbed = False
        self._found: dict[str, float] = {}

    def begin(self) -> None:
        """The step before is over."""
        self._seen = self._disturbed = False
        self._found = {}
        self._began = time.perf_counter()

    def forward(self, model: nn.Module, inputs: Any) -> None:
        """The model is called."""
        if self._seen or not torch.is_grad_enabled():
            self._disturbed |= not self._seen  # a validation, say: the time before the step is not all spent waiting
            return
        self._seen, self._forward_at = True, time.perf_counter()
        if any(map(has_modes, self._modal)):
            self._found["model/training"] = float(model.training)
        given = inputs[0] if isinstance(inputs, tuple) and inputs else None
        if isinstance(given, Tensor) and given.ndim:
            self._found["step/rows"] = float(given.shape[0])

    def take(self, device: torch.device) -> list[Found]:
        """What was noted, `Facts`; the optimizer's step is about to be made.

        `step/wait_fraction` is the share of the time since the step before that went by before the model was called. On
        another device than a CPU it is not told: what was waited for there may have been the device.
        """
        found, self._found = self._found, {}
        lasted = time.perf_counter() - self._began
        if self._seen and not self._disturbed and device.type == "cpu" and lasted > 0:
            found["step/wait_fraction"] = (self._forward_at - self._began) / lasted
        return [Found((), lambda: [Facts(tuple(found), np.array(list(found.values())))])] if found else []


def has_modes(module: nn.Module) -> bool:
    """Whether training and evaluation mode differ in a module: it is dropout, or a norm with running statistics."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, _NormBase):
        return module.track_running_stats
    return isinstance(module, nn.RNNBase | nn.MultiheadAttention) and module.dropout > 0
