"""The labelled set is what it says, and its scoring counts as it says."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tuimon
from benchmarks.diagnosis.case import Case, drawn
from benchmarks.diagnosis.kinds import KINDS
from benchmarks.diagnosis.labelled import CASES, FAULTS
from benchmarks.diagnosis.logs import Logs
from benchmarks.diagnosis.recipe import HOLDOUT, Range, Recipe
from benchmarks.diagnosis.said import Said, growing
from benchmarks.diagnosis.score import Heard, scored
from benchmarks.diagnosis.tools import TOOLS, opinion
from benchmarks.diagnosis.worse import is_worse
from tuimon.log.writer import LogWriter

SMALL = Recipe("digits", width=16, depth=1, steps=60, lr=3e-3)


def heard(kind: str, *said: Said) -> Heard:
    """A run of 100 steps with that fault, and what is said of it."""
    return Heard(Case("a", SMALL, kind), list(said), 100)


def test_the_set_is_as_large_and_as_wide_as_it_should_be() -> None:
    """Names are unique, every kind is defined and occurs, over different nets or optimizers."""
    assert len(FAULTS) >= 60 and len(CASES) - len(FAULTS) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
    of_kind = defaultdict(set)
    for case in FAULTS:
        of_kind[case.kind].add((case.recipe.data, case.recipe.net, case.recipe.optimizer))
    assert of_kind.keys() == KINDS.keys()
    assert min(map(len, of_kind.values())) >= 2


def test_what_may_be_named_beside_a_kind_is_a_kind() -> None:
    """But for words of a more general meaning that tools use."""
    general = {"initialization", "wrong-sign", "one-class-predicted", "validation-gap"}
    assert {beside for kind in KINDS.values() for beside in kind.beside} - general <= KINDS.keys()


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
def test_a_fault_changes_its_recipe(case: Case) -> None:
    """In the set and in every hold-out, which is the same when drawn again, and another one than the set."""
    for holdout in (None, 1, 2):
        one = drawn(case, holdout)
        assert one.faulty != one.recipe and one == drawn(case, holdout)
        assert not any(isinstance(value, Range | tuple) for value in one.change.values())
    assert drawn(case, 1).recipe != drawn(case, 2).recipe != case.recipe


def test_the_hold_out_stays_within_its_ranges() -> None:
    """Sizes and rates within their factors; strengths between the two ends of their ranges."""
    case = Case("a", replace(SMALL, batch=64, width=64), "rate-too-high", {"lr": Range(1.0, 0.5, 2.0)})
    for seed in range(50):
        one = drawn(case, seed)
        for key, factor in HOLDOUT.items():
            assert 1 / factor * 0.95 <= getattr(one.recipe, key) / getattr(case.recipe, key) <= factor * 1.05
    strengths = [Range(1.0, 0.5, 2.0).drawn(random.Random(seed)) for seed in range(50)]
    assert 0.5 <= min(strengths) < 1.0 < max(strengths) <= 2.0


def test_a_kind_that_is_named_is_found_when_it_is_first_said() -> None:
    """A hint is not enough, and is counted apart."""
    score = scored(
        [
            heard(
                "rate-too-low", Said("slow", ("rate-too-low",), "warning", 30), Said("slow", ("rate-too-low",), "critical", 60)
            ),
            heard("rate-too-low", Said("slow", ("rate-too-low",), "hint", 10)),
        ],
        [],
    )
    assert (score.recall, score.at, score.silent) == (0.5, 0.3, 1)
    assert (score.kinds[0].found, score.kinds[0].hinted) == (1, 2)


def test_what_may_be_named_beside_a_kind_is_neither_right_nor_wrong() -> None:
    """It does not find the kind; anything else is wrong, once however often it is said."""
    beside, wrong = Said("flat", ("plateau",), "warning", 5), Said("leak", ("leak",), "warning", 5)
    score = scored([heard("rate-too-low", beside), heard("rate-too-low", wrong, wrong._replace(severity="critical"))], [])
    assert (score.recall, score.wrong, score.critical_right, score.critical_fits) == (0.0, 0.5, 0.0, 0.0)


def test_the_first_critical_finding_counts() -> None:
    """By its step; a warning before it does not."""
    right, beside = Said("slow", ("rate-too-low",), "critical", 50), Said("flat", ("plateau",), "critical", 20)
    score = scored([heard("rate-too-low", right, beside), heard("rate-too-low", right), heard("rate-too-low")], [])
    assert score.critical_right == pytest.approx(1 / 3)
    assert score.critical_fits == pytest.approx(2 / 3)
    assert score.critical_right_of_said == pytest.approx(1 / 2)


def test_a_word_about_a_healthy_run_costs_precision() -> None:
    """And is counted by its severity."""
    said = Said("slow", ("rate-too-low",), "warning", 5)
    score = scored(
        [heard("rate-too-low", said)], [heard("", said), heard("", said._replace(severity="hint")), heard(""), heard("")]
    )
    assert score.kinds[0].precision == 0.5
    assert (score.healthy_critical, score.healthy_told, score.healthy_hints) == (0.0, 0.25, 0.25)


def test_a_growing_store_ends_as_the_whole_one(tmp_path: Path) -> None:
    """And holds nothing of the future before."""
    writer = LogWriter(tmp_path, "run")
    for step in range(1, 51):
        writer.scalars(step, {"loss/train": 1.0 / step, **({"loss/val": 2.0 / step} if step % 10 == 0 else {})})
    writer.close()
    whole = tuimon.read_run(tmp_path)
    for step, so_far in growing(whole, 5):
        assert so_far.step == step == so_far["loss/train"].steps[-1]
        assert len(so_far["loss/val"]) == step // 10
    assert np.array_equal(so_far["loss/train"].values, whole["loss/train"].values)


@pytest.mark.timeout(240)
def test_a_fault_is_trained_once_and_compared_with_its_twin(tmp_path: Path) -> None:
    """Really trained, in processes of their own; a second time the logs are there."""
    case = Case("a", SMALL, "rate-too-low", {"lr": 1e-7})
    harmless = replace(case, change={"lr": 2.9e-3})
    logs, runs, twins = Logs(tmp_path), [case.faulty], [case.recipe, harmless.faulty]
    assert [done.error for done in logs.make(runs, twins, 1)] == ["", "", ""]
    assert list(logs.make(runs, twins, 1)) == []
    assert logs.has_log(case.faulty) and not logs.has_log(case.recipe)
    run, twin, other = (logs.outcome(recipe) for recipe in (case.faulty, case.recipe, harmless.faulty))
    assert run and twin and other
    assert is_worse(case, run, twin)[0] and not is_worse(harmless, other, twin)[0]
    assert logs.store(case.faulty).step == SMALL.steps
    for tool in TOOLS:
        first = opinion(logs, case.faulty, tool)
        assert first.steps == SMALL.steps and opinion(logs, case.faulty, tool) == first
    assert any("rate-too-low" in one.kinds for one in opinion(logs, case.faulty, TOOLS[-1]).said), "the naive one sees that"
