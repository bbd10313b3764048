"""Activation functions by name, as modules, so that the monitor can watch what goes through them."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


def activation(name: str) -> nn.Module:
    """A new module of the named activation.

    Raises:
        KeyError: the name is none of `BUILDERS`; a spec never holds such a name.
    """
    return BUILDERS[name]()
