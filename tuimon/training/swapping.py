"""Activation functions that are exchanged while a model trains: the levers `activation` and `activation/<layer>`.

For any model whose activations are modules; a user's own script has them with two lines:

    activations = Activations(model, optimizer)
    monitor.declare(*activations.levers())

A module takes its predecessor's place and its hooks. PReLU's slope is a parameter: it joins the optimizer's last group while
it is in use, and what was learned of it waits, with the optimizer's state, until it is in use again: so that a change can be
undone exactly. Training thread, between two steps.
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
    """The exchangeable activations of one model: all of this catalogue's, but one that ends the model, its output function.

    Args:
        model: on its device.
        optimizer: what trains it.
        slope: of a leaky ReLU that is put in.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, slope: float = 0.01) -> None:
        self._model, self._optimizer = model, optimizer
        self._slots = {layer: _Slot(model, paths, slope) for layer, paths in _places(model).items()}
        self._initial = self.names
        self._choices = tuple(dict.fromkeys([*ACTIVATIONS, *self._initial.values()]))

    @property
    def names(self) -> dict[str, str]:
        """What is in use now, by layer."""
        return {layer: slot.name for layer, slot in self._slots.items()}

    def put(self, layer: str, name: str) -> None:
        """Puts the named activation behind a layer; nothing happens where it is there already."""
        slot = self._slots[layer]
        if name != slot.name:
            slot.leave(self._optimizer)
            slot.take(name, self._optimizer)

    def put_all(self, names: str) -> None:
        """Puts one activation behind all layers; or, as `a,b,c`, to each its own, in the order of the layers."""
        wanted = names.split(",")
        for number, layer in enumerate(self._slots):
            self.put(layer, wanted[number] if len(wanted) > 1 else names)

    def levers(self, changed: Callable[[], None] = lambda: None) -> list[Lever]:
        """The lever of all layers, and one for each where there are several; `changed` is called after every exchange."""
        if not self._slots:
            return []
        one_by_one = [self._one(layer, changed) for layer in self._slots] if len(self._slots) > 1 else []
        return [self._all(changed), *one_by_one]

    def state_dict(self) -> dict[str, Any]:
        """What is in use, what waits, and the order of the optimizer's parameters; tensors and plain values."""
        names = {id(parameter): name for name, parameter in self._model.named_parameters()}
        order = [[names.get(id(p), "") for p in group["params"]] for group in self._optimizer.param_groups]
        return {"slots": {layer: slot.state_dict() for layer, slot in self._slots.items()}, "order": order}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Makes the model and the optimizer's groups what they were, so that their own states fit; load those after this."""
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

        about = "The activation of all hidden layers; each has a lever of its own too."
        info = LeverInfo("activation", "choice", _joined(self._initial), choices=self._choices, help=about)
        return Lever(info, put, current=lambda: _joined(self.names))

    def _one(self, layer: str, changed: Callable[[], None]) -> Lever:
        def put(name: str) -> None:
            before = self.names[layer]
            self.put(layer, name)
            if name != before:
                changed()

        info = LeverInfo(
            f"activation/{layer}", "choice", self._initial[layer], choices=self._choices, help=f"The activation after {layer}."
        )
        return Lever(info, put, current=lambda: self.names[layer])


class _Slot:
    """One activation of the model, at one place or, as the same module, at several."""

    def __init__(self, model: nn.Module, paths: list[str], slope: float) -> None:
        split = [path.rpartition(".") for path in paths]
        self._places = [(model.get_submodule(parent), child) for parent, _, child in split]
        self._model, self._slope = model, slope
        self.name = _name(self.module)
        self._waiting: dict[str, nn.Module] = {}
        self._states: dict[str, list[dict[str, Any]]] = {}  # the optimizer's, of the parameters of what waits

    @property
    def module(self) -> nn.Module:
        """What stands there."""
        parent, child = self._places[0]
        return parent.get_submodule(child)

    def leave(self, optimizer: Optimizer) -> None:
        """Takes what stands there out of the optimizer, and keeps it."""
        module = self.module
        self._waiting[self.name] = module
        self._states[self.name] = [_without(optimizer, parameter) for parameter in module.parameters()]

    def take(self, name: str, optimizer: Optimizer) -> None:
        """Puts in what is named: as it was left, or new."""
        before = self.module
        module = self._waiting.pop(name, None) or activation(name, self._slope).to(_device(self._model))
        module.train(before.training)
        for hooks in _HOOKS:
            setattr(module, hooks, getattr(before, hooks))  # the same tables: whoever put a hook on can take it off
        for parent, child in self._places:
            setattr(parent, child, module)
        for parameter, state in zip_longest(module.parameters(), self._states.pop(name, [])):
            optimizer.param_groups[-1]["params"].append(parameter)
            if state:
                optimizer.state[parameter] = state
        self.name = name

    def state_dict(self) -> dict[str, Any]:
        """Its name, and what was learned by that which waits."""
        kept = {name: module.state_dict() for name, module in self._waiting.items() if list(module.parameters())}
        return {"name": self.name, "waiting": kept, "states": {name: self._states[name] for name in kept}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Puts back what was learned; the named activation must be in place."""
        device = _device(self._model)
        for name, content in state["waiting"].items():
            module = self._waiting.setdefault(name, activation(name, self._slope).to(device))
            module.load_state_dict(content)
        self._states = {name: [_moved(one, device) for one in states] for name, states in state["states"].items()}


def _without(optimizer: Optimizer, parameter: nn.Parameter) -> dict[str, Any]:
    """Takes a parameter out of an optimizer; returns the state that it had there."""
    for group in optimizer.param_groups:
        group["params"] = [other for other in group["params"] if other is not parameter]
    state: dict[str, Any] = optimizer.state.pop(parameter, {})
    return state


def _moved(state: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """An optimizer's state of one parameter; its count of steps stays on the CPU, as torch has it."""
    return {key: value.to(device) if isinstance(value, Tensor) and key != "step" else value for key, value in state.items()}


def _places(model: nn.Module) -> dict[str, list[str]]:
    """Where each activation that can be exchanged stands, by the layer before it in a sequence, else by its own path."""
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
    """The layer that a sequence has before each of its activations; normalization is not called a layer here."""
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
