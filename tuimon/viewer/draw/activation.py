"""An activation function and its slope as lines of blocks, and where on it a layer's inputs lie. Pure functions, any thread.

The log has histograms of what comes out of an activation. Where a function only rises, an output tells its input, as finely as
the histogram's bins do: between their edges, and between the smallest and the largest output, inputs are spread evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.log.histogram import ZERO, edges
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.draw.sparkline import ASCII_BLOCKS, BLOCKS

Floats = NDArray[np.float64]
_REACH = 4.0  # inputs from minus this to this are drawn; those beyond count at the edges
_EDGES = np.array(edges())
_LEAST = 9  # columns


class Function(NamedTuple):
    """An activation function of one number.

    Attributes:
        of: its value.
        inverse: the input of an output, where it only rises; where outputs of many inputs are the same, the largest of them.
    """

    of: Callable[[Any], Any]
    inverse: Callable[[Any], Any] | None = None


def _elu(x: Any) -> Any:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _logit(y: Any) -> Any:
    y = np.clip(y, 1e-12, 1 - 1e-12)
    return np.log(y / (1 - y))


_ROOT = np.sqrt(2 / np.pi)
FUNCTIONS: dict[str, Function] = {  # by the name of PyTorch's class, with its defaults
    "ReLU": Function(lambda x: np.maximum(x, 0), lambda y: y),
    "LeakyReLU": Function(lambda x: np.where(x > 0, x, 0.01 * x), lambda y: np.where(y > 0, y, 100 * y)),
    "ELU": Function(_elu, lambda y: np.where(y > 0, y, np.log1p(np.clip(y, -1 + 1e-12, 0)))),
    "Tanh": Function(np.tanh, lambda y: np.arctanh(np.clip(y, -1 + 1e-12, 1 - 1e-12))),
    "Sigmoid": Function(_sigmoid, _logit),
    "Softplus": Function(lambda x: np.log1p(np.exp(x)), lambda y: np.log(np.expm1(np.maximum(y, 1e-12)))),
    "GELU": Function(lambda x: 0.5 * x * (1 + np.tanh(_ROOT * (x + 0.044715 * x**3)))),
    "SiLU": Function(lambda x: x * _sigmoid(x)),
}


def activation_rows(
    name: str, counts: Floats | None, low: float, high: float, width: int, label: int, ascii: bool = False
) -> list[Row]:
    """The function, its slope and a layer's inputs, each as a line of blocks over the same inputs; no rows if it is unknown.

    Args:
        name: the activation's class.
        counts: [BINS] of its outputs; None: not known.
        low: the smallest output.
        high: the largest one.
        width: columns of all.
        label: columns of the names before the lines.
        ascii: with ASCII's characters alone.
    """
    function, columns = FUNCTIONS.get(name), (width - label - 1) // 2 * 2 - 1
    columns = min(columns, 41)
    if function is None or columns < _LEAST:
        return []
    x = np.linspace(-_REACH, _REACH, columns)
    slope = (function.of(x + 1e-4) - function.of(x - 1e-4)) / 2e-4
    lines = [("function", _blocks(function.of(x), ascii)), ("its slope", _blocks(np.maximum(slope, 0), ascii, floor=0.0))]
    if function.inverse and counts is not None and counts.sum() > 0 and np.isfinite([low, high]).all():
        shares = inputs(function, counts, low, high, columns)
        lines.append(("its inputs", _blocks(shares, ascii, floor=0.0, empty=True)))
    middle = columns // 2
    ends = f"-{_REACH:g}", f"{_REACH:g}"
    axis = ends[0].ljust(middle) + "0" + ends[1].rjust(columns - middle - 1)
    rows: list[Row] = [[Span(name.ljust(label), "dim"), Span(drawn, "histogram")] for name, drawn in lines]
    return [*rows, [Span(" " * label), Span(axis, "dim")]]


def inputs(function: Function, counts: Floats, low: float, high: float, columns: int) -> Floats:
    """How much of the outputs [BINS] comes from inputs in each of `columns` columns of the drawn range; sums to 1."""
    assert function.inverse is not None
    begins = np.clip(np.concatenate([[low], _EDGES[:-1]]), low, high)
    ends = np.clip(_EDGES, low, high)
    half = _REACH * columns / (columns - 1)
    with np.errstate(all="ignore"):
        begin, end = (np.clip(np.nan_to_num(function.inverse(edge), nan=0.0), -half, half) for edge in (begins, ends))
    begin[ZERO], end[ZERO] = (0.0, 0.0) if function.inverse(0.0) == 0 else (begin[ZERO], end[ZERO])
    if function.of(-1.0) == function.of(-2.0):  # all that is below zero comes out as the same
        begin[ZERO], end[ZERO] = -half, 0.0
    borders = np.linspace(-half, half, columns + 1)
    spread = np.maximum(end - begin, 1e-9)
    begin = np.minimum(begin, half - spread)
    within = np.clip((borders[None] - begin[:, None]) / spread[:, None], 0, 1)
    share: Floats = (np.diff(within, axis=1) * np.nan_to_num(counts)[:, None]).sum(0)
    share /= max(float(share.sum()), 1e-30)
    return share


def _blocks(values: Any, ascii: bool, floor: float | None = None, empty: bool = False) -> str:
    """Each value as a block, from the lowest value or `floor`; `empty`: nothing where it is about zero."""
    blocks = ASCII_BLOCKS if ascii else BLOCKS
    low = float(np.min(values)) if floor is None else floor
    span = max(float(np.max(values)) - low, 1e-12)
    levels = np.clip(((values - low) / span * len(blocks)).astype(int), 0, len(blocks) - 1)
    return "".join(" " if empty and value < span / 200 else blocks[level] for value, level in zip(values, levels, strict=True))
