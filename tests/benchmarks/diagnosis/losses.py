"""The losses of the trainings, those with faults among them, and how the judge measures a net."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.diagnosis.data import Data
from benchmarks.diagnosis.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]


def _over_classes(out: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(out.flatten(0, -2), y.flatten())


def _binary(out: Tensor, y: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(out[..., 0], y)


def _squares(out: Tensor, y: Tensor) -> Tensor:
    return functional.mse_loss(out if out.shape == y.shape else out[..., 0], y)


def _own_binary(out: Tensor, y: Tensor) -> Tensor:
    """Written by hand, without a bound: log(0) where a probability rounds to 0 or 1."""
    p = out[..., 0]
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def _root(out: Tensor, y: Tensor) -> Tensor:
    """Per sample: its gradient at 0 is infinite."""
    return (out - y).pow(2).sum(-1).sqrt().mean()


def _hard(out: Tensor, y: Tensor) -> Tensor:
    """The mean over the samples that are still hard, of which a batch may have none: 0 / 0."""
    each = functional.cross_entropy(out, y, reduction="none")
    hard = (each > 0.5).float()
    return (each * hard).sum() / hard.sum()


def _probabilities(out: Tensor, y: Tensor) -> Tensor:
    """Probabilities against one-hot labels by squares."""
    return functional.mse_loss(out, functional.one_hot(y, out.shape[-1]).float())


def _gaussian(out: Tensor, y: Tensor) -> Tensor:
    """Negative log-likelihood of a mean and a log-variance; below zero where it is sure."""
    log_variance = out[..., 1].clamp(-8, 8)
    return 0.5 * ((out[..., 0] - y).pow(2) / log_variance.exp() + log_variance).mean()


def _hinge(out: Tensor, y: Tensor) -> Tensor:
    return (1 - (2 * y - 1) * out[..., 0]).clamp_min(0).mean()


LOSSES: dict[str, Loss] = {
    "classes": _over_classes,
    "tokens": _over_classes,
    "binary": _binary,
    "regression": _squares,
    "rebuild": _squares,
    "own-binary": _own_binary,
    "root": _root,
    "hard": _hard,
    "probabilities": _probabilities,
    "gaussian": _gaussian,
    "hinge": _hinge,
    "smoothed": lambda out, y: functional.cross_entropy(out, y, label_smoothing=0.1),
    "summed": lambda out, y: functional.cross_entropy(out, y, reduction="sum"),
}


def loss_of(recipe: Recipe, data: Data) -> Loss:
    """The loss that the recipe trains with."""
    return LOSSES[recipe.loss or data.task]


@torch.no_grad()
def judged(net: nn.Module, recipe: Recipe, data: Data) -> tuple[float, float]:
    """What a net is worth on validation data with true labels, in evaluation mode.

    Returns:
        The error (share of wrong labels; of a regression the share of the variance that is left, at most 10), and the
        recipe's loss; infinite where the net says NaN.
    """
    was = net.training
    net.eval()
    out = net(data.val_x)
    net.train(was)
    loss = float(loss_of(recipe, data)(out, data.true_y))
    if not bool(torch.isfinite(out).all()):
        return math.inf, math.inf
    return _error(out, data, recipe), loss


def _error(out: Tensor, data: Data, recipe: Recipe) -> float:
    y = data.true_y
    if data.task in ("classes", "tokens"):
        return float((out.argmax(-1) != y).float().mean())
    if data.task == "binary":
        border = 0.5 if recipe.output in ("sigmoid", "softmax") else 0.0
        return float(((out[..., 0] > border) != (y > 0.5)).float().mean())
    guess = out if out.shape == y.shape else out[..., 0]
    return min(10.0, float((guess - y).pow(2).mean() / y.var()))


def chance(data: Data) -> tuple[float, float]:
    """Error and loss of the best answer that looks at no input."""
    y = data.true_y
    if data.task in ("classes", "tokens", "binary"):
        shares = torch.bincount(y.flatten().long()) / y.numel()
        return 1 - float(shares.max()), float(-(shares * shares.clamp_min(1e-12).log()).sum())
    return 1.0, float((y - y.mean(0)).pow(2).mean())
