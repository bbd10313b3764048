"""What a program reads from, and how what it prints is kept, where somebody follows it who is to pass it on.

A program prints into files of its run's folder, never into a pipe: it must neither wait for whoever reads it nor end with them.
Its two streams share one file, in the order of what it prints, unless they are to be told apart.
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
        stdin: a descriptor that it reads from, closed here once it was handed over; None: it reads nothing.
        followed: whether somebody here passes on what it prints.
        apart: whether stdout and stderr are to be told apart then.

    Attributes:
        sources: descriptors from which to read what it prints: of both streams, or of stdout and stderr. Filled by `open`.
    """

    def __init__(self, stdin: int | None = None, followed: bool = False, apart: bool = False) -> None:
        self._stdin, self._followed, self._apart = stdin, followed, followed and apart
        self.sources: tuple[int, ...] = ()

    @property
    def details(self) -> dict[str, Any]:
        """What the supervisor must know."""
        return {"stdin": self._stdin, "apart": self._apart}

    @property
    def handed_over(self) -> tuple[int, ...]:
        """The descriptors that the supervisor inherits."""
        return () if self._stdin is None else (self._stdin,)

    def close_stdin(self) -> None:
        """Leaves what the program reads to the program: whoever writes it learns when nobody reads any more."""
        if self._stdin is not None:
            os.close(self._stdin)
        self._stdin = None

    def open(self, run: Path) -> None:
        """Opens what the program will print into, before there is a program.

        Raises:
            TuimonError: no file can be made.
        """
        names = () if not self._followed else PARTS if self._apart else (OUTPUT,)
        flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self.sources = tuple(os.open(run / name, flags, 0o644) for name in names)
        except OSError as error:
            raise TuimonError(f"Cannot keep what the program prints in {run}: {error.strerror}.") from error
