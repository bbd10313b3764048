"""What a script gives to `watch`, judged before anything is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from tuimon.base.errors import TuimonError

_HOOKS = "_optimizer_step_pre_hooks"  # what an optimizer of torch's has, and no wrapper that only looks like one


def innermost(optimizer: Any) -> Any:
    """The optimizer that makes the steps: accelerate's, which transformers' trainer hands out, is a wrapper without hooks."""
    while not hasattr(optimizer, _HOOKS) and hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer


def check(model: object, optimizer: object, config: object, settings: Mapping[str, float], budget: object) -> None:
    """Raises TuimonError for what cannot be watched, kept or started with."""
    if not isinstance(model, nn.Module):
        raise TuimonError(
            f"Cannot watch a {type(model).__name__}: it is not a torch.nn.Module.", "It is tuimon.watch(model, optimizer)."
        )
    if not hasattr(optimizer, _HOOKS):
        hint = "It is tuimon.watch(model, optimizer); each of several optimizers is watched by a call of its own."
        raise TuimonError(f"Cannot watch a {type(optimizer).__name__}: it is not a torch optimizer.", hint)
    if config is not None and not isinstance(config, Mapping) and not hasattr(config, "__dict__"):
        raise TuimonError(f"Cannot store a {type(config).__name__} as the run's config.", "Give a dictionary.")
    if not isinstance(budget, int | float) or not budget >= 0:
        raise TuimonError(f"Cannot take budget = {budget!r}.", "Give a share of the time: 0.01, or 0 for no layer statistics.")
    known = {"l1", "l2", "clip_norm", "clip_value"}
    for name, value in settings.items():
        if name not in known or not value >= 0:
            raise TuimonError(f"Cannot start with {name} = {value!r}.", f"Settings are {', '.join(sorted(known))}, from 0.")


def whole(name: str, number: Any) -> int | None:
    """A whole number as a script may reckon it: 1e4, or the samples by the batch, whose last part is a step, too.

    Raises:
        TuimonError: it is no number.
    """
    try:
        return None if number is None or not math.isfinite(number) else math.ceil(number)
    except TypeError as error:
        raise TuimonError(f"Cannot take {name} = {number!r}.", "Give a number.") from error
