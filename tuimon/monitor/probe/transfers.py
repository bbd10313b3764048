"""Brings numbers from the device to the host without making the training loop wait.

On CUDA a copy into pinned memory is started on the current stream, and looked for at later steps; the stream is never
synchronized before the end of the run. On the CPU the numbers are there at once. Training thread only.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrived = Callable[[list[float]], None]
ArraysArrived = Callable[[list[NDArray[Any]]], None]


class Flight(NamedTuple):
    """A copy on its way: `landed` asks without waiting, `wait` waits, `host` holds the numbers afterwards."""

    landed: Callable[[], bool]
    wait: Callable[[], None]
    host: Tensor
    source: Tensor  # kept alive until the copy is done


Launch = Callable[[Tensor], Flight]


def launch_on_cuda(flat: Tensor) -> Flight:
    """Starts the copy of a CUDA tensor to pinned memory."""
    host = torch.empty(flat.shape, dtype=flat.dtype, device="cpu", pin_memory=True)  # whatever the default device
    host.copy_(flat, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(flat.device))
    return Flight(event.query, event.synchronize, host, flat)


def travels(tensor: Tensor) -> bool:
    """Whether a tensor's value can only be had by waiting for its device."""
    return tensor.is_cuda


class Transfers:
    """The copies that are under way, in the order in which they were started."""

    def __init__(self, launch: Launch = launch_on_cuda, asynchronous: Callable[[Tensor], bool] = travels) -> None:
        self._launch = launch
        self._asynchronous = asynchronous
        self.under_way: deque[tuple[Flight, Callable[[Tensor], None]]] = deque()

    @torch.no_grad()
    def send(self, tensors: Sequence[Tensor], arrived: Arrived) -> None:
        """Calls `arrived` with all the tensors' numbers, one after the other: at once, or from a later `poll`.

        What was sent first arrives first.
        """
        flat = _flat(tensors)
        if self._asynchronous(flat):
            self.under_way.append((self._launch(flat), lambda host: arrived(host.tolist())))
        else:
            arrived(flat.tolist())

    @torch.no_grad()
    def send_arrays(self, tensors: Sequence[Tensor], arrived: ArraysArrived) -> None:
        """Calls `arrived` with the tensors as arrays, at once or from a later `poll`; those on the host stay where they are.

        What was sent first arrives first.
        """
        travelling = [tensor for tensor in tensors if self._asynchronous(tensor)]
        if not travelling:
            arrived([tensor.cpu().numpy() for tensor in tensors])
            return
        staying = [None if self._asynchronous(tensor) else tensor.cpu().numpy() for tensor in tensors]
        shapes = [(tuple(tensor.shape), _NUMPY.get(tensor.dtype)) for tensor in travelling]

        def landed(host: Tensor) -> None:
            parts = iter(_shaped(host.numpy(), shapes))
            arrived([next(parts) if array is None else array for array in staying])

        self.under_way.append((self._launch(_flat(travelling)), landed))

    def poll(self) -> None:
        """Hands over what has arrived; never waits."""
        while self.under_way and self.under_way[0][0].landed():
            self._hand_over()

    def finish(self) -> None:
        """Waits for all that is under way and hands it over."""
        while self.under_way:
            self.under_way[0][0].wait()
            self._hand_over()

    def _hand_over(self) -> None:
        flight, arrived = self.under_way.popleft()
        arrived(flight.host)


_NUMPY = {torch.float32: np.float32, torch.bool: np.bool_}


def _shaped(flat: NDArray[Any], shapes: Sequence[tuple[tuple[int, ...], Any]]) -> list[NDArray[Any]]:
    """The arrays that lie in a flat one, by shape and type; others as they lie."""
    ends = np.cumsum([math.prod(shape) for shape, _ in shapes])
    parts = [part.reshape(shape) for part, (shape, _) in zip(np.split(flat, ends[:-1]), shapes, strict=True)]
    return [part if kind is None else part.astype(kind) for part, (_, kind) in zip(parts, shapes, strict=True)]


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    if len(tensors) == 1:
        return tensors[0].detach().reshape(-1)
    wide = torch.float32 if tensors[0].device.type == "mps" else torch.float64
    device = next((t.device for t in tensors if t.is_cuda), tensors[0].device)  # a copy to the CPU would have to be waited for
    return torch.cat([t.detach().reshape(-1).to(device, wide, non_blocking=True) for t in tensors])
