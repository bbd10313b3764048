"""Knows by which exit code a script ends, which Python itself has forgotten when exit handlers run.

Python clears a SystemExit before it calls them. What is left is the outermost frame of the main thread, which tells whether it
returned or an exception went through it. The code is that of the last call of `sys.exit` or `exit`, if that frame has not moved
on since: a SystemExit that the script caught ended nothing. Standard library only.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

UNKNOWN = object()  # the code of a SystemExit that neither `sys.exit` nor `exit` has raised

_outermost: FrameType | None = None
_asked: tuple[object, int] | None = None  # a call's argument, and at which instruction the outermost frame was


@functools.cache
def watch_exit() -> None:
    """Notes calls of `sys.exit`, `exit` and `quit` from now on. Can be called repeatedly."""
    global _outermost
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        _outermost, frame = frame, frame.f_back
    sys.exit = _noted(sys.exit, 0)
    with contextlib.suppress(ImportError):
        from _sitebuiltins import Quitter

        Quitter.__call__ = _noted(Quitter.__call__, 1)  # type: ignore[method-assign]


def system_exit() -> SystemExit | None:
    """The SystemExit that is ending the process, for an exit handler; its code may be UNKNOWN. None if none is."""
    if _outermost is None or _runs(_outermost):
        return None
    at = _outermost.f_lasti
    last = dis.opname[_outermost.f_code.co_code[at]]
    if last.startswith("RETURN_"):
        return None
    is_it = _asked is not None and (_asked[1] == at or last == "RERAISE")  # RERAISE ends a `finally`
    return SystemExit(_asked[0] if _asked and is_it else UNKNOWN)


def _noted(leave: Callable[..., Any], place: int) -> Any:
    """The same function; the argument at `place` is noted before it is called."""

    @functools.wraps(leave)
    def noted(*arguments: Any, **named: Any) -> Any:
        global _asked
        if _outermost is not None and threading.current_thread() is threading.main_thread():
            _asked = (arguments[place] if len(arguments) > place else named.get("code")), _outermost.f_lasti
        return leave(*arguments, **named)

    return noted


def _runs(frame: FrameType) -> bool:
    """Whether a frame is on the stack of the calling thread: in a forked child, say, which ends while it has not returned."""
    caller: FrameType | None = sys._getframe()
    while caller is not None and caller is not frame:
        caller = caller.f_back
    return caller is frame
