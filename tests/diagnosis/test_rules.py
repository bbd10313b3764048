"""Each rule finds its problem in a real log, and finds nothing in a healthy one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tuimon.base.process import this_process
from tuimon.diagnosis import diagnose
from tuimon.log.reader import read_run
from tuimon.log.records import Finding, LayerInfo, LeverInfo, RunStarted
from tuimon.log.writer import LogWriter

LAYERS = tuple(LayerInfo(name=name, type="Linear") for name in ("fc1", "fc2", "out"))
LEVERS = (
    LeverInfo(name="lr_scale", type="number", value=1.0),
    LeverInfo(name="clip_norm", type="number", value=0.0),
    LeverInfo(name="weight_decay", type="number", value=0.0, enabled=False, regularizer=True),
    LeverInfo(name="activation/fc1", type="choice", value="relu", choices=("relu", "leaky_relu")),
)
Values = Callable[[int], dict[str, float]]


def healthy(step: int) -> dict[str, float]:
    """A run that learns: losses fall, gradients have similar norms, few units are dead."""
    norms = {f"grad_norm/{layer.name}": 0.1 + 0.01 * (step % 3) for layer in LAYERS}
    dead = {f"dead_fraction/{layer.name}": 0.05 for layer in LAYERS}
    return {"loss/train": 2 / step, "loss/val": 2.1 / step, **norms, **dead, "saturated_fraction/fc1": 0.2}


def findings_of(folder: Path, change: Values, steps: int = 30, layers: tuple[LayerInfo, ...] = LAYERS) -> list[Finding]:
    """Writes a log of healthy values with `change` applied, reads it back, and diagnoses it."""
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name="r", process=this_process(), layers=layers, levers=LEVERS))
    for step in range(1, steps + 1):
        writer.scalars(step, healthy(step) | change(step))
    writer.close()
    return diagnose(read_run(folder))


def test_a_healthy_run_has_no_findings(tmp_path: Path) -> None:
    """No finding is the normal case."""
    assert findings_of(tmp_path, lambda step: {}) == []


def test_a_negative_loss_that_falls_is_healthy(tmp_path: Path) -> None:
    """A log-likelihood loss can be negative."""
    assert findings_of(tmp_path, lambda s: {"loss/train": -0.11 * s, "loss/val": -0.1 * s}) == []


def test_a_loss_that_jumps_and_recovers_is_no_finding(tmp_path: Path) -> None:
    """The first steps with a high learning rate can do that."""
    assert findings_of(tmp_path, lambda s: {"loss/train": 1000.0 if 12 < s < 25 else 2 / s}) == []


def test_outputs_without_a_gradient_are_not_dead(tmp_path: Path) -> None:
    """A model that has memorized its training data gives no gradient, but its outputs are not zero."""
    assert findings_of(tmp_path, lambda s: {"dead_fraction/out": 0.4}) == []


def test_dead_units_are_reported_once(tmp_path: Path) -> None:
    """A normalization after a dead layer gets no gradient either, and has no activation of its own to replace."""
    layers = (LAYERS[0], LayerInfo(name="norm1", type="BatchNorm1d", activation="ReLU"), *LAYERS[1:])
    (finding,) = findings_of(tmp_path, lambda s: {"dead_fraction/fc1": 0.4, "dead_fraction/norm1": 0.4}, layers=layers)
    assert finding.layer == "fc1"


def test_an_empty_log_has_no_findings(tmp_path: Path) -> None:
    """It is no error either."""
    assert findings_of(tmp_path, lambda step: {}, steps=0) == []


def test_a_resumed_run_has_no_findings_before_its_first_sample(tmp_path: Path) -> None:
    """Samples after its checkpoint are discarded, which may be all of them; that is no error either."""
    for first_step in (0, 4):
        writer = LogWriter(tmp_path, "run")
        writer.event(RunStarted(name="r", process=this_process(), layers=LAYERS, levers=LEVERS, first_step=first_step))
        if not first_step:
            writer.scalars(5, healthy(5))
        writer.close()
    store = read_run(tmp_path)
    assert "dead_fraction/fc1" in store and not len(store["dead_fraction/fc1"])
    assert diagnose(store) == []


@pytest.mark.parametrize("tag", ["dead_fraction/fc1", "saturated_fraction/fc1"])
def test_a_nan_fraction_is_no_finding(tmp_path: Path, tag: str) -> None:
    """A layer that was not used in the sampled step has no fraction."""
    assert findings_of(tmp_path, lambda step: {tag: math.nan if step > 20 else 0.0}) == []


@pytest.mark.parametrize(
    ("rule", "layer", "step", "remedy", "change"),
    [
        ("non-finite-loss", "", 21, {}, lambda s: {"loss/train": math.nan if s > 20 else 1.0}),
        ("diverging-loss", "", 19, {"lr_scale": 0.5}, lambda s: {"loss/train": max(1.0, 2.0 ** (s - 15))}),
        ("dead-units", "fc2", 12, {"lr_scale": 0.5}, lambda s: {"dead_fraction/fc2": 0.4 if s >= 12 else 0.0}),
        (
            "dead-units",
            "fc1",
            12,
            {"activation/fc1": "leaky_relu"},
            lambda s: {"dead_fraction/fc1": 0.4 if s >= 12 else 0.0},
        ),
        ("saturated-units", "fc1", 5, {}, lambda s: {"saturated_fraction/fc1": 0.9 if s >= 5 else 0.0}),
        ("vanishing-gradient", "fc1", 30, {}, lambda s: {"grad_norm/fc1": 1e-7}),
        ("exploding-gradient", "out", 30, {"clip_norm": 1.0}, lambda s: {"grad_norm/out": 500.0 if s == 30 else 0.2}),
        ("over-fitting", "", 10, {"weight_decay": 0.01}, lambda s: {"loss/val": 0.5 + 0.1 * abs(s - 10)}),
    ],
)
def test_each_rule_finds_its_problem(
    tmp_path: Path, rule: str, layer: str, step: int, remedy: dict[str, float], change: Values
) -> None:
    """The finding names the layer, the step, and a lever setting if one can help."""
    (finding,) = findings_of(tmp_path, change)
    assert (finding.rule, finding.layer, finding.step, finding.remedy) == (rule, layer, step, remedy)


def test_a_gradient_that_recovers_does_not_explode(tmp_path: Path) -> None:
    """After a time close to zero, it returns to its previous norm."""
    assert not findings_of(tmp_path, lambda s: {"grad_norm/out": 1e-7 if 8 < s < 28 else 0.2})


def test_the_most_severe_finding_comes_first(tmp_path: Path) -> None:
    """An error before a warning."""
    found = findings_of(tmp_path, lambda s: {"loss/train": math.nan, "dead_fraction/fc1": 1.0})
    assert [finding.severity for finding in found] == ["error", "warning"]


def test_a_gradient_of_exactly_zero_is_found(tmp_path: Path) -> None:
    """Underflow is the worst case. The finding has the step of its sample, not the latest step."""
    gone = {"grad_norm/fc1": 0.0, "grad_norm/fc2": 1e-12}
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted(name="r", process=this_process(), layers=LAYERS, levers=LEVERS))
    for step in range(1, 31):
        writer.scalars(step, healthy(step) | gone)
    writer.scalars(35, {"loss/train": 0.01})
    writer.close()
    (finding,) = diagnose(read_run(tmp_path))
    assert (finding.rule, finding.layer, finding.step) == ("vanishing-gradient", "fc1", 30)


def test_a_layer_without_a_gradient_before_healthy_ones_is_no_finding(tmp_path: Path) -> None:
    """Such as an embedding that a batch did not use."""
    assert findings_of(tmp_path, lambda step: {"grad_norm/fc1": 0.0}) == []


def test_the_text_does_not_repeat_the_step(tmp_path: Path) -> None:
    """Lists of findings print the step before the text."""
    (finding,) = findings_of(tmp_path, lambda s: {"loss/val": 0.5 + 0.1 * abs(s - 10)})
    assert finding.step == 10 and "step" not in finding.text
