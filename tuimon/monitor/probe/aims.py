"""What a model is trained towards: which loss, and which targets, from the gradient that arrives at the model's output.

A script's loss and targets are its own, and no hook sees them. But the gradient of the loss by the model's output has them in
it: of a cross-entropy softmax(output) minus the one-hot label, of a binary one its sigmoid(output) minus the target, of a mean
of squares twice the difference (Bishop, Pattern Recognition and Machine Learning, 2006, 4.3.6 and 5.2), each by the number of
terms. So each loss that could have made a gradient has a value that it would have had; whoever also knows the logged loss knows
which one it was. Read at one sampled forward and its backward; a subset of rows stands for large outputs. The training thread
copies these; the log's thread looks at them, by numpy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuimon.monitor.probe.ends import facts, first_tensor
from tuimon.monitor.probe.entries import Facts
from tuimon.monitor.probe.flat import local
from tuimon.monitor.probe.found import Found

Floats = NDArray[np.floating[Any]]

_MOST_ROWS = 2048
_MOST_VALUES = 1 << 20
_FEW_VALUES = 1 << 15  # of these, that are looked at for other losses once one is known
_MOST_PARAMETERS = 4  # of the last ones, whose gradients are looked at before they are computed
_EXACT = 1e-2  # of the largest gradient: how far it may be from a loss's own; half precision is no finer

CROSS_ENTROPY_TAGS = ("aim/cross_entropy", "aim/classes", "aim/top_class_fraction", "aim/entropy")
LIKELIHOOD_TAGS = ("aim/likelihood",)
BINARY_TAGS = ("aim/binary", "aim/binary_min", "aim/binary_max", "aim/binary_mean")
PROBABILITY_TAGS = ("aim/probability", "aim/probability_min", "aim/probability_max", "aim/probability_mean")
ABSOLUTE_TAGS = ("aim/absolute",)
SQUARES_TAGS = ("aim/squares", "aim/squares_min", "aim/squares_max", "aim/squares_variance")


class Aims:
    """Waits for the gradient of one output in each sample, and looks whether those of the step before are gone by then.

    Args:
        parameters: of the model, those that are trained.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)[-_MOST_PARAMETERS:]
        self._output: Tensor | None = None
        self._gradient: Tensor | None = None
        self._before: Tensor | None = None  # the norm of what the parameters' gradients were when backward began

    def start(self) -> None:
        """Begins a sample."""
        self._output = self._gradient = self._before = None

    def watch(self, output: object) -> None:
        """Asks for the gradient of what a model returned; the first one counts."""
        found = first_tensor(output)
        if self._output is not None or found is None or not found.requires_grad or found.ndim == 0:
            return
        self._output = found.detach()
        found.register_hook(self._arrived)  # type: ignore[no-untyped-call]

    def _arrived(self, gradient: Tensor) -> None:
        if self._gradient is None and self._output is not None and gradient.layout == torch.strided:
            self._gradient = gradient.detach()
            self._before = _norm([p.grad for p in self._parameters if p.grad is not None], gradient.device)

    @torch.no_grad()
    def take(self) -> list[Found]:
        """What the gradient says; nothing if none has arrived."""
        output, gradient, before = self._output, self._gradient, self._before
        self.start()
        if output is None or gradient is None or before is None or output.shape != gradient.shape:
            return []
        return [facts(("step/grad_before",), before[None]), aims(local(output), local(gradient))]


def _norm(gradients: Sequence[Tensor], device: torch.device) -> Tensor:
    """The norm of some gradients together, []; on the device of the output."""
    with torch.no_grad():
        known = [local(one).float().square().sum().to(device) for one in gradients if one.layout == torch.strided]
        return torch.stack(known).sum().sqrt() if known else torch.zeros((), device=device)


