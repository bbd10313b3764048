"""Residual connections within a sequence whose layers keep their plain names."""

from __future__ import annotations

from torch import Tensor, nn


class Skip(nn.Module):
    """Where a connection leaves the sequence: as it is, or through `project` where the widths differ."""

    def __init__(self, project: nn.Module | None = None) -> None:
        super().__init__()
        self.project = project

    def forward(self, x: Tensor) -> Tensor:
        """What will be added further on."""
        return x if self.project is None else self.project(x)


class Add(nn.Module):
    """Where the connection comes back."""

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        """Their sum."""
        return x + skipped


class ResidualSequential(nn.Sequential):
    """A sequence in which what stands between a `Skip` and the next `Add` is added to what went into it."""

    def forward(self, x: Tensor) -> Tensor:
        """Through all modules, in order."""
        skipped = x
        for module in self:
            if isinstance(module, Skip):
                skipped = module(x)
            else:
                x = module(x, skipped) if isinstance(module, Add) else module(x)
        return x
