"""What a model is trained towards: which loss, and which targets, from the gradient that arrives at the model's output.

A script's loss and targets are its own, and no hook sees them. But the gradient of the loss by the model's output has them in
it: of a cross-entropy softmax(output) minus the one-hot label, of a binary one its sigmoid(output) minus the target, of a mean
of squares twice the difference (Bishop, Pattern Recognition and Machine Learning, 2006, 4.3.6 and 5.2), each by the number of
terms. So each loss that could have made a gradient has a value that it would have had; whoever also knows the logged loss knows
which one it was. Read at one sampled forward and its backward; a subset of rows stands for large outputs. No number decides
what is done, so a device need not be waited for. Training thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tuimon.monitor.probe.ends import facts, first_tensor
from tuimon.monitor.probe.flat import local
from tuimon.monitor.probe.found import Found

_MOST_ROWS = 2048
_MOST_VALUES = 1 << 20
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
        return [facts(("step/grad_before",), before[None]), *aims(local(output), local(gradient))]


def _norm(gradients: Sequence[Tensor], device: torch.device) -> Tensor:
    """The norm of some gradients together, []; on the device of the output."""
    with torch.no_grad():
        known = [local(one).float().square().sum().to(device) for one in gradients if one.layout == torch.strided]
        return torch.stack(known).sum().sqrt() if known else torch.zeros((), device=device)


def aims(output: Tensor, gradient: Tensor) -> list[Found]:
    """The losses that may have made a gradient, and their targets.

    Args:
        output: of any shape, floating point; the last dimension counts the classes, of four or more dimensions the second.
        gradient: of the loss by the output, the same shape.

    Returns:
        `aim/cross_entropy`: the mean cross-entropy of softmax(output), in nats; NaN if that is not what made the gradient. With
        it `aim/classes`, how many labels occur; `aim/top_class_fraction`, the share of the commonest; `aim/entropy` of the
        labels, in nats. Only of two or more classes.
        `aim/likelihood`: the mean of minus the output at the label, as of `NLLLoss`; NaN if that did not make the gradient.
        `aim/binary`: the mean binary cross-entropy of sigmoid(output) if that made the gradient, with the least, greatest and
        mean target. `aim/probability`: likewise of an output that is a probability. `aim/absolute`: 1 if the mean of absolute
        differences made the gradient, else NaN. `aim/squares`: likewise of the mean of squares, with the range and variance of
        the targets.
    """
    dim = 1 if output.ndim > 3 else output.ndim - 1
    every = _every(output, dim)
    out, grad = (_rows(one, dim, every) for one in (output, gradient))
    rows = output.numel() // out.shape[1]
    used = (grad != 0).any(0) | (out == out[:1]).all(0)  # what is the same for all, a constant pixel's zero, may be right
    terms = used.sum() * rows  # outputs that the loss does not look at get no gradient at all
    found = [
        _binary(out, grad, used, terms),
        _probability(out, grad, used, terms),
        _squares(out, grad, used, terms),
        _absolute(grad, used, terms),
    ]
    if out.shape[1] > 1:
        found += [_cross_entropy(out, grad), _likelihood(out, grad)]
    return found


def _every(output: Tensor, dim: int) -> int:
    classes = output.shape[dim]
    most = max(1, min(_MOST_ROWS, _MOST_VALUES // max(classes, 1)))
    return max(1, -(-(output.numel() // max(classes, 1)) // most))


def _rows(values: Tensor, dim: int, every: int) -> Tensor:
    return values.movedim(dim, -1).reshape(-1, values.shape[dim])[::every].float()


def _cross_entropy(out: Tensor, grad: Tensor) -> Found:
    logs = functional.log_softmax(out, 1)
    shares = logs.exp()
    lowest, labels = grad.min(1, keepdim=True)
    labels = torch.where(lowest < 0, labels, out.argmax(1, keepdim=True))  # where the model is as sure as it is right
    hot = torch.zeros_like(out).scatter_(1, labels, 1.0)
    counted = (grad != 0).any(1)  # an ignored label's row has no gradient
    expected = (shares - hot) * counted[:, None]
    scale = (grad * expected).sum() / expected.square().sum()
    fits = ((grad - scale * expected).abs().amax() <= _EXACT * grad.abs().amax()) & (scale > 0)
    number = counted.sum()
    loss = -(logs.gather(1, labels)[:, 0] * counted).sum() / number
    found = torch.zeros(out.shape[1], device=out.device).scatter_add_(0, labels[:, 0], counted.float()) / number
    entropy = -(found * found.clamp_min(1e-12).log()).sum()
    values = torch.stack([loss, (found > 0).sum().float(), found.amax(), entropy])
    return facts(CROSS_ENTROPY_TAGS, torch.where(fits, values, torch.nan))


def _likelihood(out: Tensor, grad: Tensor) -> Found:
    hit = grad != 0
    single = (hit.sum(1) <= 1).all() & hit.any() & (grad <= 0).all()
    loss = -(out * hit).sum() / hit.sum()
    return facts(LIKELIHOOD_TAGS, torch.where(single, loss, torch.nan)[None])


def _binary(out: Tensor, grad: Tensor, used: Tensor, terms: Tensor) -> Found:
    targets = out.sigmoid() - terms * grad
    each = functional.softplus(out) - targets * out
    low, high, mean = _range(targets, used)
    return facts(BINARY_TAGS, torch.stack([_mean(each, used), low, high, mean]))


def _probability(out: Tensor, grad: Tensor, used: Tensor, terms: Tensor) -> Found:
    """As `BCELoss` has it, whose input is a probability already; NaN where the outputs are none."""
    targets = out - terms * grad * out * (1 - out)
    each = -(targets * out.clamp_min(1e-12).log() + (1 - targets) * (1 - out).clamp_min(1e-12).log())
    possible = ((out >= 0) & (out <= 1)).all()
    low, high, mean = _range(targets, used)
    return facts(PROBABILITY_TAGS, torch.where(possible, torch.stack([_mean(each, used), low, high, mean]), torch.nan))


def _absolute(grad: Tensor, used: Tensor, terms: Tensor) -> Found:
    """Of absolute differences every gradient has the same size."""
    sizes = (terms * grad).abs()
    alike = (((sizes - 1).abs() < _EXACT) | (sizes == 0)).all() & used.any()
    return facts(ABSOLUTE_TAGS, torch.where(alike, 1.0, torch.nan)[None].to(grad.device))


def _squares(out: Tensor, grad: Tensor, used: Tensor, terms: Tensor) -> Found:
    off = terms * grad / 2
    targets = out - off
    low, high, _ = _range(targets, used)
    spread = (targets.var(0, correction=0) * used).sum() / used.sum()
    return facts(SQUARES_TAGS, torch.stack([_mean(off.square(), used), low, high, spread]))


def _mean(values: Tensor, used: Tensor) -> Tensor:
    return (values * used).sum() / (used.sum() * len(values))


def _range(targets: Tensor, used: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    low = targets.masked_fill(~used, torch.inf).amin()
    high = targets.masked_fill(~used, -torch.inf).amax()
    return low, high, _mean(targets, used)
