"""Takes samples of a model's layers: gradients, weights, updates, activations, dead and saturated units.

A sample spans one step: hooks go on before its forward pass, gradients are read and weights copied before the optimizer's step,
and the update is measured after it. What a sample costs, in the loop's time and on the device, decides when the next is due.
Training thread; an error puts the probe out of work, never the training.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tuimon.log.writer import LogWriter
from tuimon.monitor.guard import uncompiled
from tuimon.monitor.probe import statistics, units
from tuimon.monitor.probe.activations import ActivationWatch, Seen
from tuimon.monitor.probe.layers import Layer, compiled, find_layers
from tuimon.monitor.probe.schedule import Schedule
from tuimon.monitor.probe.sheet import Piece, Sheet, read
from tuimon.monitor.probe.statistics import local
from tuimon.monitor.probe.stopwatch import Stopwatch
from tuimon.monitor.probe.transfers import Transfers

WINDOW = 4  # sampled steps in a row over which a unit must be silent to be called dead
DEAD_UNITS_TAG = "tuimon/dead_units"
_NAMED_UNITS = 4096  # of one layer that are told by number
_OUT_OF_MEMORY_S = 0.1  # what a sample that had no room is taken to have cost: the allocator has emptied its cache for it
_HISTOGRAM_BYTES, _SCALAR_BYTES = 1000, 40  # about what they take in the log

Report = Callable[[str, BaseException], None]


class Probe:
    """Samples one model.

    Args:
        model: what is watched.
        writer: takes the samples.
        transfers: brings the numbers to the host.
        budget: largest share of the time that sampling may take.
        report: is told of the first error.
        notice: is told of what is left out, and why.
    """

    def __init__(
        self,
        model: nn.Module,
        writer: LogWriter,
        transfers: Transfers,
        budget: float,
        report: Report,
        notice: Callable[[str], None],
    ) -> None:
        self._model = model
        self.armed = self.closed = False
        self._writer, self._transfers, self._report, self._notice = writer, transfers, report, notice
        self.schedule = Schedule(budget, time.perf_counter())
        self._hooks_allowed = not compiled(model)
        self._find_layers()
        self._sheet = Sheet()
        self._before: dict[str, list[Tensor]] = {}
        self._streaks: dict[str, tuple[Tensor, int]] = {}
        self._dead: dict[str, list[int]] = {}
        self._told: set[str] = set()
        self._stopwatch = Stopwatch()

    def look_again(self) -> None:
        """Finds the layers anew, after some were exchanged. Between two steps."""
        self._activations.stop()
        self._find_layers()
        self._streaks = {}
        if self.armed and self._hooks_allowed:
            self._edge(self._activations.start)

    def _find_layers(self) -> None:
        self.layers = find_layers(self._model)
        self._activations = ActivationWatch(self._model, self.layers if self._hooks_allowed else [], self._edge)

    @uncompiled
    def arm(self) -> None:
        """Makes the coming step a sampled one."""
        self.armed = True
        self.schedule.take()
        self._sheet, self._before, self._stopwatch = Sheet(), {}, Stopwatch()
        if self._hooks_allowed:
            self._edge(self._activations.start)
        else:
            self.tell_once("activations are left out: hooks that come and go would have the model compiled again each time")

    def read_gradients(self, grad_scale: Tensor | None = None) -> None:
        """Reads the gradients as the loss gives them, and copies the weights. Before the optimizer's step."""
        self._edge(lambda: self._read_gradients(grad_scale))

    def finish(self, step: int, longer_s: float) -> None:
        """Measures the update and sends the sample on its way. After the step, which took `longer_s` more than others."""
        self.armed = False
        self._activations.stop()
        self._stopwatch.allow_for(longer_s)
        self._edge(lambda: self._finish(step))

    def close(self) -> None:
        """Takes off whatever hooks are on, and lets go of what was collected."""
        self.closed, self.schedule.next_time = True, math.inf
        self._drop()

    def _drop(self) -> None:
        """Gives up the sample that is being taken: what it holds may be as large as the model."""
        self.armed = False
        self._activations.stop()
        self._activations.take()
        self._sheet, self._before = Sheet(), {}

    def _edge(self, work: Callable[[], None]) -> None:
        device = self._device()
        if self.closed or (device.type == "cuda" and torch.cuda.is_current_stream_capturing()):
            return
        try:
            with self._stopwatch.running(device):
                work()
        except torch.OutOfMemoryError:
            self._drop()
            self.tell_once("a sample of the layers was given up: the GPU had no memory left for it")
            self.schedule.pay(time.perf_counter(), max(self._stopwatch.seconds(), _OUT_OF_MEMORY_S), 0)
        except Exception as error:
            self.close()
            self._report("probe", error)

    def tell_once(self, text: str) -> None:
        """Tells the user of something that is left out, once."""
        if text not in self._told:
            self._told.add(text)
            self._notice(text)

    def _device(self) -> torch.device:
        return next((p.device for layer in self.layers for p in layer.parameters), torch.device("cpu"))

    @torch.no_grad()
    def _read_gradients(self, grad_scale: Tensor | None) -> None:
        for layer in self.layers:
            gradients = [local(p.grad) for p in layer.parameters if p.grad is not None]
            if not gradients:
                continue
            if grad_scale is not None:
                gradients = [g / grad_scale.to(g.device) for g in gradients]
            self._sheet.add("gradient", layer.name, statistics.summarize(gradients))
        if any(local(p) is not p for layer in self.layers for p in layer.parameters):
            self.tell_once("the model is spread over several processes: norms and histograms are of this process's part of it")
        self._copy_weights()

    def _copy_weights(self) -> None:
        self._before = {}  # of a step that failed
        moving = {layer.name: [local(p) for p in layer.parameters if p.grad is not None] for layer in self.layers}
        if _has_room([p for parameters in moving.values() for p in parameters]):
            self._before = {name: [p.detach().clone() for p in own] for name, own in moving.items() if own}
        else:
            self.tell_once("update ratios are left out while the GPU's memory has no room for a copy of the weights")

    @torch.no_grad()
    def _finish(self, step: int) -> None:
        seen = self._activations.take()
        for layer in self.layers:
            self._measure_weights(layer)
            self._measure_units(layer, seen.get(layer.name))
        sheet, wall_time, stopwatch = self._sheet, time.time(), self._stopwatch
        self._before = {}
        if sheet.tensors:
            arrived = functools.partial(self._arrived, step, wall_time, sheet.pieces, stopwatch)
            self._transfers.send(sheet.tensors, arrived)
        else:
            self.schedule.pay(time.perf_counter(), stopwatch.seconds(), 0)

    def _measure_weights(self, layer: Layer) -> None:
        now = [local(p.detach()) for p in layer.parameters if p.is_floating_point() or p.is_complex()]
        if now:
            self._sheet.add("weight", layer.name, _norm(now))
        before = self._before.get(layer.name)
        if before:
            moved = [local(p.detach()) for p in layer.parameters if p.grad is not None]
            self._sheet.add("update", layer.name, torch.stack([_norm(torch._foreach_sub(moved, before)), _norm(before)]))

    def _measure_units(self, layer: Layer, seen: Seen | None) -> None:
        if seen is not None:
            self._sheet.add("activation", layer.name, seen.summary)
            if seen.near is not None:
                self._sheet.add("saturated", layer.name, seen.near > units.SHARE * seen.samples)
        quiet = units.zero_gradients(layer) if layer.units else None
        if quiet is None:
            self._streaks.pop(layer.name, None)
            return
        if seen is not None and seen.zero is not None:
            quiet = quiet & seen.zero
        streak, samples = self._streaks.get(layer.name, (torch.zeros_like(quiet, dtype=torch.int32), 0))
        streak = (streak + 1) * quiet
        self._streaks[layer.name] = streak, samples + 1
        if samples + 1 >= WINDOW:
            self._sheet.add("dead", layer.name, streak >= WINDOW)

    def _arrived(self, step: int, wall_time: float, pieces: list[Piece], stopwatch: Stopwatch, numbers: list[float]) -> None:
        began = time.perf_counter()
        try:
            scalars, histograms, dead = read(pieces, numbers)
            self._writer.sample(step, scalars, histograms, wall_time)
            self._tell_dead(step, dead)
            now = time.perf_counter()
            log_bytes = len(histograms) * _HISTOGRAM_BYTES + len(scalars) * _SCALAR_BYTES
            if not self.closed:
                self.schedule.pay(now, stopwatch.seconds() + now - began, log_bytes)
        except Exception as error:
            self.close()
            self._report("probe", error)

    def _tell_dead(self, step: int, dead: dict[str, list[int]]) -> None:
        """Tells which units are dead, whenever that has changed."""
        named = {layer: numbers for layer, numbers in dead.items() if numbers}
        if dead and named != self._dead:
            self._dead = named
            shown = {layer: numbers[:_NAMED_UNITS] for layer, numbers in named.items()}
            self._writer.text(step, DEAD_UNITS_TAG, json.dumps(shown))


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """The norm of several tensors together, [] float32."""
    norms = [_own_norm(t) for t in tensors]
    total: Tensor = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    return total


def _own_norm(tensor: Tensor) -> Tensor:
    if tensor.dtype in (torch.float16, torch.bfloat16):
        norm: Tensor = torch.linalg.vector_norm(tensor, dtype=torch.float32)  # without a copy in full precision
    else:
        norm = torch.linalg.vector_norm(tensor if tensor.is_complex() else tensor.float()).float()
    return norm


def _has_room(parameters: Sequence[Tensor]) -> bool:
    """Whether copies of these would take no more than a quarter of what a GPU has left; always on a CPU."""
    for device in {p.device for p in parameters if p.is_cuda}:
        needed = sum(p.numel() * p.element_size() for p in parameters if p.device == device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        if 4 * needed > torch.cuda.mem_get_info(device)[0] + cached:
            return False
    return True
