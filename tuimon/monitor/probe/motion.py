"""What a chunk of weights says: how large they are, how far a step moved them, and the histograms of both.

Histograms are counted in some samples only, for weights change slowly: these also say what the others do, in the same pass.
On a CPU `_on_host` functions are called by the log's thread, with arrays; on another device the device works it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuimon.monitor.probe.entries import Counted, Weights
from tuimon.monitor.probe.flat import Chunk, Layout
from tuimon.monitor.probe.found import Found
from tuimon.monitor.probe.tally import COUNTS, NANS, SQUARES, squares, squares_on_host, tally, tally_on_host


def moved(now: Chunk, before: Tensor, *, later: bool, counted: bool) -> Found:
    """`Weights` of what a step has moved, and if it is to be counted, `Counted` of weights and update.

    Args:
        now: the weights; nobody changes them any more if they are to be measured `later`.
        before: [n] those before the step; used up.
        later: whether the log's thread measures them.
        counted: whether histograms are wanted.
    """
    layout, lengths = now.layout, now.layout.lengths
    if later:
        return Found([now.flat, before], partial(_counted_on_host if counted else _moved_on_host, layout))
    old = squares(before, lengths)
    update = torch.sub(now.flat, before, out=before)
    if counted:
        return Found([old, tally(now.flat, lengths).table, tally(update, lengths).table], partial(_counted, layout))
    return Found([torch.stack([squares(now.flat, lengths), old, squares(update, lengths)], 1)], partial(_weights, layout))


def still(now: Chunk) -> Found:
    """`Weights` of what the step does not move."""
    return Found([squares(now.flat, now.layout.lengths)[:, None]], partial(_weights, now.layout))


def _moved_on_host(layout: Layout, now: Any, before: Any) -> Iterator[Weights]:
    parts = (now, before, now - before)
    yield Weights(layout, np.stack([squares_on_host(one, layout.lengths) for one in parts], 1))


def _counted_on_host(layout: Layout, now: Any, before: Any) -> Iterator[Weights | Counted]:
    weights, update = (tally_on_host(one, layout.lengths)[0] for one in (now, now - before))
    yield from _counted(layout, squares_on_host(before, layout.lengths), weights, update)


def _counted(layout: Layout, old: Any, weights: Any, update: Any) -> Iterator[Weights | Counted]:
    yield Weights(layout, np.stack([_squares_of(weights), old, _squares_of(update)], 1))
    yield Counted(layout, "weight", weights)
    yield Counted(layout, "update", update)


def _squares_of(table: Any) -> Any:
    """The sums of squares, NaN where there is one among the values, which a tally leaves out."""
    assert table.shape[1] > COUNTS
    return np.where(table[:, NANS] > 0, np.nan, table[:, SQUARES])


def _weights(layout: Layout, table: Any) -> Iterator[Weights]:
    yield Weights(layout, table)
