"""The past of a fork: what a run's log has up to a step, in a log of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuimon.base.process import Process
from tuimon.log import histogram
from tuimon.log.past import copy_past
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, CheckpointSaved, Ended, Notice, RunStarted
from tuimon.log.writer import LogWriter

ME = Process("here", "boot", 1, 0.0)


def written(folder: Path) -> Path:
    """A run of two attempts, the second from step 6 on, with scalars, histograms, texts and events."""
    for first, last in ((0, 10), (6, 20)):
        log = LogWriter(folder, "run")
        log.event(RunStarted("a", ME, first_step=first))
        for step in range(first + 1, last + 1):
            log.scalars(step, {"loss/train": first + step / 100})
            log.scalars(step, {f"odd/{step}": 1.0})
            log.event(Applied(step, "lr_scale", old=1.0, new=first + step), step)
        log.sample(last, {"grad_norm/a": 1.0}, {"gradient/a": histogram.of([1.0, 2.0])})
        log.event(CheckpointSaved(last, "checkpoints/last.pt"), last)
        log.event(Notice("x"), 1)
        log.event(Ended("finished", step=last), last)
        log.close()
    return folder


def test_it_has_what_counts_up_to_the_step(tmp_path: Path) -> None:
    """Scalars, histograms and what was done to the run; nothing of how it started and ended, and nothing that was lost."""
    run = written(tmp_path / "a")
    (tmp_path / "b").mkdir()
    copy_past(run, 12, read_run(run).events, tmp_path / "b")
    past = read_run(tmp_path / "b")
    assert past["loss/train"].steps.tolist() == list(range(1, 13))
    assert past["loss/train"].values.round(2).tolist() == read_run(run)["loss/train"].values[:12].round(2).tolist()
    assert "odd/12" in past and "odd/13" not in past and list(past.histograms) == ["gradient/a"]
    assert [record.event.new for record in past.events if isinstance(record.event, Applied)] == [
        *range(1, 7), *(6 + step for step in range(7, 13)),
    ]  # fmt: skip
    assert len(past.events) == 12 and past.started is None and past.step == 12


def test_a_log_cut_anywhere_is_copied_up_to_its_last_whole_record(tmp_path: Path) -> None:
    """As it is while the run still logs."""
    run = written(tmp_path / "a")
    file = max(run.iterdir())
    data = file.read_bytes()
    for cut in range(0, len(data), 97):
        file.write_bytes(data[:cut])
        target = tmp_path / f"b{cut}"
        target.mkdir()
        copy_past(run, 20, read_run(run).events, target)
        assert "loss/train" in read_run(target) and not read_run(target).damage


def test_pieces_end_within_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a piece is, the same records are copied."""
    run = written(tmp_path / "a")
    whole = []
    for size in (1, 100, 1 << 20):
        monkeypatch.setattr("tuimon.log.past._PIECE_BYTES", size)
        target = tmp_path / f"b{size}"
        target.mkdir()
        whole.append(copy_past(run, 12, read_run(run).events, target).read_bytes())
    assert whole[0] == whole[1] == whole[2]
