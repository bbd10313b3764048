"""Finding runs on disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.runs import check_runs_dir, find_run, list_runs, run_name, runs_dir
from tuimon.log.files import event_files
from tuimon.log.writer import LogWriter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs, an empty folder and a stray file; `mlp-02` was begun last."""
    for name, second in (("mlp-01", 100), ("mlp-02", 300), ("cnn-01", 200)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"events.out.tfevents.{second:010d}.host.1.0.run").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "stray").touch()
    return tmp_path


def test_runs_are_listed_newest_first(folder: Path) -> None:
    """What holds no log is no run; a folder that is not there has none."""
    assert [run.name for run in list_runs(folder)] == ["mlp-02", "cnn-01", "mlp-01"]
    assert list_runs(folder / "nowhere") == []


def test_a_link_in_a_circle_hides_nothing_else(folder: Path) -> None:
    """Neither beside the runs nor within one."""
    for place in (folder, folder / "mlp-01"):
        (place / "a.tfevents").symlink_to("a.tfevents")
    assert [run.name for run in list_runs(folder)] == ["mlp-02", "cnn-01", "mlp-01"]
    assert len(event_files(folder / "mlp-01")) == 1 and find_run("mlp-01", folder) == folder / "mlp-01"


@pytest.mark.parametrize(("text", "name"), [("mlp-01", "mlp-01"), ("c", "cnn-01"), ("latest", "mlp-02"), ("mlp-02", "mlp-02")])
def test_a_run_is_found_by_name_prefix_or_latest(folder: Path, text: str, name: str) -> None:
    """All that a user would type."""
    assert find_run(text, folder).name == name


