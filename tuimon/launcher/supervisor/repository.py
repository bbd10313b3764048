"""Whether the code that a run is started with differs from the commit that its log names. In the supervisor's process."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PATIENCE_S = 1.0  # a huge repository must not keep a training waiting
_GIT = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false")  # changes nothing, and runs no program of the repository's


def has_uncommitted_changes(folder: Path) -> bool | None:
    """Whether tracked files around a folder differ from the commit; None where git does not know, or not in time."""
    command = [*_GIT, "status", "--porcelain", "--untracked-files=no"]
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else bool(done.stdout.strip())
