"""`tuimon compare --max-loss --max-slower`: a gate between runs, by its exit code."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tuimon.base.process import this_process
from tuimon.cli.main import main
from tuimon.log.records import Ended, RunStarted
from tuimon.log.writer import LogWriter


def trained(
    folder: Path,
    name: str,
    loss: float = 0.5,
    speed: float = 100.0,
    steps: int = 200,
    device: str = "cpu",
    batch: int = 32,
    how: str = "finished",
) -> None:
    """A run's log, as a training process leaves it."""
    log = LogWriter(folder / name, "run")
    spec = {"data": {"batch_size": batch}}
    log.event(RunStarted(name=name, process=this_process(), device=device, spec=spec))
    for step in range(1, steps + 1):
        log.scalars(step, {"loss/train": 1.0, "throughput": speed if step > 5 else 1.0})
    log.scalars(steps, {"loss/val": loss})
    log.event(Ended(how, step=steps))  # type: ignore[arg-type]
    log.close()


@pytest.mark.parametrize(
    ("other", "code", "said"),
    [
        ({}, 0, "b: pass: loss 0.0 % lower, 0.0 % faster than a"),
        ({"loss": 0.504}, 0, "b: pass: loss 0.8 % higher"),
        ({"loss": 0.51}, 1, "b: fail: loss 2.0 % higher, at most 1 % is allowed"),
        ({"loss": 0.1, "speed": 50.0}, 1, "b: fail: 100.0 % slower, at most 5 % is allowed"),
        ({"loss": math.nan}, 1, "b: fail: loss not finite"),
        ({"device": "cuda:0"}, 3, "b: cannot compare: another device: cuda:0, not cpu as a"),
        ({"batch": 64}, 3, "b: cannot compare: another batch size: 64, not 32 as a"),
        ({"steps": 60}, 3, "b: cannot compare: too few steps: 60, not 200 as a"),
        ({"how": "failed"}, 3, "b: cannot compare: b is failed"),
    ],
)
def test_a_run_is_judged_beside_the_first(
    tmp_path: Path, other: dict[str, object], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """0: not worse; 1: worse; 3: cannot be compared, and why. Slow first steps do not count."""
    trained(tmp_path, "a")
    trained(tmp_path, "b", **other)  # type: ignore[arg-type]
    words = ["compare", "a", "b", "--max-loss", "1%", "--max-slower", "0.05", "--runs-dir", str(tmp_path), "--headless"]
    assert main(words) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(said)
    assert main([*words, "--json"]) == code
    gate = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (gate["kind"], gate["run"], gate["baseline"]) == ("gate", "b", "a")
    assert bool(gate["reasons"]) == (code != 0)


def test_the_gravest_verdict_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several runs."""
    trained(tmp_path, "a")
    trained(tmp_path, "worse", loss=1.0)
    trained(tmp_path, "other", batch=1)
    where = ["--runs-dir", str(tmp_path), "--headless", "--max-loss", "1%"]
    assert main(["compare", "a", "worse", "other", *where]) == 3
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()[-2:]] == ["fail", "cannot compare"]
    assert main(["compare", "a", *where]) == 1 and "two or more" in capsys.readouterr().err


def test_steps_too_few_to_be_timed_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only if their speed is asked for."""
    for name in ("a", "b"):
        trained(tmp_path, name, steps=20)
    where = ["--runs-dir", str(tmp_path), "--headless"]
    assert main(["compare", "a", "b", "--max-slower", "5%", *where]) == 3
    assert "too few steps of a to time it: 18, not 50" in capsys.readouterr().out
    assert main(["compare", "a", "b", "--max-loss", "1%", *where]) == 0


@pytest.mark.parametrize("limit", ["-1%", "much", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    """With 2."""
    with pytest.raises(SystemExit) as error:
        main(["compare", "a", "b", f"--max-loss={limit}"])
    assert error.value.code == 2


def test_a_chart_stands_under_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not with --quiet, and never in JSON."""
    trained(tmp_path, "a")
    where = ["a", "--runs-dir", str(tmp_path), "--headless"]
    main(["compare", *where])
    assert " by step" in capsys.readouterr().out
    main(["compare", *where, "--quiet"])
    assert len(capsys.readouterr().out.splitlines()) == 2
    main(["compare", *where, "--json"])
    assert [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()] == ["result"]
