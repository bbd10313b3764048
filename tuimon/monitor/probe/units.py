"""Which units are silent, and which sit at an asymptote of their activation.

A unit is one output of a layer: a neuron, or a channel of a convolution, which is silent only if it is at every position. Pure
functions of tensors; nothing here waits for a device.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuimon.monitor.probe.layers import Layer
from tuimon.monitor.probe.statistics import local

MARGIN = 0.05  # how near to an asymptote counts, of the greatest asymptote's size
SHARE = 0.95  # of samples that must be that near for a unit to be saturated


def zero_outputs(output: Tensor, dim: int) -> Tensor:
    """[units] bool: the output is zero at every sample and position."""
    output, others = output.detach(), _others(output, dim)
    return (output.amax(others) == 0) & (output.amin(others) == 0)


def zero_gradients(layer: Layer) -> Tensor | None:
    """[units] bool: every parameter of the unit has exactly zero gradient; None where there is no gradient to judge by.

    A parametrized module's own weight is no parameter, and has none.
    """
    quiet: Tensor | None = None
    for name, dim in (("weight", layer.weight_dim), ("bias", 0)):
        parameter = layer.module._parameters.get(name)
        gradient = None if parameter is None or parameter.grad is None else local(parameter.grad)
        if gradient is None or gradient.layout != torch.strided:
            continue
        zero = _largest(gradient.detach(), dim) == 0
        if zero.shape[0] != layer.units:  # a grouped transposed convolution counts its units otherwise
            continue
        quiet = zero if quiet is None else quiet & zero
    return quiet


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


def near_asymptote(output: Tensor, limits: tuple[float, ...], dim: int) -> Tensor:
    """[units] number of samples and positions at which the output is within 5 % of an asymptote."""
    values = output.detach()
    margin = MARGIN * max(abs(limit) for limit in limits)
    near = values <= min(limits) + margin
    if len(limits) > 1:
        near |= values >= max(limits) - margin
    return near.sum(_others(output, dim))


def _largest(gradient: Tensor, dim: int) -> Tensor:
    return gradient.abs().amax(_others(gradient, dim)) if gradient.ndim > 1 else gradient


def _others(tensor: Tensor, dim: int) -> list[int]:
    kept = dim % tensor.ndim
    return [i for i in range(tensor.ndim) if i != kept]
