"""`tuimon mv|rm|note|tag`, and `ls` that finds and sorts runs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import read_all, wait_until
from launching import Runs
from tuimon.base.process import Process, this_process
from tuimon.cli.main import main
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.notes import NOTES_FILE, Notes, read_notes
from tuimon.log.records import Ended, RunStarted
from tuimon.log.writer import LogWriter


def over(folder: Path, name: str, lr: float = 0.1, model: str = "mlp", loss: float = 1.0, how: str = "finished") -> Path:
    """A run that is over."""
    log = LogWriter(folder / name, "run")
    spec = {"optimizer": {"lr": lr}, "model": {"name": model}}
    me = this_process()
    log.event(RunStarted(name=name, process=Process(me.host, me.boot_id, 2**22 + 1, 1.0), spec=spec))  # it is gone
    log.scalars(7, {"loss/train": loss})
    log.event(Ended(how, step=7))  # type: ignore[arg-type]
    log.close()
    return folder / name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs that are over; the folder of runs."""
    monkeypatch.setenv("TUIMON_RUNS", str(tmp_path))
    over(tmp_path, "a", 0.001, "cnn", 0.5)
    over(tmp_path, "b", 0.1, "mlp", 2.0, "failed")
    over(tmp_path, "c", 0.01, "cnn", 1.0)
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The names that `ls` prints."""
    capsys.readouterr()
    assert main(["ls", "--names", *words]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("lr>=1e-2", "model=cnn"), {"c"}),
        (("state:failed",), {"b"}),
        (("!failed",), {"a", "c"}),
        (("cnn", "|", "state:failed"), {"a", "b", "c"}),
        (("optimizer.lr<0.01",), {"a"}),
    ],
)
def test_ls_filters_by_words_state_and_configuration(
    folder: Path, words: tuple[str, ...], found: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one small language, the screen's."""
    assert set(listed(capsys, *words)) == found


def test_ls_sorts_by_any_column_and_setting(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting gets a column of its own; runs without a value come last, either way."""
    LogWriter(folder / "empty", "run").close()
    assert listed(capsys, "--sort", "lr") == ["a", "c", "b", "empty"]
    assert listed(capsys, "--sort", "lr", "--reverse") == ["b", "c", "a", "empty"]
    assert listed(capsys, "--sort", "loss")[:3] == ["a", "c", "b"]
    assert main(["ls", "--sort", "lr", "cnn"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["RUN", "LR"] and [row.split()[:2] for row in rows] == [["a", "0.001"], ["c", "0.01"]]
    assert main(["ls", "--sort", "optimzer.lr"]) == 1
    assert "did you mean optimizer.lr?" in capsys.readouterr().err


def test_a_filter_that_fits_nothing_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With 1, as grep; a wrong expression is an error."""
    assert main(["ls", "model=rnn"]) == 1
    assert "None of 3 runs fits 'model=rnn'." in capsys.readouterr().err
    assert main(["ls", "/(/"]) == 1
    assert "regular expression" in capsys.readouterr().err


def test_tags_and_notes_are_kept_in_the_runs_folder_and_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each tag once; removing the last word removes the file."""
    assert main(["tag", "a", "baseline", "good", "baseline"]) == 0
    assert main(["note", "a", "the", "first one"]) == 0
    assert read_notes(folder / "a") == Notes(("baseline", "good"), "the first one")
    assert listed(capsys, "tag:baseline") == ["a"] and listed(capsys, "first") == ["a"]
    main(["ls", "--json", "tag:good"])
    line = json.loads(capsys.readouterr().out)
    assert (line["tags"], line["note"], line["config"]["optimizer.lr"]) == (["baseline", "good"], "the first one", 0.001)
    main(["ls"])
    assert capsys.readouterr().out.splitlines()[0].split()[:2] == ["RUN", "TAGS"]
    assert main(["tag", "a", "--remove", "nope"]) == 1 and "has no tag 'nope'" in capsys.readouterr().err
    assert main(["tag", "a", "--remove", "baseline", "--remove", "good"]) == 0 and main(["note", "a", ""]) == 0
    assert not (folder / "a" / NOTES_FILE).exists()
    assert main(["tag", "a", "two words"]) == 1 and "one word" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"\xff\xfe", b'{"tags":[1]}', b'{"tags":' + b"[" * 10_000, b'{"note":"' + b"x" * 10**6]
)
def test_a_file_of_notes_that_is_something_else_is_as_good_as_none(folder: Path, content: bytes) -> None:
    """Anybody may have written it."""
    (folder / "a" / NOTES_FILE).write_bytes(content)
    assert read_notes(folder / "a") == Notes() and main(["ls"]) == 0


def test_a_run_is_renamed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its state stays; no other run is overwritten, and no name is taken that a run cannot have."""
    assert main(["mv", "a", "best"]) == 0
    assert set(listed(capsys)) == {"best", "b", "c"} and listed(capsys, "state:finished", "best") == ["best"]
    for name, reason in (("b", "exists already"), ("x/y", "cannot be named"), ("latest", "cannot be named")):
        assert main(["mv", "best", name]) == 1 and reason in capsys.readouterr().err


def test_runs_are_deleted_after_one_question(folder: Path) -> None:
    """Yes deletes them, anything else nothing; without a terminal --yes is needed."""
    for answer, left in ((b"\n", {"a", "b", "c"}), (b"n\n", {"a", "b", "c"}), (b"y\n", {"c"})):
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "tuimon", "rm", "a", "b", "--runs-dir", str(folder)]
        child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        os.write(master, answer)
        text = read_all(master)
        assert child.wait(60) == (0 if left == {"c"} else 1) and text.count("Delete these 2 runs?") == 1
        assert {path.name for path in folder.iterdir()} == left
    done = subprocess.run(
        [sys.executable, "-m", "tuimon", "rm", "c", "--runs-dir", str(folder)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "--yes" in done.stderr and (folder / "c").exists()


def test_a_live_run_is_neither_deleted_nor_renamed(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor one that may be training on another host, nor a folder that such a run lies in; a note is no harm."""
    live = runs.start("live")
    over(runs.folder, "over")
    elsewhere = Process("another-host", "boot", 1, 1.0)
    log = LogWriter(runs.folder / "outer" / "far", "run")
    log.event(RunStarted(name="far", process=elsewhere))
    log.close()
    over(runs.folder, "outer")
    where = ["--runs-dir", str(runs.folder)]
    for run, reason in (("live", "live is running"), ("outer", "outer/far is unknown")):
        assert main(["rm", "over", run, "--yes", *where]) == 1 and reason in capsys.readouterr().err
        assert main(["mv", run, "new", *where]) == 1 and reason in capsys.readouterr().err
    assert (runs.folder / "over").exists() and (runs.folder / "outer" / "far").exists()
    assert main(["note", "live", "watch this", *where]) == 0
    assert main(["stop", "live", *where]) == 0
    wait_until(lambda: lifecycle(live).exited)
    assert main(["rm", "live", "--yes", *where]) == 0 and not live.exists()


def test_a_link_is_not_followed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it leads to may be anybody's; links inside of a run are removed, not what they lead to."""
    outside = over(tmp_path_factory.mktemp("outside"), "run")
    (folder / "link").symlink_to(outside)
    assert main(["rm", "link", "--yes"]) == 1 and "is a link to" in capsys.readouterr().err
    (folder / "a" / "link").symlink_to(outside)
    assert main(["rm", "a", "--yes"]) == 0 and not (folder / "a").exists() and any(outside.iterdir())
