"""How a sampled step was made: how long the script waited before it, in which mode the model was, how many samples it got.

Read on the training thread where the model's first forward with gradients begins; a few attribute reads and two clocks. Nothing
here touches a tensor's values.

The share of waiting is one of the script's own time: what the sample itself takes is none of it, nor is the time in which
others had the processors. So a busy machine looks like an idle one.
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
_LEAST_S = 1e-3  # of waiting, for the share to be told
_MODAL = (_DropoutNd, _NormBase, nn.RNNBase, nn.MultiheadAttention)


class Manner:
    """Notes how one sampled step after the other is made.

    Args:
        model: what is called.
    """

    def __init__(self, model: nn.Module) -> None:
        self._modal = [module for module in model.modules() if isinstance(module, _MODAL)]
        self._began = self._forward_at = self._over_at = 0.0
        self._seen = self._disturbed = False
        self._found: dict[str, float] = {}

    def begin(self) -> None:
        """The step before is over."""
        self._seen = self._disturbed = False
        self._found = {}
        self._began = _own_clock()

    def forward(self, model: nn.Module, inputs: Any) -> None:
        """The model is called."""
        if self._seen or not torch.is_grad_enabled():
            self._disturbed |= not self._seen  # a validation, say: the time before the step is not all spent waiting
            return
        self._seen, self._forward_at = True, _own_clock()
        if any(map(has_modes, self._modal)):
            self._found["model/training"] = float(model.training)
        given = inputs[0] if isinstance(inputs, tuple) and inputs else None
        if isinstance(given, Tensor) and given.ndim:
            self._found["step/rows"] = float(given.shape[0])

    def over(self) -> None:
        """The optimizer's step is about to be made."""
        self._over_at = _own_clock()

    def take(self, device: torch.device, sampling_s: float) -> list[Found]:
        """What was noted, `Facts`; to be called after `over`.

        `step/wait_fraction` is the share of the time since the step before that went by before the model was called. On
        another device than a CPU it is not told: what was waited for there may have been the device. Nor is a wait of under a
        millisecond: between the steps of a tiny model, that is what Python itself takes.

        Args:
            device: the model's.
            sampling_s: what the sample itself has cost this thread until then.
        """
        found, self._found = self._found, {}
        waited = self._forward_at - self._began
        lasted = max(self._over_at - self._began - sampling_s, waited)
        if self._seen and not self._disturbed and device.type == "cpu" and waited >= _LEAST_S:
            found["step/wait_fraction"] = waited / lasted
        return [Found((), lambda: [Facts(tuple(found), np.array(list(found.values())))])] if found else []


def _own_clock() -> float:
    """Seconds, on a clock that stands still while this thread could run and has no processor; on Linux, elsewhere never."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as file:
            delayed_ns = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        delayed_ns = 0
    return time.perf_counter() - delayed_ns / 1e9


def has_modes(module: nn.Module) -> bool:
    """Whether training and evaluation mode differ in a module: it is dropout, or a norm with running statistics."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, _NormBase):
        return module.track_running_stats
    return isinstance(module, nn.RNNBase | nn.MultiheadAttention) and module.dropout > 0
