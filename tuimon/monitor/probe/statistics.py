"""Histograms and moments of tensors, on whatever device they are.

A histogram over powers of two needs no comparisons: the bin is in the exponent bits of a float32. On CUDA nothing here waits
for the device. Everything works on detached values, changes no tensor and draws no random number.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tuimon.log.histogram import HIGH_EXPONENT, LOW_EXPONENT, Histogram

_PATTERNS = 512  # of the sign bit and the eight exponent bits
_SIGN = 256
_BIAS = 127
_FIRST = LOW_EXPONENT + _BIAS
_TOP = HIGH_EXPONENT + _BIAS
_CHUNK = 1 << 23  # bounds the memory a summary takes, and keeps float32 counts exact on CUDA
_NANS, _MIN, _MAX, _SUM, _SQUARES, _MOMENTS = 0, 1, 2, 3, 4, 5
SUMMARY_SIZE = _MOMENTS + _PATTERNS


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor that may be spread over several (DTensor): asking for all of it is for all of them.

    One process that asked alone would wait for the others, or receive what was meant for the training.
    """
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def summarize(tensors: Sequence[Tensor]) -> Tensor:
    """All that a histogram needs, of several tensors together: [SUMMARY_SIZE], float64, on their device.

    Sparse tensors count by their stored values.
    """
    chunks = [chunk for tensor in tensors for chunk in torch.split(_flat(tensor), _CHUNK) if chunk.numel()]
    if not chunks:
        return _empty(next((tensor.device for tensor in tensors), torch.device("cpu")))
    if len(chunks) > 1 and sum(chunk.numel() for chunk in chunks) <= _CHUNK:
        chunks = [torch.cat(chunks)]
    summary = _summarize_chunk(chunks[0])
    for chunk in chunks[1:]:
        summary = merge(summary, _summarize_chunk(chunk))
    return summary


def merge(a: Tensor, b: Tensor) -> Tensor:
    """The summary of what two summaries hold together."""
    both = a + b
    both[_MIN] = torch.minimum(a[_MIN], b[_MIN])
    both[_MAX] = torch.maximum(a[_MAX], b[_MAX])
    return both


def to_histogram(summary: Sequence[float]) -> Histogram:
    """A summary, on the host, as the log's histogram."""
    patterns = summary[_MOMENTS:]
    positive, negative = patterns[:_SIGN], patterns[_SIGN:]
    zeros = sum(positive[:_FIRST]) + sum(negative[:_FIRST])
    counts = [*reversed(_side(negative)), zeros, *_side(positive)]
    if not sum(counts):
        return Histogram(counts, math.nan, math.nan, 0.0, 0.0)
    return Histogram(counts, summary[_MIN], summary[_MAX], summary[_SUM], summary[_SQUARES])


def norm_of(summary: Sequence[float]) -> float:
    """The Euclidean norm of what was summarized; NaN if there was a NaN in it."""
    return math.nan if summary[_NANS] else math.sqrt(summary[_SQUARES])


def range_of(summary: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest value, NaN left out; NaN for both where there is no other value."""
    low, high = summary[_MIN], summary[_MAX]
    return (low, high) if low <= high else (math.nan, math.nan)


def _side(patterns: Sequence[float]) -> list[float]:
    bins = list(patterns[_FIRST : _TOP + 1])
    bins[-1] += sum(patterns[_TOP + 1 :])
    return bins


def _flat(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.coalesce().values()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    in_memory = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)  # channels last, say: no copy where it is dense
    return tensor.permute(in_memory).reshape(-1)


def _empty(device: torch.device) -> Tensor:
    summary = torch.zeros(SUMMARY_SIZE, dtype=torch.float64, device=device)
    summary[_MIN].fill_(math.inf)
    summary[_MAX].fill_(-math.inf)
    return summary


def _summarize_chunk(chunk: Tensor) -> Tensor:
    x = chunk.to(torch.float32).contiguous()
    patterns = (x.view(torch.int32) >> 23) & (_PATTERNS - 1)
    if x.device.type != "cpu":
        return _without_waiting(x, patterns)
    counts = torch.bincount(patterns, minlength=_PATTERNS)
    if counts[_SIGN - 1] + counts[-1] == 0:  # neither infinite nor NaN
        return _assemble(torch.zeros((), dtype=torch.float64, device=x.device), torch.aminmax(x), x, counts)
    return _without_waiting(x, patterns)


def _without_waiting(x: Tensor, patterns: Tensor) -> Tensor:
    """The same with NaN looked for; no value decides what is done, so a device need not be waited for."""
    nan = x.isnan()
    nans = nan.sum()
    clean = x.masked_fill(nan, 0.0)
    counts = _count(patterns.masked_fill(nan, 0))
    counts[0] -= nans
    extremes = x.masked_fill(nan, math.inf).amin(), x.masked_fill(nan, -math.inf).amax()
    return _assemble(nans, extremes, clean, counts)


def _assemble(nans: Tensor, extremes: Sequence[Tensor], x: Tensor, counts: Tensor) -> Tensor:
    squares = torch.linalg.vector_norm(x, dtype=torch.float64).square()
    moments = [nans.double(), extremes[0].double(), extremes[1].double(), x.sum(dtype=torch.float64), squares]
    return torch.cat([torch.stack(moments), counts.double()])


def _count(patterns: Tensor) -> Tensor:
    if not patterns.is_cuda:
        return torch.bincount(patterns.reshape(-1), minlength=_PATTERNS)
    with _counting_allowed():  # bincount would wait for the device to learn how many bins there are
        return torch.histc(patterns.float(), _PATTERNS, 0, _PATTERNS).double()


@contextlib.contextmanager
def _counting_allowed() -> Iterator[None]:
    """Counting ones is exact in any order, whatever PyTorch's list of deterministic operations says."""
    if not torch.are_deterministic_algorithms_enabled():
        yield
        return
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True, warn_only=warn_only)
