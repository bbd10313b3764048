"""The gradient check: compares backpropagation with central differences, in float64.

(L(θ + h) − L(θ − h)) / 2h differs from dL/dθ by O(h²) where L is smooth (Bengio, "Practical Recommendations for
Gradient-Based Training of Deep Architectures", 2012, section 4.2). If the interval contains the kink of a ReLU, a smaller h
avoids it; an entry exactly at a kink, as with all-zero weights, has no slope to compare with.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tuimon.base import format
from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import judge, line
from tuimon.training.data import Split
from tuimon.training.report import Line

_EXAMPLES = 6
_ENTRIES = (2, 8)  # minimum and maximum for each parameter
_BUDGET = 240  # total number of entries
_STEPS = (1e-4, 1e-5, 1e-6)  # relative to the entry's absolute value, or to 1 if that is larger
_WARN, _FAIL = 1e-5, 1e-3
_EPSILON = torch.finfo(torch.float64).eps
_NAME = "gradient check"


@dataclass(frozen=True)
class Worst:
    """The entry with the largest difference."""

    error: float
    name: str = ""
    told: float = 0.0
    measured: float = 0.0


def check_gradient(subject: Subject) -> Iterator[Line]:
    """The largest relative error over sampled entries of every parameter."""
    torch.set_default_dtype(torch.float64)  # for tensors that the forward pass creates
    model, batch = _double(subject)
    loss = _repeatable(lambda: subject.loss_of(model, batch))
    try:
        first, second = float(loss().detach()), float(loss().detach())
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        yield Line(_NAME, "warn", "not done", f"The model does not run in float64: {reason}")
        return
    if first != second and abs(first - second) > 1e-12 * abs(first):
        yield Line(_NAME, "warn", "not done", "The loss of the same batch differs between two forward passes.")
        return
    yield _verdict(worst_entry(model, loss), sum(p.requires_grad for p in model.parameters()))


def worst_entry(model: nn.Module, loss: Callable[[], Tensor]) -> Worst:
    """Compares the largest and some random gradient entries of every trained parameter of a float64 model."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    told = torch.autograd.grad(loss(), [p for _, p in named], allow_unused=True)
    most = max(_ENTRIES[0], min(_ENTRIES[1], _BUDGET // len(named)))
    worst = Worst(0.0)
    for (name, parameter), gradient in zip(named, told, strict=True):
        gradient = torch.zeros_like(parameter) if gradient is None else gradient
        for index in _chosen(gradient, most):
            value = float(gradient.view(-1)[index])
            error, measured = _compare(parameter, index, value, loss)
            if not error <= worst.error:
                worst = Worst(error, f"{name}{list(_place(index, parameter))}", value, measured)
    return worst


def _double(subject: Subject) -> tuple[nn.Module, Split]:
    batch = subject.sample(_EXAMPLES)
    model = copy.deepcopy(subject.fresh()).double()
    return model, Split(_doubled(batch.inputs), _doubled(batch.targets))


def _doubled(values: Tensor) -> Tensor:
    return values.double() if values.is_floating_point() else values


def _repeatable(loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Makes a loss draw the same random numbers each time."""

    def seeded() -> Tensor:
        torch.manual_seed(0)
        return loss()

    return seeded


def _chosen(gradient: Tensor, most: int) -> list[int]:
    """Indices of at most `most` entries: half of them the largest, the others random."""
    largest = gradient.abs().view(-1).topk(min(most // 2, gradient.numel())).indices.tolist()
    others = torch.randperm(gradient.numel())[:most].tolist()
    return list(dict.fromkeys([*largest, *others]))[:most]


@torch.no_grad()
def _compare(parameter: Tensor, index: int, told: float, loss: Callable[[], Tensor]) -> tuple[float, float]:
    """The smallest relative error of one entry over all steps, and its slope there; error 0 for an entry at a kink."""
    found = []
    for step in _STEPS:
        slope = _measure(parameter, index, loss, step * max(1.0, abs(float(parameter.view(-1)[index]))))
        found.append((slope.error_of(told), slope.mean))
        if found[-1][0] < _WARN:
            return found[-1]
    return (0.0, slope.mean) if slope.kinked else min(found)


@dataclass(frozen=True)
class _Slope:
    """The slopes on both sides of a point, and their uncertainty from rounding of the losses."""

    left: float
    right: float
    noise: float

    @property
    def mean(self) -> float:
        """The central difference."""
        return (self.left + self.right) / 2

    @property
    def kinked(self) -> bool:
        """Whether the two slopes differ by more than rounding and curvature explain at a small step."""
        return abs(self.right - self.left) > 1e-2 * max(abs(self.left), abs(self.right)) + 4 * self.noise

    def error_of(self, told: float) -> float:
        """The relative error of a gradient; differences within the noise count as small."""
        return abs(told - self.mean) / (max(abs(told), abs(self.mean)) + self.noise / _WARN)


def _measure(parameter: Tensor, index: int, loss: Callable[[], Tensor], step: float) -> _Slope:
    flat, values = parameter.view(-1), []
    start = float(flat[index])
    for offset in (-step, 0.0, step):
        flat[index] = start + offset
        values.append(float(loss()))
    flat[index] = start
    low, here, high = values
    return _Slope((here - low) / step, (high - here) / step, 4 * _EPSILON * max(map(abs, values)) / step)


def _place(index: int, parameter: Tensor) -> tuple[int, ...]:
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(index), parameter.shape))


def _verdict(worst: Worst, parameters: int) -> Line:
    text = (
        f"At {worst.name} backpropagation gives {format.number(worst.told)}, but differences {format.number(worst.measured)}. "
        "Look for a wrong backward(), detach() or .data."
    )
    number = f"error {format.number(worst.error)}"
    return line(_NAME, judge(worst.error, _WARN, _FAIL), number, text, f"largest relative error over {parameters} parameters")
