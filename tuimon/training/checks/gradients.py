"""Gradients layer by layer, before training: of one order of magnitude from the first layer to the last.

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
_WARN, _FAIL = 100.0, 3000.0  # times
_REVIVE = "use relu, init.name=kaiming_normal, model.norm=batch or model.residual=true"
_TAME = "initialize with smaller weights, clip (clip_norm=1), or normalize"


def check_gradients(subject: Subject) -> Iterator[Line]:
    """The size of each layer's weight gradient, and how far the first and the last are apart."""
    model = subject.fresh()
    subject.loss_of(model, subject.sample(_EXAMPLES)).backward()  # type: ignore[no-untyped-call]
    layers = [layer for layer in find_layers(model) if _counts(layer.module)]
    sizes = [(layer.name, size) for layer in layers if (size := _size(layer.parameters)) is not None]
    bad = [name for name, size in sizes if not math.isfinite(size)]
    if bad:
        yield Line("gradients", "fail", "not finite", f"NaN or infinite in {bad[0]}: initialize with smaller weights.")
        return
    yield from merged("gradients", [_line(name, size) for name, size in sizes])
    flowing = [(name, size) for name, size in sizes if size > 0]
    if len(flowing) > 1:
        yield _ratio(flowing)


def _line(name: str, size: float) -> Line:
    if size == 0:
        text = "Zero before the first step: what comes after it is dead, or begins at zero."
        return Line(f"gradient {name}", "warn", "0", text)
    text = f"Hardly any gradient is left: {_REVIVE}."
    return line(
        f"gradient {name}", judge(1 / size, 1e8, 1e11), format.scientific(size), text, "root mean square over its weights"
    )


def _ratio(sizes: list[tuple[str, float]]) -> Line:
    """The first layer against the last."""
    (first, low), (last, high) = sizes[0], sizes[-1]
    times = low / high
    what, cure = ("vanish", _REVIVE) if times < 1 else ("explode", _TAME)
    text = f"Gradients {what} on the way from {last} to {first}: {cure}."
    verdict = judge(max(times, 1 / times), _WARN, _FAIL)
    return line("gradients first/last", verdict, format.number(times), text, f"{first} against {last}")


def _counts(module: nn.Module) -> bool:
    """Embeddings get the gradients of few characters, norms and slopes are scales: neither is to be compared with weights."""
    return not isinstance(module, nn.Embedding) and any(p.ndim > 1 for p in module.parameters(recurse=False))


def _size(parameters: tuple[Tensor, ...]) -> float | None:
    gradients = [p.grad.flatten() for p in parameters if p.grad is not None and p.ndim > 1]
    return float(torch.cat(gradients).double().square().mean().sqrt()) if gradients else None
