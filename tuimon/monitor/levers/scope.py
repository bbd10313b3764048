"""What levers do around one optimizer step.

Before the step the learning rate and weight decay of the parameter groups are replaced by those in force, penalties are added
to the gradients and the gradients are clipped, or hidden from a step that is skipped; after it the groups and parameters hold
the very objects that they held before, so any scheduler composes. Runs on the training thread, and only while some lever is
away from its starting place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

T = TypeVar("T")
_LR, _WEIGHT_DECAY = "lr", "weight_decay"


class StepScope:
    """The settings in force around each step of one optimizer.

    `lr` replaces each group's rate, before `lr_scale` multiplies it. `weight_decay_factor` multiplies what each group has of
    its own; where no group has any, `weight_decay` replaces it. `clip_norm` is the largest total gradient norm, `clip_value`
    the largest size of an entry; infinite for none. `skip_non_finite` skips steps whose gradients are not all finite. `stale`
    is set when the weights were replaced after the gradients were computed: the coming step is skipped, unless it computes
    them anew.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.lr_scale = 1.0
        self.lr: float | None = None
        self.weight_decay_factor = 1.0
        self.weight_decay: float | None = None
        self.l1 = 0.0
        self.l2 = 0.0
        self.clip_norm = self.clip_value = math.inf
        self.skip_non_finite = self.stale = False
        self._hidden: list[tuple[Tensor, Tensor]] = []
        self._saved: list[tuple[dict[str, Any], str, Any, Any]] = []

    @property
    def active(self) -> bool:
        """Whether anything has to be done around a step."""
        return bool(self._saved or self._hidden) or self.changes_groups or self.changes_gradients

    @property
    def changes_groups(self) -> bool:
        """Whether the parameter groups differ during a step."""
        return self.lr_scale != 1.0 or self.lr is not None or self.weight_decay_factor != 1.0 or self.weight_decay is not None

    @property
    def changes_gradients(self) -> bool:
        """Whether gradients are changed, or looked at, before a step."""
        asked = self.skip_non_finite or self.stale
        return bool(self.l1 or self.l2 or asked) or min(self.clip_norm, self.clip_value) < math.inf

    def enter(self) -> None:
        """Puts the settings in force into the parameter groups; a scope left open by a failed step is closed first."""
        self.exit()
        for group in self.optimizer.param_groups:
            if (self.lr_scale != 1.0 or self.lr is not None) and group.get(_LR) is not None:
                own = group[_LR] if self.lr is None else self._held(group[_LR], self.lr)
                self._put(group, _LR, own * self.lr_scale)
            if _WEIGHT_DECAY not in group:
                continue
            if self.weight_decay is not None:
                self._put(group, _WEIGHT_DECAY, self.weight_decay)
            elif self.weight_decay_factor != 1.0:
                self._put(group, _WEIGHT_DECAY, group[_WEIGHT_DECAY] * self.weight_decay_factor)

    def exit(self) -> None:
        """Gives groups and parameters back what they held; a value that the optimizer itself replaced is left to it."""
        while self._saved:
            group, key, own, put = self._saved.pop()
            if group.get(key) is put:
                group[key] = own
        while self._hidden:
            parameter, gradient = self._hidden.pop()
            if parameter.grad is None:
                parameter.grad = gradient

    def look(self, read: Callable[[], T]) -> T:
        """Reads something with the settings in force: during a step as it is, otherwise as it would be."""
        if self._saved:
            return read()
        self.enter()
        try:
            return read()
        finally:
            self.exit()

    @torch.no_grad()
    def change_gradients(self) -> bool:
        """Adds the penalties' gradients, then clips; or hides all gradients, which skips the step.

        Shared parameters count once, those without a gradient not at all. Sparse gradients are clipped with the others but not
        penalized: a penalty would make them dense. Where a group maximizes, penalties are taken off, as its weight decay is. If
        they fail, for want of memory say, clipping is in force.

        Returns:
            Whether the step is skipped because a gradient is not finite. To know that, a device is waited for.
        """
        parameters = [p for p in _unique(self.optimizer) if p.grad is not None]
        stale, self.stale = self.stale, False
        bad = self.skip_non_finite and not _all_finite([_dense_values(p) for p in parameters])
        if stale or bad:
            self._hide(parameters)
            return bad
        scale = getattr(self.optimizer, "grad_scale", None)
        try:
            if self.l1 or self.l2:
                maximized = {p for group in self.optimizer.param_groups if group.get("maximize") for p in group["params"]}
                for sign in (1, -1):
                    own = [p for p in parameters if (p in maximized) == (sign < 0) and not _is_sparse(p)]
                    _penalize(own, sign * self.l1, sign * self.l2, scale)
        finally:
            if min(self.clip_norm, self.clip_value) < math.inf:
                self._clip([_dense_values(p) for p in parameters], 1.0 if scale is None else scale)
        return False

    def _hide(self, parameters: list[Tensor]) -> None:
        """Until `exit`: optimizers leave out what has no gradient."""
        for parameter in parameters:
            assert parameter.grad is not None
            self._hidden.append((parameter, parameter.grad))
            parameter.grad = None

    def _clip(self, gradients: list[Tensor], scale: float | Tensor) -> None:
        if self.clip_value < math.inf:
            clip_values(gradients, scale * self.clip_value)
        if self.clip_norm < math.inf:
            clip(gradients, scale * self.clip_norm)

    @staticmethod
    def _held(own: Any, rate: float) -> Any:
        """The rate as the group holds its own: as a tensor on a device, or as a number."""
        return torch.full_like(own, rate) if isinstance(own, Tensor) else rate

    def _put(self, group: dict[str, Any], key: str, value: Any) -> None:
        self._saved.append((group, key, group[key], value))
        group[key] = value


