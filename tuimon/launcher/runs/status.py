"""Judges the state of a run, from the events in its log and from which of its processes are alive. No files, no sockets.

The log alone cannot tell a silent run from one that was killed together with its supervisor, and the process table alone cannot
tell how a run ended. Of several attempts, the one whose files come last counts; no clock is looked at. A run on another host is
never called dead from here.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from tuimon.base.process import Process, is_alive
from tuimon.log.records import Applied, Ended, Exited, Launched, LeverInfo, RunStarted, Spawned

State = Literal["starting", "running", "paused", "finished", "stopped", "failed", "killed", "lost", "unknown"]
STOPPED_CODE = 130  # the trainer's exit code after Ctrl-C, as a shell has it
_LIVE = ("starting", "running", "paused")


@dataclass(frozen=True)
class Status:
    """The state of a run, and a detail for the user."""

    state: State
    detail: str = ""

    @property
    def live(self) -> bool:
        """Whether it may still log more, as far as this host can see."""
        return self.state in _LIVE


class StepEvent(Protocol):
    """An event with its step, as a reader of the log returns it."""

    @property
    def step(self) -> int:
        """The step at which it was written."""

    @property
    def event(self) -> object:
        """The event."""


class Lifecycle:
    """The events that decide a run's state, taken in one by one, in the order of the run's files.

    Each attempt (the first launch, each resume) has files of its own: its supervisor's, then its training process's.

    Attributes:
        launched: the latest attempt's launch; None when no supervisor started it.
        spawned: the process that the latest attempt's supervisor started; None in logs from before this was written.
        started: the latest description by a training process, perhaps of an earlier attempt.
        training: the latest attempt's; None until its training process has attached its monitor.
        ended: how the latest training process says it ended.
        exited: how the supervisor says the latest attempt ended.
        paused: whether the training is paused.
    """

    def __init__(self) -> None:
        self.launched: Launched | None = None
        self.spawned: Process | None = None
        self.started: RunStarted | None = None
        self.training: RunStarted | None = None
        self.ended: Ended | None = None
        self.exited: Exited | None = None
        self.paused = False
        self._paused_after = 0  # steps

    def see(self, record: StepEvent) -> None:
        """Takes in the next event."""
        match record.event:
            case Launched() as event:
                self.launched, self.spawned = event, None
                self.training, self.ended, self.exited = None, None, None
            case Spawned() as event:
                self.spawned = event.process
            case RunStarted() as event:
                self.started = self.training = event
                self.ended = None
                self.paused, self._paused_after = _starts_paused(event.levers), record.step
            case Ended() as event:
                self.ended = event
            case Exited() as event:
                self.exited = event
            case Applied(lever="paused") as event:
                self.paused, self._paused_after = event.new is True, event.step

    def see_trained(self, step: int) -> None:
        """Takes in that the latest attempt trained a step: an earlier pause is over, also if its end was in an unread part."""
        if step > self._paused_after:
            self.paused = False

    def status(self, alive: Callable[[Process], bool | None] = is_alive) -> Status:
        """The run's state now; looks at the process table."""
        started, ended = self.training, self.ended
        if ended and not (ended.how == "finished" and self.exited and self.exited.code):  # a script that ends with sys.exit(1)
            return Status(ended.how, ended.reason)
        if self.exited:
            return _after_exit(self.exited, logged=started is not None)
        known = self._processes()
        if not known:
            return Status("unknown", "not a run of tuimon: nothing says how it ended")
        lives = [alive(process) for process in known]
        if lives[0] is None:
            return Status("unknown", f"on {known[0].host}, whose processes cannot be seen from here")
        if any(lives):  # the supervisor alone is about to log how it ended
            return Status("starting" if not started else "paused" if self.paused else "running")
        if started:
            return Status("lost", "its process is gone, and no supervisor was left to say how it ended")
        return Status("lost", "its processes are gone, and training had not begun")

    def _processes(self) -> list[Process]:
        """The latest attempt's processes that are known, the training process first."""
        training = self.training.process if self.training else None
        supervisor = self.launched.supervisor if self.launched else None
        return [process for process in (training, self.spawned, supervisor) if process]


def _starts_paused(levers: Iterable[LeverInfo]) -> bool:
    return any(lever.name == "paused" and lever.value is True for lever in levers)


def _after_exit(exited: Exited, logged: bool) -> Status:
    if exited.reason:
        return Status("failed", exited.reason)
    if exited.signal is not None:
        return Status("killed", _killed_by(exited.signal, exited.out_of_memory))
    if exited.code == STOPPED_CODE:
        return Status("stopped", "before it had logged an end")
    if exited.code:
        return Status("failed", f"exit code {exited.code}")
    return Status("finished", "its log breaks off before the end, as on a full disk" if logged else "")


def _killed_by(number: int, out_of_memory: bool) -> str:
    if out_of_memory:
        return "out of memory: the kernel killed it"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    crash = number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
    return f"{name}: it crashed in native code" if crash else f"by {name}"
