"""The standard streams of a program, also for a follower that passes its output on.

A program prints to files in its run's folder, never to a pipe: it must not wait for a reader, nor end with one. Both streams
share one file, in the order of output, unless they are kept apart.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tuimon.base.errors import TuimonError
from tuimon.launcher.supervisor.output import OUTPUT, PARTS


class Streams:
    """The standard streams of one program.

    Args:
        stdin: a descriptor that it reads from, closed here after the supervisor has inherited it; None: it reads nothing.
        followed: whether this process passes its output on.
        apart: whether to keep stdout and stderr apart then.

    Attributes:
        sources: descriptors to read its output from: one for both streams, or stdout and stderr. Set by `open`.
    """

    def __init__(self, stdin: int | None = None, followed: bool = False, apart: bool = False) -> None:
        self._stdin, self._followed, self._apart = stdin, followed, followed and apart
        self.sources: tuple[int, ...] = ()

    @property
    def details(self) -> dict[str, Any]:
        """The supervisor's settings."""
        return {"stdin": self._stdin, "apart": self._apart}

    @property
    def handed_over(self) -> tuple[int, ...]:
        """The descriptors that the supervisor inherits."""
        return () if self._stdin is None else (self._stdin,)

    def close_stdin(self) -> None:
        """Closes this process's copy of stdin, so that the writer notices when the program stops reading."""
        if self._stdin is not None:
            os.close(self._stdin)
        self._stdin = None

    def open(self, run: Path) -> None:
        """Opens the files for the program's output, before the program starts.

        Raises:
            TuimonError: a file cannot be created.
        """
        names = () if not self._followed else PARTS if self._apart else (OUTPUT,)
        flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self.sources = tuple(os.open(run / name, flags, 0o644) for name in names)
        except OSError as error:
            raise TuimonError(f"Cannot create the files for the program's output in {run}: {error.strerror}.") from error
