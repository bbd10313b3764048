"""Prints a run as text: on a terminal one line that rewrites itself, elsewhere a new line now and then.

Knows a store and a stream, but nothing about feeds, signals or processes. For one thread.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from tuimon.base import format
from tuimon.base.plain import one_line
from tuimon.base.process import Process
from tuimon.diagnosis.following import headline
from tuimon.launcher.runs.loss import latest, loss_tag
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import pace, seconds_trained
from tuimon.launcher.steering.commands import describe
from tuimon.log.batch import EventRecord
from tuimon.log.records import (
    Applied,
    CheckpointSaved,
    Finding,
    Forked,
    Gap,
    Launched,
    Notice,
    Queued,
    Refused,
    RunStarted,
    StopAsked,
)
from tuimon.log.store import Store

_REWRITE_S = 0.2
# Least time between two plain lines, and the same as a share of the time so far, so that a day's log stays readable.
_EPOCH_S, _EPOCH_SHARE = 1.0, 0.002  # if the epoch has changed
_PLAIN_S, _PLAIN_SHARE = 5.0, 0.01  # otherwise
_CLEAR = "\r\x1b[K"
_DISPENSABLE = ("epoch", "mae", "acc", "r2", "speed", "val")  # dropped in this order if the line is too long


class Printer:
    """Writes to one stream.

    Args:
        stream: where to print.
        clock: returns monotonic seconds.
        shared: for a stream that others write to as well: keeps it to us, and yields what ends a line that they have begun. No
            line is rewritten then.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        shared: Callable[[], AbstractContextManager[str]] | None = None,
    ) -> None:
        self._stream, self._clock = stream, clock
        self._shared = shared or (lambda: nullcontext(""))
        self._rewrites = shared is None and stream.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = False
        self._next = 0.0  # when to rewrite the line
        self._began, self._last = clock(), -math.inf  # when the last plain line was printed
        self._told: tuple[int, int] = (-1, -1)  # step and epoch of the last line
        self._trains: tuple[Process, str] | None = None  # the last printed description of what trains, and its process

    def line(self, text: str) -> None:
        """Prints a separate line with the time, above the line that rewrites itself."""
        with self._shared() as fresh:
            self._write(f"{fresh}{self._erase()}{time.strftime('%H:%M:%S')}  {one_line(text)}\n")

    def block(self, rows: Sequence[str]) -> None:
        """Prints rows as they are, above the line that rewrites itself."""
        if rows:
            with self._shared() as fresh:
                self._write(fresh + self._erase() + "\n".join(rows) + "\n")

    def event(self, record: EventRecord) -> None:
        """Prints an event, if it matters to a reader."""
        text = event_text(record)
        if text and not self._is_told_again(record, text):
            self.line(text)

    def progress(self, store: Store, status: Status, last: bool = False) -> None:
        """Prints the progress of a run, if it is time to, or if `last` is true."""
        now = self._clock()
        if not last and now < self._next:
            return
        if self._rewrites:
            self._next = now + _REWRITE_S
            self._rewrite(progress_text(store, status, self._room()))
        else:
            self._tell_plainly(store, status, now, last)

    def close(self) -> None:
        """Erases the line that rewrites itself."""
        self._write(self._erase())

    def _is_told_again(self, record: EventRecord, text: str) -> bool:
        """Whether a training process described itself again, with the same line: for example because its levers changed."""
        if not isinstance(record.event, RunStarted):
            return False
        before, self._trains = self._trains, (record.event.process, text)
        return before == self._trains

    def _tell_plainly(self, store: Store, status: Status, now: float, last: bool) -> None:
        told = store.step, epoch(store) or 0
        if store.step == 0 or told == self._told:
            return
        least, share = (_EPOCH_S, _EPOCH_SHARE) if told[1] != self._told[1] else (_PLAIN_S, _PLAIN_SHARE)
        if last or now >= self._last + max(least, share * (now - self._began)):
            self._last, self._told = now, told
            self.line(progress_text(store, status))

    def _rewrite(self, text: str) -> None:
        room = self._room()
        self._write(_CLEAR + (text if len(text) <= room else text[: room - 1] + "…"))
        self._drawn = True

    def _room(self) -> int:
        return max(10, self._columns() - 1)

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80  # 0: the terminal does not know its size
        except OSError:
            return 80

    def _erase(self) -> str:
        drawn, self._drawn = self._drawn, False
        return _CLEAR if drawn else ""

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


