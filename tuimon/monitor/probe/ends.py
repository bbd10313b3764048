"""What goes into a model and what it returns, as a few numbers each.

Read during one sampled forward: the input of the first watched layer that gets floating-point numbers, and the first tensor
that the model returns. A subset stands for large ones. No number decides what is done, so a device need not be waited for.
Training thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from tuimon.monitor.probe.entries import Facts
from tuimon.monitor.probe.flat import local, stride
from tuimon.monitor.probe.found import Found
from tuimon.monitor.probe.tally import count_cells

MOST_VALUES = 1 << 18  # of an input or output that are looked at
_FEWEST_ROWS = 64  # of an output that are looked at however long they are, within
_MOST_IN_ROWS = 1 << 22  # this many values
_SUMS_TO_ONE = 1e-3  # how far a row of probabilities may be off; half precision is no finer than its own resolution
_DEEP = 8  # levels of tuples and dictionaries in which a tensor is looked for


class Ends:
    """Reads a model's input and output once in each sample."""

    def __init__(self) -> None:
        self._tokens = False  # a layer was given whole numbers: what later layers get is made of them
        self._read_input = self._read_output = False
        self._turn = 0
        self._found: list[Found] = []

    def start(self, turn: int) -> None:
        """Begins a sample; its number decides which values of large tensors are read."""
        self._tokens = self._read_input = self._read_output = False
        self._turn, self._found = turn, []

    def take(self) -> list[Found]:
        """What was read since `start`: `Facts`."""
        found, self._found = self._found, []
        return found

    def wants_input(self, inputs: Any) -> bool:
        """Whether what a layer got is the model's input.

        A layer that gets token numbers has none that could be measured, and a later one none if its input was computed from
        them.
        """
        given = inputs[0] if isinstance(inputs, tuple) and inputs else None
        if self._read_input or not isinstance(given, Tensor):
            return False
        if not given.is_floating_point():
            self._tokens |= not given.is_complex()
            return False
        return given.numel() > 0 and _is_dense(given) and not (self._tokens and given.grad_fn is not None)

    @torch.no_grad()
    def read_input(self, module: nn.Module, given: Tensor) -> None:
        """Measures what a layer got."""
        self._read_input = True
        self._found.append(input_facts(local(given.detach()), feature_dim(module, given.ndim), self._turn))

    @property
    def wants_output(self) -> bool:
        """Whether the model's output was not seen yet."""
        return not self._read_output

    @torch.no_grad()
    def read_output(self, output: Any) -> None:
        """Measures what the model returned, if there is a tensor in it."""
        self._read_output = True
        if (tensor := first_tensor(output)) is not None:
            self._found.append(output_facts(local(tensor.detach()), self._turn))


def first_tensor(output: Any) -> Tensor | None:
    """The first floating-point tensor in what a model returns that is more than one number, else the first at all."""
    found = list(_tensors(output, _DEEP))
    return next((tensor for tensor in found if tensor.ndim), found[0] if found else None)


def feature_dim(module: nn.Module, dims: int) -> int:
    """The dimension of a layer's input that counts the features: the channels of images and sequences, else the last one."""
    if isinstance(module, _ConvNd):
        return max(dims - 1 - len(module.kernel_size), 0)
    if isinstance(module, _NormBase | nn.GroupNorm) or dims > 3:
        return min(1, dims - 1)
    return dims - 1


def input_facts(values: Tensor, dim: int, turn: int = 0) -> Found:
    """Mean, standard deviation and greatest size of an input; and how its features vary within the batch.

    Args:
        values: of any shape, floating point, at least one value.
        dim: the dimension that counts the features, -1 if there is none.
        turn: which values of a large input are read.

    Returns:
        `input/mean`, `input/std` (without Bessel's correction), `input/abs_max`; where a feature has more than one value,
        `input/constant_fraction`, the share of features of which all values are equal, and `input/scale_spread`, the largest
        standard deviation of the other features over the smallest, NaN if there are none. NaN where a value is NaN.
    """
    rows = values.reshape(1, 1) if values.ndim == 0 else _input_rows(values, dim, turn)
    rows = rows.float()
    std, mean = torch.std_mean(rows, correction=0)
    tags, found = ["input/mean", "input/std", "input/abs_max"], [mean, std, rows.abs().amax()]
    if len(rows) > 1:
        low, high = rows.aminmax(dim=0)
        constant = low == high
        stds = rows.std(0, correction=0)
        spread = stds.masked_fill(constant, 0.0).amax() / stds.masked_fill(constant, torch.inf).amin()
        tags += ["input/constant_fraction", "input/scale_spread"]
        found += [constant.float().mean(), spread.masked_fill(constant.all(), torch.nan)]
    return facts(tags, torch.stack(found))


