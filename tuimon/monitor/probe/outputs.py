"""Watches what layers put out, during one sampled step.

Forward hooks are there only while a sample is being taken. A hook keeps a reference and no more; what the references hold is
counted together, when the model's forward pass ends: until then autograd keeps most of it anyway. An activation module counts
for the layer that ran before it, and for that one's norms; where the activation is a plain function, the layer's own output
stands. Modules in evaluation mode and forwards without gradient (validation, a frozen teacher) are not looked at. Training
thread.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tuimon.monitor.probe import units
from tuimon.monitor.probe.flat import CHUNK, MOST, local, stride
from tuimon.monitor.probe.layers import Layer, is_activation
from tuimon.monitor.probe.tally import tally

MOST_FORWARDS = 64  # of one layer that a sample looks at: nobody knows how many more come before the optimizer's step
_HELD_BYTES = 1 << 26  # of references that are kept; more is counted at once
_KEY = -0x7475696D  # among a module's hooks, whose own keys count up from 0

Edge = Callable[[Callable[[], None]], None]


class _Held(NamedTuple):
    """An output that is still to be counted."""

    owners: tuple[int, ...]  # the layers that it counts for
    after: bool  # it is an activation's
    tensor: Tensor
    version: int
    limits: tuple[float, ...]  # the activation's asymptotes


class Outputs(NamedTuple):
    """Outputs of one shape that were counted together.

    Attributes:
        owners: [outputs] the layers that each counts for.
        after: whether they are activations' outputs.
        rows: [outputs] how many rows of the table each has.
        every: how many values each value stands for.
        table: [rows, columns] as a `Tally`'s.
    """

    owners: list[tuple[int, ...]]
    after: list[bool]
    rows: int
    every: float
    table: Tensor

    def followed(self) -> set[int]:
        """The layers whose activation's output is in it."""
        return {owner for owners, after in zip(self.owners, self.after, strict=True) if after for owner in owners}


class UnitOutputs(NamedTuple):
    """What activations' outputs of one shape say of each unit.

    Attributes:
        owners: [outputs] the layer whose units they are.
        zero: [outputs, units] bool: zero at every sample and position.
        near: [outputs, units] samples and positions near an asymptote; None where the activation has none.
        samples: samples and positions of each unit.
    """

    owners: list[int]
    zero: Tensor
    near: Tensor | None
    samples: int


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
        self._hook = _Hook(self._ran)
        self._hooked: list[nn.Module] = []
        self._chain: tuple[int, ...] = ()  # the layers that ran since the last activation
        self._forwards: Counter[int] = Counter()  # of each layer, since the sample began
        self._followed: set[int] = set()  # layers whose own output need not be measured: their activation's is
        self._changed: set[int] = set()  # layers whose output is overwritten before it can be counted
        self._held: list[_Held] = []
        self._held_bytes = 0
        self._counted: list[Outputs | UnitOutputs] = []
        self._turn = 0
        self.calls = 0  # of the hook in this sample

    def start(self) -> None:
        """Puts the hooks on."""
        self.stop()
        self._forget()
        self._forwards.clear()
        self.calls = 0
        self._turn += 1
        numbers = self._numbers
        self._hooked = [m for m in self._model.modules() if m in numbers or is_activation(m)]  # they may be exchanged
        if self._model not in numbers and not is_activation(self._model):
            self._hooked.append(self._model)
        for module in self._hooked:
            module._forward_hooks[_KEY] = self._hook

    def stop(self) -> None:
        """Takes the hooks off."""
        hooked, self._hooked = self._hooked, []
        for module in hooked:
            module._forward_hooks.pop(_KEY, None)

    def take(self) -> list[Outputs | UnitOutputs]:
        """What was counted since `start`."""
        self.count()
        counted = self._counted
        self._followed = {owner for one in counted if isinstance(one, Outputs) for owner in one.followed()}
        self._forget()
        return counted

    def drop(self) -> None:
        """Gives up what was seen."""
        self._forget()

    @torch.no_grad()
    def count(self) -> None:
        """Counts what is held."""
        held, self._held, self._held_bytes = self._held, [], 0
        for group in _groups(held, self._changed).values():
            self._counted += _count(group, self._layers, self._turn)

    def _forget(self) -> None:
        self._held, self._held_bytes, self._counted, self._chain = [], 0, [], ()

    def _ran(self, module: nn.Module, output: Any) -> None:
        if not module.training or not torch.is_grad_enabled() or _traced():
            return
        self.calls += 1
        number = self._numbers.get(module)
        if number is not None:
            if self._wants(number):
                self._hold((number,), False, output, module)
        elif self._chain and is_activation(module):
            owners, self._chain = self._chain, ()
            self._hold(owners, True, output, module)
        if self._held and (module is self._model or self._held_bytes > _HELD_BYTES):
            self._edge(self.count)

    def _wants(self, number: int) -> bool:
        """Whether a layer's own output should be measured."""
        self._forwards[number] += 1
        if self._forwards[number] > MOST_FORWARDS:
            self._chain = ()
            return False
        self._chain = (*self._chain, number) if self._layers[number].is_norm else (number,)
        return number not in self._followed

    def _hold(self, owners: tuple[int, ...], after: bool, output: Any, module: nn.Module) -> None:
        while isinstance(output, tuple) and output:
            output = output[0]  # recurrent layers: the outputs, then the state; of packed sequences, the data
        if not (isinstance(output, Tensor) and output.is_floating_point() and output.numel()):
            return
        tensor = local(output.detach())
        if not self._changed.isdisjoint(owners):
            tensor = tensor.clone()
        self._held.append(_Held(owners, after, tensor, tensor._version, units.asymptotes(module) if after else ()))
        self._held_bytes += tensor.numel() * tensor.element_size()


