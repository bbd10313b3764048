"""A small part of the labelled set, really trained: faults are found by their names, healthy runs get no word.

The whole set is `make bench-diagnosis`; these are its shortest trainings, made shorter still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.diagnosis.bases import CODER, MLP, TABLE, sgd
from benchmarks.diagnosis.case import Case, fault, healthy
from benchmarks.diagnosis.logs import Logs
from benchmarks.diagnosis.recipe import Recipe
from benchmarks.diagnosis.said import diagnosed

pytestmark = pytest.mark.xdist_group("labelled")  # trained once, not once a worker

SHORT = replace(MLP, steps=200)
DEEP = Recipe("digits", depth=6, width=48, steps=200)
LINEAR = sgd(Recipe("friedman", depth=0, batch=128, steps=150), 0.05)

FAULTS = [
    fault("non-finite", "nan-in-the-table", replace(TABLE, steps=150), inputs="nan:0.01"),
    fault("diverging", "linear-regression", LINEAR, lr=1.3, also="rate-too-high"),
    fault("vanishing-gradient", "deep-sigmoid", DEEP, activation="sigmoid"),
    fault("dead-units", "biases-far-below-zero", SHORT, init="bias:-6"),
    fault("symmetric-units", "constant", SHORT, init="constant:0.05"),
    fault("rate-too-low", "adam", SHORT, lr=1e-6),
]
HEALTHY = [
    healthy("mlp", SHORT),
    healthy("linear-regression", LINEAR),
    healthy("autoencoder", replace(CODER, steps=200)),
    healthy("regression", replace(TABLE, steps=200)),
]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    """All of them trained once, in a process of their own."""
    logs = Logs(tmp_path_factory.mktemp("labelled"))
    assert not [done for done in logs.make([case.faulty for case in (*FAULTS, *HEALTHY)], [], 1) if done.error]
    yield logs


@pytest.mark.timeout(600)  # the first of them trains all; seconds on an idle machine
@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.kind)
def test_a_fault_is_named(logs: Logs, case: Case) -> None:
    """By a finding that is more than a hint."""
    said = [one for one in diagnosed(logs.store(case.faulty)) if one.severity != "hint"]
    assert {kind for one in said for kind in one.kinds} & {case.kind, *case.also}, said


@pytest.mark.timeout(600)  # the first of them trains all; seconds on an idle machine
@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: case.name)
def test_a_healthy_run_gets_no_critical_finding(logs: Logs, case: Case) -> None:
    """Nor a warning."""
    assert [one for one in diagnosed(logs.store(case.faulty)) if one.severity != "hint"] == []