def test_a_run_is_found_by_path(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, relative, or that of one event file, wherever runs live."""
    elsewhere = tmp_path / "elsewhere"
    assert find_run(str(folder / "cnn-01"), elsewhere) == folder / "cnn-01"
    monkeypatch.chdir(folder)
    assert find_run("./cnn-01", elsewhere) == folder / "cnn-01"
    file = next((folder / "cnn-01").iterdir())
    assert find_run(str(file), elsewhere) == file


def test_a_file_that_is_no_log_is_no_run(folder: Path, tmp_path: Path) -> None:
    """A script, say, of which `diagnose` would find nothing wrong; an event file is one by what it begins with, too."""
    (tmp_path / "train.py").write_text("import torch\n" * 20)
    (tmp_path / "nothing").touch()
    for name, hint in (("train.py", "tuimon run train.py"), ("nothing", "Name a run")):
        with pytest.raises(TuimonError, match="is no event file") as error:
            find_run(str(tmp_path / name), folder)
        assert hint in str(error.value)
    log = LogWriter(tmp_path / "own", "run")
    log.close()
    renamed = log.path.rename(tmp_path / "log-of-monday")
    assert find_run(str(renamed), folder) == renamed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mlp", "several runs: mlp-02, mlp-01"),
        ("mpl-02", "The nearest: mlp-02"),
        ("zzz", "The newest: mlp-02, cnn-01"),
        ("", "name of the run is empty"),
        ("~nobody-is-called-so", "No run called"),
    ],
)
def test_a_name_that_means_no_run_names_the_nearest(folder: Path, text: str, reason: str) -> None:
    """Ambiguous, mistyped and unknown."""
    with pytest.raises(TuimonError) as error:
        find_run(text, folder)
    assert reason in str(error.value)


def test_an_empty_name_never_means_the_only_run(tmp_path: Path) -> None:
    """`tuimon stop "$RUN"`, where that was never set."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "events.out.tfevents.1.host.1.0.run").touch()
    with pytest.raises(TuimonError, match="name of the run is empty"):
        find_run("", tmp_path)


def test_a_folder_of_data_does_not_hide_a_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That lies where the user is, and is called as runs begin; one within the folder of runs counts."""
    here = tmp_path / "here"
    (here / "cnn").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert find_run("cnn", folder) == folder / "cnn-01"
    (folder / "cnn").mkdir()
    with pytest.raises(TuimonError, match="no event file of its own"):
        find_run("cnn", folder)


def test_a_current_folder_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another terminal removed it."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(TuimonError, match="current folder no longer exists"):
        runs_dir()


def test_a_folder_with_logs_deeper_in_it_names_them(folder: Path) -> None:
    """As other frameworks keep training and validation apart."""
    for name in ("train", "validation"):
        (folder / "empty" / name).mkdir()
        (folder / "empty" / name / "events.out.tfevents.1.host").touch()
    with pytest.raises(TuimonError, match="no event file of its own") as error:
        find_run("empty", folder)
    assert "train, validation" in error.value.hint
    assert find_run("empty/train", folder) == folder / "empty" / "train"


def test_without_runs_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    """Also for `latest`."""
    with pytest.raises(TuimonError, match="No runs in"):
        find_run("latest", tmp_path)


def test_a_folder_that_may_not_be_looked_into_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's: rather than that it is empty. As root, by a stand-in for the kernel's refusal."""

    def refuse(path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    looks = (
        lambda: check_runs_dir(folder),
        lambda: find_run("mlp", folder),
        lambda: find_run("latest", folder),
        lambda: find_run("empty", folder),
    )
    for look in looks:
        with pytest.raises(TuimonError, match=r"Cannot read .*: Permission denied"):
            look()


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    """A disk that is not mounted, say."""
    (tmp_path / "runs").symlink_to(tmp_path / "unmounted")
    with pytest.raises(TuimonError, match=r"Cannot read .*runs: No such file"):
        check_runs_dir(tmp_path / "runs")
    with pytest.raises(TuimonError, match=r"There is no folder .*not yet"):
        check_runs_dir(tmp_path / "not yet")


def test_where_runs_live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The option, else the variable, else ./runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUIMON_RUNS", raising=False)
    assert runs_dir() == tmp_path / "runs"
    monkeypatch.setenv("TUIMON_RUNS", "/somewhere")
    assert runs_dir() == Path("/somewhere")
    assert runs_dir("here") == tmp_path / "here"


def test_runs_within_runs_are_named_by_their_path(folder: Path) -> None:
    """As on TensorBoard's page, at every depth; each is found by that name, by the beginning of it, or by its path."""
    for name, second in (("keras/train", 400), ("keras/validation", 500), ("a/b/c/d", 50), ("mlp-01/sub", 60)):
        (folder / name).mkdir(parents=True)
        (folder / name / f"events.out.tfevents.{second:010d}.host").touch()
    runs = [run_name(run, folder) for run in list_runs(folder)]
    assert runs == ["keras/validation", "keras/train", "mlp-02", "cnn-01", "mlp-01", "mlp-01/sub", "a/b/c/d"]
    assert find_run("keras/train", folder) == find_run("keras/t", folder) == folder / "keras" / "train"
    assert find_run(str(folder / "a" / "b" / "c" / "d"), folder / "elsewhere") == folder / "a" / "b" / "c" / "d"
    assert find_run("latest", folder) == folder / "keras" / "validation"
    assert find_run("mlp-01", folder) == find_run("mlp-01/", folder) == folder / "mlp-01"
    with pytest.raises(TuimonError, match="several runs: keras/validation, keras/train"):
        find_run("ker", folder)


def test_a_folder_of_runs_that_is_a_run_itself_is_listed(folder: Path) -> None:
    """By the name that TensorBoard gives it."""
    (folder / "events.out.tfevents.0000000900.host").touch()
    assert run_name(list_runs(folder)[0], folder) == "." and find_run(".", folder) == folder


def test_links_among_folders_end(tmp_path: Path) -> None:
    """Each of 30 folders links to all others: endlessly many paths, of which each folder is entered by a few."""
    for number in range(30):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "events.out.tfevents.1.h").touch()
        for other in range(30):
            (tmp_path / f"{number}" / f"to-{other}").symlink_to(tmp_path / f"{other}")
    runs = [run_name(run, tmp_path) for run in list_runs(tmp_path)]
    assert {f"{number}" for number in range(30)} <= set(runs) and len(runs) == len(set(runs)) < 1000


def test_a_path_as_long_as_the_system_allows_is_no_error(tmp_path: Path) -> None:
    """Deeper than Python recurses."""
    (tmp_path / "events.out.tfevents.1.h").touch()
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):  # by relative steps, as no path is that long
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert list_runs(tmp_path) == [tmp_path]
    _remove_deep(tmp_path)


def _remove_deep(folder: Path) -> None:
    """What the test's own clean-up could not: it recurses."""
    while True:
        inner = folder / "d"
        if not inner.exists():
            return
        deeper = inner / "d"
        if deeper.exists():
            deeper.rename(folder / "e")
        inner.rmdir()
        if (folder / "e").exists():
            (folder / "e").rename(folder / "d")
