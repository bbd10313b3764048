"""Muon for matrices and AdamW for all other parameters, as one optimizer.

It is one object with all parameter groups, so schedules, checkpoints, levers and step hooks see them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


class MuonAdamW(Optimizer):
    """torch's Muon for two-dimensional parameters, and its AdamW for the others.

    `param_groups[0]` holds the matrices, `param_groups[1]` the rest; each may be empty. With `adjust_lr` "match_rms_adamw",
    both need about the same learning rate.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float = 0.1,
        muon_momentum: float = 0.95,
        muon_nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        ns_steps: int = 5,
        adjust_lr: str = "original",
        rest_lr: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        amsgrad: bool = False,
    ) -> None:
        every = list(parameters)
        matrices, rest = [p for p in every if p.ndim == 2], [p for p in every if p.ndim != 2]
        muon = torch.optim.Muon(
            [{"params": matrices}], lr=lr, weight_decay=weight_decay, momentum=muon_momentum, nesterov=muon_nesterov,
            ns_coefficients=ns_coefficients, ns_steps=ns_steps, adjust_lr_fn=adjust_lr,
        )  # fmt: skip
        adamw = torch.optim.AdamW(
            [{"params": rest}], lr=rest_lr or lr, weight_decay=weight_decay, betas=betas, eps=eps, amsgrad=amsgrad
        )
        self._parts: tuple[Optimizer, ...] = (muon, adamw)
        super().__init__([*muon.param_groups, *adamw.param_groups], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes one step of both optimizers."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part, group in zip(self._parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state  # load_state_dict replaces both objects
            _bare_step(part)
        return loss


def _bare_step(part: Optimizer) -> None:
    """Steps without step hooks, including global ones; otherwise one step would count as three."""
    step = type(part).step
    (step.__wrapped__ if getattr(step, "hooked", False) else step)(part)  # type: ignore[attr-defined]
