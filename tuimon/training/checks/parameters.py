"""The parameters: whether any are trainable, whether each gets a gradient, and whether units start as copies of each other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tuimon.base import format
from tuimon.monitor.probe.layers import Layer, find_layers
from tuimon.training.checks import fitting
from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import line, listed
from tuimon.training.report import Line

_EXAMPLES = 64
_SETTLE = 3  # steps after which an output layer initialized to zero passes gradients on


def check_parameters(subject: Subject) -> Iterator[Line]:
    """The number of parameters, and how many of them are trainable."""
    every = sum(p.numel() for p in subject.model.parameters())
    trained = sum(p.numel() for p in subject.model.parameters() if p.requires_grad)
    number = f"{format.count(trained)} of {format.count(every)}"
    if not trained:
        text = "No parameter requires a gradient, so nothing would be trained. Look for requires_grad=False or transfer.frozen."
        yield Line("parameters", "fail", number, text)
        return
    yield Line("parameters", "pass", number, "are trainable")


def check_reach(subject: Subject) -> Iterator[Line]:
    """Checks that every trainable parameter gets a nonzero gradient after a few steps."""
    model = settled(subject)
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    none = [name for name, p in named.items() if p.grad is None]
    zero = [name for name, p in named.items() if p.grad is not None and not p.grad.any()]
    cut = [name for name in none if _matters(subject, name)]
    number = f"{len(named) - len(none) - len(zero)} of {len(named)}"
    if cut:
        text = f"No gradient reaches {listed(cut)}, although the outputs depend on it. Look for detach(), .data or no_grad."
        yield Line("gradient reach", "fail", number, text)
    elif zero:
        text = f"The gradient of {listed(zero)} is exactly zero: later layers are dead or zero. Try another initialization."
        yield Line("gradient reach", "fail", number, text)
    else:
        text = f"{listed(none)} is unused: the outputs do not depend on it."
        yield line("gradient reach", "warn" if none else "pass", number, text, "parameters get a gradient")


def check_symmetry(subject: Subject) -> Iterator[Line]:
    """Counts units of a layer that start as copies: with the same weights and gradients, they stay copies."""
    model = settled(subject)
    layers = [layer for layer in find_layers(model) if layer.units > 1 and not layer.is_norm]
    copies = {layer.name: count for layer in layers if (count := _copies(layer))}
    units = sum(layer.units for layer in layers)
    number = f"{sum(copies.values())} of {format.count(units)}"
    text = f"Units of {listed(copies)} are copies of each other and will stay so. Initialize at random (init.name=default)."
    many = sum(copies.values()) > 0.05 * units
    yield line("symmetry", "fail" if many else "warn" if copies else "pass", number, text, "units are copies of another")


def settled(subject: Subject) -> nn.Module:
    """A copy of the model after three small steps, with gradients computed for a fourth."""
    model, data = subject.fresh(), subject.sample(_EXAMPLES)
    optimizer = fitting.adam(model, 1e-4)
    for _ in range(_SETTLE):
        fitting.step(subject.loss_of(model, data), optimizer)
    optimizer.zero_grad()
    subject.loss_of(model, data).backward()  # type: ignore[no-untyped-call]
    return model


def _copies(layer: Layer) -> int:
    """How many units equal an earlier unit in weights, bias and their gradients."""
    rows = [
        part
        for name, dim in (("weight", layer.weight_dim), ("bias", 0))
        if isinstance(parameter := layer.module._parameters.get(name), Tensor) and parameter.requires_grad
        for part in _rows(parameter, dim)
    ]
    if not rows or any(len(part) != layer.units for part in rows):
        return 0
    return layer.units - len(torch.unique(torch.cat(rows, 1), dim=0))


def _rows(parameter: Tensor, dim: int) -> list[Tensor]:
    """A parameter and its gradient as [units, …], rounded: the last bit of equal sums may differ."""
    gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    parts = (parameter.detach(), gradient / gradient.abs().max().clamp_min(1e-30))
    return [part.movedim(dim, 0).reshape(part.shape[dim], -1).round(decimals=5) for part in parts]


@torch.no_grad()
def _matters(subject: Subject, name: str) -> bool:
    """Whether the outputs depend on a parameter."""
    model, inputs = subject.fresh(), subject.sample(_EXAMPLES).inputs
    parameter = dict(model.named_parameters())[name]
    before = model(inputs)
    parameter.add_(torch.randn_like(parameter) * (0.1 + parameter.abs()))
    return not torch.equal(before, model(inputs))
