"""The current folder, from which relative paths are meant. Standard library only."""

from __future__ import annotations

from pathlib import Path

from tuimon.base.errors import TuimonError


def current_folder() -> Path:
    """Where this process stands.

    Raises:
        TuimonError: somebody has removed that folder.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise TuimonError("The current folder is no longer there.", "Change to another one with `cd`.") from None