def _all_finite(gradients: list[Tensor]) -> bool:
    """By the largest entry of each, which is not finite if any is not."""
    largest = [g.abs().amax().float().cpu() for g in gradients if g.numel()]
    return not largest or bool(torch.stack(largest).isfinite().all())


def clip(gradients: list[Tensor], limit: float | Tensor) -> None:
    """Scales gradients in place so that their total norm is at most `limit`, as `torch.nn.utils.clip_grad_norm_` does."""
    if not gradients:
        return
    norms = [torch.linalg.vector_norm(g).to(gradients[0].device) for g in gradients]
    factor = torch.clamp(limit / (torch.linalg.vector_norm(torch.stack(norms)) + 1e-6), max=1.0)
    by_device: dict[torch.device, list[Tensor]] = {}
    for gradient in gradients:
        by_device.setdefault(gradient.device, []).append(gradient)
    for device, group in by_device.items():
        torch._foreach_mul_(group, factor.to(device))


def clip_values(gradients: list[Tensor], limit: float | Tensor) -> None:
    """Brings every entry in place to within `-limit` and `limit`, as `torch.nn.utils.clip_grad_value_` does."""
    for gradient in gradients:
        if isinstance(limit, Tensor):
            gradient.clamp_(min=-limit.to(gradient.device), max=limit.to(gradient.device))
        else:
            gradient.clamp_(min=-limit, max=limit)


def _penalize(parameters: list[Tensor], l1: float, l2: float, scale: Tensor | None) -> None:
    """½·l2·‖w‖² adds l2·w to the gradient, l1·‖w‖₁ l1·sign(w). `scale` is a loss scaler's, where gradients still carry it.

    One parameter after the other where a direction has to be made first: all of them together would take the model's size.
    """
    gradients = [_resolved(p) for p in parameters]
    if l2 and scale is None and gradients:
        torch._foreach_add_(gradients, parameters, alpha=l2)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if l2 and scale is not None:
            gradient.add_(parameter * scale.to(parameter.device), alpha=l2)
        if l1:
            direction = torch.sgn(parameter)
            gradient.add_(direction if scale is None else direction.mul_(scale.to(parameter.device)), alpha=l1)


def _resolved(parameter: Tensor) -> Tensor:
    """The gradient, of which a complex one may be kept conjugated until somebody asks: that is done now, in its place."""
    assert parameter.grad is not None
    if parameter.grad.is_conj():
        parameter.grad = parameter.grad.resolve_conj()
    return parameter.grad


def _unique(optimizer: Optimizer) -> Iterable[Tensor]:
    return dict.fromkeys(p for group in optimizer.param_groups for p in group["params"])


def _is_sparse(parameter: Tensor) -> bool:
    return parameter.grad is not None and parameter.grad.layout != torch.strided


def _dense_values(parameter: Tensor) -> Tensor:
    """The gradient, or the values of a sparse one, which is coalesced in place of the old so that the values can be scaled."""
    gradient = _resolved(parameter)
    if gradient.layout == torch.strided:
        return gradient
    parameter.grad = gradient.coalesce()
    return parameter.grad._values()
