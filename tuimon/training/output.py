"""What a training prints: a few lines for people, which the launcher keeps in the run's output.log. No torch."""

from __future__ import annotations

import os


def say(text: str) -> None:
    """Prints a line at once. Unbuffered, so also in a signal handler; silent when it cannot: a full disk ends no training."""
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:
        return
