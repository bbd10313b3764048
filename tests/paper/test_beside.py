"""A report says what a fork's change did, by the run that went on without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tuimon.log.reader import read_run
from tuimon.log.records import Forked
from tuimon.log.writer import LogWriter
from tuimon.paper.beside import against_unchanged

AT = 100


def trained(folder: Path, level: float, forked: Forked | None = None, steps: int = 400) -> Path:
    """A run whose loss is at one level from step `AT` on."""
    rng = np.random.default_rng(len(folder.name))
    writer = LogWriter(folder, folder.name)
    if forked:
        writer.event(forked, forked.step)
    for step in range(AT + 1 if forked else 1, steps + 1):
        writer.scalars(step, {"loss/train": (level if step > AT else 1.5) + 0.05 * rng.normal()})
    writer.close()
    return folder


def said(run: Path) -> str:
    return against_unchanged(run, read_run(run))


def test_the_twin_tells_what_the_change_did(tmp_path: Path) -> None:
    """It is the fair comparison, where it is there; the parent, whose later steps may be few, else."""
    forked = Forked("parent", str(tmp_path / "parent"), AT)
    parent = trained(tmp_path / "parent", 1.0)
    fork = trained(tmp_path / "fork", 0.5, forked)
    assert said(fork).startswith("helped: loss/train") and said(fork).endswith("without the change: parent, from step 100 on")
    twin = trained(tmp_path / "fork-twin", 0.2, forked)
    assert said(fork).startswith("made it worse") and "without the change: fork-twin" in said(fork)
    assert said(twin) == said(parent) == ""


def test_no_other_run_is_taken_for_a_twin(tmp_path: Path) -> None:
    """One from another step, or a folder elsewhere that the log names."""
    trained(tmp_path / "fork-twin", 0.2, Forked("parent", str(tmp_path / "parent"), AT + 1))
    elsewhere = trained(tmp_path / "others" / "parent", 1.0)
    assert said(trained(tmp_path / "fork", 0.5, Forked("parent", str(elsewhere), AT))) == ""
    ended = trained(tmp_path / "ended", 1.0, steps=AT)
    assert said(trained(tmp_path / "more", 0.5, Forked("ended", str(ended), AT))) == ""
