"""Remedies: what each rule suggests, in order, where the run can do it; and what going back to a checkpoint means."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from diagnosis_logs import LAYERS, LEVERS, Values, healthy, stuck
from tuimon.base.process import this_process
from tuimon.diagnosis import Diagnosis, diagnose
from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.remedies import commands, first_that_can, has_learned
from tuimon.log.reader import RunReader, read_run
from tuimon.log.records import Applied, CheckpointSaved, Finding, LeverInfo, Remedy, RunStarted
from tuimon.log.writer import LogWriter

MORE = (
    *LEVERS,
    LeverInfo("l2", "number", 0.0, low=0.0, high=100.0, regularizer=True),
    LeverInfo("skip_non_finite", "switch", False),
    LeverInfo("checkpoint", "action"),
    LeverInfo("rewind", "action", takes="a name"),
    LeverInfo("reinit_dead_units", "action"),
    LeverInfo("reinit_weights", "action"),
    LeverInfo("lr_constant", "number", 0.1, enabled=False),
)


def log_of(
    folder: Path,
    values: Values,
    steps: int = 200,
    saved: tuple[int, ...] = (0,),
    back_at: int = 0,
    applied: tuple[Applied, ...] = (),
) -> Path:
    """A log with all levers, and checkpoints at some steps; at `back_at` the run goes back to the first."""
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name="r", process=this_process(), layers=LAYERS, levers=MORE, steps_per_epoch=10))
    for step in range(steps + 1):
        if step:
            writer.scalars(step, values(step))
        if step in saved:
            writer.event(CheckpointSaved(step, f"checkpoints/step-{step}.pt", "asked"), step)
        for one in applied:
            if one.step == step:
                writer.event(one, step)
        if back_at and step == back_at:
            writer.event(Applied(step, "rewind", new="checkpoints/step-0.pt"), step)
    writer.close()
    return folder


LOST = {"rewind": "first", "lr_scale": 0.1}
CASES: dict[str, tuple[Values, Values, list[list[str]]]] = {
    "dead-units": (
        stuck, lambda s: {"dead_fraction/fc1": 1.0},
        [["reinit_dead_units"], ["rewind", "lr_scale"], ["reinit_dead_units", "lr_scale"], ["activation/fc1"], ["lr_scale"]],
    ),
    "diverging-loss": (healthy, lambda s: {"loss/train": 2.0 * 1.03**s}, [["rewind", "lr_scale"], ["lr_scale"]]),
    "non-finite-loss": (
        healthy, lambda s: {"loss/train": math.nan} if s > 20 else {},
        [["rewind", "skip_non_finite"], ["rewind", "lr_scale", "skip_non_finite"]],
    ),
    "exploding-gradient": (
        stuck, lambda s: {f"grad_norm/{layer.name}": (1 + s % 3) * 10.0 ** (5 - i) for i, layer in enumerate(LAYERS)},
        [["reinit_weights"], ["rewind", "clip_norm"], ["rewind", "lr_scale"], ["clip_norm"], ["lr_scale"]],
    ),
    "rate-too-high": (
        stuck, lambda s: {f"update_ratio/{layer.name}": 0.9 for layer in LAYERS},
        [["rewind", "lr_scale"], ["lr_scale"], ["lr_scale"]],
    ),
    "rate-too-low": (stuck, lambda s: {f"update_ratio/{layer.name}": 1e-6 for layer in LAYERS}, [["lr_scale"], ["lr_scale"]]),
    "over-fitting": (
        healthy, lambda s: {"loss/val": 0.5 + 0.02 * abs(s - 60)},
        [["rewind", "lr_scale", "weight_decay"], ["rewind", "lr_scale"], ["weight_decay"]],
    ),
    "schedule-ended": (stuck, lambda s: {"lr": 0.1 if s < 20 else 1e-6}, [["lr_constant"], ["lr_scale"]]),
}  # fmt: skip


@pytest.mark.parametrize("rule", CASES)
def test_remedies_come_in_order_and_say_why(tmp_path: Path, rule: str) -> None:
    """What a fault has destroyed is brought back first, where the run has a checkpoint; each remedy has a reason."""
    base, change, levers = CASES[rule]
    found = diagnose(read_run(log_of(tmp_path, lambda step: {**base(step), **change(step)})))
    finding = next(one for one in found if one.rule == rule)
    assert [list(one.levers) for one in finding.remedies] == levers
    assert all(one.why for one in finding.remedies)
    assert finding.remedy == finding.remedies[0].levers


def test_without_a_checkpoint_nothing_is_rewound(tmp_path: Path) -> None:
    """And weights that are no numbers have no remedy then: the text says to restart."""
    nan = log_of(tmp_path / "nan", lambda s: {**healthy(s), "loss/train": math.nan if s > 20 else 1.0}, saved=())
    (finding,) = diagnose(read_run(nan))
    assert finding.remedies == () and "restart" in finding.text
    high = log_of(tmp_path / "up", lambda s: {**healthy(s), "loss/train": 2.0 * 1.03**s}, saved=())
    (finding,) = diagnose(read_run(high))
    assert [one.levers for one in finding.remedies] == [{"lr_scale": 0.1}]


def test_a_run_that_has_learned_goes_back_to_its_best(tmp_path: Path) -> None:
    """Not to its start: what was learned is kept."""
    lost = log_of(tmp_path, lambda s: {**healthy(s), **({"loss/train": math.nan} if s > 150 else {})}, saved=(0, 100))
    (finding,) = diagnose(read_run(lost))
    assert finding.remedies[0].levers == {"rewind": "best", "skip_non_finite": True}


def test_going_back_ends_findings_and_begins_anew(tmp_path: Path) -> None:
    """Findings of weights that are no more are over, and nothing measured of them counts against what comes."""

    def then_healthy(step: int) -> dict[str, float]:
        return {**healthy(step), "loss/train": 2.0 * 1.05**step} if step <= 100 else healthy(step - 100)

    log = log_of(tmp_path, then_healthy, 300, back_at=100)
    engine, told = Diagnosis(), []
    reader = RunReader(log)
    while batch := reader.read(4096):
        told += engine.take(batch)
    told += engine.look()
    reader.close()
    assert [(one.rule, one.cleared) for one in told if one.cleared is not None] == [("diverging-loss", 100)]
    assert engine.open == []
    again = log_of(tmp_path / "again", lambda s: {**healthy(s), "loss/train": 2.0 * 1.05 ** (s % 101)}, 200, back_at=100)
    raised = [one for one in diagnose(read_run(again), again=True) if one.rule == "diverging-loss"]
    assert [one.cleared is None for one in raised] == [True, False] and raised[0].raised > 100


def test_weights_that_were_replaced_are_not_gone_back_to(tmp_path: Path) -> None:
    """The first checkpoint has those that were no good."""
    base, change, levers = CASES["exploding-gradient"]
    anew = log_of(tmp_path, lambda s: {**base(s), **change(s)}, applied=(Applied(20, "reinit_weights", new=""),))
    found = next(one for one in diagnose(read_run(anew)) if one.rule == "exploding-gradient")
    assert [list(one.levers) for one in found.remedies] == [one for one in levers if "rewind" not in one]


@pytest.mark.parametrize(("lowered", "told"), [(False, True), (True, False)])
def test_a_rate_that_was_lowered_kills_no_more(tmp_path: Path, lowered: bool, told: bool) -> None:
    """Units that long first steps have killed are drawn anew, with shorter steps; dead ones stay so at any rate."""

    def values(step: int) -> dict[str, float]:
        long = {f"update_ratio/{layer.name}": 0.5 if step < 10 else 5e-3 for layer in LAYERS}
        stands = {"loss/train": 1.0 + 0.05 * (step % 3) if step > 10 else 2.3}
        return {**healthy(step), **long, **stands, "dead_fraction/fc2": 0.8 if step > 5 else 0.05}

    moved = (Applied(12, "lr_scale", 1.0, 0.1),) if lowered else ()
    found = {one.rule: one for one in diagnose(read_run(log_of(tmp_path, values, applied=moved)))}
    assert ("rate-too-high" in found) is told
    if told:
        assert [list(one.levers) for one in found["rate-too-high"].remedies[:2]] == [
            ["rewind", "lr_scale"],
            ["reinit_dead_units", "lr_scale"],
        ]


def test_commands_of_a_remedy() -> None:
    """Actions are done, levers set, in order; what `undo` could not bring back is saved first; the first that can is taken."""
    levers = {info.name: info for info in MORE}
    cure = Remedy({"rewind": "first", "reinit_dead_units": None, "lr_scale": 0.1})
    told = [(one.lever, one.op, one.value) for one in commands(cure, levers)]
    assert told == [
        ("checkpoint", "do", None),
        ("rewind", "set", "first"),
        ("reinit_dead_units", "do", None),
        ("lr_scale", "set", 0.1),
    ]
    assert [one.lever for one in commands(Remedy({"lr_scale": 0.1}), levers)] == ["lr_scale"]
    finding = Finding(1, "rule", "text", remedies=(Remedy({"dropout": 0.5}), Remedy({"lr_scale": 0.1})))
    assert first_that_can(finding, levers) == finding.remedies[1]
    assert first_that_can(Finding(1, "rule", "text", remedy={"lr_scale": 0.5}), levers) == Remedy({"lr_scale": 0.5})
    assert first_that_can(Finding(1, "rule", "text"), levers) is None


def evidence_of(losses: list[float]) -> Evidence:
    evidence, steps = Evidence(), np.arange(1, len(losses) + 1)
    evidence.extend("loss/train", steps, np.array(losses), steps.astype(float))
    return evidence


def test_when_there_is_something_to_keep() -> None:
    """Not where a loss that shot up has come down again, nor where it has not come below guessing."""
    down = [2.3 * 0.97**step for step in range(100)]
    assert has_learned(evidence_of(down))
    assert not has_learned(evidence_of([2.3] * 100))
    assert not has_learned(evidence_of([2.3] + [100.0 * 0.9**step for step in range(30)] + [2.3] * 80))
    assert not has_learned(evidence_of([math.nan] * 50))


def test_a_held_rate_is_the_schedules_own(tmp_path: Path) -> None:
    """Not what a lever has made of it; and the lever that would multiply it is set back."""
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted(name="r", process=this_process(), layers=LAYERS, levers=MORE))
    for step in range(1, 201):
        scale = 1000.0 if step > 40 else 1.0
        writer.scalars(step, {**stuck(step), "lr": scale * (0.1 if step < 20 else 1e-6 if step < 60 else 1e-12)})
        if step == 40:
            writer.event(Applied(step, "lr_scale", old=1.0, new=1000.0), step)
    writer.close()
    finding = next(one for one in diagnose(read_run(tmp_path)) if one.rule == "schedule-ended" and one.cleared is None)
    assert finding.remedies[0].levers == {"lr_scale": 1.0, "lr_constant": pytest.approx(3e-5)}
