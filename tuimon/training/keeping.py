"""Saves a run's checkpoints and goes back to them. What is asked for where no run could go on from waits. Training thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from tuimon.log.records import CheckpointSaved
from tuimon.log.settings import RefusedError
from tuimon.monitor.levers.levers import Done
from tuimon.monitor.monitor import Monitor
from tuimon.training import checkpoint, kept
from tuimon.training.routine import Routine


class Keeping:
    """The checkpoints of one run: routine ones, those that somebody asks for, and going back to one.

    Args:
        monitor: logs what was saved.
        content: the content of a checkpoint of the current state.
        most: how many earlier ones are kept.

    Attributes:
        mid_step: within a step, so that there is no state to go on from.
        unjudged: before the validation that follows the step: none either.
        routine: saves the best and the last one.
    """

    def __init__(self, monitor: Monitor, content: Callable[[], dict[str, Any]], most: int) -> None:
        self._monitor, self._content, self._most = monitor, content, most
        self.mid_step = self.unjudged = False
        self.routine = Routine(self.save, content)
        self._save_waits = False
        self._rewind_waits: str | None = None  # the checkpoint to go back to
        monitor.on("checkpoint", self._save_asked)
        monitor.on("rewind", self._rewind_asked)

    def save(self, name: str, reason: Literal["last", "best", "asked"], content: dict[str, Any]) -> str:
        """Saves a checkpoint; returns its path in the run's folder. If that fails, logs a warning, and training continues."""
        path = f"{checkpoint.FOLDER}/{name}"
        file = self._monitor.run_dir / path
        try:
            kept.save(file, content)
            if reason == "last":
                kept.keep(file, content["step"], self._most)
        except OSError as error:
            text = f"{path} was not saved: {error.strerror or error}; the previous one is kept"
            self._monitor.notice(text, "warning")
            return text
        self._monitor.event(CheckpointSaved(content["step"], path, reason))
        return path

    def catch_up(self) -> None:
        """Does what was asked for and had to wait, unless it still has to."""
        if self._save_waits and not self.unjudged:
            self._save_waits = False
            self._save_asked()
        if self._rewind_waits is not None and not self.unjudged:
            name, self._rewind_waits = self._rewind_waits, None
            try:
                self._monitor.rewind(name)
            except RefusedError as error:
                self._monitor.notice(f"not rewound: {error}", "warning")

    def _save_asked(self) -> str:
        """Saves now, or when the current step and its validation are over."""
        step = self._monitor.step
        if self.mid_step or self.unjudged:
            self._save_waits = True
            path = f"{checkpoint.FOLDER}/step-{step + self.mid_step}.pt"
            return f"{path}, saved when the run continues" if self._monitor.levers["paused"] else f"{path}, after this step"
        return self.save(f"step-{step}.pt", "asked", self._content())

    def _rewind_asked(self, name: str) -> Done:
        """Goes back to a checkpoint now, or when the current step is over: behind a checkpoint that was asked for before."""
        self.routine.write_best()
        if not self.mid_step and not self.unjudged:
            return self._monitor.rewind(name)
        self._rewind_waits = self._monitor.checkpoint(name)
        return Done(f"{self._rewind_waits}, after this step", self._rewind_waits)
