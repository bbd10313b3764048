"""Logs that other programs wrote, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from event_folders import curves_of_their_own, runs_within_a_run
from tuimon.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that holds runs, and one whose curves have folders of their own."""
    runs_within_a_run(tmp_path / "nested")
    curves_of_their_own(tmp_path / "curves")
    return tmp_path


NAMES = ["curves", "curves/loss_train", "curves/loss_val", "curves/metrics_top_1", "curves/metrics_top_5/all"]
NAMES += ["nested", "nested/fold/1/2/3/4/5/6/7", "nested/train", "nested/validation"]


def test_all_runs_are_listed_by_their_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, as names for a shell, and as JSON."""
    assert main(["ls", "--runs-dir", str(folder), "--names"]) == 0
    assert sorted(capsys.readouterr().out.split()) == NAMES
    assert main(["ls", "--runs-dir", str(folder), "--json"]) == 0
    listed = {run["name"]: run for run in json.loads(capsys.readouterr().out)}
    assert sorted(listed) == NAMES and listed["nested/train"]["path"] == str(folder / "nested" / "train")
    assert main(["ls", "--runs-dir", str(folder)]) == 0
    assert sorted(line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]) == NAMES


def test_a_run_within_a_run_is_printed_by_its_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What lies in another folder is not its own, but what `add_scalars` wrote for it is."""
    assert main(["dump", "nested/train", "--runs-dir", str(folder), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10
    assert main(["dump", "curves", "--runs-dir", str(folder)]) == 0
    assert {"loss/train", "metrics/top/5/all"} <= set(capsys.readouterr().out.split())
    assert main(["attach", "nested/train", "--headless", "--runs-dir", str(folder)]) == 0
    assert "nested/train" in capsys.readouterr().out
