"""Takes samples of a model's layers: gradients, weights, updates, activations, dead and saturated units.

A sample spans one step: hooks go on before its forward pass, gradients are read and weights copied before the optimizer's step,
and the update is measured after it. All layers are measured together. What a sample says is worked out and written by the log's
thread; what it costs, on both threads and on the device, decides when the next is due. An error puts the probe out of work,
never the training.
"""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tuimon.log.writer import LogWriter
from tuimon.monitor.guard import uncompiled
from tuimon.monitor.probe import found
from tuimon.monitor.probe.alike import Likeness, recurrent
from tuimon.monitor.probe.layers import Layer, compiled, find_layers, following_activations
from tuimon.monitor.probe.origin import Hunt
from tuimon.monitor.probe.outputs import OutputWatch
from tuimon.monitor.probe.parameters import Parameters
from tuimon.monitor.probe.recorder import Recorder
from tuimon.monitor.probe.schedule import Schedule
from tuimon.monitor.probe.sheet import Sheet
from tuimon.monitor.probe.stopwatch import Stopwatch
from tuimon.monitor.probe.transfers import Transfers

_OUT_OF_MEMORY_S = 0.1  # what a sample that had no room is taken to have cost: the allocator has emptied its cache for it
_HOOK_S = 5e-6  # of the training thread for each call of a hook, about

COUNT_WEIGHTS_EVERY = 4  # of the samples that are logged whole: weights change slowly, and take as much room as all the rest

Report = Callable[[str, BaseException], None]


class Probe:
    """Samples one model.

    Args:
        model: what is watched.
        writer: takes the samples.
        transfers: brings the numbers to the host.
        budget: largest share of the time that sampling may take.
        report: takes the first error.
        notice: takes what is left out, and why.
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
        self.hunt = Hunt(model, notice)
        self._find_layers()
        self._found: list[found.Found] = []
        self._room = found.Room()
        self._turn = 0
        self._whole_samples = 0
        self._whole = True  # all of this sample is logged, not only what the layer table shows
        self._recorder = Recorder(self.schedule, weakref.WeakMethod(self._fail_beside))
        self._told: set[str] = set()
        self._stopwatch = Stopwatch()

    @property
    def _counts_weights(self) -> bool:
        """Whether this sample logs the histograms of weights and updates."""
        return self._whole and self._whole_samples % COUNT_WEIGHTS_EVERY == 1 % COUNT_WEIGHTS_EVERY

    def look_again(self) -> None:
        """Finds the layers anew, after some were exchanged. Between two steps."""
        self._outputs.stop()
        self._find_layers()
        if self.armed and self._hooks_allowed:
            self._edge(lambda: self._outputs.start(self._room, self._whole))

    def _find_layers(self) -> None:
        self.layers = find_layers(self._model)
        self._parameters = Parameters(self.layers)
        self._likeness = Likeness([*self._parameters.owned, *recurrent(self.layers)])
        self._outputs = OutputWatch(self._model, self.layers if self._hooks_allowed else [], self._edge)
        names, units = [layer.name for layer in self.layers], [layer.units for layer in self.layers]
        self._sheet = Sheet(names, units, self._parameters.judges)

    @uncompiled
    def arm(self) -> None:
        """Makes the coming step a sampled one."""
        self.armed = True
        self.schedule.take(time.perf_counter())
        self._turn += 1
        self._whole = self.schedule.wants_rest
        self._whole_samples += self._whole
        self._found, self._room, self._stopwatch = [], found.Room(), Stopwatch()
        if self._hooks_allowed:
            self._edge(lambda: self._outputs.start(self._room, self._whole))
        else:
            self.tell_once("no activation statistics: the model is compiled, and hooks would recompile it at every sample")

    def dead_units(self) -> list[tuple[Layer, list[int]]]:
        """The dead units of the latest sample, by layer: not of norms, nor of a last layer without an activation."""
        found, last = self._recorder.dead, len(self.layers) - 1
        following = following_activations(self._model)
        return [
            (layer, found[layer.name])
            for i, layer in enumerate(self.layers)
            if layer.name in found and not layer.is_norm and (i < last or layer.module in following)
        ]

    def read_gradients(self, grad_scale: Tensor | None = None) -> None:
        """Reads the gradients as the loss gives them, and copies the weights. Before the optimizer's step."""
        self._edge(lambda: self._read_gradients(grad_scale))

    def finish(self, step: int) -> None:
        """Measures the update and sends the sample on its way. After the step."""
        if self.closed:  # by another thread, which leaves the hooks to this one
            self._drop()
            return
        self.armed = False
        self.schedule.took(time.perf_counter())
        self._outputs.stop()
        self._stopwatch.add(self._outputs.calls * _HOOK_S)
        self._edge(lambda: self._finish(step))

    def close(self) -> None:
        """Takes off whatever hooks are on, and gives up what was collected."""
        self.closed = True
        self.schedule.end()
        self._drop()

    def _drop(self) -> None:
        """Gives up the sample that is being taken: what it holds may be large."""
        self.armed = False
        self._outputs.stop()
        self._outputs.drop()
        self._parameters.drop()
        self._found = []

    def _edge(self, work: Callable[[], None]) -> None:
        device = self._parameters.device
        if self.closed or (device.type == "cuda" and torch.cuda.is_current_stream_capturing()):
            return
        try:
            with self._stopwatch.running(device):
                work()
        except torch.OutOfMemoryError:
            self._drop()
            self.tell_once("skipped a sample of the layers: not enough GPU memory")
            self.schedule.pay(time.perf_counter(), max(self._stopwatch.seconds(), _OUT_OF_MEMORY_S))
        except Exception as error:
            self._fail(error)

    def tell_once(self, text: str) -> None:
        """Tells the user of something that is left out, once."""
        if text not in self._told:
            self._told.add(text)
            self._notice(text)

    @torch.no_grad()
    def _read_gradients(self, grad_scale: Tensor | None) -> None:
        if self._hooks_allowed:
            spent = self._stopwatch.seconds() + self._outputs.calls * _HOOK_S
            self._found += self._outputs.take(self._parameters.device, spent)
        self._found += self._parameters.gradients(grad_scale, self._turn, self._room, self._whole)
        if self._whole:
            self._found += self._likeness.take()
        if self._parameters.spread:
            self.tell_once("the model is sharded over several processes: norms and histograms cover this process's shard only")
        self._parameters.copy_weights(self._turn)

    @torch.no_grad()
    def _finish(self, step: int) -> None:
        all_found, self._found = self._found + self._parameters.moved(self._turn, self._room, self._counts_weights), []
        if factor := self._parameters.thinned:
            self.tell_once(f"very large tensors are measured in part: down to every {factor}th value")
        if all_found:
            arrived = functools.partial(self._arrived, step, time.time(), self._sheet, self._whole, self._stopwatch)
            found.send(all_found, self._transfers, arrived)
        else:
            self.schedule.pay(time.perf_counter(), self._stopwatch.seconds())

    def _arrived(self, step: int, wall_time: float, own: Sheet, whole: bool, stopwatch: Stopwatch, read: found.Entries) -> None:
        self._writer.later(functools.partial(self._recorder.records, step, wall_time, own, whole, stopwatch, read))

    def _fail_beside(self, error: BaseException) -> None:
        """Gives up sampling, on the log's thread."""
        self.closed = True
        self.schedule.end()
        self._report("probe", error)

    def _fail(self, error: BaseException) -> None:
        self.close()
        self._report("probe", error)
