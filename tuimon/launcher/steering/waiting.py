"""Waits for a run that cannot be steered yet. Polls its log and processes; any thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.glance import judge

_POLL_S = 0.05


def wait_for_training(run: Path, timeout_s: float, say: Callable[[str], None]) -> None:
    """Waits while a run is queued or starting, until its training can be steered. Returns at once for a run in any other state.

    Args:
        run: the run's folder.
        timeout_s: longest time to wait.
        say: takes one line before the wait, if there is one.

    Raises:
        TuimonError: the run is still starting.
    """
    deadline = time.monotonic() + timeout_s
    told = False
    while (state := judge(run)[1].state) in ("queued", "starting"):
        if time.monotonic() >= deadline:
            hint = "Its training can be steered once it has begun. Wait longer with --timeout SECONDS, or see `tuimon attach`."
            raise TuimonError(f"{run.name} is still {state} after {timeout_s:g} s.", hint)
        if not told:
            say(f"{run.name} is {state}; waiting up to {timeout_s:g} s for its training to begin")
            told = True
        time.sleep(_POLL_S)
