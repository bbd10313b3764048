"""Claims are judged from the logs of runs: real logs, and values computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tuimon.diagnosis.judging import judge, value_of
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter
from tuimon.spec.claims import Claim, Told

NAN = math.nan


def store(folder: Path, **tags: list[float]) -> Store:
    """A run's log with the values of each tag at steps 1, 2, …; `__` in a tag stands for a slash."""
    log = LogWriter(folder, "v2")
    for tag, values in tags.items():
        for step, value in enumerate(values, start=1):
            log.scalars(step, {tag.replace("__", "/"): value})
    log.close()
    return read_run(folder)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Told("loss", "first"), 4.0),
        (Told("loss", "last"), 2.0),
        (Told("loss"), 2.0),
        (Told("loss", "min"), 1.0),
        (Told("loss", "max"), 8.0),
        (Told("loss", "mean"), 3.75),
        (Told("loss", "end"), 2.0),
        (Told("loss", "last", until=2), 1.0),
        (Told("loss", "first", since=3), 8.0),
        (Told("loss", "step_below", level=2.0), 2.0),
        (Told("loss", "step_below", level=0.5), math.inf),
        (Told("dead/*"), 5.0),
        (Told("dead/*", over="max"), 3.0),
        (Told("dead/*", over="mean"), 2.5),
        (Told("dead/*", over="min"), 2.0),
        (Told("nan", "last"), NAN),
        (Told("nan", "max"), 3.0),
        (Told("nan", "end"), NAN),
        (Told("loss", since=9), NAN),
        (Told("absent"), NAN),
    ],
    ids=str,
)
def test_a_statistic_is_read_from_a_log(tmp_path: Path, told: Told, expected: float):
    """Of one tag, or of several together; NaN where there is nothing to read."""
    found = store(tmp_path, loss=[4.0, 1.0, 8.0, 2.0], dead__fc1=[9.0, 2.0], dead__fc2=[9.0, 3.0], nan=[3.0, NAN])
    assert value_of(told, found) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("relation", "number", "held"),
    [("<", 3.0, True), ("<", 2.0, False), (">", 1.0, True), ("=", 2.0, True), ("=", NAN, False), ("<", NAN, False)],
)
def test_a_claim_compares_with_a_number(tmp_path: Path, relation: str, number: float, held: bool):
    """Nothing is smaller or larger than NaN."""
    claim = Claim(tag="loss", relation=relation, number=number, seeds=(1, 1))  # type: ignore[arg-type]
    assert judge(claim, [(store(tmp_path, loss=[2.0]), None)]).passes(claim) is held


def test_nan_equals_nan(tmp_path: Path):
    """So a claim can say that a run ends in NaN."""
    claim = Claim(tag="loss", relation="=", number=NAN)
    assert judge(claim, [(store(tmp_path, loss=[1.0, NAN]), None)]).passes(claim)


def test_a_claim_holds_in_as_many_seeds_as_it_says(tmp_path: Path):
    """Each run is compared with the other one of its seed."""
    claim = Claim(tag="loss", relation="<", times=0.5, than=Told(preset="other"), seeds=(4, 5))
    other = store(tmp_path / "other", loss=[4.0])
    runs = [(store(tmp_path / str(seed), loss=[value]), other) for seed, value in enumerate((1.0, 1.0, 1.0, 1.9, 2.0))]
    verdict = judge(claim, runs)
    assert (verdict.held, verdict.runs) == (4, 5) and verdict.passes(claim)
    assert verdict.pairs[3] == (pytest.approx(1.9), 2.0)
    assert not judge(claim, [*runs[:3], *runs[4:]]).passes(claim)  # 3 of 4
    assert not judge(claim, []).passes(claim)