def aims(output: Tensor, gradient: Tensor) -> Found:
    """The losses that may have made a gradient, and their targets.

    Args:
        output: of any shape, floating point; the last dimension counts the classes, of four or more dimensions the second.
        gradient: of the loss by the output, the same shape.

    Returns:
        `Facts`. `aim/cross_entropy`: the mean cross-entropy of softmax(output), in nats; NaN if that is not what made the
        gradient. With it `aim/classes`, how many labels occur; `aim/top_class_fraction`, the share of the commonest;
        `aim/entropy` of the labels, in nats. Only of two or more classes.
        `aim/likelihood`: the mean of minus the output at the label, as of `NLLLoss`; NaN if that did not make the gradient.
        `aim/binary`: the mean binary cross-entropy of sigmoid(output) if that made the gradient, with the least, greatest and
        mean target. `aim/probability`: likewise of an output that is a probability. `aim/absolute`: 1 if the mean of absolute
        differences made the gradient, else NaN. `aim/squares`: likewise of the mean of squares, with the range and variance of
        the targets.
    """
    dim = 1 if output.ndim > 3 else output.ndim - 1
    every = _every(output, dim)
    both = torch.stack([_rows(one, dim, every) for one in (output, gradient)])
    return Found([both], partial(_aims, output.numel() // both.shape[2]))


def _every(output: Tensor, dim: int) -> int:
    classes = output.shape[dim]
    most = max(1, min(_MOST_ROWS, _MOST_VALUES // max(classes, 1)))
    return max(1, -(-(output.numel() // max(classes, 1)) // most))


def _rows(values: Tensor, dim: int, every: int) -> Tensor:
    return values.movedim(dim, -1).reshape(-1, values.shape[dim])[::every].float()


@np.errstate(all="ignore")  # a loss that did not make the gradient has any value
def _aims(rows: int, both: Any) -> list[Facts]:
    """Of `both` [2, some of the rows, classes]: output and gradient."""
    out, grad = both
    of_classes = [_cross_entropy(out, grad), _likelihood(out, grad)] if out.shape[1] > 1 else []
    if of_classes and np.isfinite(of_classes[0].values[0]):  # its form is no accident: no other loss made the gradient
        out, grad = both[:, : max(1, _FEW_VALUES // out.shape[1])]
    used = (grad != 0).any(0) | (out == out[:1]).all(0)  # what is the same for all, a constant pixel's zero, may be right
    terms = np.float32(used.sum() * rows)  # outputs that the loss does not look at get no gradient at all
    of_numbers = [_binary(out, grad, used, terms), _probability(out, grad, used, terms), _squares(out, grad, used, terms)]
    return [*of_numbers, _absolute(grad, used, terms), *of_classes]


def _cross_entropy(out: Floats, grad: Floats) -> Facts:
    at = np.arange(len(out))
    logs = out - out.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    labels = np.where(grad.min(1) < 0, grad.argmin(1), out.argmax(1))  # where the model is as sure as it is right
    counted = (grad != 0).any(1)  # an ignored label's row has no gradient
    expected = np.exp(logs)
    expected[at, labels] -= 1
    expected *= counted[:, None]
    scale = (grad * expected).sum() / np.square(expected).sum()
    fits = np.abs(grad - scale * expected).max() <= _EXACT * np.abs(grad).max() and scale > 0
    number = counted.sum()
    loss = -(logs[at, labels] * counted).sum() / number
    found = np.bincount(labels, counted, out.shape[1]) / number
    entropy = -(found * np.log(np.maximum(found, 1e-12))).sum()
    return _facts(CROSS_ENTROPY_TAGS, [loss, (found > 0).sum(), found.max(), entropy], fits)


def _likelihood(out: Floats, grad: Floats) -> Facts:
    hit = grad != 0
    single = (hit.sum(1) <= 1).all() and hit.any() and (grad <= 0).all()
    return _facts(LIKELIHOOD_TAGS, [-(out * hit).sum() / hit.sum()], single)


def _binary(out: Floats, grad: Floats, used: Any, terms: np.float32) -> Facts:
    targets = 1 / (1 + np.exp(-out)) - terms * grad
    each = np.logaddexp(0, out) - targets * out
    return _facts(BINARY_TAGS, [_mean(each, used), *_range(targets, used)])


def _probability(out: Floats, grad: Floats, used: Any, terms: np.float32) -> Facts:
    """As `BCELoss` has it, whose input is a probability already; NaN where the outputs are none."""
    targets = out - terms * grad * out * (1 - out)
    each = -(targets * np.log(np.maximum(out, 1e-12)) + (1 - targets) * np.log(np.maximum(1 - out, 1e-12)))
    possible = ((out >= 0) & (out <= 1)).all()
    return _facts(PROBABILITY_TAGS, [_mean(each, used), *_range(targets, used)], possible)


def _absolute(grad: Floats, used: Any, terms: np.float32) -> Facts:
    """Of absolute differences every gradient has the same size."""
    sizes = np.abs(terms * grad)
    alike = ((np.abs(sizes - 1) < _EXACT) | (sizes == 0)).all() and used.any()
    return _facts(ABSOLUTE_TAGS, [1.0], alike)


def _squares(out: Floats, grad: Floats, used: Any, terms: np.float32) -> Facts:
    off = terms * grad / 2
    targets = out - off
    low, high, _ = _range(targets, used)
    spread = (targets.var(0) * used).sum() / used.sum()
    return _facts(SQUARES_TAGS, [_mean(np.square(off), used), low, high, spread])


def _mean(values: Floats, used: Any) -> Any:
    return (values * used).sum() / (used.sum() * len(values))


def _range(targets: Floats, used: Any) -> tuple[Any, Any, Any]:
    low, high = (np.where(used, targets, other) for other in (np.inf, -np.inf))
    return low.min(), high.max(), _mean(targets, used)


def _facts(tags: tuple[str, ...], values: Sequence[Any], known: Any = True) -> Facts:
    return Facts(tags, np.array(values, np.float64) if known else np.full(len(tags), np.nan))
