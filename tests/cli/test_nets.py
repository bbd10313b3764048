"""What cannot be shown of a log is said once, and the rest is: lines, rows, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuimon.base.process import Process
from tuimon.cli import comparing, runs_list
from tuimon.cli.headless import follow
from tuimon.cli.main import main
from tuimon.cli.printing import Printer
from tuimon.diagnosis.following import Following
from tuimon.log.records import Ended, RunStarted
from tuimon.log.writer import LogWriter


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Two runs that have ended: `good`, and `odd`, which failed."""
    for name, how in (("good", "finished"), ("odd", "failed")):
        writer = LogWriter(tmp_path / name, "run")
        writer.event(RunStarted(name=name, process=Process("elsewhere", "", 1, 0.0)))
        for step in range(1, 4):
            writer.scalars(step, {"loss/train": 1 / step})
        writer.event(Ended(how, step=3), 3)
        writer.close()
    return tmp_path


def test_a_run_is_followed_to_its_end_and_exit_code_whatever_cannot_be_told_of_it(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once each, in a line of its own."""
    monkeypatch.setattr(Following, "finish", lambda self: 1 / 0)
    monkeypatch.setattr(Printer, "progress", lambda *arguments: {}["progress"])
    monkeypatch.setattr("tuimon.paper.card.card", lambda *arguments: [][0])
    assert follow(runs_dir / "odd", owned=False) == 1
    lines = capsys.readouterr().out.splitlines()
    failures = [line for line in lines if "something in the log cannot be shown" in line]
    assert sorted(failure.split("shown: ")[1].split(":")[0] for failure in failures) == [
        "IndexError",
        "KeyError",
        "ZeroDivisionError",
    ]
    assert "failed" in lines[-2]


def test_ls_and_compare_show_the_other_runs(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And why one of them is not shown."""
    cells, latest = runs_list._cells, comparing.latest
    monkeypatch.setattr(runs_list, "_cells", lambda run, *rest: 1 / 0 if "odd" in run.name else cells(run, *rest))
    monkeypatch.setattr(comparing, "latest", lambda store, tag: 1 / 0 if store.ended.how == "failed" else latest(store, tag))
    assert main(["ls", "--runs-dir", str(runs_dir)]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "finished" in rows["good"] and "ZeroDivisionError: division by zero" in rows["odd"]
    assert main(["compare", "good", "odd", "--headless", "--runs-dir", str(runs_dir)]) == 1
    printed = capsys.readouterr()
    assert "finished" in printed.out and printed.err.startswith("tuimon: odd cannot be shown: ZeroDivisionError")
