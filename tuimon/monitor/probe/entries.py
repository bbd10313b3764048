"""What of a sample's tensors arrives on the host: entries of its `Sheet`. Types only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.monitor.probe import tally
from tuimon.monitor.probe.flat import Layout

Array = NDArray[Any]


class Gradients(NamedTuple):
    """A chunk's gradients: `table` [parts, columns] and `zero` [rows], as a tally has them; it may end before the counts."""

    layout: Layout
    table: Array
    zero: Array


class Weights(NamedTuple):
    """A chunk's weights: `table` [parts, 1 or 3] holds squares: of the weights now; before; of the update."""

    layout: Layout
    table: Array


class Counted(NamedTuple):
    """A chunk's weights or their update: `table` [parts, columns] as a tally has it."""

    layout: Layout
    kind: Literal["weight", "update"]
    table: Array


class Products(NamedTuple):
    """Of a part of the whole gradient: its product with that of the sample before, its square, and the other's square."""

    both: float
    now: float
    before: float


class Outputs(NamedTuple):
    """Outputs of one shape that were counted together.

    Attributes:
        owners: [outputs] the layers that each counts for.
        after: whether they are activations' outputs.
        every: how many values each value stands for.
        rows: how many rows of the table each has.
        table: [outputs · rows, columns] as a tally's.
    """

    owners: list[tuple[int, ...]]
    after: list[bool]
    every: float
    rows: int = 1
    table: Array = np.zeros((0, tally.COLUMNS))


class UnitOutputs(NamedTuple):
    """What activations' outputs of one shape say of each unit.

    Attributes:
        owners: [outputs] the layer whose units they are.
        zero: [outputs, units] whether it is zero at every sample and position.
        near: [outputs, units] samples and positions near an asymptote; None where the activation has none.
        samples: samples and positions of each unit.
    """

    owners: list[int]
    zero: Array
    near: Array | None
    samples: int


class Negative(NamedTuple):
    """Of what activations got, `counts` of `seen` values are below zero; `owners` are the layers that each counts for."""

    owners: Sequence[tuple[int, ...]]
    counts: Sequence[int]
    seen: Sequence[int]


class Alike(NamedTuple):
    """Layers whose units were compared.

    Attributes:
        owners: [layers] their numbers.
        table: [layers, 2] the mean size of the cosine of two units' incoming weights; the share of units of which another has
            the same incoming weights and, where there is a gradient, the same gradient.
    """

    owners: list[int]
    table: Array


class Facts(NamedTuple):
    """Numbers that belong to no layer: `values` [tags]."""

    tags: tuple[str, ...]
    values: Array


Entry = Gradients | Weights | Counted | Products | Outputs | UnitOutputs | Negative | Alike | Facts
