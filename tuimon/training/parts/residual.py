"""Residual connections within a sequence, without changing the names of its layers."""

from __future__ import annotations

from torch import Tensor, nn


class Skip(nn.Module):
    """The start of a residual connection: the identity, or `project` if the widths differ."""

    def __init__(self, project: nn.Module | None = None) -> None:
        super().__init__()
        self.project = project

    def forward(self, x: Tensor) -> Tensor:
        """The value to add later."""
        return x if self.project is None else self.project(x)


class Add(nn.Module):
    """The end of a residual connection."""

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        """Returns the sum."""
        return x + skipped


class ResidualSequential(nn.Sequential):
    """A sequence with a residual connection from each `Skip` to the next `Add`."""

    def forward(self, x: Tensor) -> Tensor:
        """Runs all modules in order."""
        skipped = x
        for module in self:
            if isinstance(module, Skip):
                skipped = module(x)
            else:
                x = module(x, skipped) if isinstance(module, Add) else module(x)
        return x
