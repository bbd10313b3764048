"""How alike the units of a layer are: units that start alike and get the same gradient stay alike, and count as one.

A few layers have their turn in each sample, so that its cost is bounded. Training thread; nothing here waits for a device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tuimon.monitor.probe.entries import Alike
from tuimon.monitor.probe.flat import local, stride
from tuimon.monitor.probe.found import Found
from tuimon.monitor.probe.layers import Layer
from tuimon.monitor.probe.parameters import Owned

MOST_UNITS = 64  # of a layer that are compared
MOST_INPUTS = 512  # of each unit
_VALUES = 1 << 16  # weights that are compared in one sample, of one layer at least
_LAYERS = 32  # that are compared in one sample
_EQUAL = 1e-9  # squared distance of two units, of their own squared length, that rounding explains
_NEAR = 1e-5  # the same in single precision


class Likeness:
    """Compares the units of layers, some of the layers in each sample.

    Args:
        owned: the parameters of all layers; those with at least two units of at least two inputs are compared.
    """

    def __init__(self, owned: Sequence[Owned]) -> None:
        self._owned = [one for one in owned if one.units > 1 and _has_inputs(one)]
        self._next = 0

    @torch.no_grad()
    def take(self) -> list[Found]:
        """Compares the layers whose turn it is, before the optimizer's step: `Alike`."""
        groups: dict[Any, list[tuple[int, Tensor, Tensor | None]]] = defaultdict(list)
        for owner, weight, gradient in self._turn():
            groups[weight.shape, weight.device, weight.dtype, gradient is None].append((owner, weight, gradient))
        return [_compared(group) for group in groups.values()]

    def _turn(self) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        left = _VALUES
        for _ in range(min(len(self._owned), _LAYERS)):
            one = self._owned[self._next]
            held = local(one.parameter.detach())
            weight = incoming(held, one.dim, one.units) if held.numel() and held.shape[one.dim] > 1 else None
            if weight is not None and left < _VALUES and weight.numel() > left:
                return
            self._next = (self._next + 1) % len(self._owned)
            if weight is None:  # this process holds no two of its units
                continue
            left -= weight.numel()
            gradient = one.parameter.grad
            if gradient is not None:
                gradient = incoming(local(gradient), one.dim, one.units) if gradient.layout == torch.strided else None
            yield one.owner, weight, gradient


def recurrent(layers: Sequence[Layer]) -> list[Owned]:
    """The weights of recurrent layers from their inputs, with the units that these are of: a row for each gate of each."""
    found = []
    for i, layer in enumerate(layers):
        if isinstance(layer.module, nn.RNNBase) and (weight := layer.module._parameters.get("weight_ih_l0")) is not None:
            found.append(Owned(weight, i, layer.module.hidden_size))
    return found


def incoming(weight: Tensor, dim: int, units: int = 0) -> Tensor:
    """[units, inputs] the incoming weights of some units, evenly spread, at some inputs; of all gates of recurrent ones."""
    rows = weight.movedim(dim, 0) if dim else weight
    if units and len(rows) > units and len(rows) % units == 0:
        rows = rows.reshape(-1, units, *rows.shape[1:]).movedim(1, 0)
    rows = rows[:: stride(len(rows), MOST_UNITS), :: min(stride(rows[0].numel(), MOST_INPUTS), rows.shape[1])]
    return rows.reshape(len(rows), -1)


def _has_inputs(one: Owned) -> bool:
    parameter = one.parameter
    return (
        not is_lazy(parameter)
        and parameter.ndim > 1
        and parameter.shape[one.dim] % one.units == 0
        and parameter.numel() > one.units
        and parameter.is_floating_point()
        and parameter.layout == torch.strided
    )


def _compared(group: Sequence[tuple[int, Tensor, Tensor | None]]) -> Found:
    owners = [owner for owner, _, _ in group]
    rows = torch.stack([weight for _, weight, _ in group])
    weights = _products(rows, torch.float32)
    lengths = weights.diagonal(dim1=1, dim2=2).sqrt()
    sizes = lengths[:, :, None] * lengths[:, None, :]
    cosines = weights.div(sizes).masked_fill_(sizes == 0, 0.0).abs_()
    units = weights.shape[1]
    similarity = (cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)) / (units * (units - 1))
    if rows.is_cpu and not bool(_equal(weights, _NEAR).any()):
        identical = torch.zeros_like(similarity)
    else:
        identical = _identical(rows, [gradient for _, _, gradient in group if gradient is not None])
    return Found([torch.stack([similarity, identical], 1)], lambda table: [Alike(owners, table)])


def _identical(rows: Tensor, gradients: Sequence[Tensor]) -> Tensor:
    """[layers] the share of units that have the same weights as another and, where there are gradients, the same gradient."""
    wide = torch.float64 if rows.device.type != "mps" else torch.float32
    same = _equal(_products(rows, wide), _EQUAL)
    if gradients:
        same &= _equal(_products(torch.stack(list(gradients)), wide), _EQUAL)
    return same.any(2).float().mean(1)


def _products(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """[layers, units, units] each unit's product with each other, after each layer was scaled, so that none is too small."""
    wide = rows.to(dtype)
    wide = wide / wide.abs().amax((1, 2), keepdim=True).clamp_min_(torch.finfo(dtype).tiny)
    with torch.autocast(rows.device.type, enabled=False):
        return torch.bmm(wide, wide.transpose(1, 2))


def _equal(products: Tensor, tolerance: float) -> Tensor:
    """[layers, units, units] whether two different units are the same, but for what rounding explains."""
    lengths = products.diagonal(dim1=1, dim2=2)
    one, other = lengths[:, :, None], lengths[:, None, :]
    equal: Tensor = one + other - 2 * products <= tolerance * torch.maximum(one, other)
    equal.diagonal(dim1=1, dim2=2).fill_(False)
    return equal
