"""The current folder, where relative paths start, and the folders of the user. Standard library only."""

from __future__ import annotations

import os
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


def user_folder(variable: str, usual: str) -> Path:
    """The folder of tuimon's files: below that of an XDG variable, else below `usual` in the user's home; need not exist."""
    base = os.environ.get(variable, "")
    return (Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~")) / usual) / "tuimon"
