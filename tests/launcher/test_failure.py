"""Why a run failed, from the log and output of real processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs, runs_in, status
from tuimon.launcher.runs.failure import failure_of
from tuimon.launcher.runs.status import Status
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """A folder of runs."""
    yield from runs_in(tmp_path / "runs")


def test_the_last_frames_of_a_script_are_found(runs: Runs) -> None:
    """Of the last traceback, with the code that is known; what the script printed before is left out."""
    code = (
        "import sys\nprint('Traceback (most recent call last):\\n  File \"old.py\", line 1, in x\\nOldError: no')\n"
        "def step(): raise ValueError('bad batch')\ndef train(): step()\ntrain()"
    )
    run = runs.script("a", code)
    wait_until(lambda: status(run) == "failed", what="it failed")
    why = failure_of(run, read_run(run), Status("failed", ""))
    assert why.error == "ValueError: bad batch" and why.loss is None
    assert [place for place, _ in why.frames] == ["<string>:5 in <module>", "<string>:4 in train", "<string>:3 in step"]


def test_how_far_it_had_come_is_told(tmp_path: Path) -> None:
    """The last loss that was finite, where that was, and what helps against a loss that is not."""
    writer = LogWriter(tmp_path / "run", "run")
    for step, loss in enumerate((3.0, 2.0, math.nan, math.inf), 1):
        writer.scalars(step, {"loss/train": loss})
    writer.close()
    why = failure_of(tmp_path / "run", read_run(tmp_path / "run"), Status("failed", "RuntimeError: x"))
    assert (why.error, why.step, why.loss, why.loss_step) == ("RuntimeError: x", 4, 2.0, 2)
    assert "lower the learning rate" in why.advice


@pytest.mark.parametrize(
    ("detail", "told"), [("out of memory: the kernel killed it", "smaller batch"), ("OSError: No space left", "disk")]
)
def test_the_advice_fits_the_error(tmp_path: Path, detail: str, told: str) -> None:
    """As far as the error says."""
    assert told in failure_of(tmp_path, Store(), Status("killed", detail)).advice


@pytest.mark.parametrize("output", [b"", b"\xff\xfe", b"Traceback (most recent call last):", b'  File "', b"\0" * 100_000])
def test_odd_output_is_no_error(tmp_path: Path, output: bytes) -> None:
    """What cannot be read is left out."""
    (tmp_path / "output.log").write_bytes(output)
    why = failure_of(tmp_path, Store(), Status("lost"))
    assert why.frames == () and why.error == "lost, nothing says why"
