"""What a user's own program prints about its options when it is asked with `--help`."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence

from tuimon.base.errors import TuimonError
from tuimon.launcher.start.program import program_of

_PATIENCE_S = 20.0  # importing PyTorch may take most of it
_MOST_BYTES = 1 << 16
_PLAIN = {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "80"}


def own_help(words: Sequence[str], patience_s: float = _PATIENCE_S) -> str:
    """Runs a program with `--help` and returns what it prints, at most 64 KiB. It is ended when it takes too long.

    Args:
        words: as in `program_of`, without arguments.
        patience_s: seconds until it is ended.

    Raises:
        TuimonError: there is no such program, it took too long, or it said nothing.
    """
    command = [*program_of(words).command, "--help"]
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=os.environ | _PLAIN,
                start_new_session=True,
            )
        except OSError as error:
            raise TuimonError(f"Cannot start {command[0]}: {error.strerror or error}.") from None
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            hint = "It may have begun to train: not every program has a --help."
            raise TuimonError(f"{words[0]} --help has not ended after {patience_s:g} s, and was ended.", hint) from None
        finally:
            _end(process)
        said.seek(0)
        text = said.read(_MOST_BYTES).decode(errors="replace").strip()
    if not text:
        raise TuimonError(f"{words[0]} --help says nothing.")
    return text


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a program with whatever it has started. Its group is its own, and is named by it until it has been waited for."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
