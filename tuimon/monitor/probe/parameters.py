"""Reads gradients, weights and their update, of all layers together. Training thread; nothing here waits for a device."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tuimon.monitor.probe import motion
from tuimon.monitor.probe.direction import Direction
from tuimon.monitor.probe.entries import Gradients
from tuimon.monitor.probe.flat import MOST, Chunk, Layout, Part, chunks, local, plain, stride, thinned
from tuimon.monitor.probe.found import Found, Room
from tuimon.monitor.probe.layers import Layer
from tuimon.monitor.probe.tally import (
    COUNTS,
    SQUARES,
    squares,
    squares_on_host,
    tally,
    tally_on_host,
    zero_rows,
    zero_rows_on_host,
)

COPIED = 1 << 23  # weights that are copied before a step, 32 MiB; of a larger model a part of each tensor that is not small
_SMALL = 1 << 12


class Owned(NamedTuple):
    """A parameter and whose it is.

    Attributes:
        parameter: the parameter.
        owner: its layer's number.
        units: how many units of the layer it has rows for; 0 where it is not judged by units.
        dim: the dimension that counts them.
    """

    parameter: nn.Parameter
    owner: int
    units: int = 0
    dim: int = 0


class Parameters:
    """All parameters of some layers.

    Args:
        layers: the layers. A parameter belongs to the first that has it.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.owned = [_owned(layer, i, p) for i, layer in enumerate(layers) for p in layer.parameters]
        keys = {id(one.parameter): key for key, one in enumerate(self.owned)}
        self.judges = [_judges(layer, keys, self.owned) for layer in layers]
        self._direction = Direction(sum(0 if is_lazy(one.parameter) else one.parameter.numel() for one in self.owned))
        self._most_every = 1.0  # how many values one that was measured stands for, in this sample, at the most
        self._moving: set[int] = set()
        self._before: list[Chunk] = []

    def __len__(self) -> int:
        return len(self.owned)

    @property
    def device(self) -> torch.device:
        """Where the first parameter is."""
        return next((one.parameter.device for one in self.owned), torch.device("cpu"))

    @property
    def thinned(self) -> int:
        """Every how-manieth value the last sample has measured, at the most; 0 where it was each."""
        return round(self._most_every) if self._most_every > 1.5 else 0

    @property
    def spread(self) -> bool:
        """Whether this process holds only its own part of some parameter."""
        return any(local(one.parameter) is not one.parameter for one in self.owned)

    def gradients(self, grad_scale: Tensor | None, turn: int, room: Room, whole: bool) -> list[Found]:
        """Reads the gradients as they are now: `Gradients`, and `Products` with those of the sample before.

        Args:
            grad_scale: what a loss scaler has multiplied them by, if one has.
            turn: the sample's number: which values of a very large tensor are taken.
            room: how much may be counted later.
            whole: whether histograms are logged, too, and not the layer table alone.
        """
        found = []
        self._most_every = 1.0
        for chunk in self._chunks(self._gradients(turn)):
            layout, handed_over = chunk.layout, room.takes(chunk.flat)
            flat = _own(chunk).flat if handed_over or self._direction.keeps_chunks else chunk.flat
            values = flat if grad_scale is None else flat / grad_scale.to(flat.device)
            self._direction.add(values, layout)
            if handed_over:
                found.append(Found([values], partial(_gradients if whole else _norms, layout)))
            elif not whole:
                norms = [squares(values, layout.lengths), zero_rows(values, layout.row_lengths())]
                found.append(Found(norms, partial(_known_norms, layout)))
            else:
                table, zero = tally(values, layout.lengths, layout.row_lengths())
                assert zero is not None
                found.append(Found([table, zero], partial(_counted_gradients, layout)))
        return found + self._direction.take(whole)

    def copy_weights(self, turn: int) -> None:
        """Keeps the weights of what has a gradient, or a part of them, until `moved`."""
        self._moving = {key for key, one in enumerate(self.owned) if one.parameter.grad is not None and _has_norm(one)}
        self._before = [_own(chunk) for chunk in self._chunks(self._weights(self._moving, turn, COPIED))]

    def moved(self, turn: int, room: Room, counted: bool) -> list[Found]:
        """Reads the weights as they are now, and how far they have moved since `copy_weights`: `Weights`.

        Args:
            turn: as in `gradients`.
            room: how much may be counted later.
            counted: whether histograms of what moves are wanted, too: `Counted`.
        """
        before, self._before = self._before, []
        moving = self._moving if before else set()
        found = []
        for now, (old, _) in zip(self._chunks(self._weights(moving, turn, COPIED)), before, strict=True):
            later = room.takes(now.flat)
            found.append(motion.moved(_own(now) if later else now, old, later=later, counted=counted))
        others = {key for key, one in enumerate(self.owned) if key not in moving and _has_norm(one)}
        return found + [motion.still(chunk) for chunk in self._chunks(self._weights(others, turn))]

    def drop(self) -> None:
        """Gives up what is kept of weights and gradients."""
        self._before = []
        self._direction.drop()

    def _chunks(self, parts: Iterator[Part]) -> Iterator[Chunk]:
        for chunk in chunks(parts):
            self._most_every = max(self._most_every, float(chunk.layout.every.max()))
            yield chunk

    def _gradients(self, turn: int) -> Iterator[Part]:
        for key, (parameter, owner, units, dim) in enumerate(self.owned):
            gradient = parameter.grad
            if gradient is None:
                continue
            own = local(gradient)
            values, rows = plain(own), 1
            if units and own.layout == torch.strided and own.shape[dim] == units:
                rows, values = units, values.movedim(dim, 0) if dim else values
            part = Part(owner, key, values, rows)
            if values.numel() > MOST:
                self._direction.add_large(key, values)
                part = thinned(part, stride(values.numel()), turn)
            yield part

    def _weights(self, keys: Container[int], turn: int, most: int | None = None) -> Iterator[Part]:
        owned = [(key, one) for key, one in enumerate(self.owned) if key in keys]
        every = stride(sum(one.parameter.numel() for _, one in owned), most) if most else 1
        for key, one in owned:
            values = plain(local(one.parameter))
            size = values.numel()
            part = Part(one.owner, key, values)
            yield part if size <= _SMALL else thinned(part, max(every, stride(size)), turn)


