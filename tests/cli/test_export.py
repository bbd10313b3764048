"""`tuimon export`: curves for other programs; and `dump --tag`."""

from __future__ import annotations

import csv
import json
import math
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

import numpy as np
import pytest

from event_folders import values_that_are_not_finite
from tuimon.base.process import this_process
from tuimon.cli.main import main
from tuimon.log.reader import read_run
from tuimon.log.records import Exited, RunStarted
from tuimon.log.writer import LogWriter

VALUES = np.array([1 / 3, math.nan, math.inf, -1e-30, 3e38], np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with a tag that CSV must quote, and one that SVG must escape."""
    log = LogWriter(tmp_path / "one", "run")
    log.event(RunStarted(name="one", process=this_process(), spec={"lr": 1}))
    for step, value in enumerate(VALUES.tolist(), 1):
        log.scalars(step, {"loss/train": value, 'a,"b" <&>': float(step)}, wall_time=1_700_000_000.5 + step)
    log.event(Exited(code=0))
    log.close()
    return tmp_path


def exported(folder: Path, *arguments: str) -> int:
    return main(["export", "one", "--runs-dir", str(folder), *arguments])


def test_csv_has_a_row_for_each_point(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tags are quoted, and each value can be read back exactly."""
    assert exported(folder) == 0
    head, *rows = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert head == ["run", "tag", "step", "wall_time", "value"] and len(rows) == 10
    losses = [row for row in rows if row[1] == "loss/train"]
    assert [int(row[2]) for row in losses] == [1, 2, 3, 4, 5] and float(losses[0][3]) == 1_700_000_001.5
    assert np.array([float(row[4]) for row in losses], np.float32).tobytes() == VALUES.tobytes()
    assert {row[1] for row in rows} == {"loss/train", 'a,"b" <&>'}


def test_json_has_a_line_for_each_tag(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What JSON cannot express is null."""
    assert exported(folder, "--json", "--tag", "^loss/") == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["kind"], line["tag"], line["steps"]) == ("series", "loss/train", [1, 2, 3, 4, 5])
    assert line["values"][1:3] == [None, None] and np.float32(line["values"][0]) == VALUES[0]


def test_parquet_has_the_same_columns(folder: Path) -> None:
    """With NaN as they are."""
    from pyarrow import parquet

    assert exported(folder, "--parquet", "-o", str(folder / "a.parquet")) == 0
    table = parquet.read_table(folder / "a.parquet").to_pydict()
    assert list(table) == ["run", "tag", "step", "wall_time", "value"] and set(table["run"]) == {"one"}
    losses = [value for tag, value in zip(table["tag"], table["value"], strict=True) if tag == "loss/train"]
    assert np.array(losses, np.float32).tobytes() == VALUES.tobytes()


def test_without_pyarrow_parquet_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert exported(folder, "--parquet", "-o", str(folder / "a")) == 1
    assert "pip install 'tuimon[export]'" in capsys.readouterr().err and not (folder / "a").exists()


def test_svg_is_a_chart_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the losses; NaN breaks the line, and nothing is printed beside it."""
    assert exported(folder, "--svg", str(folder / "a.svg")) == 0 and capsys.readouterr().out == ""
    root = tree.parse(folder / "a.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{name}text")]
    curve = next(path.get("d", "") for path in root.iter(f"{name}path") if path.get("stroke") == "#0072b2")
    assert "loss/train by step" in texts and curve.count("M") == 2
    assert exported(folder, "--svg", str(folder / "b.svg"), "--tag", "a,") == 0
    assert 'a,"b" <&> by step' in [element.text for element in tree.parse(folder / "b.svg").getroot().iter(f"{name}text")]


@pytest.mark.parametrize("verb", ["export", "dump"])
@pytest.mark.parametrize(
    ("tag", "said"), [("los/", "No tag fits 'los/'; did you mean loss/train?"), ("(", "not a regular expression")]
)
def test_an_expression_that_fits_nothing_is_an_error(
    folder: Path, verb: str, tag: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the nearest tag."""
    assert main([verb, "one", "--runs-dir", str(folder), "--tag", tag]) == 1
    out, err = capsys.readouterr()
    assert out == "" and said in err


def test_dump_prints_only_what_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events are records of tags of their own, in short unless they are asked for in full; in JSON always in full."""
    where = ["dump", "one", "--runs-dir", str(folder)]
    assert main([*where, "--tag", "loss"]) == 0
    assert [line.split()[4] for line in capsys.readouterr().out.splitlines()] == ["loss/train"] * 5
    assert main([*where, "--tag", "^tuimon/"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.endswith("started  training") and last.endswith("exited  code 0")
    assert main([*where, "--tag", "^tuimon/run", "--events"]) == 0
    assert '"spec":{"lr":1}' in capsys.readouterr().out
    assert main([*where, "--tag", "^tuimon/run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["event"]["spec"] == {"lr": 1}


def test_a_log_of_another_program_is_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With values that are no numbers."""
    values_that_are_not_finite(tmp_path / "one")
    assert exported(tmp_path) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))[1:]
    written = np.array([float(row[4]) for row in rows], np.float32)
    assert written.tobytes() == read_run(tmp_path / "one")["loss"].values.tobytes()
