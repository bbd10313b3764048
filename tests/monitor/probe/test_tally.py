"""Tallies of many segments at once, beside the plain version of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tuimon.log import histogram
from tuimon.monitor.probe import tally as module
from tuimon.monitor.probe.flat import CHUNK, Part, chunks, thinned
from tuimon.monitor.probe.tally import Tally, merge, on_device, tally, to_histogram, zero_rows, zero_rows_on_device

LENGTHS = [1, 100, 900, 7000, 1, 500, 498]


def values(kind: str) -> torch.Tensor:
    """[9000] float32."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(9000, generator=generator) * 10.0 ** torch.randint(-14, 8, (9000,), generator=generator)
    x[200:300] = 0.0
    if kind == "infinite":
        x[5], x[1000] = math.inf, -math.inf
    if kind == "nan":
        x[5], x[77], x[1200], x[8502:] = math.inf, math.nan, -math.nan, math.nan
    return x


def counted(x: torch.Tensor, lengths: Sequence[int], rows: Sequence[int] | None, on_host: bool) -> Tally:
    count = tally if on_host else on_device
    return count(x, np.array(lengths), None if rows is None else np.array(rows))


@pytest.mark.parametrize("on_host", [True, False])
@pytest.mark.parametrize("kind", ["finite", "infinite", "nan"])
def test_every_segment_has_the_tally_of_its_plain_version(kind: str, on_host: bool) -> None:
    """Counts and range exactly, sums to rounding; NaN belongs to no bin and is counted apart. By numpy, and by torch alone."""
    x = values(kind)
    table = counted(x, LENGTHS, None, on_host).table.numpy()
    for row, own in zip(table, torch.split(x, LENGTHS), strict=True):
        plain, fast = histogram.of(own.tolist()), to_histogram(row)
        assert list(fast.counts) == plain.counts and row[module.NANS] == own.isnan().sum()
        assert (fast.min, fast.max) == pytest.approx((plain.min, plain.max), nan_ok=True)
        assert fast.sum == pytest.approx(plain.sum, rel=1e-6, abs=1e-9, nan_ok=True)
        assert fast.sum_squares == pytest.approx(plain.sum_squares, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("on_host", [True, False])
@pytest.mark.parametrize("kind", ["finite", "nan"])
def test_a_row_is_zero_where_every_value_of_it_is(kind: str, on_host: bool) -> None:
    """Not where one is NaN; rows lie within segments."""
    x, lengths = values(kind), [1000, 8000]
    rows = [10] * 100 + [500] * 16
    found = counted(x, lengths, rows, on_host)
    plain = [bool((row == 0).all()) for row in torch.split(x, rows)]
    assert found.zero is not None and found.zero.tolist() == plain and any(plain)
    alone = (zero_rows if on_host else zero_rows_on_device)(x, np.array(rows))
    assert alone.tolist() == plain
    whole = counted(x, lengths, None, on_host)
    assert torch.equal(found.table.nan_to_num(7.0), whole.table.nan_to_num(7.0)) and whole.zero is None


def test_every_edge_falls_into_its_own_bin() -> None:
    """Powers of two are the lower edges; so are their negatives, mirrored."""
    edges = torch.tensor([2.0**e for e in range(-60, 40)])
    x = torch.cat([edges, -edges, torch.nextafter(edges, torch.zeros(()))])
    row = tally(x, np.array([len(x)])).table[0].numpy()
    assert list(to_histogram(row).counts) == histogram.of(x.tolist()).counts


def test_parts_are_merged_to_owners() -> None:
    """What several parts of a layer hold together; an owner without a part has seen nothing."""
    x = values("nan")
    table = tally(x, np.array(LENGTHS)).table.numpy()
    whole = merge(table, np.array([0, 0, 0, 2, 2, 2, 2]), 3)
    for row, own in ((whole[0], x[:1001]), (whole[2], x[1001:])):
        direct = tally(own.contiguous(), np.array([len(own)])).table[0].numpy()
        assert np.allclose(row, direct, rtol=1e-12, equal_nan=True)
    assert math.isnan(to_histogram(whole[1]).min) and not whole[1, module.COUNTS :].any()


def test_a_large_tensor_is_cut_between_its_rows() -> None:
    """Chunks are bounded; what lies in them together is everything, in order, with the rows of each unit whole."""
    big, small = torch.arange(3 * CHUNK, dtype=torch.float32).reshape(48, -1), torch.ones(5)
    found = list(chunks([Part(0, 0, small), Part(1, 1, big, rows=48), Part(2, 2, small, rows=5)]))
    assert all(len(chunk.flat) <= CHUNK for chunk in found)
    assert torch.equal(torch.cat([chunk.flat for chunk in found]), torch.cat([small, big.reshape(-1), small]))
    assert sum(int(chunk.layout.rows[chunk.layout.keys == 1].sum()) for chunk in found) == 48
    for chunk in found:
        assert chunk.layout.row_lengths().sum() == len(chunk.flat)


def test_each_value_of_a_thinned_tensor_has_its_turn() -> None:
    """Every third of each row, from another place each time; each stands for as many as there are of it."""
    x = torch.arange(60.0).reshape(4, 15)
    taken = [thinned(Part(0, 0, x, rows=4), 3, turn) for turn in range(3)]
    assert sorted(torch.cat([part.tensor.reshape(-1) for part in taken]).tolist()) == x.reshape(-1).tolist()
    assert all(part.rows == 4 and part.every * part.tensor.numel() == 60 for part in taken)
    assert thinned(Part(0, 0, x), 1, 5).tensor is x
