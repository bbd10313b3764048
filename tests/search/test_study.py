"""Studies in their journal: what is tried, what several searches share, and what a torn or full journal costs."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from conftest import wait_until
from tuimon.base.errors import TuimonError
from tuimon.search.plan import JOURNAL_FILE, Objective, Plan
from tuimon.search.study import Study, TrialInfo

PLAN = Plan(space={"lr": "log(1e-4,1)", "momentum": "one_minus_log(0.9,0.999)"}, budget="1000 trials")


def opened(folder: Path, say: Callable[[str], None] = lambda _: None, **changes: object) -> Study:
    (folder / JOURNAL_FILE).touch()
    return Study(folder, msgspec.structs.replace(PLAN, **changes), "base", say)


def asked(study: Study) -> TrialInfo:
    trial = study.ask()
    assert trial is not None
    return trial


def test_momentum_covers_its_decades_evenly(tmp_path: Path) -> None:
    """As many trials between 0.9 and 0.99 as between 0.99 and 0.999; the rate has as many in each of its four decades."""
    study = opened(tmp_path)
    values = [asked(study).values for _ in range(200)]
    low = sum(float(value["momentum"]) < 0.99 for value in values)
    assert 75 <= low <= 125  # 3.5 standard deviations
    decades = [sum(math.floor(math.log10(float(value["lr"]))) == decade for value in values) for decade in (-4, -3, -2, -1)]
    assert sum(decades) == 200 and min(decades) >= 28 and max(decades) <= 72


def test_a_trials_number_decides_its_values(tmp_path: Path) -> None:
    """Whichever search asks for it: two that share a study try no value twice, and what one alone would have tried."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    alone = opened(tmp_path / "a")
    one, other = opened(tmp_path / "b"), opened(tmp_path / "b")
    wanted = [asked(alone).values for _ in range(6)]
    assert [asked(study).values for study in (one, other, other, one, other, one)] == wanted
    assert len({value["lr"] for value in wanted}) == 6


def test_the_budget_is_shared(tmp_path: Path) -> None:
    """Two searches at once start no more trials than one; what was interrupted is tried again and not counted."""
    one, other = opened(tmp_path, budget="3 trials"), opened(tmp_path, budget="3 trials")
    first, second = asked(one), asked(other)
    one.tell(first.number, "interrupted")
    one.again(first.number)
    again = asked(other)
    assert again.values == first.values and again.number > second.number
    assert one.ask() is not None and other.ask() is None and one.ask() is None and one.used_up


def test_a_trial_is_told_once(tmp_path: Path) -> None:
    """Where two searches follow one trial, the first counts."""
    one, other = opened(tmp_path), opened(tmp_path)
    trial = asked(one)
    assert one.tell(trial.number, "finished", 0.5) and not other.tell(trial.number, "failed")
    assert [(known.outcome, known.value) for known in other.trials()] == [("finished", 0.5)]


def test_the_best_is_the_highest_where_that_is_the_goal(tmp_path: Path) -> None:
    """Only trials with a value are ranked."""
    study = opened(tmp_path, objective=Objective("accuracy/val", "max"))
    for value in (0.5, 0.9, 0.7):
        study.tell(asked(study).number, "finished", value)
    study.tell(asked(study).number, "failed", why="it crashed")
    assert [trial.value for trial in study.ranked()] == [0.9, 0.7, 0.5] and study.best() == study.ranked()[0]


def test_a_grid_is_tried_once_whoever_asks(tmp_path: Path) -> None:
    """Also if it was queued only in part: a search that was killed meanwhile never queued the rest."""
    study = opened(tmp_path, sampler="grid", budget="9 trials")
    lines = (tmp_path / JOURNAL_FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL_FILE).write_bytes(b"".join(lines[:-4]))
    study = opened(tmp_path, sampler="grid", budget="9 trials")
    points = []
    while trial := study.ask():
        points.append((trial.values["lr"], trial.values["momentum"]))
        study.tell(trial.number, "finished", 1.0)
    assert len(points) == len(set(points)) == 9 and {lr for lr, _ in points} == {"0.0001", "0.01", "1"}


