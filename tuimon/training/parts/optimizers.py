"""Optimizers by name: torch's own, given the settings that each of them knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from tuimon.base.errors import TuimonError
from tuimon.spec.sections import OPTIMIZERS, OptimizerSpec
from tuimon.training.parts.muon import MuonAdamW

_Parameters = list[nn.Parameter]


def optimizer(spec: OptimizerSpec, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """A new optimizer over those parameters that are trained.

    `gd` is `sgd`: that a batch is the whole training split is the trainer's part of it.

    Raises:
        TuimonError: there are none, or this torch has no such optimizer.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise TuimonError("Nothing to train: the model has no parameter that requires a gradient")
    settings = {name: getattr(spec, name) for name in OPTIMIZERS[spec.name]}
    return BUILDERS[spec.name](trained, lr=spec.lr, weight_decay=spec.weight_decay, **settings)


def adagrad(parameters: _Parameters, *, reset_every: int, **settings: Any) -> torch.optim.Adagrad:
    """Adagrad whose sum of squares starts again every `reset_every` steps (0: never), so that its rate does not die away."""
    built = torch.optim.Adagrad(parameters, **settings)
    for group in built.param_groups:
        group["reset_every"] = reset_every
    built.register_step_pre_hook(_reset_sums)
    return built


def muon(parameters: _Parameters, **settings: Any) -> MuonAdamW:
    """Muon for the matrices, AdamW for the rest, as one optimizer.

    Raises:
        TuimonError: this torch is older than Muon.
    """
    if not hasattr(torch.optim, "Muon"):
        raise TuimonError(f"optimizer.name = 'muon': torch {torch.__version__} has none; it came with torch 2.9")
    return MuonAdamW(parameters, **settings)


BUILDERS: dict[str, Callable[..., Optimizer]] = {
    "gd": torch.optim.SGD,
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": adagrad,
    "adadelta": torch.optim.Adadelta,
    "muon": muon,
}


def _reset_sums(optimizer: Optimizer, _: tuple[Any, ...], __: dict[str, Any]) -> None:
    """Before a step, and by the steps that each parameter has made: so a resumed run resets where it would have."""
    for group in optimizer.param_groups:
        every = group["reset_every"]
        for state in (optimizer.state[parameter] for parameter in group["params"] if every):
            if state and state["step"] and state["step"] % every == 0:
                state["sum"].fill_(group["initial_accumulator_value"])
