"""Checks a spec before it is trained, in a separate process, and returns the report line by line.

That process imports torch and runs a user's model file: it may take seconds, raise or crash, without harm to the caller.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.here import current_folder
from tuimon.launcher.places.spawn import PYTHON, importable
from tuimon.launcher.start.devices import choose_device
from tuimon.launcher.start.start import placed, require_torch
from tuimon.launcher.start.trust import require_trust
from tuimon.spec import SPEC_FILE
from tuimon.spec.loading import save_spec
from tuimon.spec.spec import Spec
from tuimon.training.report import Line, decode

_PATIENCE_S = 5.0  # until a terminated process is killed
_COMPLETE = (0, 1)  # exit codes of a complete report


def check(spec: Spec, source: str | Path | None = None, trusted: bool = False) -> Iterator[Line]:
    """Yields the lines of the report on a spec, each as soon as it is found. Closing the iterator ends the process.

    Args:
        spec: the spec to check.
        source: as in `start`.
        trusted: as in `start`.

    Raises:
        Untrusted: it would run files that other users can change.
        TuimonError: the process could not be started, or ended before its report did.
    """
    return Checking(spec, source, trusted).lines()


class Checking:
    """A report that is being made. Call `lines` from one thread; `stop` may be called from any other."""

    def __init__(self, spec: Spec, source: str | Path | None = None, trusted: bool = False) -> None:
        self._spec, self._source, self._trusted = spec, source, trusted
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def lines(self) -> Iterator[Line]:
        """Like `check`; ends early, without an error, after `stop`."""
        require_trust(self._spec, self._source, self._trusted)
        require_torch()
        current_folder()  # the process inherits it
        choice = choose_device(self._spec.training.device)
        with tempfile.TemporaryDirectory(prefix="tuimon-check-") as name:
            folder = Path(name)
            save_spec(placed(self._spec, None, choice), folder)
            command = [*PYTHON, "tuimon.training.check", str(folder / SPEC_FILE), "--json"]
            with open(folder / "errors", "wb") as errors:
                self._process = _start(command, importable(os.environ | choice.environment), errors.fileno())
            try:
                yield from self._read(self._process)
            finally:
                _end(self._process)
            if not self._stopped:
                _check_complete(self._process.returncode, (folder / "errors").read_text(errors="replace"))

    def stop(self) -> None:
        """Ends the process."""
        self._stopped = True
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def _read(self, process: subprocess.Popen[bytes]) -> Iterator[Line]:
        assert process.stdout is not None
        for text in process.stdout:
            if self._stopped:
                return
            yield decode(text)
        process.wait()


def _start(command: list[str], environment: dict[str, str], errors: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment, bufsize=0
        )
    except OSError as error:
        raise TuimonError(f"Cannot check: {command[0]}: {error.strerror}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process if it is still running."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()


def _check_complete(code: int, errors: str) -> None:
    if code in _COMPLETE:
        return
    last = errors.strip().splitlines()[-1:] or ["it said nothing"]
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    raise TuimonError(f"The check ended {how}: {last[0]}", "`tuimon doctor` looks for what is wrong.")
