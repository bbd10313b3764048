"""What a change did is told from the log: better or worse than the run's own trend would have been, or that it is too early."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from diagnosis_logs import LEVERS
from tuimon.base.process import Process, this_process
from tuimon.diagnosis.measures.difference import difference
from tuimon.diagnosis.measures.effect import Floats, effect, student
from tuimon.diagnosis.proof import changes, proofs, prove, twins
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Ended, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter

Loss = Callable[[int], float]


def halved(step: int, lever: str = "lr_scale") -> Applied:
    return Applied(step=step, lever=lever, old=1.0, new=0.5, by="me")


def run_with(
    folder: Path, made: list[Applied], loss: Loss, val: Loss | None = None, steps: int = 400, over: bool = True
) -> Store:
    """A run's store: a loss a step, a validation every tenth, and changes."""
    rng = np.random.default_rng(7)
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name="r", process=this_process(), levers=LEVERS))
    for step in range(1, steps + 1):
        scalars = {"loss/train": loss(step) + 0.05 * rng.normal()}
        writer.scalars(step, scalars | ({"loss/val": val(step) + 0.01 * rng.normal()} if val and not step % 10 else {}))
        for one in made:
            if one.step == step:
                writer.event(one, step)
    if over:
        writer.event(Ended(how="finished", step=steps), steps)
    writer.close()
    return read_run(folder)


def falling(step: int) -> float:
    """As a loss falls that nothing disturbs."""
    return 0.3 + 2 * math.exp(-step / 80)


def test_a_change_that_ends_a_plateau_helped(tmp_path: Path) -> None:
    """And the text has the numbers that it rests on: the loss seen, and what the trend led to."""
    proof = prove(run_with(tmp_path, [halved(200)], lambda s: 1.0 if s <= 200 else 0.5), 200)
    assert (proof.effect.verdict, proof.tag) == ("helped", "loss/train")
    assert proof.effect.band[0] > 0.9 > 0.6 > proof.effect.observed
    assert proof.effect.before.last == 200 and proof.effect.after.first == 201
    assert proof.text.startswith("helped: loss/train 0.497 at steps 201 to 300") and "steps 101 to 200" in proof.text


def test_a_loss_that_goes_on_falling_was_not_helped(tmp_path: Path) -> None:
    """It falls after any step; the trend says that it would have fallen without the change, too."""
    proof = prove(run_with(tmp_path, [halved(150)], falling), 150)
    assert proof.effect.verdict == "no effect"
    assert proof.effect.observed < proof.effect.before.level  # lower, but no lower than it was going


def test_a_loss_that_jumps_was_made_worse(tmp_path: Path) -> None:
    assert prove(run_with(tmp_path, [halved(200)], lambda s: falling(s) + (s > 200)), 200).effect.verdict == "made it worse"


def test_a_single_spike_is_no_effect(tmp_path: Path) -> None:
    assert prove(run_with(tmp_path, [halved(200)], lambda s: falling(s) + 5 * (s == 210)), 200).effect.verdict == "no effect"


def test_losses_that_become_finite_or_stop_being_so(tmp_path: Path) -> None:
    """No level can be compared there, and none is needed."""
    broken = prove(run_with(tmp_path / "a", [halved(200)], lambda s: falling(s) if s <= 200 else math.nan), 200)
    mended = prove(run_with(tmp_path / "b", [halved(200)], lambda s: falling(s) if s > 200 else math.inf), 200)
    assert (broken.effect.verdict, mended.effect.verdict) == ("made it worse", "helped")
    assert broken.text == "made it worse: the loss is not finite any more"


def test_a_live_run_is_not_judged_too_early(tmp_path: Path) -> None:
    """While it runs, a small difference may still come; the reason says how much was seen."""
    early = prove(run_with(tmp_path / "a", [halved(200)], lambda s: 1.0, steps=204, over=False), 200)
    assert (early.effect.verdict, early.effect.why) == ("too early to say", "only 4 losses after it")
    some = prove(run_with(tmp_path / "b", [halved(200)], lambda s: 1.0, steps=240, over=False), 200)
    assert some.effect.verdict == "too early to say" and some.effect.after.count == 32
    clear = prove(run_with(tmp_path / "c", [halved(200)], lambda s: 1.0 if s <= 200 else 0.5, steps=216, over=False), 200)
    assert clear.effect.verdict == "helped"


def test_validation_is_judged_where_there_is_enough(tmp_path: Path) -> None:
    """A training loss that falls by over-fitting does not make a change a help."""
    proof = prove(run_with(tmp_path, [halved(200)], lambda s: 1.0 - 0.5 * (s > 200), lambda s: 1.0 + 0.5 * (s > 200)), 200)
    assert (proof.tag, proof.effect.verdict) == ("loss/val", "made it worse")


def test_dropout_is_not_judged_by_the_training_loss(tmp_path: Path) -> None:
    """It moves that loss itself."""
    proof = prove(run_with(tmp_path, [halved(200, "dropout")], lambda s: 1.0 - 0.5 * (s > 200)), 200)
    assert (proof.tag, proof.effect.verdict) == ("", "too early to say") and "dropout" in proof.text


