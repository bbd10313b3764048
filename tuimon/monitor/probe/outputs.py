"""Watches what layers put out, during one sampled step.

Forward hooks are there only while a sample is being taken. A hook keeps a reference to an output and no more; what the
references hold is counted together, when the model's forward pass ends: until then autograd keeps most of it anyway, and there
is a bound to what it does not. An activation module counts for the layer that ran before it, and for that one's norms; where
the activation is a plain function, the layer's own output stands. Modules in evaluation mode and forwards without gradient
(validation, a frozen teacher) are not looked at. Training thread.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tuimon.monitor.probe import stacked, units
from tuimon.monitor.probe.aims import Aims
from tuimon.monitor.probe.ends import Ends
from tuimon.monitor.probe.flat import local
from tuimon.monitor.probe.found import Found, Room
from tuimon.monitor.probe.layers import Layer, is_activation
from tuimon.monitor.probe.manner import Manner
from tuimon.monitor.probe.signs import Signs
from tuimon.monitor.probe.stacked import Held

MOST_FORWARDS = 64  # of one layer that a sample looks at: nobody knows how many more come before the optimizer's step
_HELD_BYTES = 1 << 25  # of references that are kept; more is counted at once
_KEY = -0x7475696D  # among a module's hooks, whose own keys count up from 0

Edge = Callable[[Callable[[], None]], None]


class _Hook:
    """A forward hook that copies and pickles of the model do not carry with them: there it does nothing."""

    def __init__(self, ran: Callable[..., None]) -> None:
        self._ran = ran

    def __call__(self, module: nn.Module, *given: Any) -> None:
        self._ran(module, *given)

    def __deepcopy__(self, memo: Any) -> Callable[..., None]:
        return _DO_NOTHING

    def __reduce__(self) -> Any:
        return _DO_NOTHING.__reduce__()


_DO_NOTHING = contextlib.nullcontext().__exit__  # the standard library's own: a pickle of it needs no tuimon


class OutputWatch:
    """Puts hooks on a model's layers and activations, and takes them off.

    Args:
        model: what is watched.
        layers: its layers.
        edge: runs the work, and keeps its errors and its cost.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer], edge: Edge) -> None:
        self._layers = layers
        self._numbers = {layer.module: i for i, layer in enumerate(layers) if not is_activation(layer.module)}
        self._model = model
        self._edge = edge
        self._manner = Manner(model)
        self._hook, self._called = _Hook(self._ran), _Hook(self._is_called)
        self._hooked: list[nn.Module] = []
        self._chain: tuple[int, ...] = ()  # the layers that ran since the last activation
        self._forwards: Counter[int] = Counter()  # of each layer, since the sample began
        self._followed: set[int] = set()  # layers whose own output need not be measured: their activation's is
        self._following: set[int] = set()  # the same of this sample
        self._changed: set[int] = set()  # layers whose output is overwritten before it can be counted
        self._held: list[Held] = []
        self._held_bytes = 0
        self._found: list[Found] = []
        self._signs = Signs()
        self._room = Room()
        self._ends, self._aims = Ends(), Aims([p for p in model.parameters() if p.requires_grad])
        self._turn = 0
        self._whole = True
        self.calls = 0  # of the hook in this sample

    def start(self, room: Room, whole: bool) -> None:
        """Puts the hooks on.

        Args:
            room: how much may be counted later.
            whole: whether to look at more than the units, which the layer table is about.
        """
        self.stop()
        self._forget()
        self._room, self._whole = room, whole
        self._forwards.clear()
        self.calls = 0
        self._turn += 1
        self._ends.start(self._turn)
        self._aims.start()
        self._manner.begin()
        numbers = self._numbers
        self._hooked = [m for m in self._model.modules() if m in numbers or is_activation(m)]  # they may be exchanged
        if self._model not in numbers and not is_activation(self._model):
            self._hooked.append(self._model)
        for module in self._hooked:
            module._forward_hooks[_KEY] = self._hook
        if whole:
            self._model._forward_pre_hooks[_KEY] = self._called

    def stop(self) -> None:
        """Takes the hooks off."""
        hooked, self._hooked = self._hooked, []
        for module in hooked:
            module._forward_hooks.pop(_KEY, None)
        self._model._forward_pre_hooks.pop(_KEY, None)

    def take(self, device: torch.device, sampling_s: float = 0.0) -> list[Found]:
        """What was counted since `start`: `Outputs`, `UnitOutputs`, `Negative` and `Facts`.

        Args:
            device: the model's.
            sampling_s: what the sample has cost this thread so far.
        """
        self._manner.over()
        self.count()
        found = self._found
        if self._whole:
            found = found + self._signs.take() + self._ends.take() + self._aims.take() + self._manner.take(device, sampling_s)
        self._followed = self._following
        self._forget()
        return found

    def drop(self) -> None:
        """Gives up what was seen."""
        self._forget()
        self._aims.start()

    @torch.no_grad()
    def count(self) -> None:
        """Counts what is held."""
        held, self._held, self._held_bytes = self._held, [], 0
        self._found += stacked.count(held, self._layers, self._turn, self._room, self._whole, self._changed)
        self._following.update(owner for one in held if one.after for owner in one.owners if owner not in self._changed)
        self._signs.count()

    def _forget(self) -> None:
        self._held, self._held_bytes, self._found, self._chain, self._following = [], 0, [], (), set()
        self._signs.forget()

    def _is_called(self, module: nn.Module, inputs: Any) -> None:
        if not _traced():
            self.calls += 1
            self._edge(lambda: self._manner.forward(module, inputs))

    def _ran(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if not module.training or not torch.is_grad_enabled() or _traced():
            return
        self.calls += 1
        try:
            self._look(module, inputs, output)
        except Exception as error:
            self._edge(partial(_raise, error))

    def _look(self, module: nn.Module, inputs: Any, output: Any) -> None:
        number = self._numbers.get(module)
        if number is not None:
            if self._whole and self._ends.wants_input(inputs):
                self._edge(lambda: self._ends.read_input(module, inputs[0]))
            if self._wants(number) and self._whole:
                self._hold((number,), output)
        elif self._chain and is_activation(module):
            owners, self._chain = self._chain, ()
            if self._hold(owners, output, module) and self._whole:
                self._held_bytes += self._signs.saw(owners, module, inputs, output, self._turn)
        if module is self._model and self._whole and self._ends.wants_output:
            self._edge(lambda: self._ends.read_output(output))
            self._edge(lambda: self._aims.watch(output))
        if module is self._model or self._held_bytes > _HELD_BYTES:
            self._edge(self.count)

    def _wants(self, number: int) -> bool:
        """Whether a layer's own output should be measured."""
        self._forwards[number] += 1
        if self._forwards[number] > MOST_FORWARDS:
            self._chain = ()
            return False
        self._chain = (*self._chain, number) if self._layers[number].is_norm else (number,)
        return number not in self._followed

    def _hold(self, owners: tuple[int, ...], output: Any, activation: nn.Module | None = None) -> bool:
        """Keeps an output until it is counted, if it is a tensor of numbers."""
        while isinstance(output, tuple) and output:
            output = output[0]  # recurrent layers: the outputs, then the state; of packed sequences, the data
        if not (isinstance(output, Tensor) and output.is_floating_point() and output.numel()):
            return False
        tensor = local(output.detach())
        if not self._changed.isdisjoint(owners):
            tensor = tensor.clone()
        limits = () if activation is None else units.asymptotes(activation)
        self._held.append(Held(owners, activation is not None, tensor, tensor._version, limits))
        self._held_bytes += tensor.numel() * tensor.element_size()
        return True


def _raise(error: Exception) -> None:
    raise error


def _traced() -> bool:
    """Whether the forward is recorded or transformed (traced, exported, under `vmap`): what is done here would be, too."""
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    return transformed or torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()
