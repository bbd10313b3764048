"""How alike the units of a layer are: units that start alike and get the same gradient stay alike, and count as one.

A few layers have their turn in each sample, so that its cost is bounded. Training thread; nothing here waits for a device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from tuimon.monitor.probe.flat import local, stride
from tuimon.monitor.probe.parameters import Owned

MOST_UNITS = 64  # of a layer that are compared
MOST_INPUTS = 512  # of each unit
_VALUES = 1 << 17  # weights that are compared in one sample, of one layer at least
_EQUAL = 1e-9  # squared distance of two units, of their own squared length, that rounding explains


class Alike(NamedTuple):
    """Layers of one shape.

    Attributes:
        owners: [layers] their numbers.
        table: [layers, 2] the mean size of the cosine of two units' incoming weights; the share of units of which another has
            the same incoming weights and, where there is a gradient, the same gradient.
    """

    owners: list[int]
    table: Tensor


class Likeness:
    """Compares the units of layers, some of the layers in each sample.

    Args:
        owned: the parameters of all layers; those with at least two units of at least two inputs are compared.
    """

    def __init__(self, owned: Sequence[Owned]) -> None:
        self._owned = [one for one in owned if one.units > 1 and _has_inputs(one)]
        self._next = 0

    @torch.no_grad()
    def take(self) -> list[Alike]:
        """Compares the layers whose turn it is, before the optimizer's step."""
        groups: dict[Any, list[tuple[int, Tensor, Tensor | None]]] = defaultdict(list)
        for owner, weight, gradient in self._turn():
            groups[weight.shape, weight.device, weight.dtype, gradient is None].append((owner, weight, gradient))
        return [_compared(group) for group in groups.values()]

    def _turn(self) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        left = _VALUES
        for _ in range(len(self._owned)):
            one = self._owned[self._next]
            held = local(one.parameter.detach())
            if held.shape[one.dim] < 2 or not held.numel():  # this process holds no two of its units
                self._next = (self._next + 1) % len(self._owned)
                continue
            weight = incoming(held, one.dim)
            if left < _VALUES and weight.numel() > left:
                return
            left -= weight.numel()
            self._next = (self._next + 1) % len(self._owned)
            gradient = one.parameter.grad
            if gradient is not None:
                gradient = incoming(local(gradient), one.dim) if gradient.layout == torch.strided else None
            yield one.owner, weight, gradient


def incoming(weight: Tensor, dim: int) -> Tensor:
    """[units, inputs] the incoming weights of some units, evenly spread, at some inputs."""
    rows = weight.movedim(dim, 0) if dim else weight
    rows = rows[:: stride(len(rows), MOST_UNITS), :: min(stride(rows[0].numel(), MOST_INPUTS), rows.shape[1])]
    return rows.reshape(len(rows), -1)


def _has_inputs(one: Owned) -> bool:
    parameter = one.parameter
    return (
        not is_lazy(parameter)
        and parameter.ndim > 1
        and parameter.shape[one.dim] == one.units
        and parameter.numel() > one.units
        and parameter.is_floating_point()
        and parameter.layout == torch.strided
    )


def _compared(group: Sequence[tuple[int, Tensor, Tensor | None]]) -> Alike:
    weights = _products(torch.stack([weight for _, weight, _ in group]))
    lengths = weights.diagonal(dim1=1, dim2=2).sqrt()
    cosines = weights / (lengths[:, :, None] * lengths[:, None, :])
    cosines = cosines.masked_fill((lengths[:, :, None] == 0) | (lengths[:, None, :] == 0), 0.0).abs_()
    units = weights.shape[1]
    similarity = (cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)) / (units * (units - 1))
    same = _equal(weights)
    gradients = [gradient for _, _, gradient in group if gradient is not None]
    if gradients:
        same &= _equal(_products(torch.stack(gradients)))
    same.diagonal(dim1=1, dim2=2).fill_(False)
    identical = same.any(2).to(weights.dtype).mean(1)
    return Alike([owner for owner, _, _ in group], torch.stack([similarity, identical], 1))


def _products(rows: Tensor) -> Tensor:
    """[layers, units, units] each unit's product with each other, after each layer was scaled, so that none is too small."""
    wide = rows.double() if rows.device.type != "mps" else rows.float()
    wide = wide / wide.abs().amax((1, 2), keepdim=True).clamp_min(torch.finfo(wide.dtype).tiny)
    return torch.bmm(wide, wide.transpose(1, 2))


def _equal(products: Tensor) -> Tensor:
    """[layers, units, units] whether two units are the same, but for what rounding explains."""
    lengths = products.diagonal(dim1=1, dim2=2)
    one, other = lengths[:, :, None], lengths[:, None, :]
    equal: Tensor = one + other - 2 * products <= _EQUAL * torch.maximum(one, other)
    return equal
