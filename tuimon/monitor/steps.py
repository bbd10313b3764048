"""The monitor's part of the training loop: what happens before, after and between the optimizer's steps.

Runs on the training thread, inside the optimizer's step hooks and inside `log`. While nobody steers and no sample is due, a
step costs only the gathering of its scalars; the writer writes those of many steps together. What more there is to do at some
steps is kept from a `torch.compile` around the optimizer's step, which would compile all of it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from tuimon.log.writer import LogWriter
from tuimon.monitor.guard import Guard, uncompiled
from tuimon.monitor.levers.desk import Desk
from tuimon.monitor.levers.scope import StepScope
from tuimon.monitor.probe.probe import Probe
from tuimon.monitor.probe.transfers import Transfers
from tuimon.monitor.scalars import Scalars

_Arguments = tuple[tuple[Any, ...], dict[str, Any]]
_MOST_GROUPS = 8  # parameter groups whose learning rates are logged one by one


class Steps:
    """Counts the steps of one optimizer and does what belongs around them.

    Args:
        optimizer: whose steps these are.
        scope: what levers do around a step.
        desk: where commands wait.
        probe: samples some of the steps.
        writer: takes a step's record that is plain numbers,
        scalars: and this any other.
        transfers: what is still on its way from the device.
        guard: is told of what goes wrong in here.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        scope: StepScope,
        desk: Desk,
        probe: Probe,
        writer: LogWriter,
        scalars: Scalars,
        transfers: Transfers,
        guard: Guard,
    ) -> None:
        self.done = 0
        self.quiet = False
        self.leaving: BaseException | None = None  # raised at the boundary once all is answered
        self._optimizer, self._scope, self._desk, self._probe = optimizer, scope, desk, probe
        self._schedule, self._scalars, self._transfers, self._guard = probe.schedule, scalars, transfers, guard
        self._write, self._under_way, self._now = writer.step, transfers.under_way, time.perf_counter
        self._owner = threading.get_ident()
        self._inside = False  # the optimizer's step, where a closure that trains (as Lightning's does) may log
        self._attend = False  # there is more to do around this step than to write its scalars
        self._pending: dict[str, float] | None = None  # the last step's own scalars, until they are written
        # whether there may be steps that nothing is done around
        self._wary = any(p.is_cuda for group in optimizer.param_groups for p in group["params"])
        self._pending_tensors: dict[str, Tensor] = {}  # those of them whose value may still be on a device
        self._last_time, self._plain_s = 0.0, math.inf  # when the last step was done; how long the last took without a sample
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
            optimizer.register_state_dict_pre_hook(lambda _: scope.exit()),
        ]

    def begin(self) -> None:
        """Samples the first step already, if samples are wanted."""
        self._attend = self._scope.active
        if self._schedule.next_time <= time.perf_counter():
            self._probe.arm()
            self._attend = True

    def attend(self) -> None:
        """Looks again whether there is anything to do around the steps, after a lever was moved without a command."""
        self._attend = self._scope.active or self._probe.armed or self._desk.waiting

    def log(self, step: int | None, values: Mapping[str, Any]) -> None:
        """Writes values of a step, with the step's own scalars if they are not written yet. A boundary, but inside a step.

        `values` must not change any more.
        """
        try:
            own = self._pending
            if step is None and own is not None and not self._pending_tensors:
                for value in values.values():
                    if type(value) is not float or value - value != 0.0:  # a tensor, say; or not finite, which is told
                        self._log_any(None, values)
                        break
                else:
                    self._pending = None
                    self._write(self.done, self._now(), own, values)
            else:
                self._log_any(step, values)
            if self._desk.called and not (self._inside or self.quiet) and threading.get_ident() == self._owner:
                self._serve(mid_step=False)
        except Exception as error:
            self._guard.report("log", error)

    def fall_silent(self) -> None:
        """Does nothing from now on, as a forked child's copy; what is not written yet is its parent's."""
        self.quiet = self._wary = True
        self._pending = None

    def close(self) -> None:
        """Writes what is left and lets go of the optimizer."""
        self.quiet = self._wary = True
        self._write_pending()
        self._probe.close()
        self._desk.settle()
        self._desk.refuse_all(self.done, "the run is over")
        self._scope.exit()
        for handle in self._handles:
            handle.remove()
        self._transfers.finish()  # last, for it raises what a device that has failed raises

    def _before(self, _: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Arguments | None:
        if self._wary and self._passes():
            return None
        try:
            if self._desk.called:
                self._owner = threading.get_ident()
                self._serve(mid_step=True)
            if self._pending is not None:
                self._write_pending()
            self._inside = True
            if self._attend:
                return self._prepare(args, kwargs)
        except Exception as error:
            self._guard.report("step hook", error)
        return None

    def _after(self, optimizer: Optimizer, _: tuple[Any, ...], __: dict[str, Any]) -> None:
        if self._wary and self._passes():
            return
        try:
            self._inside = False
            self.done += 1
            groups = optimizer.param_groups
            rate = groups[0].get("lr")
            own = {"lr": rate} if type(rate) is float else self._other_rate(rate)
            if len(groups) > 1:
                self._add_group_rates(groups, own)
            if self._attend:
                self._conclude()
            last, now = self._last_time, self._now()
            if last:
                own["throughput"] = 1.0 / (now - last)
            self._last_time, self._pending = now, own
            if self._under_way:
                self._transfers.poll()
            if now >= self._schedule.next_time:
                self._plain_s = now - last if last else math.inf
                self._probe.arm()
                self._attend = True
        except Exception as error:
            self._guard.report("step hook", error)

    def _log_any(self, step: int | None, values: Mapping[str, Any]) -> None:
        if self.quiet:
            return
        if step is not None:
            step = self._scalars.step(step, self.done)
        if self._pending is None or (step is not None and step != self.done):
            self._scalars.write(self.done if step is None else step, values, {})
        else:
            ready, self._pending = self._pending, None
            self._scalars.write(self.done, {**self._take_tensors(), **values} if self._pending_tensors else values, ready)

    def _passes(self) -> bool:
        """Whether this step is none to watch: after the end; or captured in a CUDA graph, whose replays would repeat it."""
        if self.quiet:
            return True
        captured = torch.cuda.is_current_stream_capturing()
        if captured:
            self._probe.tell_once(
                "the optimizer's step is captured in a CUDA graph: its replays are neither counted nor steered"
            )
        return captured

    @uncompiled
    def _serve(self, mid_step: bool) -> None:
        self._last_time += self._desk.serve(self.done, mid_step, self._before_pause)
        self.attend()
        if self.leaving is not None:
            error, self.leaving = self.leaving, None
            self._desk.settle()
            raise error

    def _before_pause(self) -> None:
        self._write_pending()
        self._transfers.finish()

    @uncompiled
    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Arguments | None:
        """Puts the levers into force; gradients that a closure is still to compute are read and changed behind it."""
        self._scope.enter()
        if len(args) > 1 and callable(args[1]):
            return (args[0], self._wrapped(args[1]), *args[2:]), kwargs
        if callable(kwargs.get("closure")):
            return args, {**kwargs, "closure": self._wrapped(kwargs["closure"])}
        self._treat_gradients(first=True)
        return None

    def _wrapped(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        first = True

        def watched() -> Any:
            nonlocal first
            loss = closure()
            try:
                self._treat_gradients(first)
            except Exception as error:
                self._guard.report("step hook", error)
            first = False
            return loss

        return watched

    def _treat_gradients(self, first: bool) -> None:
        if self._probe.armed and first:
            self._probe.read_gradients(_loss_scale(self._optimizer))
        if self._scope.changes_gradients:
            self._scope.change_gradients()

    @uncompiled
    def _conclude(self) -> None:
        self._desk.settle()  # reads back what the optimizer has just used
        self._scope.exit()
        if self._probe.armed:
            self._probe.finish(self.done, time.perf_counter() - self._last_time - self._plain_s)
        self._attend = self._scope.active

    def _write_pending(self) -> None:
        ready, self._pending = self._pending, None
        if ready is not None:
            self._scalars.write(self.done, self._take_tensors(), ready)

    def _take_tensors(self) -> dict[str, Tensor]:
        tensors, self._pending_tensors = self._pending_tensors, {}
        return tensors

    def _other_rate(self, rate: Any) -> dict[str, float]:
        """A learning rate that is no float; one that may be on a device is read like any other tensor, without waiting."""
        if isinstance(rate, Tensor):
            self._pending_tensors = {"lr": rate.detach().clone()}
            return {}
        return {} if rate is None else {"lr": float(rate)}

    def _add_group_rates(self, groups: list[dict[str, Any]], pending: dict[str, float]) -> None:
        """The learning rates of further groups, where they differ from the first one's."""
        first = groups[0].get("lr")
        for i, group in enumerate(groups[1:_MOST_GROUPS], 1):
            rate = group.get("lr")
            if rate is not None and not isinstance(rate, Tensor) and (isinstance(first, Tensor) or rate != first):
                pending[f"lr/group{i}"] = float(rate)


def _loss_scale(optimizer: Optimizer) -> Tensor | None:
    """The scale that gradients still carry when a loss scaler leaves unscaling to a fused optimizer."""
    scale = getattr(optimizer, "grad_scale", None)
    return scale if isinstance(scale, Tensor) else None