def _traced() -> bool:
    """Whether the forward is recorded or transformed (traced, exported, under `vmap`): what is done here would be, too."""
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    return transformed or torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()


def _groups(held: Sequence[_Held], changed: set[int]) -> dict[Any, list[_Held]]:
    """What can be stacked: of one shape, kind and device. What was overwritten since is left out, and is copied next time."""
    groups: dict[Any, list[_Held]] = defaultdict(list)
    for one in held:
        if one.tensor._version != one.version:
            changed.update(one.owners)
            continue
        groups[one.tensor.shape, one.tensor.dtype, one.tensor.device].append(one)
    return groups


def _count(group: Sequence[_Held], layers: Sequence[Layer], turn: int) -> Iterator[Outputs | UnitOutputs]:
    size = group[0].tensor.numel()
    at_once = max(1, CHUNK // size)
    for start in range(0, len(group), at_once):
        some = group[start : start + at_once]
        stacked = torch.stack([_thinned(one.tensor, turn) for one in some]).float()
        pieces = torch.split(stacked.reshape(-1), CHUNK)
        lengths = [len(pieces[0]) // len(some)] * len(some)
        tables = [tally(piece, np.array(lengths if len(some) > 1 else [len(piece)])).table for piece in pieces]
        table = tables[0] if len(tables) == 1 else torch.cat(tables)
        every = size * len(some) / stacked.numel()
        yield Outputs([one.owners for one in some], [one.after for one in some], len(pieces), every, table)
        yield from _by_units(some, stacked, layers)


def _by_units(some: Sequence[_Held], stacked: Tensor, layers: Sequence[Layer]) -> Iterator[UnitOutputs]:
    """What activations' outputs, [outputs, …], say of each unit, where they still count their layer's units."""
    shape = stacked.shape[1:]
    judged: dict[tuple[int, tuple[float, ...]], list[tuple[int, int]]] = defaultdict(list)
    for row, one in enumerate(some):
        for owner in one.owners if one.after else ():
            layer = layers[owner]
            if layer.units and len(shape) >= max(2, -layer.unit_dim) and shape[layer.unit_dim] == layer.units:
                judged[layer.unit_dim % len(shape), one.limits].append((owner, row))
    for (dim, limits), found in judged.items():
        rows = [row for _, row in found]
        values = stacked if rows == list(range(len(stacked))) else stacked[rows]
        others = [i + 1 for i in range(len(shape)) if i != dim]
        near = units.near_asymptote(values, limits, others) if limits else None
        yield UnitOutputs([owner for owner, _ in found], units.zero(values, others), near, shape.numel() // shape[dim])


def _thinned(output: Tensor, turn: int) -> Tensor:
    """Every k-th sample of a very large output, beginning at another one each turn; at least one."""
    every = min(stride(output.numel(), MOST), output.shape[0]) if output.ndim > 1 else 1
    return output[turn % every :: every] if every > 1 else output
