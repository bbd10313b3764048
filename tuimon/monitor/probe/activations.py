"""Watches what layers put out, during one sampled step.

Forward hooks are there only while a sample is being taken. An activation module counts for the layer that ran before it, and
for that one's norms; where the activation is a plain function, nothing tells of it, and the layer's own output stands. Modules
in evaluation mode and forwards without gradient (validation, a frozen teacher) are not looked at. Training thread.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tuimon.monitor.probe import statistics, units
from tuimon.monitor.probe.layers import Layer, is_activation

MOST_FORWARDS = 64  # of one layer that a sample looks at: nobody knows how many more come before the optimizer's step


@dataclass
class Seen:
    """What was seen of one layer's output in a step, all its forwards together."""

    summary: Tensor
    zero: Tensor | None = None  # [units] bool; of an activation's output only: what feeds a plain function is never zero
    near: Tensor | None = None  # [units] number of samples near an asymptote
    samples: int = 0  # samples and positions of each unit

    def add(self, other: Seen) -> None:
        """Takes in another forward of the same step."""
        self.summary = statistics.merge(self.summary, other.summary)
        self.zero = None if self.zero is None or other.zero is None else self.zero & other.zero
        self.near = None if self.near is None or other.near is None else self.near + other.near
        self.samples += other.samples


Edge = Callable[[Callable[[], None]], None]


class _Hook:
    """A forward hook that copies and pickles of the model do not carry with them: there it does nothing."""

    def __init__(self, ran: Callable[[nn.Module, Any], None]) -> None:
        self._ran = ran

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._ran(module, output)

    def __deepcopy__(self, memo: Any) -> Callable[..., None]:
        return _DO_NOTHING

    def __reduce__(self) -> Any:
        return _DO_NOTHING.__reduce__()


_DO_NOTHING = contextlib.nullcontext().__exit__  # the standard library's own: a pickle of it needs no tuimon


class ActivationWatch:
    """Puts hooks on a model's layers and activations, and takes them off.

    Args:
        model: what is watched.
        layers: its layers.
        edge: runs each hook's work, and keeps its errors and its cost.
    """

    def __init__(self, model: nn.Module, layers: list[Layer], edge: Edge) -> None:
        self._layers = {layer.module: layer for layer in layers if not is_activation(layer.module)}
        self._model = model
        self._edge = edge
        self._handles: list[RemovableHandle] = []
        self._chain: list[Layer] = []
        self._forwards: Counter[str] = Counter()  # of each layer, since the sample began
        self._followed: set[str] = set()  # layers whose own output need not be measured: their activation's is
        self._own: dict[str, Seen] = {}
        self._after: dict[str, Seen] = {}

    def start(self) -> None:
        """Puts the hooks on."""
        self.stop()
        self._own, self._after, self._chain = {}, {}, []
        self._forwards.clear()
        watched = [m for m in self._model.modules() if m in self._layers or is_activation(m)]  # they may be exchanged
        self._handles = [module.register_forward_hook(_Hook(self._ran)) for module in watched]

    def stop(self) -> None:
        """Takes the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def take(self) -> dict[str, Seen]:
        """What was seen, by layer; an activation's output where there was one."""
        self._followed = set(self._after)
        seen = {**self._own, **self._after}
        self._own, self._after, self._chain = {}, {}, []
        return seen

    def _ran(self, module: nn.Module, output: Any) -> None:
        if not module.training or not torch.is_grad_enabled() or _traced():
            return
        if self._is_passed_over(module):
            return
        while isinstance(output, tuple) and output:
            output = output[0]  # recurrent layers: the outputs, then the state; of packed sequences, the data
        if isinstance(output, Tensor) and output.is_floating_point() and output.numel():
            self._edge(lambda: self._look(module, statistics.local(output.detach())))

    def _is_passed_over(self, module: nn.Module) -> bool:
        """Whether a layer was looked at often enough, or an activation follows nothing that is looked at."""
        layer = self._layers.get(module)
        if layer is None:
            return not self._chain
        self._forwards[layer.name] += 1
        if self._forwards[layer.name] > MOST_FORWARDS:
            self._chain = []
            return True
        return False

    @torch.no_grad()
    def _look(self, module: nn.Module, output: Tensor) -> None:
        layer = self._layers.get(module)
        if layer is None:
            self._look_at_activation(module, output)
            return
        self._chain = [*self._chain, layer] if layer.is_norm else [layer]
        if layer.name not in self._followed:
            self._keep(self._own, layer, Seen(statistics.summarize([output])))

    def _look_at_activation(self, module: nn.Module, output: Tensor) -> None:
        chain, self._chain = self._chain, []
        summary, limits = statistics.summarize([output]), units.asymptotes(module)
        for layer in chain:
            self._keep(self._after, layer, _seen(layer, summary, output, limits))

    def _keep(self, where: dict[str, Seen], layer: Layer, seen: Seen) -> None:
        if layer.name in where:
            where[layer.name].add(seen)
        else:
            where[layer.name] = seen


def _traced() -> bool:
    """Whether the forward is recorded or transformed (traced, exported, under `vmap`): what is done here would be, too."""
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    return transformed or torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()


def _seen(layer: Layer, summary: Tensor, output: Tensor, limits: tuple[float, ...]) -> Seen:
    """An activation's output, with what it says of each unit where it still counts the layer's units."""
    seen = Seen(summary)
    if layer.units and output.ndim >= max(2, -layer.unit_dim) and output.shape[layer.unit_dim] == layer.units:
        seen.zero = units.zero_outputs(output, layer.unit_dim)
        seen.samples = output.numel() // layer.units
        seen.near = units.near_asymptote(output, limits, layer.unit_dim) if limits else None
    return seen
