"""Text that others wrote, made safe to print: names of folders, tags and notices of logs, which may be another user's.

For whatever prints to a terminal without a screen. Standard library only; pure functions, any thread.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def one_line(text: str) -> str:
    """The text as one line that only prints: an escape sequence in it moves no cursor and clears no screen."""
    return _CONTROL.sub("?", " ".join(text.splitlines()))
