"""The monitor's part of the training loop: what happens before, after and between the optimizer's steps.

Runs on the training thread, inside the optimizer's step hooks and inside `log`. While nobody steers and no sample is due, a
step costs only the gathering of its scalars; the writer writes those of many steps together. What more there is to do at some
steps is kept from a `torch.compile` around the optimizer's step, which would compile all of it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from tuimon.monitor.around import Arguments, Around
from tuimon.monitor.guard import Guard, uncompiled
from tuimon.monitor.leaving import Leaving
from tuimon.monitor.scalars import Scalars

_MOST_GROUPS = 8  # parameter groups whose learning rates are logged one by one
_OWN = ("lr", "throughput")  # what is logged of each step, in most runs


class Steps:
    """Counts the steps of one optimizer, writes their scalars and has done around them what else is due.

    Args:
        optimizer: whose steps these are.
        around: what levers and the probe do around a step.
        scalars: writes a step's numbers.
        guard: takes the errors of what happens in here.
    """

    def __init__(self, optimizer: Optimizer, around: Around, scalars: Scalars, guard: Guard) -> None:
        self.done = 0
        self.quiet = False
        self.leaving = Leaving()
        self._around, self._scalars, self._guard = around, scalars, guard
        # reached at each step, hence kept at hand
        self._desk, self._schedule, self._transfers = around.desk, around.probe.schedule, scalars.transfers
        self._hunt = around.probe.hunt
        self._write, self._under_way, self._now = scalars.writer.step, scalars.transfers.under_way, time.perf_counter
        self._owner = threading.get_ident()
        self._inside = False  # the optimizer's step, where a closure that trains (as Lightning's does) may log
        self._nested = 0  # steps of the same optimizer within its step: its class calls its parent's, which PyTorch hooks, too
        self._attend = False  # there is more to do around this step than to write its scalars
        self._own: tuple[float, ...] | None = None  # the last step's own scalars, until they are written
        self._own_names: tuple[str, ...] = _OWN
        # whether there may be steps that nothing is done around
        self._wary = any(p.is_cuda for group in optimizer.param_groups for p in group["params"])
        self._pending_tensors: dict[str, Tensor] = {}  # those of them whose value may still be on a device
        self._last_time = 0.0  # when the last step was done
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
            optimizer.register_state_dict_pre_hook(lambda _: around.scope.exit()),
        ]

    def begin(self) -> None:
        """Samples the first step already, if samples are wanted."""
        if self._schedule.next_time <= time.perf_counter():
            self._around.probe.arm()
        self.attend()

    def attend(self) -> None:
        """Looks again whether there is anything to do around the steps, after a lever was moved without a command."""
        self._attend = self._around.wanted

    def log(self, step: int | None, values: Mapping[str, Any]) -> None:
        """Writes values of a step, with the step's own scalars if they are not written yet. A boundary, but inside a step.

        `values` must not change any more.
        """
        try:
            own = self._own
            if step is None and own is not None and not self._pending_tensors:
                for value in values.values():
                    if type(value) is not float or value - value != 0.0:  # a tensor, say; or not finite, which is told
                        self._log_any(None, values)
                        self._desk.called |= self._scalars.lost
                        break
                else:
                    self._own = None
                    self._write(self.done, self._now(), self._own_names, own, values)
            else:
                self._log_any(step, values)
                self._desk.called |= self._scalars.lost
            if self._desk.called and not (self._inside or self.quiet) and threading.get_ident() == self._owner:
                self._serve(mid_step=False)
        except Exception as error:
            self._guard.report("log", error)

    def fall_silent(self) -> None:
        """Does nothing from now on, as a forked child's copy; what is not written yet is its parent's."""
        self.quiet = self._wary = True
        self._own = None

    def hand_over(self) -> None:
        """Writes what is left, without waiting for a device, as the process ends at once. Any thread."""
        self._write_pending()
        self._transfers.poll()

    def close(self) -> None:
        """Writes what is left and releases the optimizer."""
        self.quiet = self._wary = True
        self._hunt.end()
        self._write_pending()
        self._around.close(self.done)
        for handle in self._handles:
            handle.remove()
        self._transfers.finish()  # last, for it raises what a device that has failed raises

    @property
    def inside(self) -> bool:
        """Whether the optimizer's step is under way."""
        return self._inside

    def _before(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        if self._wary and self._passes():
            return None
        try:
            if self._inside and self._goes_deeper(optimizer):
                return None
            if self._desk.called:
                self._owner = threading.get_ident()
                self._serve(mid_step=True)
            if self._own is not None:
                self._write_pending()
            self._inside = True
            if self._attend:
                return self._around.prepare(args, kwargs)
        except Exception as error:
            self._guard.report("step hook", error)
        return None

    def _after(self, optimizer: Optimizer, _: tuple[Any, ...], __: dict[str, Any]) -> None:
        if self._wary and self._passes():
            return
        if self._nested:
            self._nested -= 1
            return
        try:
            self._inside = False
            self.done += 1
            groups = optimizer.param_groups
            rate: Any = groups[0].get("lr")
            own = None if type(rate) is float and len(groups) == 1 else self._other_rates(groups)
            if self._attend:
                self._attend = self._around.conclude(self.done)
            last, now = self._last_time, self._now()
            self._last_time = now
            if own is None and last:
                self._own_names, self._own = _OWN, (rate, 1.0 / (now - last))
            else:
                own = {"lr": rate} if own is None else own
                if last:
                    own["throughput"] = 1.0 / (now - last)
                self._own_names, self._own = tuple(own), tuple(own.values())
            if self._under_way:
                self._transfers.poll()
            if now >= self._schedule.next_time:
                self._around.probe.arm()
                self._attend = True
        except Exception as error:
            self._guard.report("step hook", error)

    def _log_any(self, step: int | None, values: Mapping[str, Any]) -> None:
        if self.quiet:
            return
        if step is not None:
            step = self._scalars.step(step, self.done)
        if self._own is None or (step is not None and step != self.done):
            self._scalars.write(self.done if step is None else step, values, {})
        else:
            ready = self._take_own()
            self._scalars.write(self.done, {**self._take_tensors(), **values} if self._pending_tensors else values, ready)

    def _goes_deeper(self, optimizer: Optimizer) -> bool:
        """Whether this step is within one that is under way; else that one has failed, and this is the next."""
        if is_within_own_step(optimizer):
            self._nested += 1
            return True
        self._nested = 0
        return False

    def _passes(self) -> bool:
        """Whether this step is none to watch: after the end; or captured in a CUDA graph, whose replays would repeat it."""
        if self.quiet:
            return True
        captured = torch.cuda.is_current_stream_capturing()
        if captured:
            self._around.probe.tell_once(
                "the optimizer's step was captured in a CUDA graph: its replays are not counted, and levers do not affect them"
            )
        return captured

    @uncompiled
    def _serve(self, mid_step: bool) -> None:
        self._last_time += self._desk.serve(self.done, mid_step, self._before_pause)
        self.attend()
        self._hunt_on(mid_step)
        if self.leaving.asked:
            self._desk.called = True  # so that the later steps come here, too
            if error := self.leaving.due(self.done, mid_step):
                self._desk.settle()
                raise error

    def _hunt_on(self, mid_step: bool) -> None:
        """Looks for where a loss that was not finite came from, until the next loss."""
        hunt, lost = self._hunt, self._scalars.lost
        if hunt.on:
            hunt.passes(self.done, not mid_step, lost)
        if not mid_step:
            self._scalars.lost = False
            if lost:
                hunt.begin()
        if hunt.on:
            self._desk.called = True  # so that the next boundary comes here, too

    def _before_pause(self) -> None:
        self._write_pending()
        self._transfers.finish()

    def _write_pending(self) -> None:
        if self._own is not None:
            ready = self._take_own()
            self._scalars.write(self.done, self._take_tensors(), ready)

    def _take_own(self) -> dict[str, float]:
        own, self._own = self._own or (), None
        return dict(zip(self._own_names, own, strict=True)) if own else {}

    def _take_tensors(self) -> dict[str, Tensor]:
        tensors, self._pending_tensors = self._pending_tensors, {}
        return tensors

    def _other_rates(self, groups: list[dict[str, Any]]) -> dict[str, float]:
        """Learning rates that are not one float: those of further groups, too, where they differ from the first one's.

        One that may be on a device is read like any other tensor, without waiting.
        """
        first = groups[0].get("lr")
        found = {} if first is None or isinstance(first, Tensor) else {"lr": float(first)}
        if isinstance(first, Tensor):
            self._pending_tensors = {"lr": first.detach().clone()}
        for i, group in enumerate(groups[1:_MOST_GROUPS], 1):
            rate = group.get("lr")
            if rate is not None and not isinstance(rate, Tensor) and (isinstance(first, Tensor) or rate != first):
                found[f"lr/group{i}"] = float(rate)
        return found


_HOOKED = Optimizer.profile_hook_step(lambda: None).__code__  # of the function that PyTorch puts around each class's `step`


def is_within_own_step(optimizer: Optimizer) -> bool:
    """Whether the step that is being hooked was called from another step of the same optimizer. Walks up the stack."""
    steps, frame = 0, sys._getframe(1)
    while frame is not None and steps < 2:
        steps += frame.f_code is _HOOKED and frame.f_locals.get("self") is optimizer
        frame = frame.f_back  # type: ignore[assignment]
    return steps > 1
