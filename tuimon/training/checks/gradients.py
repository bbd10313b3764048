"""Gradients of each layer before training: they should have similar magnitudes from the first layer to the last.

Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010): gradients that shrink or
grow by a factor in each layer vanish or explode with depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tuimon.base import format
from tuimon.monitor.probe.layers import find_layers
from tuimon.training.checks.activations import merged
from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import judge, line
from tuimon.training.report import Line

_EXAMPLES = 256
_WARN, _FAIL = 100.0, 3000.0  # ratio of two layers
_REVIVE = "Try activation=relu together with init.name=kaiming_normal, or model.norm=batch, or model.residual=true"
_TAME = "Try smaller initial weights, clip_norm=1 or model.norm=batch"


def check_gradients(subject: Subject) -> Iterator[Line]:
    """The magnitude of each layer's weight gradient, and the ratio of the first layer to the last."""
    model = subject.fresh()
    subject.loss_of(model, subject.sample(_EXAMPLES)).backward()  # type: ignore[no-untyped-call]
    layers = [layer for layer in find_layers(model) if _counts(layer.module)]
    sizes = [(layer.name, size) for layer in layers if (size := _size(layer.parameters)) is not None]
    bad = [name for name, size in sizes if not math.isfinite(size)]
    if bad:
        yield Line("gradients", "fail", "not finite", f"NaN or infinite in {bad[0]}. Initialize with smaller weights.")
        return
    yield from merged("gradients", [_line(name, size) for name, size in sizes])
    flowing = [(name, size) for name, size in sizes if size > 0]
    if len(flowing) > 1:
        yield _ratio(flowing)


def _line(name: str, size: float) -> Line:
    if size == 0:
        text = "Zero before the first step: later layers are dead, or their weights are zero."
        return Line(f"gradient {name}", "warn", "0", text)
    text = f"Almost no gradient arrives here. {_REVIVE}."
    return line(
        f"gradient {name}",
        judge(1 / size, 1e8, 1e11),
        format.scientific(size),
        text,
        "root mean square of its weights' gradient",
    )


def _ratio(sizes: list[tuple[str, float]]) -> Line:
    """The ratio of the first layer to the last."""
    (first, low), (last, high) = sizes[0], sizes[-1]
    times = low / high
    what, cure = ("vanish", _REVIVE) if times < 1 else ("explode", _TAME)
    text = f"Gradients {what} on the way from {last} to {first}. {cure}."
    verdict = judge(max(times, 1 / times), _WARN, _FAIL)
    return line("gradients first/last", verdict, format.number(times), text, f"ratio of {first} to {last}")


def _counts(module: nn.Module) -> bool:
    """Whether a layer's gradient compares with those of others: not that of an embedding, a norm or a PReLU's slope."""
    return not isinstance(module, nn.Embedding) and any(p.ndim > 1 for p in module.parameters(recurse=False))


def _size(parameters: tuple[Tensor, ...]) -> float | None:
    gradients = [p.grad.flatten() for p in parameters if p.grad is not None and p.ndim > 1]
    return float(torch.cat(gradients).double().square().mean().sqrt()) if gradients else None
