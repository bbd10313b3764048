"""Optimizers by name, with the settings that each of them has."""

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
    """A new optimizer of the parameters that require gradients.

    `gd` is `sgd`: the trainer makes the batch the whole training split.

    Raises:
        TuimonError: no parameter requires a gradient, or this torch lacks the optimizer.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise TuimonError("Nothing to train: no parameter of the model requires a gradient")
    settings = {name: getattr(spec, name) for name in OPTIMIZERS[spec.name]}
    return BUILDERS[spec.name](trained, lr=spec.lr, weight_decay=spec.weight_decay, **settings)


def adagrad(parameters: _Parameters, *, reset_every: int, **settings: Any) -> torch.optim.Adagrad:
    """Adagrad that resets its sum of squares every `reset_every` steps (0: never), so that its rate does not vanish."""
    built = torch.optim.Adagrad(parameters, **settings)
    for group in built.param_groups:
        group["reset_every"] = reset_every
    built.register_step_pre_hook(_reset_sums)
    return built


def muon(parameters: _Parameters, **settings: Any) -> MuonAdamW:
    """Muon for the matrices, AdamW for the rest, as one optimizer.

    Raises:
        TuimonError: this version of torch has no Muon.
    """
    if not hasattr(torch.optim, "Muon"):
        raise TuimonError(f"optimizer.name = 'muon': torch {torch.__version__} has no Muon; it needs torch 2.9 or later")
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
    """Resets before a step, by the step count of each parameter, so that a resumed run resets at the same steps."""
    for group in optimizer.param_groups:
        every = group["reset_every"]
        for state in (optimizer.state[parameter] for parameter in group["params"] if every):
            if state and state["step"] and state["step"] % every == 0:
                state["sum"].fill_(group["initial_accumulator_value"])
