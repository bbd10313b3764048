"""`tuimon diagnose`: findings of logs, for people, programs and CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diagnosis_logs import healthy, stuck, write
from tuimon.cli.main import main
from tuimon.diagnosis import RULES
from tuimon.log.writer import LogWriter


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A healthy run, and one with a dead layer."""
    write(tmp_path / "good", healthy)
    write(tmp_path / "dead", lambda step: {**stuck(step), "dead_fraction/fc1": 1.0})
    return tmp_path


def test_a_healthy_run_passes_and_a_critical_finding_does_not(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the exit code; with the finding, its remedies, and what could not be judged."""
    assert main(["diagnose", "good", "--runs-dir", str(runs)]) == 0
    assert "good: no problems found" in capsys.readouterr().out
    assert main(["diagnose", "good", "dead", "--runs-dir", str(runs)]) == 1
    out = capsys.readouterr().out
    assert "dead: 1 critical" in out and "!! dead-units, since step 1: fc1: 100% of units" in out
    assert "try activation/fc1=leaky_relu: leaky ReLU lets dead units learn again" in out


def test_a_folder_means_all_its_runs_and_json_has_a_line_a_finding(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With everything that is known of it."""
    assert main(["diagnose", str(runs), "--json"]) == 1
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["run"], line["rule"], line["severity"], line["layer"]) == ("dead", "dead-units", "critical", "fc1")
    assert line["raised"] > 0 and line["cleared"] is None and line["explained_by"] == ""
    assert line["evidence"]["dead_fraction"] == 1.0
    assert line["remedies"][0]["levers"] == {"activation/fc1": "leaky_relu"} and line["remedies"][0]["why"]


def test_what_a_log_of_another_program_lacks_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule without its evidence abstains: what was not measured is not zero."""
    writer = LogWriter(tmp_path / "theirs", "theirs")
    for step in range(100):
        writer.scalars(step, {"train/loss": 1 / (step + 1)})
    writer.close()
    assert main(["diagnose", str(tmp_path / "theirs")]) == 0
    out = capsys.readouterr().out
    assert "not judged:" in out and "dead-units: dead units were not measured" in out


def test_rules_are_listed_with_what_they_mean_need_and_cite(capsys: pytest.CaptureFixture[str]) -> None:
    """As text, and as JSON lines."""
    assert main(["diagnose", "--rules"]) == 0
    text = capsys.readouterr().out
    assert all(f"{rule.name} ({rule.severity})" in text for rule in RULES)
    assert main(["diagnose", "--rules", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["rule"] for one in listed] == [rule.name for rule in RULES]
    assert all(one["meaning"] and one["needs"] and one["cites"] for one in listed)


def test_nothing_to_diagnose_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with what to type."""
    assert main(["diagnose"]) == 1
    assert "tuimon diagnose latest" in capsys.readouterr().err


def test_a_log_without_anything_to_judge_is_not_called_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that holds no curve, say."""
    LogWriter(tmp_path, "run").close()
    assert main(["diagnose", str(tmp_path)]) == 0
    assert "nothing could be judged" in capsys.readouterr().out