def test_rounds_draw_their_box_around_the_best(tmp_path: Path) -> None:
    """And wait until the round before has ended."""
    study = opened(tmp_path, sampler="fine", rounds=3, budget="30 trials", space={"lr": "log(1e-4,1)"})
    waiting = [asked(study) for _ in range(10)]
    assert study.ask() is None and not study.used_up
    for trial in waiting:
        study.tell(trial.number, "finished", (math.log10(float(trial.values["lr"])) + 2) ** 2)
    rounds: dict[int, list[float]] = {0: [math.log10(float(trial.values["lr"])) for trial in waiting]}
    while trial := study.ask():
        rounds.setdefault(trial.round, []).append(math.log10(float(trial.values["lr"])))
        study.tell(trial.number, "finished", (math.log10(float(trial.values["lr"])) + 2) ** 2)
    widths = [max(values) - min(values) for values in rounds.values()]
    assert [len(values) for values in rounds.values()] == [10, 10, 10] and widths[0] > widths[1] > widths[2]
    assert all(abs(value + 2) < 1 for value in rounds[2])


@pytest.mark.parametrize(("pruner", "pruned"), [("none", False), ("median", True), ("halving", True)])
def test_a_trial_that_is_worse_than_others_is_pruned(tmp_path: Path, pruner: str, pruned: bool) -> None:
    """By its curve so far; the reason names the value."""
    study = opened(tmp_path, pruner=pruner)
    for _ in range(6):
        trial = asked(study)
        for nth in range(1, 9):
            study.report(trial.number, nth, 1 / nth)
        study.tell(trial.number, "finished", 1 / 8)
    bad = asked(study)
    whys = [study.report(bad.number, nth, 5.0) for nth in range(1, 9)]
    assert any(whys) is pruned and (not pruned or "loss/val 5 at its validation" in next(filter(None, whys)))
    assert not any(study.report(asked(study).number, 1, math.nan) for _ in range(1))


def test_a_changed_plan_is_refused(tmp_path: Path) -> None:
    """Its trials could not be compared; the budget may change."""
    opened(tmp_path)
    opened(tmp_path, budget="5 trials")
    with pytest.raises(TuimonError, match="has changed since it began"):
        opened(tmp_path, space={"lr": "log(1e-4,2)"})


def test_half_a_line_costs_nothing_else(tmp_path: Path) -> None:
    """What a search that was killed while it wrote has left behind; the next one goes on."""
    study = opened(tmp_path)
    study.tell(asked(study).number, "finished", 0.5)
    with open(tmp_path / JOURNAL_FILE, "ab") as file:
        file.write(b'{"op_code":4,"worker')
    again = opened(tmp_path)
    again.tell(asked(again).number, "finished", 0.25)
    assert [trial.value for trial in opened(tmp_path).trials()] == [0.5, 0.25]
    assert all(line.endswith(b"}") for line in (tmp_path / JOURNAL_FILE).read_bytes().splitlines())


def test_a_full_disk_is_waited_out(small_disk: Callable[[int], Path]) -> None:
    """It is said once, nothing is lost, and it goes on when there is room; the journal has whole lines only."""
    disk = small_disk(64)
    said: list[str] = []
    study = opened(disk, said.append)
    study.tell(asked(study).number, "finished", 0.5)
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(512))
    trials: list[TrialInfo] = []

    def work() -> None:
        for _ in range(20):  # the last block of the journal may have room for a few
            trials.append(asked(study))
            study.tell(trials[-1].number, "finished", 0.25)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: said, what="the full disk is told")
    assert "the disk is full: the search waits" in said[0] and thread.is_alive()
    filler.unlink()
    thread.join(60)
    assert said[1:] == ["there is room again: the search goes on"] and len(trials) == 20
    assert [trial.value for trial in opened(disk).trials()] == [0.5, *[0.25] * 20]
