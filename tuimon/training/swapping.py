"""Replaces activation functions while a model trains: the levers `activation` and `activation/<layer>`.

For any model whose activations are modules. A user's own script needs two lines:

    activations = Activations(model, optimizer)
    monitor.declare(*activations.levers())

A new module takes over the place and the hooks of the old one. PReLU's slope is a parameter: while in use, it belongs to the
optimizer's last group; otherwise it is kept with its optimizer state until it is used again, so that a change can be undone
exactly. For the training thread, between two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from tuimon.log.records import LeverInfo
from tuimon.monitor.levers.levers import Lever
from tuimon.monitor.probe.layers import is_activation
from tuimon.spec.sections import ACTIVATIONS
from tuimon.training.parts.activations import activation, name_of, output_function

_HOOKS = (
    "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs", "_backward_hooks", "_backward_pre_hooks",
)  # fmt: skip

_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


class Activations:
    """The replaceable activations of one model: all that `parts.activations` knows, except the output function.

    Args:
        model: already on its device.
        optimizer: the optimizer that trains it.
        slope: negative slope of new leaky ReLUs.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, slope: float = 0.01) -> None:
        self._model, self._optimizer = model, optimizer
        self._slots = {layer: _Slot(model, paths, slope) for layer, paths in _places(model).items()}
        self._initial = self.names
        self._choices = tuple(dict.fromkeys([*ACTIVATIONS, *self._initial.values()]))

    @property
    def names(self) -> dict[str, str]:
        """The current activation of each layer."""
        return {layer: slot.name for layer, slot in self._slots.items()}

    def put(self, layer: str, name: str) -> None:
        """Sets the activation after a layer; does nothing if it is already there."""
        slot = self._slots[layer]
        if name != slot.name:
            slot.leave(self._optimizer)
            slot.take(name, self._optimizer)

    def put_all(self, names: str) -> None:
        """Sets one activation for all layers, or, given as `a,b,c`, one for each layer in order."""
        wanted = names.split(",")
        for number, layer in enumerate(self._slots):
            self.put(layer, wanted[number] if len(wanted) > 1 else names)

    def levers(self, changed: Callable[[], None] = lambda: None) -> list[Lever]:
        """The lever for all layers, and one for each layer if there are several; `changed` is called after every change."""
        if not self._slots:
            return []
        one_by_one = [self._one(layer, changed) for layer in self._slots] if len(self._slots) > 1 else []
        return [self._all(changed), *one_by_one]

    def state_dict(self) -> dict[str, Any]:
        """The activations in use, the kept ones, and the order of the optimizer's parameters; tensors and plain values."""
        names = {id(parameter): name for name, parameter in self._model.named_parameters()}
        order = [[names.get(id(p), "") for p in group["params"]] for group in self._optimizer.param_groups]
        return {"slots": {layer: slot.state_dict() for layer, slot in self._slots.items()}, "order": order}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the model's modules and the optimizer's groups, so that their own states fit; load those afterwards."""
        for layer, saved in state["slots"].items():
            self.put(layer, saved["name"])
            self._slots[layer].load_state_dict(saved)
        parameters = dict(self._model.named_parameters())
        for group, names in zip(self._optimizer.param_groups, state["order"], strict=True):
            if all(names):
                group["params"] = [parameters[name] for name in names]

    def _all(self, changed: Callable[[], None]) -> Lever:
        def put(names: str) -> None:
            before = self.names
            self.put_all(names)
            if self.names != before:
                changed()

        about = "Activation function of all hidden layers; each layer also has its own lever."
        info = LeverInfo("activation", "choice", _joined(self._initial), choices=self._choices, help=about)
        return Lever(info, put, current=lambda: _joined(self.names))

    def _one(self, layer: str, changed: Callable[[], None]) -> Lever:
        def put(name: str) -> None:
            before = self.names[layer]
            self.put(layer, name)
            if name != before:
                changed()

        info = LeverInfo(
            f"activation/{layer}",
            "choice",
            self._initial[layer],
            choices=self._choices,
            help=f"Activation function after {layer}.",
        )
        return Lever(info, put, current=lambda: self.names[layer])


class _Slot:
    """One activation of the model, in one place or, as the same module, in several."""

    def __init__(self, model: nn.Module, paths: list[str], slope: float) -> None:
        split = [path.rpartition(".") for path in paths]
        self._places = [(model.get_submodule(parent), child) for parent, _, child in split]
        self._model, self._slope = model, slope
        self.name = _name(self.module)
        self._waiting: dict[str, nn.Module] = {}
        self._states: dict[str, list[dict[str, Any]]] = {}  # optimizer states of the kept modules' parameters

    @property
    def module(self) -> nn.Module:
        """The module in use."""
        parent, child = self._places[0]
        return parent.get_submodule(child)

    def leave(self, optimizer: Optimizer) -> None:
        """Removes the current module's parameters from the optimizer, and keeps the module."""
        module = self.module
        self._waiting[self.name] = module
        self._states[self.name] = [_without(optimizer, parameter) for parameter in module.parameters()]

    def take(self, name: str, optimizer: Optimizer) -> None:
        """Puts the named activation in place: the kept one, or a new one."""
        before = self.module
        module = self._waiting.pop(name, None) or activation(name, self._slope).to(_device(self._model))
        module.train(before.training)
        for hooks in _HOOKS:
            setattr(module, hooks, getattr(before, hooks))  # the same dicts, so that handles can still remove their hooks
        for parent, child in self._places:
            setattr(parent, child, module)
        for parameter, state in zip_longest(module.parameters(), self._states.pop(name, [])):
            optimizer.param_groups[-1]["params"].append(parameter)
            if state:
                optimizer.state[parameter] = state
        self.name = name

    def state_dict(self) -> dict[str, Any]:
        """The name of the activation, and the learned state of the kept ones."""
        kept = {name: module.state_dict() for name, module in self._waiting.items() if list(module.parameters())}
        return {"name": self.name, "waiting": kept, "states": {name: self._states[name] for name in kept}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the kept activations; the named activation must already be in place."""
        device = _device(self._model)
        for name, content in state["waiting"].items():
            module = self._waiting.setdefault(name, activation(name, self._slope).to(device))
            module.load_state_dict(content)
        self._states = {name: [_moved(one, device) for one in states] for name, states in state["states"].items()}


def _without(optimizer: Optimizer, parameter: nn.Parameter) -> dict[str, Any]:
    """Removes a parameter from an optimizer; returns its optimizer state."""
    for group in optimizer.param_groups:
        group["params"] = [other for other in group["params"] if other is not parameter]
    state: dict[str, Any] = optimizer.state.pop(parameter, {})
    return state


def _moved(state: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Moves the optimizer state of one parameter to a device; its step count stays on the CPU, as in torch."""
    return {key: value.to(device) if isinstance(value, Tensor) and key != "step" else value for key, value in state.items()}


def _places(model: nn.Module) -> dict[str, list[str]]:
    """The paths of each replaceable activation, by the layer before it in a sequence, otherwise by its own path."""
    output, layers = output_function(model), _layers_before(model)
    by_module: dict[nn.Module, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if path and module is not output and _is_exchangeable(module):
            by_module.setdefault(module, []).append(path)
    found: dict[str, list[str]] = {}
    for module, paths in by_module.items():
        layer = layers.get(module, paths[0])
        found[paths[0] if layer in found else layer] = paths
    return found


def _layers_before(model: nn.Module) -> dict[nn.Module, str]:
    """The layer before each activation of a sequence; normalizations do not count as layers here."""
    before: dict[nn.Module, str] = {}
    for path, sequence in model.named_modules():
        last = ""
        for name, module in sequence.named_children() if isinstance(sequence, nn.Sequential) else ():
            if last and _is_exchangeable(module):
                before.setdefault(module, last)
            elif not isinstance(module, _NORMS) and any(True for _ in module.parameters(recurse=False)):
                last = f"{path}.{name}" if path else name
    return before


def _is_exchangeable(module: nn.Module) -> bool:
    return name_of(module) is not None or (is_activation(module) and not isinstance(module, nn.GLU))


def _name(module: nn.Module) -> str:
    return name_of(module) or type(module).__name__.lower()


def _joined(names: Mapping[str, str]) -> str:
    different = list(dict.fromkeys(names.values()))
    return different[0] if len(different) == 1 else ",".join(names.values())


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