def progress_text(store: Store, status: Status, room: int | None = None) -> str:
    """`epoch 3/20  step 1 204/8 000  loss 0.312  val 0.35  acc 93 %  412 it/s  ETA 1:12`.

    Begins with the state, unless it is obvious. If the text is longer than `room` characters, leaves out parts of it.
    """
    parts = _progress_parts(store, status)
    for name in _DISPENSABLE:
        if room is None or len(_joined(parts)) <= room:
            break
        parts.pop(name, None)
    return _joined(parts)


def _progress_parts(store: Store, status: Status) -> dict[str, str]:
    state = status.state if status.state == "paused" or not store.step else ""
    parts = {"state": state, "epoch": _epoch_text(store), "step": _step_text(store)}
    loss = latest(store, loss_tag(store))
    if loss is not None:
        parts["loss"] = f"loss {format.number(loss)}"
    if "loss/val" in store:
        parts["val"] = f"val {format.number(store.last('loss/val'))}"
    if "accuracy/val" in store:
        parts["acc"] = f"acc {format.percent(store.last('accuracy/val'))}"
    if "r2/val" in store and "mae/val" in store:
        parts["r2"] = f"R2 {format.number(store.last('r2/val'))}"
        parts["mae"] = f"MAE {format.number(store.last('mae/val'))}"
    speed = pace(store)
    if not math.isnan(speed):
        parts |= {"speed": format.rate(speed), "eta": _eta_text(store, status, speed)}
    return parts


def _joined(parts: dict[str, str]) -> str:
    return "  ".join(part for part in parts.values() if part)


def outcome(store: Store, status: Status) -> str:
    """The end of a run in words: `finished after 1:12, 8 000 steps`."""
    detail = f": {status.detail}" if status.detail else ""
    took = seconds_trained(store)
    lasted = f" after {format.duration(took)}" if took >= 0 else ""  # NaN: nothing was logged; below 0: the clock was set back
    return f"{status.state}{lasted}, {format.count(store.step)} step{'' if store.step == 1 else 's'}{detail}"


def event_text(record: EventRecord) -> str:
    """An event in one line; empty if it does not matter to a reader."""
    match record.event:
        case Launched() as event:
            return f"launched on {event.device}" if event.device else ""
        case Queued() as event:
            return f"queued for {event.wants}"
        case RunStarted() as event:
            return _started_text(event)
        case Applied() | Refused() as answer:
            return describe(answer)
        case StopAsked() as event:
            return f"asked to stop at step {format.count(event.step)}" + (f" by {event.by}" if event.by else "")
        case CheckpointSaved(reason="asked") as event:
            return f"checkpoint at step {event.step}: {event.path}"
        case Forked() as event:
            return f"forked from {event.run} at step {format.count(event.step)}"
        case Notice() as event:
            return event.text if event.level == "info" else f"{event.level}: {event.text}"
        case Gap() as event:
            return f"{event.records} records could not be logged: {event.reason}"
        case Finding() as event:
            return headline(event) if event.cleared is not None else f"{event.severity}: {headline(event)}"
    return ""


def epoch(store: Store) -> int | None:
    """The current epoch, counted from 1; None if the number of steps per epoch is unknown."""
    length = store.started.steps_per_epoch if store.started else None
    if not length:
        return None
    return max(1, -(-store.step // length))


def _epoch_text(store: Store) -> str:
    now = epoch(store)
    if now is None or not store.started or not store.started.steps_per_epoch:
        return ""
    total = store.started.total_steps
    return f"epoch {now}" + (f"/{-(-total // store.started.steps_per_epoch)}" if total else "")


def _step_text(store: Store) -> str:
    total = store.started.total_steps if store.started else None
    return f"step {format.count(store.step)}" + (f"/{format.count(total)}" if total else "")


def _eta_text(store: Store, status: Status, speed: float) -> str:
    total = store.started.total_steps if store.started else None
    if not total or status.state != "running" or speed <= 0:
        return ""
    return f"ETA {format.duration((total - store.step) / speed)}"


def _started_text(event: RunStarted) -> str:
    what = " · ".join(part for part in (event.model, event.optimizer, event.device_name or event.device) if part)
    size = f", {format.count(event.parameters)} parameters" if event.parameters else ""
    resumed = f", from step {format.count(event.first_step)}" if event.first_step else ""
    return f"training {what}{size}{resumed}" if what else f"training{size}{resumed}"