def test_each_change_is_judged_between_its_neighbours(tmp_path: Path) -> None:
    """What was set at one step is one change; what does not touch the training, or a lever set to what it was, is none."""
    loss = lambda s: 1.5 if s <= 100 else (0.5 if s <= 250 else 1.0)  # noqa: E731
    nothing = [Applied(180, "checkpoint", note="a file"), Applied(190, "lr_scale", old=0.5, new=0.5)]
    nothing += [Applied(195, "autopilot", old=False, new=True), Applied(196, "paused", old=False, new=True)]
    made = [halved(100), halved(100, "clip_norm"), *nothing, halved(250)]
    store = run_with(tmp_path, made, loss)
    assert [(one.step, one.levers) for one in changes(store)] == [(100, ("lr_scale", "clip_norm")), (250, ("lr_scale",))]
    assert [one.effect.verdict for one in proofs(store)] == ["helped", "made it worse"]
    assert proofs(store)[0] == prove(store, 100) and proofs(store)[0].effect.after.last <= 250
    with pytest.raises(ValueError, match="nothing was changed at step 101"):
        prove(store, 101)


def test_a_resumption_takes_back_the_changes_after_it(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "run")
    for process, first_step in ((this_process(), 0), (Process("h", "b", 2, 2.0), 100)):
        writer.event(RunStarted(name="r", process=process, levers=LEVERS, first_step=first_step))
        writer.event(halved(first_step + 50), first_step + 50)
        writer.event(halved(first_step + 60), first_step + 60)
        if not first_step:
            writer.event(halved(120), 120)
    writer.close()
    assert [one.step for one in changes(read_run(tmp_path))] == [50, 60, 150, 160]


def test_a_schedule_that_moves_the_rate_meanwhile_is_said(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted(name="r", process=this_process(), levers=LEVERS))
    for step in range(1, 201):
        writer.scalars(step, {"loss/train": 1.0 + 0.1 * math.sin(step * step), "lr": 0.1 if step <= 130 else 0.01})
        if step == 100:
            writer.event(halved(step), step)
    writer.close()
    assert "the schedule moved the learning rate" in prove(read_run(tmp_path), 100).text


def test_a_log_without_losses_says_so(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted(name="r", process=this_process(), levers=LEVERS))
    writer.event(halved(5), 5)
    writer.close()
    assert prove(read_run(tmp_path), 5).text == "too early to say: no loss is logged"


def test_twins_are_compared_batch_by_batch(tmp_path: Path) -> None:
    """So that a difference is seen that is far smaller than the noise of either loss."""
    unchanged = run_with(tmp_path / "a", [], lambda s: 1.0)
    better = twins(run_with(tmp_path / "b", [], lambda s: 1.0 - 0.02 * (s > 100)), unchanged, 100)
    assert (better.difference.verdict, better.tag) == ("helped", "loss/train")
    assert better.text.startswith("helped: loss/train 0.979") and " at steps 251 to 400, " in better.text
    assert twins(unchanged, unchanged, 100).text.startswith("no effect: ")
    assert twins(unchanged, unchanged, 398).text == "too early to say: only 1 steps at which both have a loss/train"
    broken = twins(run_with(tmp_path / "c", [], lambda s: 1.0 if s < 200 else math.nan), unchanged, 100)
    assert broken.text == "made it worse: loss/train becomes NaN or infinite, only with it"


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_twins_that_differ_by_noise_alone_are_rarely_told_apart(alike: float) -> None:
    """At most one in twenty of 100, where neighbouring differences resemble each other, too."""
    rng, steps = np.random.default_rng(2), np.arange(1, 801)
    told = [difference((steps, correlated(rng, 800, alike)), (steps, np.zeros(800)), 0).verdict for _ in range(100)]
    assert told.count("no effect") >= 95
    assert difference((steps, correlated(rng, 800, alike) - 2), (steps, np.zeros(800)), 0).verdict == "helped"


def correlated(rng: np.random.Generator, size: int, alike: float) -> Floats:
    """Autoregressive noise of standard deviation 1."""
    found = rng.normal(size=size)
    for i in range(1, size):
        found[i] = alike * found[i - 1] + math.sqrt(1 - alike**2) * found[i]
    return found


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
def test_noise_is_rarely_taken_for_an_effect_and_effects_are_seen(alike: float) -> None:
    """Of 60 falling losses of 400 steps, and the same with a drop by 5 standard deviations of the noise."""
    rng = np.random.default_rng(1)
    steps = np.arange(1, 401)
    quiet, dropped = [], []
    for _ in range(60):
        losses = 2 * (steps * 1.0) ** -0.4 + 0.1 * correlated(rng, 400, alike)
        quiet.append(effect(steps, losses, 200, over=True).verdict)
        dropped.append(effect(steps, losses - 0.5 * (steps > 200), 200, over=True).verdict)
    assert sum(verdict in ("helped", "made it worse") for verdict in quiet) <= 4
    assert sum(verdict == "helped" for verdict in dropped) >= (54 if alike < 0.9 else 36)
    assert "made it worse" not in dropped


@pytest.mark.parametrize(
    ("freedom", "tail", "value"),
    [
        (1, 0.005, 63.657),
        (2, 0.005, 9.925),
        (3, 0.001, 10.215),
        (10, 0.005, 3.169),
        (22, 0.005, 2.819),
        (60, 0.001, 3.232),
        (4, 0.1, 1.533),
    ],
)
def test_the_quantiles_are_those_of_the_tables(freedom: int, tail: float, value: float) -> None:
    """Of Student's t distribution, as printed in any book of statistics."""
    assert student(freedom, tail) == pytest.approx(value, abs=2e-3)
