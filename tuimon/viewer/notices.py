"""Tells the user outside of the screen what happened to a run: by the bell, the terminal's notices, a command of their own.

Also sets the terminal's title. What is written to the terminal holds no control characters of a log. Knows no widget.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tuimon.base.plain import one_line
from tuimon.launcher.runs.status import Status
from tuimon.log.records import Finding
from tuimon.log.store import Store
from tuimon.viewer.settings import Settings

Event = tuple[str, str]  # finished, stopped, failed, nan, finding, … and a line about it
_LONGEST = 200
_SIGNS = {
    "running": "●",
    "paused": "‖",
    "queued": "…",
    "starting": "○",
    "failed": "✗",
    "killed": "✗",
    "lost": "✗",
    "finished": "✓",
}


class Watch:
    """Notices once each what happens to one run: it must have been seen live, so that old runs stay silent."""

    def __init__(self) -> None:
        self._state = ""
        self._not_finite = False
        self._critical: set[tuple[str, str]] = set()
        self._first, self._live = True, False

    def events(
        self, status: Status, loss: float | None, step: int, findings: Iterable[Finding] = (), seen_live: bool = False
    ) -> Iterator[Event]:
        """What is new since the last call.

        Args:
            status: the run's.
            loss: its latest training loss; None if none is logged.
            step: its latest step.
            findings: those that hold.
            seen_live: whether the run was live before the first call.
        """
        self._live = self._live or seen_live or status.live
        wrong, known = loss is not None and not math.isfinite(loss), self._not_finite
        self._not_finite = wrong
        critical = {(f.rule, f.layer): f.text for f in findings if f.severity == "critical" and f.cleared is None}
        new = {key: text for key, text in critical.items() if key not in self._critical}
        self._critical |= critical.keys()
        first, self._first = self._first, False
        before, self._state = self._state, status.state
        if not self._live or (first and not status.live):
            return
        if wrong and not known:
            yield "nan", f"the loss is {loss} at step {step}"
        yield from (("finding", text) for text in new.values())
        if before and before != status.state and not status.live:
            yield status.state, f"{status.state}{f': {status.detail}' if status.detail else ''}"


class Notifier:
    """Sends notices as the settings say.

    Args:
        settings: the user's.
        write: writes to the terminal.
    """

    def __init__(self, settings: Settings, write: Callable[[str], object]) -> None:
        self._ways = settings.notices.replace(" ", "").split(",")
        self._command, self._titled = settings.notice_command, settings.title
        self._write = write
        self._title = ""

    def tell(self, run: Path, name: str, event: Event) -> str:
        """Tells one event. Returns why the user's command could not be started; empty if it could, or there is none."""
        kind, text = event
        line = _safe(f"{name}: {text}")
        sequences = {
            "bell": "\a",
            "osc9": f"\x1b]9;{line}\x1b\\",
            "osc777": f"\x1b]777;notify;tuimon;{line.replace(';', ',')}\x1b\\",
        }
        out = "".join(sequences.get(way, "") for way in self._ways)
        if out:
            self._write(out)
        return self._run(run, kind, text) if self._command else ""

    def entitle(self, text: str) -> None:
        """Sets the terminal's title, if it changed."""
        if self._titled and text != self._title:
            if not self._title:
                self._write("\x1b[22;2t")  # the terminal keeps the title it had
            self._title = text
            self._write(f"\x1b]2;{_safe(text)}\x1b\\")

    def close(self) -> None:
        """Gives the terminal its former title back."""
        if self._title:
            self._title = ""
            self._write("\x1b[23;2t")

    def _run(self, run: Path, kind: str, text: str) -> str:
        known = {"TUIMON_RUN": str(run), "TUIMON_EVENT": kind, "TUIMON_TEXT": one_line(text)}
        try:
            process = subprocess.Popen(
                shlex.split(self._command),
                env=os.environ | known,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"Could not start the notice command {self._command!r}: {error}"
        threading.Thread(target=process.wait, name="tuimon-notice", daemon=True).start()
        return ""


def title_of(name: str, status: Status, store: Store) -> str:
    """State, progress and name, for the title of a terminal or a tmux window."""
    total = store.started.total_steps if store.started else None
    sign = _SIGNS.get(status.state, "")
    share = f"{math.floor(100 * min(store.step / total, 1.0))} %" if total and status.live else ""
    return " ".join(part for part in (sign, share or ("" if status.live else status.state), name, "- tuimon") if part)


def silently(act: Callable[[], object]) -> None:
    """Does what a terminal that is gone would fail at."""
    with contextlib.suppress(OSError, ValueError):
        act()


def _safe(text: str) -> str:
    return "".join(char for char in one_line(text) if char.isprintable())[:_LONGEST]
