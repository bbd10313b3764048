"""Every statistic equals a slow plain version of itself."""

from __future__ import annotations

import math

import pytest
import torch

from tuimon.log import histogram
from tuimon.monitor.probe import statistics


def check(tensors: list[torch.Tensor]) -> None:
    numbers = [x for t in tensors for x in (t.coalesce().values() if t.is_sparse else t).float().reshape(-1).tolist()]
    plain = histogram.of(numbers)
    fast = statistics.to_histogram(statistics.summarize(tensors).tolist())
    assert list(fast.counts) == plain.counts
    assert fast.min == pytest.approx(plain.min, nan_ok=True)
    assert fast.max == pytest.approx(plain.max, nan_ok=True)
    assert fast.sum == pytest.approx(plain.sum, rel=1e-6, abs=1e-9, nan_ok=True)
    assert fast.sum_squares == pytest.approx(plain.sum_squares, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_histograms_of_every_float_type_equal_the_plain_ones(dtype: torch.dtype) -> None:
    """Bins, extremes and moments are those of counting one number after the other."""
    check([torch.randn(50, 7).to(dtype), torch.randn(3).mul(1e-3).to(dtype)])


def test_powers_of_two_fall_on_the_right_side_of_each_edge() -> None:
    """The exponent's bits and the plain logarithm agree at every edge, beyond both ends, and just beside."""
    edges = torch.tensor([2.0**e for e in range(-60, 40)])
    values = torch.cat([edges, torch.nextafter(edges, torch.tensor(0.0)), torch.tensor([0.0, -0.0, 1e-45, 3e38])])
    values = torch.cat([values, -values])
    fast = statistics.to_histogram(statistics.summarize([values]).tolist())
    assert list(fast.counts) == histogram.of(values.tolist()).counts


def test_infinities_are_counted_in_the_outermost_bins_and_nan_nowhere() -> None:
    """NaN of either sign and infinities do not disturb the rest."""
    values = torch.tensor([1.0, -2.0, math.nan, 0.0, math.inf])
    negative_nan = torch.tensor([-1], dtype=torch.int32).view(torch.float32)
    summary = statistics.summarize([torch.cat([values, negative_nan])]).tolist()
    found = statistics.to_histogram(summary)
    assert list(found.counts) == histogram.of(values.tolist()).counts
    assert (found.min, found.max, found.sum) == (-2.0, math.inf, math.inf)
    assert math.isnan(statistics.norm_of(summary))


def test_what_is_done_without_waiting_for_a_device_gives_the_same() -> None:
    """The version that looks at no value on the way, which a GPU needs, equals the one for the CPU."""
    values = torch.randn(1000) * 1e-3
    patterns = (values.view(torch.int32) >> 23) & 511
    assert torch.equal(statistics._without_waiting(values, patterns), statistics.summarize([values]))


def test_sparse_gradients_count_by_their_stored_values() -> None:
    """Rows that were hit twice count as their sum; rows that were not hit do not count."""
    check([torch.sparse_coo_tensor([[0, 2, 2]], torch.randn(3, 4), (5, 4), check_invariants=True)])


def test_merged_summaries_equal_the_summary_of_all() -> None:
    """Several forwards of a step add up."""
    parts = [torch.randn(10), torch.randn(20) * 100, torch.randn(5)]
    first, second, third = (statistics.summarize([part]) for part in parts)
    merged = statistics.merge(statistics.merge(first, second), third)
    torch.testing.assert_close(merged, statistics.summarize(parts))


def test_a_large_tensor_is_summarized_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on memory changes nothing in the result."""
    values = torch.randn(1000)
    whole = statistics.summarize([values])
    monkeypatch.setattr(statistics, "_CHUNK", 64)
    torch.testing.assert_close(statistics.summarize([values]), whole)


def test_nothing_has_an_empty_histogram() -> None:
    """No values: no counts, and a range that is not a number."""
    found = statistics.to_histogram(statistics.summarize([torch.empty(0)]).tolist())
    assert sum(found.counts) == 0
    assert math.isnan(found.min)


def test_a_dense_tensor_in_another_order_is_read_where_it_lies() -> None:
    """An activation in channels-last order may be as large as the memory that is left."""
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    flat = statistics._flat(x)
    assert flat.data_ptr() == x.data_ptr() and torch.equal(flat.sort().values, x.flatten().sort().values)


def test_a_conjugated_tensor_counts_like_its_copy() -> None:
    """The gradient of a complex parameter may be conjugated only by a mark on it."""
    x = torch.randn(7, dtype=torch.complex64)
    assert torch.equal(statistics.summarize([x.conj()]), statistics.summarize([x.conj().resolve_conj()]))


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_the_range_of_no_number_is_nan(values: list[float]) -> None:
    """Infinities the wrong way round would be taken for values."""
    low, high = statistics.range_of(statistics.summarize([torch.tensor(values)]).tolist())
    assert math.isnan(low) and math.isnan(high)
    assert statistics.range_of(statistics.summarize([torch.tensor([2.0, math.nan])]).tolist()) == (2.0, 2.0)
