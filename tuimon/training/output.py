"""Prints a few lines about a training for people; the launcher keeps them in the run's output.log. No torch."""

from __future__ import annotations

import os


def say(text: str) -> None:
    """Prints a line without buffering, so also safely in a signal handler. Ignores errors: a full disk ends no training."""
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:
        return
