"""`tuimon learn`: courses, lessons, pages, and what is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuimon.cli import main as cli
from tuimon.log.writer import LogWriter
from tuimon.spec.courses import courses
from tuimon.spec.loading import load_spec, save_spec
from tuimon.viewer import progress


def said(capsys: pytest.CaptureFixture[str], runs: Path, *arguments: str) -> str:
    """What `tuimon learn …` prints."""
    assert cli.main(["learn", *arguments, "--runs-dir", str(runs)]) == 0
    return capsys.readouterr().out


def trained(folder: Path, preset: str, *losses: float) -> Path:
    """A run of a preset."""
    writer = LogWriter(folder, "run")
    save_spec(load_spec(preset), folder)
    for step, loss in enumerate(losses, start=1):
        writer.scalars(step, {"loss/train": loss})
    writer.close()
    return folder


def test_courses_and_lessons_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With the next lesson to take."""
    listed = said(capsys, tmp_path)
    assert all(course.name in listed and course.title in listed for course in courses())
    assert listed.endswith("next  tuimon learn first-steps 1\n")
    assert "6  " in (lessons := said(capsys, tmp_path, "activations")) and "dying-relu" in lessons


def test_a_page_says_what_to_watch_press_and_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """And, before the preset was trained, what it claims; nothing is done by reading."""
    page = said(capsys, tmp_path, "first-steps", "quadratic")
    assert "watch     one weight" in page and "press     g   Switch the y axis" in page
    assert "run       tuimon learn first-steps 1 --run" in page and "then      tuimon compare quadratic" in page
    assert "claims    loss/train last < 1e-15" in page and "next      tuimon learn first-steps 2" in page
    assert progress.done() == {}


def test_a_page_shows_what_happened_in_ones_own_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The lesson then is done, which the lists show."""
    run = trained(tmp_path / "quadratic-01", "quadratic", 25.0, 2e-16)
    page = said(capsys, tmp_path, "first-steps", "1")
    assert "happened  in quadratic-01\n" in page
    assert "yes  loss/train last < 1e-15: 2e-16, compared with 1e-15" in page
    assert progress.done() == {"first-steps/quadratic": str(run)}
    assert "1 of  5 done" in (listed := said(capsys, tmp_path)) and listed.endswith("learn first-steps 2\n")
    assert " 1  done  quadratic" in said(capsys, tmp_path, "first-steps")


def test_what_happened_is_found_from_another_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By what is remembered; a run that was deleted is forgotten."""
    run = trained(tmp_path / "here" / "quadratic-01", "quadratic", 25.0, 1.0)
    said(capsys, tmp_path / "here", "first-steps", "1")
    page = said(capsys, tmp_path / "there", "first-steps", "1")
    assert "no   loss/train last < 1e-15: 1, compared with 1e-15" in page
    run.rename(tmp_path / "elsewhere")
    assert "claims    " in said(capsys, tmp_path / "there", "first-steps", "1")


def test_a_lesson_can_be_trained(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With --run, its preset as it is; every lesson about that preset is done."""
    started: list[str] = []

    def start(spec: object, *, runs_dir: Path, source: str, **_: object) -> Path:
        started.append(source)
        return trained(runs_dir / "vanishing-sigmoid-01", "vanishing-sigmoid", 2.3)

    monkeypatch.setattr("tuimon.launcher.start.start.start", start)
    printed = said(capsys, tmp_path, "starts", "vanishing-sigmoid", "--run", "--detach")
    assert printed == "vanishing-sigmoid-01\n" and started == ["vanishing-sigmoid"]
    assert set(progress.done()) == {"starts/vanishing-sigmoid", "debugging/read-the-layers"}


def test_a_memory_that_cannot_be_read_is_empty(own_settings: Path) -> None:
    """And is written anew."""
    file = own_settings / "state" / "tuimon" / "lessons.json"
    file.parent.mkdir(parents=True)
    file.write_text("[1")
    assert progress.done() == {}
    progress.remember(["rates/rate-right"], Path("/somewhere/rate-right-01"))
    assert progress.done() == {"rates/rate-right": "/somewhere/rate-right-01"}


def test_a_memory_that_cannot_be_written_costs_nothing_else(own_settings: Path) -> None:
    """Such as on a full disk."""
    (own_settings / "state").write_text("a file where the folder should be")
    progress.remember(["rates/rate-right"], Path("/somewhere"))
    assert progress.done() == {}
