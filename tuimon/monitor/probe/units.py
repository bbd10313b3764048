"""Which units are silent, and which sit at an asymptote of their activation.

A unit is one output of a layer: a neuron, or a channel of a convolution, which is silent only if it is at every position. Pure
functions; those of tensors wait for no device.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

MARGIN = 0.05  # how near to an asymptote counts, of the greatest asymptote's size
SHARE = 0.95  # of samples that must be that near for a unit to be saturated


def zero(values: Tensor, others: list[int]) -> Tensor:
    """Bool: zero at every sample and position; `others` are the dimensions that count those."""
    return (values.amax(others) == 0) & (values.amin(others) == 0)


def zero_on_host(values: Any, others: list[int]) -> Any:
    """The same, of an array."""
    return (values.max(tuple(others)) == 0) & (values.min(tuple(others)) == 0)


def near_asymptote(values: Any, limits: tuple[float, ...], others: list[int]) -> Any:
    """How many samples and positions, counted by the dimensions `others`, lie within 5 % of an asymptote.

    Of a tensor or an array.
    """
    margin = MARGIN * max(abs(limit) for limit in limits)
    near = values <= min(limits) + margin
    if len(limits) > 1:
        near |= values >= max(limits) - margin
    return near.sum(tuple(others))


def asymptotes(activation: nn.Module) -> tuple[float, ...]:
    """The values that an activation approaches and stays at; empty for those that have none, or only zero as ReLU."""
    kind = type(activation)
    if kind in (nn.Sigmoid, nn.Hardsigmoid):
        return (0.0, 1.0)
    if kind in (nn.Tanh, nn.Softsign):
        return (-1.0, 1.0)
    if isinstance(activation, nn.Hardtanh) and kind is not nn.ReLU6:
        return (float(activation.min_val), float(activation.max_val))
    if isinstance(activation, nn.ELU | nn.CELU):
        return (-float(activation.alpha),)
    return (-1.7580993408473766,) if kind is nn.SELU else ()
