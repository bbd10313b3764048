"""Whether there is a terminal that a screen can be drawn on; to a dumb one, such as an editor's shell, one prints instead."""

from __future__ import annotations

import os
import sys


def has_terminal() -> bool:
    """Whether somebody reads and types here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def is_dumb() -> bool:
    """Whether the terminal says that it cannot move its cursor."""
    return os.environ.get("TERM") == "dumb"


def has_screen() -> bool:
    """Whether a screen can be drawn."""
    return has_terminal() and not is_dumb()
