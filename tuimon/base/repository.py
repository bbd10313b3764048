"""Whether the code that a run is started with differs from the commit that its log names."""

from __future__ import annotations

import subprocess
from pathlib import Path

_GIT = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false")  # changes nothing, and runs no program of the repository's


def has_uncommitted_changes(folder: Path, patience_s: float = 1.0) -> bool | None:
    """Whether tracked files around a folder differ from the commit; None where git does not know, or not in time.

    Args:
        folder: in the repository.
        patience_s: how long git may take, in seconds: a huge repository must not keep a training waiting.
    """
    command = [*_GIT, "status", "--porcelain", "--untracked-files=no"]
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience_s)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else bool(done.stdout.strip())
