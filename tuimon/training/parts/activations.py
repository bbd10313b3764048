"""Activation functions by name, as modules, so that the monitor can watch what goes through them."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tuimon.monitor.probe.layers import is_activation


class Identity(nn.Identity):
    """No activation, where one could be: torch's own identity also stands for other things that a model leaves out."""


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": Identity,
}
OUTPUTS: dict[str, Callable[[], nn.Module]] = {
    "softmax": lambda: nn.Softmax(dim=1),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


def activation(name: str, slope: float = 0.01) -> nn.Module:
    """A new module of the named activation; `slope` is leaky ReLU's below zero. PReLU's is learned, from 0.25.

    Raises:
        KeyError: the name is none of `BUILDERS`; a spec never holds such a name.
    """
    return nn.LeakyReLU(slope) if name == "leaky_relu" else BUILDERS[name]()


def name_of(module: nn.Module) -> str | None:
    """The name that a module would be built by; None for what is none of these activations."""
    return next((name for name, kind in BUILDERS.items() if type(module) is kind), None)


def output_function(model: nn.Module) -> nn.Module | None:
    """What ends a model: the activation or softmax that is the very last of a sequence; None where a layer is."""
    path, last = list(model.named_modules())[-1]
    parent = model.get_submodule(path.rpartition(".")[0])
    known = is_activation(last) or isinstance(last, nn.Softmax | nn.LogSoftmax)
    return last if known and isinstance(parent, nn.Sequential) else None


def add_output(model: nn.Sequential, name: str) -> None:
    """Puts an output function behind the last layer, as `out_act`; nothing for `linear`."""
    if name != "linear":
        model.add_module("out_act", OUTPUTS[name]())
