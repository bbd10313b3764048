"""Why a run failed, as far as its log and its output say: the error, where it was raised, how far it had come, what to do.

Reads at most the last 64 KiB of the output. Any thread.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tuimon.base.regular import open_regular
from tuimon.launcher.runs.loss import loss_tag
from tuimon.launcher.runs.runs import is_resumable
from tuimon.launcher.runs.status import Status
from tuimon.log.store import Store

FAILED = ("failed", "killed", "lost")
_TAIL = 1 << 16
_FRAMES = 3
_BEGINS = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>.+)')
_HIDDEN = ("<frozen ", "runpy.py", "/tuimon/monitor/script/")  # frames between Python's start and the program


class Failure(NamedTuple):
    """A failure in words.

    Attributes:
        error: the exception's type and text, or what else ended the run.
        frames: the innermost frames of its traceback, outermost first: `train.py:31 in step`, and the line of code if known.
        step: the last step.
        loss: the last finite loss; None if there is none.
        loss_step: where that was.
        advice: what to do next; empty if nothing is known.
    """

    error: str
    frames: tuple[tuple[str, str], ...]
    step: int
    loss: float | None
    loss_step: int
    advice: str


def failure_of(run: Path, store: Store, status: Status) -> Failure:
    """The failure of a run that did not end well. Never raises: what cannot be read is left out."""
    frames, raised = _traceback(_tail(run / "output.log"))
    loss, step = _last_finite(store)
    error = status.detail or raised or f"{status.state}, nothing says why"
    return Failure(error, frames, store.step, loss, step, _advice(run, error.lower(), store))


def _tail(path: Path) -> str:
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(max(size - _TAIL, 0))
            return file.read(_TAIL).decode(errors="replace")
    except OSError:
        return ""


def _traceback(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The last frames of the last traceback in a text, and its error."""
    _, found, rest = text.rpartition(_BEGINS)
    if not found:
        return (), ""
    frames: list[tuple[str, str]] = []
    lines = rest.splitlines()[1:]
    for index, line in enumerate(lines):
        if match := _FRAME.fullmatch(line):
            code = lines[index + 1].strip() if index + 1 < len(lines) and not _FRAME.fullmatch(lines[index + 1]) else ""
            if not any(part in match["file"] for part in _HIDDEN):
                frames.append((f"{Path(match['file']).name}:{match['line']} in {match['name']}", code))
        elif line and not line.startswith(" "):
            return tuple(frames[-_FRAMES:]), line.strip()
    return tuple(frames[-_FRAMES:]), ""


def _last_finite(store: Store) -> tuple[float | None, int]:
    series = store.series.get(loss_tag(store))
    places = np.flatnonzero(np.isfinite(series.values)) if series else np.empty(0, np.int64)
    if series is None or not len(places):
        return None, 0
    return float(series.values[places[-1]]), int(series.steps[places[-1]])


def _advice(run: Path, error: str, store: Store) -> str:
    resume = f"`tuimon resume {run.name}` goes on from its last checkpoint." if is_resumable(run) else ""
    if "out of memory" in error:
        return f"Use a smaller batch size, or a smaller model. {resume}".strip()
    if not math.isfinite(_last_loss(store)):
        return "The loss was not finite: lower the learning rate, or clip the gradients."
    if "disk" in error or "no space" in error:
        return f"Make room on the disk. {resume}".strip()
    return resume


def _last_loss(store: Store) -> float:
    tag = loss_tag(store)
    return store.last(tag) if tag and len(store.series[tag]) else 0.0
