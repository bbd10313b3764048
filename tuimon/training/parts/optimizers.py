"""Optimizers by name: torch's own, given the settings that each of them knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from tuimon.errors import TuimonError
from tuimon.spec import OPTIMIZERS, OptimizerSpec

BUILDERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
}


def optimizer(spec: OptimizerSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """A new optimizer over those parameters that are trained.

    Raises:
        TuimonError: there are none.
    """
    settings = {name: getattr(spec, name) for name in OPTIMIZERS[spec.name]}
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise TuimonError("Nothing to train: the model has no parameter that requires a gradient")
    return BUILDERS[spec.name](trained, lr=spec.lr, weight_decay=spec.weight_decay, **settings)
