from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tuimon.base import given
from tuimon.monitor import ending
from tuimon.monitor.script.unasked import UnaskedWatch


@pytest.fixture
def unasked(tmp_path: Path, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnaskedWatch]:
    """As `tuimon run` sets it up in a script's process."""
    (tmp_path / "train-01").mkdir()
    (tmp_path / "train-01" / given.TOKEN).touch()
    monkeypatch.setenv(given.FOLDER, str(tmp_path / "train-01"))
    watching = UnaskedWatch()
    yield watching
    watching.close()
    for monitor in ending.still_open():
        monitor.close()
