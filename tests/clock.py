"""A clock that tests can shift, for real processes: they read `time.time` with an offset; nothing else changes.

Kernel clocks, file times and process start times stay as they are, as with a library that shifts the time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_SHIM = """
import os, time
_time, _time_ns, _file = time.time, time.time_ns, os.environ.get("TEST_CLOCK")

def _offset():
    with open(_file) as file:
        return float(file.read() or 0)

if _file:
    time.time = lambda: _time() + _offset()
    time.time_ns = lambda: _time_ns() + int(_offset() * 1e9)
"""


class Clock:
    """Shifts the clock of every Python process that the test starts from now on."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SHIM)
        self._offset = folder / "offset"
        self.set(0)
        paths = [str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
        monkeypatch.setenv("TEST_CLOCK", str(self._offset))

    def set(self, offset_s: float) -> None:
        """Sets the offset to the true time in seconds (negative: earlier). Takes effect at once, also in running processes."""
        new = self._offset.with_suffix(".new")
        new.write_text(str(offset_s))
        new.replace(self._offset)