def _owned(layer: Layer, number: int, parameter: nn.Parameter) -> Owned:
    for name, dim in (("weight", layer.weight_dim), ("bias", 0)):
        if layer.units and layer.module._parameters.get(name) is parameter:
            return Owned(parameter, number, layer.units, dim)
    return Owned(parameter, number)


def _judges(layer: Layer, keys: dict[int, int], owned: Sequence[Owned]) -> list[int]:
    """The keys of the parameters whose zero gradients make the layer's units silent: weight and bias, also shared ones.

    A parametrized module's own weight is no parameter, and has no gradient.
    """
    if not layer.units:
        return []
    found = (layer.module._parameters.get(name) for name in ("weight", "bias"))
    known = [keys[id(parameter)] for parameter in found if parameter is not None and id(parameter) in keys]
    return [key for key in known if owned[key].units == layer.units]


def _has_norm(one: Owned) -> bool:
    return not is_lazy(one.parameter) and (one.parameter.is_floating_point() or one.parameter.is_complex())


def _own(chunk: Chunk) -> Chunk:
    """The chunk with its values in memory of their own."""
    return chunk._replace(flat=chunk.flat.clone()) if len(chunk.layout.keys) == 1 else chunk


def _norms(layout: Layout, flat: Any) -> Iterator[Gradients]:
    """Norms and silent units alone: a third of the work."""
    return _known_norms(layout, squares_on_host(flat, layout.lengths), zero_rows_on_host(flat, layout.row_lengths()))


def _known_norms(layout: Layout, squared: Any, zero: Any) -> Iterator[Gradients]:
    table = np.zeros((len(layout.lengths), COUNTS))
    table[:, SQUARES] = squared
    yield Gradients(layout, table, zero)


def _gradients(layout: Layout, flat: Any) -> Iterator[Gradients]:
    table, zero = tally_on_host(flat, layout.lengths, layout.row_lengths())
    assert zero is not None
    yield Gradients(layout, table, zero)


def _counted_gradients(layout: Layout, table: Any, zero: Any) -> Iterator[Gradients]:
    yield Gradients(layout, table, zero)
