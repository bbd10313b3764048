"""The edge of the monitor: reports errors once and lets training continue; keeps the monitor's own work uncompiled."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import torch

F = TypeVar("F", bound=Callable[..., Any])


def uncompiled(work: F) -> F:
    """Keeps work, and all that it calls, from the `torch.compile` that a script has put around its optimizer's step.

    Costs about 0.6 µs a call: for what is not done at every step.
    """
    kept: F = torch.compiler.disable(work)  # type: ignore[no-untyped-call]
    return kept


class Guard:
    """Reports each failing part once: one line to the log through `tell`, the traceback to stderr."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def report(self, part: str, error: BaseException) -> None:
        """Tells that a part of the monitor failed; later failures of the same part are silent. Never raises."""
        if part in self._told:
            return
        self._told.add(part)
        text = f"the monitor's {part} failed: {type(error).__name__}: {error}"
        try:
            print(f"tuimon: {text}; training goes on", file=sys.stderr)
            traceback.print_exception(error, file=sys.stderr)
            self._tell(text)
        except Exception:  # stderr may be closed: there is nobody left to tell
            return

    def attempt(self, part: Callable[[], object]) -> None:
        """Does a part of the start or of the end; an error is reported, and the other parts follow."""
        try:
            part()
        except Exception as error:
            self.report("start or end", error)
