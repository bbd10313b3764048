"""The card at the end of a run: what is on it, at every width."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuimon.launcher.runs.status import Status
from tuimon.log.reader import read_run
from tuimon.log.records import BY_SPEC, Applied, CheckpointSaved, Finding
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter
from tuimon.paper.card import card, loss_chart
from tuimon.paper.ink import Ink
from tuimon.viewer.draw.rows import cells

ASCII = Ink(ascii=True)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was steered, and saved checkpoints."""
    log = LogWriter(tmp_path / "a run", "run")
    for step in range(1, 101):
        log.scalars(
            step,
            {"loss/train": 2.0 / step, "lr": 0.1, "negative_fraction/fc1": 1.0, "input/mean": 0.0, "mine/score": float(-step)},
        )
    for step, value in ((50, 0.2), (100, 0.3)):
        log.scalars(step, {"loss/val": value, "accuracy/val": 0.9})
    log.event(Applied(10, "l1", 0.0, 0.1, by=BY_SPEC))
    log.event(Applied(40, "lr_scale", 1.0, 0.5, by="a key"))
    log.event(Applied(60, "checkpoint"))
    log.event(CheckpointSaved(50, "checkpoints/best.pt", "best"))
    log.close()
    return tmp_path / "a run"


FINISHED = Status("finished")


def rows_of(run: Path, status: Status = FINISHED, columns: int = 100, findings: tuple[Finding, ...] = ()) -> list[str]:
    """The card's rows, in ASCII."""
    return card(run, read_run(run), status, findings, columns, ASCII)


def test_last_and_best_values_changes_place_and_next_steps(run: Path) -> None:
    """Each by name; what the spec itself planned, and actions, are no changes; layers are no metrics."""
    rows = rows_of(run)
    text = "\n".join(rows)
    assert "loss/val            0.300   best 0.200 at step 50" in text
    assert "mine/score           -100   best -1.00 at step 1" in text
    assert (
        "changed   lr_scale 1 -> 0.5 at step 40" in text
        and "l1" not in text
        and "negative_fraction" not in text
        and "input/" not in text
    )
    assert f"run       {run}" in text and "best checkpoint: checkpoints/best.pt, step 50" in text
    assert "tuimon plot 'a run'" in text and "resume" not in text  # there is no spec to resume from
    assert text.startswith("loss by step") and "\x1b" not in text


@pytest.mark.parametrize("columns", [20, 40, 80, 100, 250])
def test_a_card_reflows(run: Path, columns: int) -> None:
    """Never wider than the terminal, nor than 100; what is to be copied stays whole."""
    long = Finding(1, "dead", "fc1: " + "most of its units are dead, and " * 8, "fc1")
    rows = rows_of(run, columns=columns, findings=(long,))
    wide = [row for row in rows if cells(row) > min(columns, 100)]
    assert all(str(run) in row or "checkpoints/best.pt" in row or "tuimon plot" in row for row in wide)


def test_a_failed_run_says_where_its_output_is(run: Path) -> None:
    """What to look at first."""
    (run / "output.log").write_text("Traceback …")
    rows = rows_of(run, Status("failed", "ValueError: boom"))
    assert any(row.startswith("next      its output: less ") and "output.log" in row for row in rows)


def test_a_place_is_found_once_in_its_latest_wording(run: Path) -> None:
    """Also if it was told before."""
    findings = tuple(Finding(step, "dead", f"{step} dead", "fc1") for step in (1, 2))
    found = [row for row in rows_of(run, findings=findings) if "dead" in row]
    assert found == ["findings  warning: 2 dead"]


def test_where_nothing_was_watched_there_is_no_card(tmp_path: Path) -> None:
    """Its curves cannot be plotted, and its output says what there is."""
    assert card(tmp_path, Store(), Status("failed"), (), 80, ASCII) == []
    assert loss_chart({"a": Store()}, 80, ASCII) == []
