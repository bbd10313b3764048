"""Learns the loss of each step from what `backward` is called on, where a script does not log it.

Gradients add up from one optimizer's step to the next, and so do the losses that they are gradients of: with gradient
accumulation, and with several losses, a step's loss is their sum. Training thread; costs some microseconds a step.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_UNSCALED = "_tuimon_unscaled"  # on a scaled loss: the loss as the script has computed it


class Losses:
    """Stands between the script and `torch.autograd.backward` (which `Tensor.backward` calls) until it is closed.

    Attributes:
        seen: losses that `backward` was called on.
        stepping: whether the watched optimizer makes a step.
        inside_backward: whether gradients are being computed, as where an optimizer is stepped for each that is there.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.inside_backward = False
        self.stepping = False
        self._evaluated = False  # its closure has told a loss, and may evaluate it again and again
        self._sum: Tensor | None = None
        self._backward = torch.autograd.backward
        self._scale, self._update = torch.amp.GradScaler.scale, torch.amp.GradScaler.update
        torch.autograd.backward = self._noting_backward()
        torch.amp.GradScaler.scale = self._noting_scale()  # type: ignore[method-assign]
        torch.amp.GradScaler.update = self._noting_update()  # type: ignore[method-assign]

    def begin_step(self) -> None:
        """The watched optimizer's step begins: of the losses in its closure only the first counts."""
        self.stepping, self._evaluated = True, False

    def end_step(self) -> Tensor | None:
        """The step is done; returns its loss, as `take`."""
        self.stepping = False
        return self.take()

    def take(self) -> Tensor | None:
        """The sum of the losses since the last time, [] on their device; None if there was none."""
        total, self._sum = self._sum, None
        return total

    def close(self) -> None:
        """Puts everything back."""
        torch.autograd.backward = self._backward
        torch.amp.GradScaler.scale = self._scale  # type: ignore[method-assign]
        torch.amp.GradScaler.update = self._update  # type: ignore[method-assign]

    def _note(self, losses: object) -> None:
        """Takes in a loss, or several that are told together; what is no single number is none."""
        if self.stepping and self._evaluated:
            return
        for loss in losses if isinstance(losses, Sequence) else (losses,):
            if isinstance(loss, Tensor) and loss.numel() == 1:
                self._evaluated = True
                self.seen += 1
                loss = getattr(loss, _UNSCALED, loss).detach()
                self._sum = loss if self._sum is None else self._sum + loss.to(self._sum.device)

    def _noting_backward(self) -> Any:
        original = self._backward

        @functools.wraps(original)
        def backward(tensors: Any, grad_tensors: Any = None, *args: Any, **kwargs: Any) -> None:
            if grad_tensors is None:
                self._note(tensors)
            self.inside_backward = True
            try:
                original(tensors, grad_tensors, *args, **kwargs)
            finally:
                self.inside_backward = False

        return backward

    def _noting_scale(self) -> Any:
        original = self._scale

        @functools.wraps(original)
        def scale(scaler: Any, outputs: Any) -> Any:
            scaled = original(scaler, outputs)
            if isinstance(outputs, Tensor) and isinstance(scaled, Tensor):
                setattr(scaled, _UNSCALED, outputs.detach())
            return scaled

        return scale

    def _noting_update(self) -> Any:
        original = self._update

        @functools.wraps(original)
        def update(scaler: Any, *args: Any, **kwargs: Any) -> None:
            self.take()  # of a step that was skipped
            original(scaler, *args, **kwargs)

        return update
