"""Judges how a run stands, from what its log says and from which processes still live. No files, no sockets.

The log alone cannot tell a run that is silent from one that was killed with its supervisor; the process table alone cannot tell
how a run ended. A run on another host is never called dead from here.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from tuimon.base.process import Process, is_alive
from tuimon.log.records import Applied, Ended, Exited, Launched, LeverInfo, RunStarted

State = Literal["starting", "running", "paused", "finished", "stopped", "failed", "killed", "lost", "unknown"]
STOPPED_CODE = 130  # the trainer's exit code after Ctrl-C, as a shell has it
_LIVE = ("starting", "running", "paused")


@dataclass(frozen=True)
class Status:
    """How a run stands, and what there is to add for a person."""

    state: State
    detail: str = ""

    @property
    def live(self) -> bool:
        """Whether it may still log more, by what can be seen from this host."""
        return self.state in _LIVE


class Timed(Protocol):
    """An event as a log's reader gives it out."""

    @property
    def step(self) -> int:
        """The step at which it was written."""

    @property
    def wall_time(self) -> float:
        """When it was written, in seconds since the epoch."""

    @property
    def event(self) -> object:
        """The event."""


class Lifecycle:
    """The events that tell how a run stands, kept up to date one by one. Each of a run's attempts has its own files."""

    def __init__(self) -> None:
        self.launched: Launched | None = None
        self.started: RunStarted | None = None
        self.ended: Ended | None = None
        self.exited: Exited | None = None
        self.paused = False
        self._paused_at = (0, 0.0)  # after which step, and when
        self._launched_at = self._started_at = 0.0

    def see(self, record: Timed) -> None:
        """Takes one more event in."""
        match record.event:
            case Launched() as event:
                self.launched, self.exited, self._launched_at = event, None, record.wall_time
            case RunStarted() as event:
                self.started, self.ended, self._started_at = event, None, record.wall_time
                self.paused, self._paused_at = _starts_paused(event.levers), (record.step, record.wall_time)
            case Ended() as event:
                self.ended = event
            case Exited() as event:
                self.exited = event
            case Applied(lever="paused") as event:
                self.paused, self._paused_at = event.new is True, (event.step, record.wall_time)

    def see_trained(self, step: int, wall_time: float) -> None:
        """Takes in that a step was trained: a pause before it is over, though its end was in a part that is not read."""
        if step > self._paused_at[0] and wall_time > self._paused_at[1]:
            self.paused = False

    @property
    def training(self) -> RunStarted | None:
        """What the current attempt's training process said of itself; None while it has said nothing yet."""
        return self.started if self._started_at >= self._launched_at else None

    def status(self, alive: Callable[[Process], bool | None] = is_alive) -> Status:
        """How the run stands now; looks at the process table."""
        started, ended = self.training, self.ended if self.training else None
        if ended and not (ended.how == "finished" and self.exited and self.exited.code):  # a script that ends with sys.exit(1)
            return Status(ended.how, ended.reason)
        if self.exited:
            return _after_exit(self.exited, logged=started is not None)
        if started:
            return self._while_training(started, alive)
        if self.launched:
            return _while_starting(self.launched, alive)
        return Status("unknown", "not a run of tuimon: nothing says how it ended")

    def _while_training(self, started: RunStarted, alive: Callable[[Process], bool | None]) -> Status:
        lives = alive(started.process)
        if lives is None:
            return Status("unknown", f"on {started.process.host}, whose processes cannot be seen from here")
        if lives or (self.launched and alive(self.launched.supervisor)):  # the supervisor is about to say how it ended
            return Status("paused" if self.paused else "running")
        return Status("lost", "its process is gone, and no supervisor was left to say how it ended")


def _starts_paused(levers: Iterable[LeverInfo]) -> bool:
    return any(lever.name == "paused" and lever.value is True for lever in levers)


def _while_starting(launched: Launched, alive: Callable[[Process], bool | None]) -> Status:
    lives = alive(launched.supervisor)
    if lives is None:
        return Status("unknown", f"on {launched.supervisor.host}, whose processes cannot be seen from here")
    return Status("starting") if lives else Status("lost", "its supervisor is gone, and training had not begun")


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
