"""Regularizers that need the forward pass: a sparsity penalty on activations, and noise on inputs and weights.

Each is a lever of the run; at 0 it is off, draws no random numbers and costs nothing. This module also decides when delayed
regularizers begin. Any script can use them: `monitor.declare(*Regularizers(model, ...).levers())`. For the training thread.
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
    "sparsity": "Penalty on the mean absolute activation of hidden layers, summed over layers.",
    "input_noise": "Standard deviation of the noise added to the inputs in training.",
    "weight_noise": "Standard deviation of the noise added to the weights during a step.",
}
_DELAYED = {"l1": "l1_from", "l2": "l2_from", "weight_decay": "weight_decay_from"}  # levers, and their fields


class Regularizers:
    """The regularizers of one model's training steps.

    Args:
        model: gets forward hooks on its activation modules while the sparsity penalty is on.
        spec: the initial values of the levers, and the modules that sparsity counts.

    Raises:
        TuimonError: `sparsity_layers` names a module that the model does not have.
    """

    def __init__(self, model: nn.Module, spec: RegularizationSpec) -> None:
        self._spec = spec
        self._parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad and p.is_floating_point()]
        self._modules = _counted(model, spec.sparsity_layers)
        self._handles: list[RemovableHandle] = []
        self._sizes: list[Tensor] = []
        self._amounts = {"sparsity": 0.0, "input_noise": 0.0, "weight_noise": 0.0}

    def levers(self) -> list[Lever]:
        """The levers that this model supports; declaring them applies their initial values."""
        names = [name for name in self._amounts if name != "sparsity" or self._modules]
        return [self._lever(name) for name in names]

    def noisy(self, inputs: Tensor) -> Tensor:
        """Returns the inputs with noise added; integers, such as characters, stay unchanged."""
        deviation = self._amounts["input_noise"]
        return inputs + deviation * torch.randn_like(inputs) if deviation and inputs.is_floating_point() else inputs

    @contextlib.contextmanager
    def noisy_weights(self) -> Iterator[None]:
        """A context for the forward and backward pass: adds noise to the parameters, and restores them exactly afterwards."""
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
        """The penalty of the last forward pass, sparsity · Σ mean |activation|; None if it is off."""
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
    """The levers of regularizers that begin after the first epoch."""
    return [lever for lever, field in _DELAYED.items() if lever in levers and getattr(spec, field) > 0]


def beginning(levers: Levers, spec: RegularizationSpec, epoch: int) -> list[str]:
    """The levers of regularizers that begin in this epoch, counted from 0."""
    return [lever for lever in waiting(levers, spec) if getattr(spec, _DELAYED[lever]) == epoch]


def _counted(model: nn.Module, names: tuple[str, ...]) -> list[nn.Module]:
    """The named modules; without names, all activations except the output function."""
    modules = dict(model.named_modules())
    unknown = [name for name in names if name not in modules]
    if unknown:
        has = ", ".join(name for name in modules if name)
        raise TuimonError(f"regularization.sparsity_layers: the model has no module {unknown[0]!r}; it has {has}")
    if names:
        return [modules[name] for name in names]
    output = output_function(model)
    return [m for m in modules.values() if (is_activation(m) or name_of(m)) and m is not output]
