"""The parts that a spec names: plain tables from a name to what builds it, of torch's own pieces where there are any."""

from tuimon.training.parts.activations import activation
from tuimon.training.parts.optimizers import optimizer

__all__ = ["activation", "optimizer"]
