"""Regularizers that need the forward pass: a sparsity penalty on activations, noise on inputs, noise on weights.

Each is a lever of the run, and off at 0; one that is off draws no random number and costs nothing. Also when the monitor's own
regularizers begin. Usable in any script: declare `Regularizers(model, ...).levers()` with `monitor.declare`. Training thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tuimon.base.errors import TuimonError
from tuimon.log.records import LeverInfo
from tuimon.monitor.levers.levers import Lever, Levers
from tuimon.monitor.probe.layers import is_activation
from tuimon.spec.sections import RegularizationSpec
from tuimon.training.parts.activations import name_of, output_function

_HELP = {
    "sparsity": "Penalty on the mean size of hidden activations, summed over layers.",
    "input_noise": "Standard deviation of the noise added to inputs in training.",
    "weight_noise": "Standard deviation of the noise that trained weights have during a step.",
}
_DELAYED = {"l1": "l1_from", "l2": "l2_from", "weight_decay": "weight_decay_from"}  # levers, and their fields


class Regularizers:
    """What is added to one model's training steps.

    Args:
        model: its activation modules are listened to while there is a sparsity penalty.
        spec: where the levers start, and which modules sparsity counts.

    Raises:
        TuimonError: `sparsity_layers` names a module that the model has not.
    """

    def __init__(self, model: nn.Module, spec: RegularizationSpec) -> None:
        self._spec = spec
        self._parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad and p.is_floating_point()]
        self._modules = _counted(model, spec.sparsity_layers)
        self._handles: list[RemovableHandle] = []
        self._sizes: list[Tensor] = []
        self._amounts = {"sparsity": 0.0, "input_noise": 0.0, "weight_noise": 0.0}

    def levers(self) -> list[Lever]:
        """Levers for what can be had of this model; declaring them puts their starting values into force."""
        names = [name for name in self._amounts if name != "sparsity" or self._modules]
        return [self._lever(name) for name in names]

    def noisy(self, inputs: Tensor) -> Tensor:
        """The inputs with noise; whole numbers, such as characters, stay as they are."""
        deviation = self._amounts["input_noise"]
        return inputs + deviation * torch.randn_like(inputs) if deviation and inputs.is_floating_point() else inputs

    @contextlib.contextmanager
    def noisy_weights(self) -> Iterator[None]:
        """Around forward and backward pass: trained parameters have noise, and are exactly what they were after it."""
        deviation = self._amounts["weight_noise"]
        if not deviation:
            yield
            return
        own = [parameter.detach().clone() for parameter in self._parameters]
        with torch.no_grad():
            for parameter in self._parameters:
                parameter.add_(torch.randn_like(parameter), alpha=deviation)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._parameters, own)

    def penalty(self) -> Tensor | None:
        """What the last forward pass adds to the loss: sparsity · Σ mean |activation|; None where there is nothing."""
        sizes, self._sizes = self._sizes, []
        return self._amounts["sparsity"] * torch.stack(sizes).sum() if sizes else None

    def _lever(self, name: str) -> Lever:
        def put(value: float | None) -> None:
            self._amounts[name] = value or 0.0
            if name == "sparsity":
                self._listen()

        high = 100.0 if name == "sparsity" else 1000.0
        start = float(getattr(self._spec, name))
        info = LeverInfo(name, "number", start, low=0.0, high=high, regularizer=True, help=_HELP[name])
        return Lever(info, put, lambda: {name: f"{self._amounts[name]:.6g}"})

    def _listen(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._sizes = []
        listening = self._modules if self._amounts["sparsity"] else []
        self._handles = [module.register_forward_hook(self._ran) for module in listening]

    def _ran(self, module: nn.Module, _: object, output: Tensor) -> None:
        if module.training and torch.is_grad_enabled():
            self._sizes.append(output.abs().mean().float())


def waiting(levers: Levers, spec: RegularizationSpec) -> list[str]:
    """The levers of regularizers that begin only in a later epoch than the first."""
    return [lever for lever, field in _DELAYED.items() if lever in levers and getattr(spec, field) > 0]


def beginning(levers: Levers, spec: RegularizationSpec, epoch: int) -> list[str]:
    """Those of them that begin in just this epoch, counted from 0."""
    return [lever for lever in waiting(levers, spec) if getattr(spec, _DELAYED[lever]) == epoch]


def _counted(model: nn.Module, names: tuple[str, ...]) -> list[nn.Module]:
    """The modules by name; else every activation but one that ends the model, which is its output's."""
    modules = dict(model.named_modules())
    unknown = [name for name in names if name not in modules]
    if unknown:
        has = ", ".join(name for name in modules if name)
        raise TuimonError(f"regularization.sparsity_layers: the model has no module {unknown[0]!r}; it has {has}")
    if names:
        return [modules[name] for name in names]
    output = output_function(model)
    return [m for m in modules.values() if (is_activation(m) or name_of(m)) and m is not output]
