"""What a sample has found, on its way from the training thread to the log's, where numbers are made of it.

On a CPU whole arrays are handed over, as far as there is room, and counted there; another device counts, and its tables travel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from tuimon.monitor.probe.transfers import Transfers

Entries = Callable[[], list[object]]

HANDED_OVER = 1 << 22  # values of one sample that may wait to be counted, 16 MiB; others are counted at once


class Found(NamedTuple):
    """Tensors, and what they say.

    Attributes:
        tensors: nobody changes them any more.
        read: makes the sheet's entries of the tensors as arrays; called once, on any thread, with numpy alone.
    """

    tensors: Sequence[Tensor]
    read: Callable[..., Iterable[object]]


class Room:
    """How many values of one sample may still be handed over."""

    def __init__(self, values: int = HANDED_OVER) -> None:
        self._left = values

    def takes(self, tensor: Tensor) -> bool:
        """Whether a tensor is to be counted later, which takes up room."""
        size = tensor.numel()
        if not tensor.is_cpu or size > self._left:
            return False
        self._left -= size
        return True


def send(found: Sequence[Found], transfers: Transfers, arrived: Callable[[Entries], None]) -> None:
    """Brings everything to the host; `arrived` gets what makes the sheet's entries, at once or from a later poll."""

    def landed(arrays: list[Any]) -> None:
        arrived(lambda: _entries(found, arrays))

    transfers.send_arrays([tensor for one in found for tensor in one.tensors], landed)


def _entries(found: Sequence[Found], arrays: Sequence[Any]) -> list[object]:
    entries: list[object] = []
    begin = 0
    for one in found:
        end = begin + len(one.tensors)
        entries += one.read(*arrays[begin:end])
        begin = end
    return entries
