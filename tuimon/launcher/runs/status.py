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

from tuimon.base.format import count
from tuimon.base.process import Process, is_alive, signal_name
from tuimon.log.records import Applied, Ended, Exited, Launched, LeverInfo, Queued, RunStarted, Spawned, StopAsked

State = Literal["queued", "starting", "running", "paused", "finished", "stopped", "failed", "killed", "lost", "unknown"]
STOPPED_CODE = 130  # the trainer's exit code after Ctrl-C, as a shell has it
_SIGNALLED = 128  # what a shell adds to the number of the signal that ended a program
_LIVE = ("queued", "starting", "running", "paused")
ENDING = "training is over, its process still runs"
_BROKEN_OFF = "its log breaks off before the end: the disk was full, or the process left in native code"


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
        queued: what the latest attempt waits for; None if it does not wait, or its turn has come.
        started: the latest description by a training process, perhaps of an earlier attempt.
        training: the latest attempt's; None until its training process has attached its monitor.
        ended: how the latest training process says it ended.
        exited: how the supervisor says the latest attempt ended.
        paused: whether the training is paused.
        stop_asked: the step at which the latest training process was asked to stop; None if it was not.
    """

    def __init__(self) -> None:
        self.launched: Launched | None = None
        self.spawned: Process | None = None
        self.queued: Queued | None = None
        self.started: RunStarted | None = None
        self.training: RunStarted | None = None
        self.ended: Ended | None = None
        self.exited: Exited | None = None
        self.paused = False
        self.stop_asked: int | None = None
        self._paused_after = 0  # steps

    def see(self, record: StepEvent) -> None:
        """Takes in the next event."""
        match record.event:
            case Launched() as event:
                self.launched, self.spawned = event, None
                self.queued, self.training, self.ended, self.exited = None, None, None, None
            case Queued() as event:
                self.queued = event
            case Spawned() as event:
                self.spawned = event.process
            case RunStarted() as event:
                self.started = self.training = event
                self.ended = self.stop_asked = None
                self.paused, self._paused_after = _starts_paused(event.levers), record.step
            case Ended() as event:
                self.ended = event
            case Exited() as event:
                self.exited = event
            case StopAsked() as event:
                self.stop_asked = event.step
            case Applied(lever="paused") as event:
                self.paused, self._paused_after = event.new is True, event.step

    def see_trained(self, step: int) -> None:
        """Takes in that the latest attempt trained a step: an earlier pause is over, also if its end was in an unread part."""
        if step > self._paused_after:
            self.paused = False

    @property
    def awaits_exit(self) -> bool:
        """Whether the supervisor has not recorded the end, or has since the log was read."""
        return self.launched is not None and self.exited is None

    def status(self, alive: Callable[[Process], bool | None] = is_alive) -> Status:
        """The run's state now; looks at the process table.

        The supervisor's record of how the process ended decides. As long as a supervisor can still write it, the run has not
        ended, whatever its training process logged.
        """
        started, ended = self.training, self.ended
        if self.exited and self.queued:
            return Status("stopped", "before its turn in the queue came")
        if self.exited:
            return _after_exit(self.exited, ended, logged=started is not None)
        if ended:
            waits = self.launched is not None and alive(self.launched.supervisor)
            return Status("running", ENDING) if waits else Status(ended.how, ended.reason)
        if self.queued and self.engine:
            return Status("queued", f"for {self.queued.wants}")  # whoever handed it over may be gone
        known = self.processes()
        if not known:
            return Status("unknown", "another program's log")
        lives = [alive(process) for process in known]
        if lives[0] is None:
            return Status("unknown", f"on {known[0].host}, whose processes cannot be seen from here")
        if any(lives) and self.queued:
            return Status("queued", f"for {self.queued.wants}")
        if any(lives):  # the supervisor alone is about to log how it ended
            return self._live() if started else Status("starting")
        if started:
            return Status("lost", "its process is gone, and no supervisor was left to say how it ended")
        return Status("lost", "its processes are gone, and training had not begun")

    @property
    def engine(self) -> str:
        """The engine of the latest attempt with its job, as `holder` takes it; empty for this machine's own."""
        return self.launched.on if self.launched else ""

    def as_running(self) -> Status:
        """The state of a run whose processes are known to live, although they cannot be seen from here."""
        return self._live() if self.training else Status("starting")

    def _live(self) -> Status:
        asked = "" if self.stop_asked is None else f"asked to stop at step {count(self.stop_asked)}, still training"
        return Status("paused" if self.paused else "running", asked)

    def processes(self) -> list[Process]:
        """The latest attempt's processes that are known, the training process first."""
        training = self.training.process if self.training else None
        supervisor = self.launched.supervisor if self.launched else None
        return [process for process in (training, self.spawned, supervisor) if process]


def exit_code(status: Status, exited: Exited | None) -> int:
    """The exit code of a command that stands in for the run's own process.

    Args:
        status: the run's state.
        exited: the supervisor's record of the end; None where there is none.

    Returns:
        130 for a run that was stopped; else the process's own exit code, or 128 + n where signal n ended it. Where nothing
        recorded that: 1 for a run that failed, was killed or is lost, and 0 for any other.
    """
    if status.state == "stopped":
        return STOPPED_CODE
    if exited and exited.signal is not None:
        return _SIGNALLED + exited.signal
    if exited and exited.code is not None:
        return exited.code
    return 1 if status.state in ("failed", "killed", "lost") else 0


def _starts_paused(levers: Iterable[LeverInfo]) -> bool:
    return any(lever.name == "paused" and lever.value is True for lever in levers)


def _after_exit(exited: Exited, ended: Ended | None, logged: bool) -> Status:
    """The state by how the process ended; the reason by what it said itself, where both agree."""
    if exited.reason:
        return Status("failed", exited.reason)
    stopped = ended is not None and ended.how == "stopped"
    # by SIGINT Python ends after Ctrl-C; by a second SIGTERM, a process that was just leaving after the first
    if exited.signal == signal.SIGINT or (stopped and exited.signal == signal.SIGTERM):
        return Status("stopped", ended.reason if ended and stopped else "by SIGINT")
    if exited.signal is not None:
        return Status("killed", _killed_by(exited.signal, exited.out_of_memory))
    if ended and (ended.how != "finished" or not exited.code):
        return Status(ended.how, ended.reason)
    if exited.code == STOPPED_CODE:
        return Status("stopped", "" if ended else "before it had logged an end")
    if exited.code:
        return Status("failed", exited.error or f"exit code {exited.code}")
    return Status("finished", _BROKEN_OFF if logged else exited.unwatched)


def _killed_by(number: int, out_of_memory: bool) -> str:
    if out_of_memory:
        return "out of memory: the kernel killed it"
    crash = number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
    return f"{signal_name(number)}: it crashed in native code" if crash else f"by {signal_name(number)}"
