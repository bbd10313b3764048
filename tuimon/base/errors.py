"""The error type whose text is written for the user, and one line of text for any other error."""

from __future__ import annotations

import os
from types import TracebackType

_LONGEST = 200  # characters of an unexpected error's own text


class TuimonError(Exception):
    """An error that the user can understand and act on.

    Its text says what was being done, to what, and why it failed; `hint` says what to try. Shown as it is on stderr
    by the command line and in a dialog by the screen, never with a traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


def in_one_line(error: BaseException) -> str:
    """An unexpected error as one line: type, text and where it was raised.

    For example `ZeroDivisionError: division by zero (chart.py:110)`. Never raises.
    """
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    shown = f": {text[:_LONGEST]}{'…' if len(text) > _LONGEST else ''}" if text else ""
    return f"{type(error).__name__}{shown}{_place(error.__traceback__)}"


def _place(trace: TracebackType | None) -> str:
    """The innermost line of this package in the error's traceback; empty if there is none."""
    place = ""
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if f"{os.sep}tuimon{os.sep}" in path:
            place = f" ({os.path.basename(path)}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place