def output_facts(values: Tensor, turn: int = 0) -> Found:
    """Mean, standard deviation and range of an output; and what its classes and its batch show.

    The last dimension counts the classes, of four or more dimensions the second. A sample is a row of classes.

    Args:
        values: of any shape, floating point, at least one value; the first dimension counts the batch.
        turn: which values of a large output are read.

    Returns:
        `output/mean`, `output/std` (without Bessel's correction), `output/min`, `output/max`; of at least two classes
        `output/top_class_fraction`, the share of samples whose largest output is the class that most have, and
        `output/probability_fraction`, the share of samples that are not negative and sum to 1; of at least two in a batch
        `output/batch_std`, the mean over outputs of their standard deviation over the batch.
    """
    tolerance = max(_SUMS_TO_ONE, torch.finfo(values.dtype).eps)
    dim = 1 if values.ndim > 3 else values.ndim - 1
    values = _thinned_output(values, dim, turn).float()
    std, mean = torch.std_mean(values, correction=0)
    tags = ["output/mean", "output/std", "output/min", "output/max"]
    found = [mean, std, *values.aminmax()]
    if values.ndim > 1 and (classes := values.shape[dim]) > 1:
        rows = values.movedim(dim, -1).reshape(-1, classes)
        counts = count_cells(rows.argmax(1), classes)
        probable = (rows >= 0).all(1) & ((rows.sum(1) - 1).abs() <= tolerance)
        tags += ["output/top_class_fraction", "output/probability_fraction"]
        found += [counts.amax() / len(rows), probable.float().mean()]
    if values.ndim and len(values) > 1:
        tags.append("output/batch_std")
        found.append(values.std(0, correction=0).mean())
    return facts(tags, torch.stack([one.float() for one in found]))


def facts(tags: Sequence[str], values: Tensor) -> Found:
    """Numbers that belong to no layer: `values` [tags], on their device."""
    return Found([values], lambda array: [Facts(tuple(tags), array)])


def _input_rows(values: Tensor, dim: int, turn: int) -> Tensor:
    """[samples and positions, features]; of a large input fewer positions, then features, then samples."""
    others = [i for i in range(1, values.ndim) if i != dim]
    order = [*reversed(others), dim, *([0] if dim else [])]
    values = _thinned(values, order, MOST_VALUES, _FEWEST_ROWS, turn)
    return values.movedim(dim, -1).reshape(-1, values.shape[dim])


def _thinned_output(values: Tensor, dim: int, turn: int) -> Tensor:
    """Of a large output fewer positions, then samples of the batch; all classes."""
    classes = values.shape[dim] if values.ndim else 1
    most = max(MOST_VALUES, min(_FEWEST_ROWS * classes, _MOST_IN_ROWS))
    positions = [i for i in range(values.ndim - 1, 0, -1) if i != dim]
    return _thinned(values, [*positions, *([0] if values.ndim and (dim or values.ndim == 1) else [])], most, 2, turn)


def _thinned(values: Tensor, order: list[int], most: int, fewest: int, turn: int) -> Tensor:
    """Every k-th along some dimensions, one after the other, until there are no more than `most` values, if that can be had.

    Of the batch, dimension 0, at least `fewest` stay.
    """
    for dim in order:
        size = values.shape[dim]
        every = min(stride(values.numel(), most), size if dim else max(size // fewest, 1))
        if every > 1:
            values = values[(slice(None),) * dim + (slice(turn % every, None, every),)]
    return values


def _tensors(output: Any, deep: int) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point() and output.numel() and _is_dense(output):
            yield output
        return
    parts: Any = ()
    if isinstance(output, Mapping):
        parts = output.values()
    elif isinstance(output, tuple | list):
        parts = output
    elif dataclasses.is_dataclass(output):
        parts = [getattr(output, one.name, None) for one in dataclasses.fields(output)]
    for part in parts if deep else ():
        yield from _tensors(part, deep - 1)


def _is_dense(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_nested and tensor.device.type != "meta"
