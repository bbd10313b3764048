"""Makes text from others safe to print: names of folders, and tags and notices of logs, which may be another user's.

For code that prints to a terminal without the screen. Standard library only; pure functions, any thread.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def one_line(text: str) -> str:
    """The text as one line without control characters: an escape sequence in it cannot move the cursor or clear the screen."""
    return _CONTROL.sub("?", " ".join(text.splitlines()))
