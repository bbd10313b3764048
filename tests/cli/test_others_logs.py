"""Logs that other programs wrote, on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from event_folders import a_tail_of_zeros, curves_of_their_own, one_flipped_bit, runs_within_a_run, tensor, write
from tuimon.base import format
from tuimon.cli.main import main
from tuimon.log.writer import LogWriter


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
    listed = {run["run"]: run for run in map(json.loads, capsys.readouterr().out.splitlines())}
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


def test_a_damaged_log_is_marked_in_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In its row, with where and how much beside the table; in JSON as fields."""
    a_tail_of_zeros(tmp_path / "zeros")
    one_flipped_bit(tmp_path / "flipped")
    curves_of_their_own(tmp_path / "good")
    assert main(["ls", "--runs-dir", str(tmp_path)]) == 0
    told = capsys.readouterr()
    rows = {line.split()[0]: line for line in told.out.splitlines()[1:]}
    assert "unknown !" in rows["zeros"] and "unknown !" in rows["flipped"] and "!" not in rows["good"]
    assert "! zeros: events.out.tfevents" in told.err and "4 096 bytes cannot be read" in told.err
    assert "! flipped: " in told.err and "is left out (" in told.err and "good" not in told.err
    assert main(["ls", "--runs-dir", str(tmp_path), "--json"]) == 0
    damage = {run["run"]: run["damage"] for run in map(json.loads, capsys.readouterr().out.splitlines())}
    assert [len(damage[name]) for name in ("zeros", "flipped", "good")] == [1, 1, 0]
    assert damage["zeros"][0]["bytes"] == 4096 and damage["flipped"][0]["left_out"] == 1


def test_what_cannot_be_shown_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By `dump` on stderr, by the follower in one line; however many records there are."""
    write(tmp_path / "r", [tensor(step, tag, 1, (3,), float_val=[1.0, 2.0, 3.0]) for step in range(50) for tag in ("a", "b")])
    assert main(["dump", "r", "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().err.count("not shown: a tensor of shape [3], not a single number, in a, b") == 1
    assert main(["attach", "r", "--headless", "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("not shown: a tensor of shape [3]") == 1


@pytest.mark.parametrize("records", [30, 20_000])
def test_the_loss_is_one_quantity_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str], records: int) -> None:
    """In the list, its JSON, the last line of a follower, its card, and the last line of its JSON: the same number."""
    writer = LogWriter(tmp_path / "r", "run")
    for step in range(1, records + 1):
        writer.scalars(step, {"loss/train": 1.0 + step % 7 / 10, "lr": 0.1} | {f"metric/{i}": 0.5 for i in range(30)})
    writer.scalars(records, {"loss/val": 0.75})
    writer.close()
    assert main(["ls", "--runs-dir", str(tmp_path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert main(["ls", "--runs-dir", str(tmp_path)]) == 0
    table = capsys.readouterr().out.splitlines()
    in_table = dict(zip(*(re.split(r"\s{2,}", row.strip()) for row in table), strict=False))
    assert main(["attach", "r", "--headless", "--runs-dir", str(tmp_path)]) == 0
    followed = capsys.readouterr().out
    assert main(["attach", "r", "--headless", "--json", "--runs-dir", str(tmp_path)]) == 0
    end = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (listed["loss"], listed["val_loss"], listed["step"]) == (end["loss"], end["val_loss"], end["step"])
    shown = format.number(listed["loss"])
    assert in_table["LOSS"] == shown and f"loss {shown}  val 0.750" in followed
    assert re.search(rf"^metrics +loss/train +{shown} ", followed, re.MULTILINE)  # on the card
