"""The current folder, where relative paths start. Standard library only."""

from __future__ import annotations

from pathlib import Path

from tuimon.base.errors import TuimonError


def current_folder() -> Path:
    """The current folder of this process.

    Raises:
        TuimonError: the folder was removed.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise TuimonError("The current folder no longer exists.", "Change to another one with `cd`.") from None
