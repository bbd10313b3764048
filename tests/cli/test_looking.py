"""`tuimon look`: samples of a run on a terminal, in a pipe, and where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tuimon.cli import main as cli
from tuimon.log import pictures, samples, wire
from tuimon.log.path import path_of
from tuimon.log.reader import read_run
from tuimon.log.samples import Sample, Samples
from tuimon.log.writer import LogWriter
from tuimon.paper.ink import Ink
from tuimon.spec.loading import load_spec
from tuimon.training.loop import train


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with samples of two validations."""
    writer = LogWriter(tmp_path / "one", "run")
    for step, truth in ((10, "cat"), (20, "dog")):
        pixels, sheet = pictures.lay_out(np.full((1, 8, 8, 1), 255, np.uint8), "pictures/samples/val")
        found = Samples(of=5, samples=(Sample(index=0, why=("worst",), truth=truth, predicted="owl", loss=2.0),), sheet=sheet)
        image = wire.image_value(sheet.tag, 8, 8, 1, pictures.encode(pixels))
        writer.text_and_pictures(step, "samples/val", samples.encode(found), image)
    writer.text(20, "confusion/val", "{}")
    writer.close()
    return tmp_path / "one"


def test_the_last_validation_is_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without colours in a pipe; or the last one up to a step."""
    assert cli.main(["look", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "1 of 5 samples of val at step 20" in printed and "dog, said owl" in printed and "@" * 16 in printed
    assert "\x1b" not in printed and printed.endswith("next  tuimon plot one --kind confusion\n")
    assert cli.main(["look", str(run), "--step", "19", "--ascii"]) == 0
    assert "cat, said owl" in capsys.readouterr().out


def test_a_terminal_gets_pixels_in_colour(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As half-blocks in 24 bits."""
    monkeypatch.setattr("tuimon.cli.looking.ink_for", lambda *_, **__: Ink(colour=True))
    assert cli.main(["look", str(run)]) == 0
    assert "\x1b[38;2;255;255;255;48;2;255;255;255m" + "▀" * 16 + "\x1b[0m" in capsys.readouterr().out


def test_a_run_without_samples_says_how_to_have_some(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also if there are only later ones."""
    LogWriter(tmp_path / "empty", "run").close()
    assert cli.main(["look", str(tmp_path / "empty")]) == 1
    assert "empty: no samples were logged." in (told := capsys.readouterr().err) and "monitor.samples(" in told
    assert cli.main(["look", str(run), "--step", "5"]) == 1
    assert "no samples were logged at or before step 5" in capsys.readouterr().err


def test_paths_of_several_runs_lie_in_one_picture_and_samples_follow(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the trainer logs them: from the start, after each step; a run without a path is shown by itself."""
    for name, rate in (("slow", "lr=0.01"), ("fast", "lr=0.05")):
        train(load_spec("bowl", [rate, "epochs=3", "device=cpu"]), tmp_path / name)
    assert cli.main(["look", str(tmp_path / "slow"), str(run), str(tmp_path / "fast")]) == 0
    printed = capsys.readouterr().out
    path = path_of(read_run(tmp_path / "fast"))
    assert path is not None and path.places == pytest.approx(
        np.array([[-8, 2], [-7.6, 0], [-7.22, 0], [-6.859, 0]]), rel=1e-6, abs=1e-6
    )
    assert "fast: 3 steps, to 23.5\n" in printed and "slow: 3 steps, to " in printed
    assert printed.count("across: x from ") == 1 and printed.index("fast:") < printed.index("one:\n1 of 5 samples of val")
