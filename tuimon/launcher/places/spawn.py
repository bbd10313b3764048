"""Starts a command under a supervisor, which runs it in the background, and reports whether it could be started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tuimon.launcher
from tuimon.base import given
from tuimon.base.errors import TuimonError

_PATIENCE_S = 30.0
# -P: a file called `random.py` in the current folder must not shadow Python's own module
PYTHON = (sys.executable, "-P", "-m")
_STARTUP = Path(tuimon.launcher.__file__).parents[1] / "monitor" / "script" / "startup"  # see there


def supervise(
    run: Path,
    command: Sequence[str],
    *,
    details: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    for_command: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    descriptors: Sequence[int] = (),
) -> int:
    """Runs a command in the background under a supervisor that writes to the run's log. Returns as soon as it has started.

    Args:
        run: the run's folder, which exists.
        command: the training process.
        details: `name`, `device`, `spec` and `words` for the log; `stdin` and `apart` as in the supervisor.
        environment: environment variables to add to this process's.
        for_command: environment variables for the command only, not for the supervisor.
        cwd: where the command runs; None: here.
        descriptors: file descriptors that the supervisor inherits besides its standard streams.

    Returns:
        The pid of the training process.

    Raises:
        TuimonError: the supervisor or the command could not be started.
    """
    starter = [*PYTHON, "tuimon.launcher.supervisor.supervisor", str(run.absolute()), "--", *command]
    try:
        answer = subprocess.run(
            starter,
            input=json.dumps({**(details or {}), "environment": dict(for_command or {})}),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            env=_own(importable(_inherited() | dict(environment or {}))),
            cwd=cwd,
            pass_fds=descriptors,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TuimonError(f"Cannot start a supervisor for {run.name}: {error}") from error
    return _read_answer(run, answer)


def watched(run: Path) -> dict[str, str]:
    """Returns the environment variables for a program to watch. The first of its Python processes that trains uses `run`."""
    before = importable(dict(os.environ)).get("PYTHONPATH", "")
    path = os.pathsep.join([str(_STARTUP), before]) if before else str(_STARTUP)
    return {**given.environment_for(run), "PYTHONPATH": path, "TUIMON_RUNS": str(run.parent.absolute())}


def _inherited() -> dict[str, str]:
    """Without what is meant for this run alone, if it starts another one."""
    return {name: value for name, value in os.environ.items() if name != given.AUTOPILOT}


def _own(environment: dict[str, str]) -> dict[str, str]:
    """Removes the variables of `watched`, in case a watched program starts another run."""
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path != str(_STARTUP)]
    kept = {name: value for name, value in environment.items() if name not in (given.FOLDER, "PYTHONPATH")}
    return kept | ({"PYTHONPATH": os.pathsep.join(paths)} if "PYTHONPATH" in environment and paths != [] else {})


def _read_answer(run: Path, answer: subprocess.CompletedProcess[str]) -> int:
    if not answer.stdout:
        last = answer.stderr.strip().splitlines()[-1:] or [f"exit code {answer.returncode}"]
        raise TuimonError(f"Cannot start a supervisor for {run.name}: {last[0]}", "`tuimon doctor` looks for what is wrong.")
    told = json.loads(answer.stdout)
    if "error" in told:
        raise TuimonError(told["error"], told.get("hint", ""))
    return int(told["pid"])


def importable(environment: dict[str, str]) -> dict[str, str]:
    """Makes sure that a child process imports this tuimon, even from a checkout that is not installed."""
    root = Path(tuimon.launcher.__file__).parents[2]
    if root in (Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))):
        return environment
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    return environment | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([*paths, str(root)]))}
