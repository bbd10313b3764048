"""The numbers of one sample: collected on the device, sent to the host together, and read there as what the log holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from tuimon.log.histogram import Histogram
from tuimon.monitor.probe import statistics


class Piece(NamedTuple):
    """Where one quantity of one layer lies in a sample's numbers."""

    kind: str
    layer: str
    start: int
    size: int


class Sheet:
    """The numbers of one sample, collected on the device and sent to the host together."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.pieces: list[Piece] = []
        self._size = 0

    def add(self, kind: str, layer: str, tensor: Tensor) -> None:
        """Adds one quantity of one layer, [n], any dtype."""
        self.tensors.append(tensor)
        self.pieces.append(Piece(kind, layer, self._size, tensor.numel()))
        self._size += tensor.numel()


def read(
    pieces: Sequence[Piece], numbers: Sequence[float]
) -> tuple[dict[str, float], dict[str, Histogram], dict[str, list[int]]]:
    """A sample's numbers, by tag: scalars and histograms; and the dead units of each layer that was judged."""
    scalars: dict[str, float] = {}
    histograms: dict[str, Histogram] = {}
    dead: dict[str, list[int]] = {}
    for piece in pieces:
        layer, values = piece.layer, numbers[piece.start : piece.start + piece.size]
        match piece.kind:
            case "gradient":
                scalars[f"grad_norm/{layer}"] = statistics.norm_of(values)
                histograms[f"gradient/{layer}"] = statistics.to_histogram(values)
            case "activation":
                scalars[f"activation_min/{layer}"], scalars[f"activation_max/{layer}"] = statistics.range_of(values)
                histograms[f"activation/{layer}"] = statistics.to_histogram(values)
            case "weight":
                scalars[f"weight_norm/{layer}"] = values[0]
            case "update" if values[1]:
                scalars[f"update_ratio/{layer}"] = values[0] / values[1]
            case "saturated":
                scalars[f"saturated_fraction/{layer}"] = sum(values) / len(values)
            case "dead":
                dead[layer] = [i for i, value in enumerate(values) if value]
                scalars[f"dead_units/{layer}"] = len(dead[layer])
                scalars[f"dead_fraction/{layer}"] = len(dead[layer]) / len(values)
    return scalars, histograms, dead
