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
from tuimon.monitor.probe.aims import Aims
from tuimon.monitor.probe.ends import Ends, Facts
from tuimon.monitor.probe.flat import CHUNK, MOST, local, stride
from tuimon.monitor.probe.layers import Layer, is_activation
from tuimon.monitor.probe.manner import Manner
from tuimon.monitor.probe.tally import tally

MOST_FORWARDS = 64  # of one layer that a sample looks at: nobody knows how many more come before the optimizer's step
_HELD_BYTES = 1 << 26  # of references that are kept; more is counted at once
_FEW = 1 << 11  # values of an activation's input whose sign is looked at
_KEY = -0x7475696D  # among a module's hooks, whose own keys count up from 0

Edge = Callable[[Callable[[], None]], None]


class _Held(NamedTuple):
    """An output that is still to be counted."""

    owners: tuple[int, ...]  # the layers that it counts for
    after: bool  # it is an activation's
    tensor: Tensor
    version: int
    limits: tuple[float, ...] = ()  # the activation's asymptotes
    given: Tensor | None = None  # what the activation got; None where its output tells the sign, having overwritten it
    given_version: int = 0
    below: bool = False  # zero counts as negative, as ReLU has overwritten it with that


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


class Negative(NamedTuple):
    """What activations of one shape got.

    Attributes:
        owners: [inputs] the layers that each counts for.
        counts: [inputs] how many of the values are below zero.
        samples: of how many.
    """

    owners: list[tuple[int, ...]]
    counts: Tensor
    samples: int


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
        self.manner = Manner()
        self._hook, self._called = _Hook(self._ran), _Hook(self._is_called)
        self._hooked: list[nn.Module] = []
        self._chain: tuple[int, ...] = ()  # the layers that ran since the last activation
        self._forwards: Counter[int] = Counter()  # of each layer, since the sample began
        self._followed: set[int] = set()  # layers whose own output need not be measured: their activation's is
        self._changed: set[int] = set()  # layers whose output is overwritten before it can be counted
        self._held: list[_Held] = []
        self._held_bytes = 0
        self._counted: list[Outputs | UnitOutputs | Negative] = []
        self._ends, self._aims = Ends(), Aims()
        self._turn = 0
        self.calls = 0  # of the hook in this sample

    def start(self) -> None:
        """Puts the hooks on."""
        self.stop()
        self._forget()
        self._forwards.clear()
        self.calls = 0
        self._turn += 1
        self._ends.start(self._turn)
        self._aims.start()
        numbers = self._numbers
        self._hooked = [m for m in self._model.modules() if m in numbers or is_activation(m)]  # they may be exchanged
        if self._model not in numbers and not is_activation(self._model):
            self._hooked.append(self._model)
        for module in self._hooked:
            module._forward_hooks[_KEY] = self._hook
        self._model._forward_pre_hooks[_KEY] = self._called

    def stop(self) -> None:
        """Takes the hooks off."""
        hooked, self._hooked = self._hooked, []
        for module in hooked:
            module._forward_hooks.pop(_KEY, None)
        self._model._forward_pre_hooks.pop(_KEY, None)

    def take_facts(self) -> list[Facts]:
        """What was read of the model's input, its output and that one's gradient since `start`."""
        return [*self._ends.take(), *self._aims.take()]

    def take(self) -> list[Outputs | UnitOutputs | Negative]:
        """What was counted since `start`."""
        self.count()
        counted = self._counted
        self._followed = {owner for one in counted if isinstance(one, Outputs) for owner in one.followed()}
        self._forget()
        return counted

    def drop(self) -> None:
        """Gives up what was seen."""
        self._forget()
        self._aims.start()

    @torch.no_grad()
    def count(self) -> None:
        """Counts what is held."""
        held, self._held, self._held_bytes = self._held, [], 0
        for group in _groups(held, self._changed).values():
            self._counted += _count(group, self._layers, self._turn)
        for found in _groups_of_given(held).values():
            self._counted.append(_count_negative(found, self._turn))

    def _forget(self) -> None:
        self._held, self._held_bytes, self._counted, self._chain = [], 0, [], ()

    def _is_called(self, module: nn.Module, inputs: Any) -> None:
        if not _traced():
            self.calls += 1
            self._edge(lambda: self.manner.forward(module, inputs))

    def _ran(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if not module.training or not torch.is_grad_enabled() or _traced():
            return
        self.calls += 1
        number = self._numbers.get(module)
        if number is not None:
            if self._ends.wants_input(inputs):
                self._edge(lambda: self._ends.read_input(module, inputs[0]))
            if self._wants(number):
                self._hold((number,), output)
        elif self._chain and is_activation(module):
            owners, self._chain = self._chain, ()
            self._hold(owners, output, module, inputs)
        if module is self._model and self._ends.wants_output:
            self._edge(lambda: self._ends.read_output(output))
            self._edge(lambda: self._aims.watch(output))
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

    def _hold(self, owners: tuple[int, ...], output: Any, activation: nn.Module | None = None, inputs: Any = ()) -> None:
        while isinstance(output, tuple) and output:
            output = output[0]  # recurrent layers: the outputs, then the state; of packed sequences, the data
        if not (isinstance(output, Tensor) and output.is_floating_point() and output.numel()):
            return
        tensor = local(output.detach())
        self._held_bytes += tensor.numel() * tensor.element_size()
        if not self._changed.isdisjoint(owners):
            tensor = tensor.clone()
        if activation is None:
            self._held.append(_Held(owners, False, tensor, tensor._version))
            return
        limits, given = units.asymptotes(activation), _given(inputs, output)
        if given is not None:
            self._held_bytes += given.numel() * given.element_size()
        version, below = 0 if given is None else given._version, type(activation) in (nn.ReLU, nn.ReLU6)
        self._held.append(_Held(owners, True, tensor, tensor._version, limits, given, version, below))


def _given(inputs: Any, output: Tensor) -> Tensor | None:
    """What an activation got; None if its output has overwritten it, or nothing was given by position."""
    given = inputs[0] if isinstance(inputs, tuple) and inputs else None
    if not isinstance(given, Tensor) or given.shape != output.shape or given.data_ptr() == output.data_ptr():
        return None
    return local(given.detach())


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


def _groups_of_given(held: Sequence[_Held]) -> dict[Any, list[_Held]]:
    """Activations whose inputs can be stacked. What was overwritten since is left out."""
    groups: dict[Any, list[_Held]] = defaultdict(list)
    for one in held:
        seen, version = (one.tensor, one.version) if one.given is None else (one.given, one.given_version)
        if one.after and seen._version == version:
            groups[seen.shape, seen.stride(), seen.dtype, seen.device, one.given is None and one.below].append(one)
    return groups


def _count_negative(group: Sequence[_Held], turn: int) -> Negative:
    """How many values that activations got are negative, of a subset of large ones."""
    some = torch.stack([_few(one.tensor if one.given is None else one.given, turn) for one in group])
    negative = some <= 0 if group[0].below and group[0].given is None else some < 0
    return Negative([one.owners for one in group], negative.sum(1), some.shape[1])


def _few(values: Tensor, turn: int) -> Tensor:
    """[n] all values of a small tensor; of a larger one every k-th, no more than `_FEW`."""
    if values.is_contiguous():
        flat = values.reshape(-1)
    elif values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last):
        flat = values.permute(0, 2, 3, 1).reshape(-1)
    else:
        every = min(stride(values.numel(), _FEW), len(values))
        flat = values[turn % every :: every].reshape(-1)
    every = stride(len(flat), _FEW)
    return flat if every == 1 else flat[turn % every :: every | 1]  # odd, lest it always meets the same features


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
