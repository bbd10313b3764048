"""Activation functions by name, as modules, so that the monitor can observe their outputs."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tuimon.monitor.probe.layers import is_activation


class Identity(nn.Identity):
    """No activation. A separate class, because models use nn.Identity for other things, too."""


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
    """A new module of the named activation; `slope` is the negative slope of leaky ReLU. PReLU learns its slope, from 0.25.

    Raises:
        KeyError: the name is not in `BUILDERS`; specs never contain such a name.
    """
    return nn.LeakyReLU(slope) if name == "leaky_relu" else BUILDERS[name]()


def name_of(module: nn.Module) -> str | None:
    """The name of a module's activation; None if it is not one of these."""
    return next((name for name, kind in BUILDERS.items() if type(module) is kind), None)


def output_function(model: nn.Module) -> nn.Module | None:
    """The activation or softmax at the end of a model's last sequence; None if it ends with a layer."""
    path, last = list(model.named_modules())[-1]
    parent = model.get_submodule(path.rpartition(".")[0])
    known = is_activation(last) or isinstance(last, nn.Softmax | nn.LogSoftmax)
    return last if known and isinstance(parent, nn.Sequential) else None


def add_output(model: nn.Sequential, name: str) -> None:
    """Adds an output function after the last layer, as `out_act`; adds nothing for `linear`."""
    if name != "linear":
        model.add_module("out_act", OUTPUTS[name]())
