"""Records every activation function of a forward pass and its output, whether it is a module or a function call.

A module's `forward` calls torch functions: a `TorchFunctionMode` sees each call, and hooks tell which module made it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "relu": (functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, functional.relu6),
    "leaky_relu": (functional.leaky_relu, functional.leaky_relu_, functional.prelu, torch.prelu),
    "elu": (functional.elu, functional.selu, functional.celu),
    "gelu": (functional.gelu,),
    "silu": (functional.silu,),
    "sigmoid": (torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_, functional.sigmoid),
    "tanh": (torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_, functional.tanh),
    "softmax": (functional.softmax, torch.softmax, Tensor.softmax),
    "log_softmax": (functional.log_softmax, torch.log_softmax, Tensor.log_softmax),
}
_KINDS = {function: kind for kind, functions in _FUNCTIONS.items() for function in functions}
HIDDEN = ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh")


@dataclass(frozen=True)
class Activation:
    """One call of an activation function: the calling module, its kind, and its output."""

    name: str
    kind: str
    output: Tensor

    @property
    def by_unit(self) -> Tensor:
        """The output as [samples and positions, units]; units are the channels of images, otherwise the last dimension."""
        output = self.output.movedim(1, -1) if self.output.ndim >= 4 else self.output
        return output.reshape(-1, output.shape[-1])

    def is_output(self, outputs: Tensor) -> bool:
        """Whether this is the model's output, possibly reshaped."""
        return self.output.numel() == outputs.numel() and self.output.data_ptr() == outputs.data_ptr()


@dataclass
class _Watch(TorchFunctionMode):
    seen: list[Activation] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        kind = _KINDS.get(func)
        if kind and isinstance(result, Tensor):
            self.seen.append(Activation(self._named(kind), kind, result.detach()))
        return result

    def leave(self) -> None:
        """Notes that a module's forward pass has ended."""
        self.inside.pop()

    def _named(self, kind: str) -> str:
        where = self.inside[-1] if self.inside else ""
        names = {activation.name for activation in self.seen}
        name, number = where or kind, 1
        while name in names:
            number += 1
            name = f"{where or kind} ({number})"
        return name


@torch.no_grad()
def activations_of(model: nn.Module, inputs: Tensor) -> tuple[list[Activation], Tensor]:
    """The activations of one forward pass, in order, and the model's outputs."""
    watch = _Watch()
    with _told(model, watch), watch:
        outputs: Tensor = model(inputs)
    return watch.seen, outputs


@contextlib.contextmanager
def _told(model: nn.Module, watch: _Watch) -> Iterator[None]:
    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: watch.inside.append(name)))
        handles.append(module.register_forward_hook(lambda *_: watch.leave(), always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
