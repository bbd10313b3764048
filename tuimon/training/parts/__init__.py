"""The parts that a spec names: plain tables from a name to what builds it, of torch's own pieces where there are any."""

from tuimon.training.parts.activations import activation, add_output
from tuimon.training.parts.norms import normalization
from tuimon.training.parts.optimizers import optimizer
from tuimon.training.parts.residual import Add, ResidualSequential, Skip

__all__ = ["Add", "ResidualSequential", "Skip", "activation", "add_output", "normalization", "optimizer"]
