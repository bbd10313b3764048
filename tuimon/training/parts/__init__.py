"""The parts that a spec names, built from torch's own classes where possible."""

from tuimon.training.parts.activations import activation, add_output
from tuimon.training.parts.norms import normalization
from tuimon.training.parts.optimizers import optimizer
from tuimon.training.parts.residual import Add, ResidualSequential, Skip

__all__ = ["Add", "ResidualSequential", "Skip", "activation", "add_output", "normalization", "optimizer"]
