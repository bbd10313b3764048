from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launching import Runs, runs_in


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """A runs folder whose processes end with the test, and a separate socket folder."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield from runs_in(tmp_path / "runs")
