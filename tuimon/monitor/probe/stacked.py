"""Counts the outputs of many layers together: those of one shape are stacked.

Pure functions. On the training thread, but for what is counted later (see `found`): that, the log's thread counts, by numpy
alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tuimon.monitor.probe import units
from tuimon.monitor.probe.entries import Outputs, UnitOutputs
from tuimon.monitor.probe.flat import CHUNK, MOST, stride
from tuimon.monitor.probe.found import Found, Room
from tuimon.monitor.probe.layers import Layer
from tuimon.monitor.probe.tally import tally, tally_on_host

_FEW = 1 << 11  # values of an activation's input whose sign is looked at


class Held(NamedTuple):
    """An output that is still to be counted.

    Attributes:
        owners: the layers that it counts for.
        after: it is an activation's.
        tensor: any shape, floating point; it may be overwritten, which its version tells.
        version: the tensor's, when it was put out.
        limits: the activation's asymptotes.
    """

    owners: tuple[int, ...]
    after: bool
    tensor: Tensor
    version: int
    limits: tuple[float, ...] = ()


class _Judged(NamedTuple):
    """Outputs, by their place in the stack, that count units in one dimension and have the same asymptotes."""

    dim: int
    limits: tuple[float, ...]
    owners: list[int]
    rows: list[int]


def count(
    held: Iterable[Held], layers: Sequence[Layer], turn: int, room: Room, whole: bool, changed: set[int]
) -> Iterator[Found]:
    """`UnitOutputs` of what is held and, of a whole sample, `Outputs`; adds to `changed` whose output was overwritten since."""
    groups: dict[Any, list[Held]] = defaultdict(list)
    for one in held:
        if one.tensor._version != one.version:
            changed.update(one.owners)
            continue
        groups[one.tensor.shape, one.tensor.dtype, one.tensor.device].append(one)
    for group in groups.values():
        yield from _count_group(group, layers, turn, room, whole)


def few(values: Tensor, turn: int) -> Tensor:
    """[n] all values of a small tensor, of any shape; of a larger one every k-th, no more than `_FEW`."""
    if values.is_contiguous():
        flat = values.view(-1)
    elif values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last):
        flat = values.permute(0, 2, 3, 1).reshape(-1)
    else:
        every = min(stride(values.numel(), _FEW), len(values))
        flat = values[turn % every :: every].reshape(-1)
    every = stride(len(flat), _FEW)
    return flat if every == 1 else flat[turn % every :: every | 1]  # odd, lest it always meets the same features


def _count_group(group: Sequence[Held], layers: Sequence[Layer], turn: int, room: Room, whole: bool) -> Iterator[Found]:
    size = group[0].tensor.numel()
    at_once = max(1, CHUNK // size)
    for start in range(0, len(group), at_once):
        some = group[start : start + at_once]
        thinned = [_thinned(one.tensor, turn) for one in some]
        judged = list(_judged(some, thinned[0].shape, layers))
        if not (whole or judged):
            continue
        stacked = torch.stack(thinned).float()
        empty = Outputs([one.owners for one in some], [one.after for one in some], size * len(some) / stacked.numel())
        later = room.takes(stacked)
        if whole:
            yield Found([stacked], partial(_counted_on_host, empty)) if later else _tallied(empty, stacked)
        if judged and later:
            yield Found([stacked], partial(_units_on_host, judged))
        elif judged:
            yield from _units_on_device(judged, stacked)


def _counted_on_host(empty: Outputs, stacked: Any) -> Iterator[Outputs]:
    flat, count = stacked.reshape(-1), len(stacked)
    pieces = [flat[i : i + CHUNK] for i in range(0, len(flat), CHUNK)]
    tables = [tally_on_host(piece, _lengths(len(piece), count))[0] for piece in pieces]
    yield empty._replace(rows=len(pieces), table=np.concatenate(tables))


def _units_on_host(judged: Sequence[_Judged], stacked: Any) -> Iterator[UnitOutputs]:
    for one in judged:
        values, others, samples = _of_units(one, stacked)
        near = units.near_asymptote(values, one.limits, others) if one.limits else None
        yield UnitOutputs(one.owners, units.zero_on_host(values, others), near, samples)


def _tallied(empty: Outputs, stacked: Tensor) -> Found:
    count, pieces = len(stacked), torch.split(stacked.reshape(-1), CHUNK)
    tables = [tally(piece, _lengths(len(piece), count)).table for piece in pieces]
    whole = empty._replace(rows=len(pieces))
    return Found([tables[0] if len(tables) == 1 else torch.cat(tables)], lambda table: [whole._replace(table=table)])


def _units_on_device(judged: Sequence[_Judged], stacked: Tensor) -> Iterator[Found]:
    for one in judged:
        values, others, samples = _of_units(one, stacked)
        found = [units.zero(values, others)]
        if one.limits:
            found.append(units.near_asymptote(values, one.limits, others))
        yield Found(found, partial(_unit_outputs, one.owners, samples))


def _unit_outputs(owners: list[int], samples: int, zero: Any, near: Any = None) -> Iterator[UnitOutputs]:
    yield UnitOutputs(owners, zero, near, samples)


def _lengths(values: int, outputs: int) -> Any:
    """Of a piece of a stack: it holds several outputs whole, or a part of one."""
    return np.array([values // outputs] * outputs)


def _of_units(judged: _Judged, stacked: Any) -> tuple[Any, list[int], int]:
    """The judged outputs of a stack; the dimensions that do not count their units; samples and positions of each unit."""
    values = stacked if judged.rows == list(range(len(stacked))) else stacked[judged.rows]
    others = [i for i in range(1, values.ndim) if i != judged.dim + 1]
    return values, others, int(np.prod([values.shape[i] for i in others]))


def _judged(some: Sequence[Held], shape: torch.Size, layers: Sequence[Layer]) -> Iterator[_Judged]:
    """Activations' outputs, where they still count their layer's units."""
    judged: dict[tuple[int, tuple[float, ...]], list[tuple[int, int]]] = defaultdict(list)
    for row, one in enumerate(some):
        for owner in one.owners if one.after else ():
            layer = layers[owner]
            if layer.units and len(shape) >= max(2, -layer.unit_dim) and shape[layer.unit_dim] == layer.units:
                judged[layer.unit_dim % len(shape), one.limits].append((owner, row))
    for (dim, limits), found in judged.items():
        yield _Judged(dim, limits, [owner for owner, _ in found], [row for _, row in found])


def _thinned(output: Tensor, turn: int) -> Tensor:
    """Every k-th sample of a very large output, beginning at another one each turn; at least one."""
    every = min(stride(output.numel(), MOST), output.shape[0]) if output.ndim > 1 else 1
    return output[turn % every :: every] if every > 1 else output
