"""Asks before running files that another user can change."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TypeVar

from tuimon.base.errors import TuimonError

_Result = TypeVar("_Result")


def with_trust(options: argparse.Namespace, act: Callable[[bool], _Result]) -> _Result:
    """Does something that may run another user's files; if it does, only with --trust or after a yes at the terminal.

    Args:
        options: the parsed command line.
        act: does it if given True or if no such file would run; otherwise raises Untrusted and does nothing.

    Raises:
        Untrusted: there is no terminal to ask on.
        TuimonError: the user said no, or whatever `act` raises.
    """
    from tuimon.launcher.start.trust import Untrusted

    try:
        return act(options.trust)
    except Untrusted as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        print(f"tuimon: {error}", file=sys.stderr)
        if not _says_yes("Run it anyway? [y/N] "):
            raise TuimonError("Nothing was started.") from None
    return act(True)


def _says_yes(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
