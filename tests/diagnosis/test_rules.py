"""Each rule finds its problem where training suffers, and finds nothing in a healthy log."""

from __future__ import annotations

import math
import random
from pathlib import Path

import msgspec
import pytest

from diagnosis_logs import LAYERS, Values, findings_of, healthy, stuck
from tuimon.diagnosis import RULES, Diagnosis
from tuimon.diagnosis.causes import CAUSES, causes_of, in_order
from tuimon.diagnosis.diagnosis import Finding
from tuimon.diagnosis.life import Life
from tuimon.diagnosis.rule import Symptom
from tuimon.log.records import Severity


def vanishing(step: int) -> dict[str, float]:
    """Gradients that shrink tenfold at each layer."""
    return {f"grad_norm/{layer.name}": (1 + step % 3) * 10.0 ** (i - 5) for i, layer in enumerate(LAYERS)}


def test_a_healthy_run_has_no_findings(tmp_path: Path) -> None:
    """No finding is the normal case."""
    assert findings_of(tmp_path, healthy) == []


@pytest.mark.parametrize(
    "odd",
    [
        lambda s: {"loss/train": -0.11 * s, "loss/val": -0.1 * s},  # a log-likelihood
        lambda s: {"loss/train": 30.0 if 12 < s < 25 else healthy(s)["loss/train"]},  # a jump that recovers
        lambda s: {"dead_fraction/fc1": 0.4},  # some dead units, and the loss falls
        lambda s: {"saturated_fraction/fc1": 0.9},
        vanishing,  # gradients of different sizes, and the loss falls
        lambda s: {"grad_norm/fc1": 0.0},  # an embedding that a batch does not use
        lambda s: {"loss/val": 0.5 + 0.1 * math.sin(s)},  # a validation loss that is noisy
        lambda s: {"dead_fraction/fc1": math.nan, "saturated_fraction/fc1": math.nan, "grad_norm/out": math.nan},
    ],
)
def test_what_looks_odd_and_does_no_harm_is_no_finding(tmp_path: Path, odd: Values) -> None:
    """A symptom alone is none: the training must suffer."""
    assert findings_of(tmp_path, lambda step: {**healthy(step), **odd(step)}) == []


@pytest.mark.parametrize(
    ("rule", "severity", "layer", "remedy", "base", "change"),
    [
        ("non-finite-loss", "critical", "", {}, healthy, lambda s: {"loss/train": math.nan} if s > 20 else {}),
        ("diverging-loss", "critical", "", {"lr_scale": 0.1}, healthy, lambda s: {"loss/train": 2.0 * 1.03**s}),
        ("dead-units", "critical", "fc2", {"lr_scale": 0.5}, stuck, lambda s: {"dead_fraction/fc2": 1.0}),
        ("dead-units", "warning", "fc1", {"activation/fc1": "leaky_relu"}, stuck, lambda s: {"dead_fraction/fc1": 0.7}),
        ("saturated-units", "critical", "fc1", {}, stuck, lambda s: {"saturated_fraction/fc1": 0.9}),
        ("vanishing-gradient", "critical", "fc1", {}, stuck, vanishing),
        (
            "exploding-gradient", "critical", "fc1", {"clip_norm": 1.0}, stuck,
            lambda s: {f"grad_norm/{layer.name}": (1 + s % 3) * 10.0 ** (5 - i) for i, layer in enumerate(LAYERS)},
        ),
        ("over-fitting", "warning", "", {"weight_decay": 0.01}, healthy, lambda s: {"loss/val": 0.5 + 0.02 * abs(s - 60)}),
    ],
)  # fmt: skip
def test_each_rule_finds_its_problem(
    tmp_path: Path, rule: str, severity: str, layer: str, remedy: dict[str, float], base: Values, change: Values
) -> None:
    """By its name, with the layer, and a lever setting if one can help."""
    (finding,) = findings_of(tmp_path, lambda step: {**base(step), **change(step)})
    assert (finding.rule, finding.severity, finding.layer, finding.remedy) == (rule, severity, layer, remedy)
    assert finding.cleared is None and 0 < finding.step <= finding.raised <= 180


def test_over_fitting_names_the_best_epoch(tmp_path: Path) -> None:
    """To return to: the 60th of ten steps each has been the best."""
    (finding,) = findings_of(tmp_path, lambda s: {**healthy(s), "loss/val": 0.5 + 0.02 * abs(s - 60)})
    assert finding.step == 60 and "best after epoch 6" in finding.text


def test_a_small_rise_above_the_best_validation_loss_is_a_hint(tmp_path: Path) -> None:
    """Half as much again as the lowest, and little of all that was learned: it is told by its name, and is no alarm."""
    rise = {"loss/val": lambda s: 2.2 * 0.9**s + 0.11 + max(0.0, 0.0005 * (s - 80))}
    (finding,) = findings_of(tmp_path, lambda s: {**healthy(s), **{tag: value(s) for tag, value in rise.items()}})
    assert (finding.rule, finding.severity) == ("over-fitting", "hint")


def test_a_standstill_at_the_beginning_is_not_critical_yet(tmp_path: Path) -> None:
    """A deep network may stand for a while before it learns: it is told, and critical only if it lasts."""
    found = findings_of(tmp_path, lambda s: {**stuck(s), "saturated_fraction/fc1": 0.9}, steps=80)
    assert [(one.rule, one.severity) for one in found] == [("saturated-units", "warning")]


def test_one_sample_of_small_updates_is_no_rate_that_is_too_low(tmp_path: Path) -> None:
    """Plain descent moves a deep network little at first, and more as its gradient grows."""

    def grows(step: int) -> dict[str, float]:
        values = {**stuck(step), **{f"update_ratio/{layer.name}": 8e-5 for layer in LAYERS}}
        return values if step in (1, 2) else {tag: value for tag, value in values.items() if "update_ratio" not in tag}

    assert findings_of(tmp_path / "two", grows) == []
    small = {f"update_ratio/{layer.name}": 8e-5 for layer in LAYERS}
    found = findings_of(tmp_path / "all", lambda s: {**stuck(s), **small})
    assert [one.rule for one in found] == ["rate-too-low"]


@pytest.mark.parametrize(("pace", "severity"), [(0.004, "warning"), (0.01, "critical")])
def test_a_training_loss_that_climbs_under_long_steps_is_a_rate_that_is_too_high(
    tmp_path: Path, pace: float, severity: str
) -> None:
    """It had come far down, and steps beyond the usual take it back: critical once they have taken half of it."""
    ratios = {f"update_ratio/{layer.name}": 0.02 for layer in LAYERS}
    loss = {"loss/train": lambda s: healthy(s)["loss/train"] + max(0.0, pace * (s - 80))}
    found = findings_of(tmp_path, lambda s: {**healthy(s), **ratios, **{tag: value(s) for tag, value in loss.items()}}, 250)
    assert [(one.rule, one.severity) for one in found] == [("rate-too-high", severity)]


def test_long_first_steps_explain_units_that_they_killed(tmp_path: Path) -> None:
    """The units were awake before; had they been dead from the start, no step had killed them."""

    def values(step: int, dead: float) -> dict[str, float]:
        long = {f"update_ratio/{layer.name}": 0.5 if step < 10 else 5e-3 for layer in LAYERS}
        stands = {"loss/train": 1.0 + 0.05 * random.Random(step).gauss(0, 1) if step > 10 else 2.3}
        return {**healthy(step), **long, **stands, "dead_fraction/fc2": 0.8 if step > 5 else dead}

    found = findings_of(tmp_path / "killed", lambda s: values(s, 0.05))
    assert {one.rule: one.explained_by for one in found} == {"rate-too-high": "", "dead-units": "rate-too-high"}
    assert "the units of fc2 have died" in found[0].text + found[1].text
    assert [one.rule for one in findings_of(tmp_path / "dead", lambda s: values(s, 0.8))] == ["dead-units"]


@pytest.mark.parametrize(("base", "severity"), [(healthy, "warning"), (stuck, "critical")])
def test_one_measure_of_harm_makes_a_warning_critical(tmp_path: Path, base: Values, severity: str) -> None:
    """A run that learns nothing is lost, whatever is wrong with it; what costs time only, loses none."""
    found = findings_of(tmp_path, lambda s: {**base(s), "model/training": 0.0, "step/wait_fraction": 0.8})
    assert {one.rule: one.severity for one in found} == {"eval-mode": severity, "slow-input": "warning"}


def test_what_was_learned_before_the_first_validation_counts_against_a_rise(tmp_path: Path) -> None:
    """A first validation that is nearly the best already: a tenth of what was learned is not lost again."""

    def values(step: int) -> dict[str, float]:
        start = {"loss/train": 2.3 if step < 6 else 1.0 - 0.001 * step}
        rises = {"loss/val": 1.0 + 0.03 * (step > 60)} if step >= 20 else {}
        found = {tag: value for tag, value in healthy(step).items() if not tag.startswith("loss/")}
        return {**found, **start, **rises}

    assert [one for one in findings_of(tmp_path, values) if one.rule == "over-fitting" and one.severity != "hint"] == []


def test_gradients_of_layers_that_the_optimizer_does_not_have_add_up_without_harm(tmp_path: Path) -> None:
    """A head that is trained alone: zero_grad sets its gradient to zero, and not that of the others."""
    alone = {f"update_ratio/{layer.name}": 0.0 for layer in LAYERS[:-1]}
    found = findings_of(tmp_path, lambda s: {**healthy(s), **alone, "step/grad_before": 3.0})
    assert "missing-zero-grad" not in [one.rule for one in found]
    assert "missing-zero-grad" in [
        one.rule for one in findings_of(tmp_path / "all", lambda s: {**healthy(s), "step/grad_before": 3.0})
    ]


def test_a_rate_that_its_schedule_has_made_small_is_not_called_too_low(tmp_path: Path) -> None:
    """It is the schedule that has to change."""
    small = {f"update_ratio/{layer.name}": 1e-6 for layer in LAYERS}
    falling = findings_of(tmp_path / "falls", lambda s: {**stuck(s), **small, "lr": 0.1 if s < 15 else 1e-3})
    assert "rate-too-low" not in [one.rule for one in falling]
    assert "rate-too-low" in [one.rule for one in findings_of(tmp_path / "low", lambda s: {**stuck(s), **small, "lr": 1e-3})]


def test_a_gradient_that_ends_at_one_layer_has_not_vanished_on_its_way(tmp_path: Path) -> None:
    """No layer shrinks one by twenty decades: what follows is cut off, or dead."""
    cut = {f"grad_norm/{layer.name}": 0.0 if i < 3 else 0.1 for i, layer in enumerate(LAYERS)}
    assert "vanishing-gradient" not in [one.rule for one in findings_of(tmp_path, lambda s: {**stuck(s), **cut})]


def _regression(outputs: tuple[float, float]) -> Values:
    """A regression that is stuck, with outputs of this range at each step, and targets from -2 to 2."""
    targets = {"aim/squares_min": -2.0, "aim/squares_max": 2.0, "aim/squares_variance": 1.0}
    low, high = outputs

    def values(step: int) -> dict[str, float]:
        loss = 1.0 + random.Random(step).gauss(0, 0.02)
        ends = {"output/min": low * math.cos(step), "output/max": low * math.cos(step) + high - low, "step/rows": 64.0}
        return {**healthy(step), **targets, "loss/train": loss, "loss/val": 1.0, "aim/squares": loss, **ends}

    return values


def test_an_output_that_is_the_same_for_all_samples_has_no_range(tmp_path: Path) -> None:
    """Nothing arrives there, whatever the last activation is; one that varies, and stays within a tanh's ends, cannot reach."""
    assert findings_of(tmp_path / "constant", _regression((-0.99, -0.99 + 1e-4))) == []
    bounded = _regression((0.0, 0.97))
    found = findings_of(tmp_path / "bounded", lambda s: {**bounded(s), "output/min": -0.98, "output/max": 0.97})
    assert [one.rule for one in found] == ["output-or-loss"]


def test_a_model_that_returns_its_loss_has_no_labels_of_one_class(tmp_path: Path) -> None:
    """Outputs that are averaged have all the same gradient: a binary cross-entropy of large outputs has the same value."""

    def values(step: int) -> dict[str, float]:
        loss = 25.0 * 0.97**step + 5
        aims = {"aim/binary": loss, "aim/binary_min": 0.0, "aim/binary_max": 0.0, "aim/binary_mean": 0.0, "aim/absolute": 1.0}
        return {**healthy(step), **aims, "loss/train": loss, "loss/val": loss, "step/rows": 64.0}

    assert findings_of(tmp_path, values) == []


def test_a_relu_that_gets_hardly_anything_positive_is_told(tmp_path: Path) -> None:
    """Before its units are dead; and where it does no harm, it is none."""
    layers = tuple(msgspec.structs.replace(layer, activation="ReLU") for layer in LAYERS)
    negative = {"negative_fraction/fc2": 0.97}
    found = findings_of(tmp_path / "stuck", lambda s: {**stuck(s), **negative}, layers=layers)
    assert [(one.rule, one.layer, one.severity) for one in found] == [("mostly-negative", "fc2", "warning")]
    assert findings_of(tmp_path / "fine", lambda s: {**healthy(s), **negative}, layers=layers) == []
    dead = findings_of(tmp_path / "dead", lambda s: {**stuck(s), **negative, "dead_fraction/fc2": 0.9}, layers=layers)
    assert [one.rule for one in dead] == ["dead-units"]


def test_memory_that_is_nearly_full_is_told_by_whom_it_is_filled(tmp_path: Path) -> None:
    """The machine's if this process fills it; a device's, where PyTorch keeps what it has freed, is a hint."""
    full = {"system/host/memory_used_bytes": 31e9, "system/host/memory_total_bytes": 32e9, "system/process/memory_bytes": 29e9}
    found = findings_of(tmp_path / "own", lambda s: {**healthy(s), **full})
    assert [(one.rule, one.severity) for one in found] == [("memory-nearly-full", "warning")]
    others = {**full, "system/process/memory_bytes": 1e9}
    assert findings_of(tmp_path / "others", lambda s: {**healthy(s), **others}) == []
    device = {"system/gpu1/memory_used_bytes": 79e9, "system/gpu1/memory_total_bytes": 80e9}
    found = findings_of(tmp_path / "device", lambda s: {**healthy(s), **device})
    assert [(one.rule, one.severity) for one in found] == [("memory-nearly-full", "hint")] and "gpu1" in found[0].text


def test_gradients_that_are_mostly_noise_are_told_with_their_noise_scale(tmp_path: Path) -> None:
    """Two batches' gradients that have nothing in common, at long steps, and a loss that stands."""

    def values(step: int, cosine: float) -> dict[str, float]:
        loss = max(2.3 * 0.9**step, 1.3) + random.Random(step).gauss(0, 0.05)
        ratios = {f"update_ratio/{layer.name}": 0.02 for layer in LAYERS}
        noise = {"grad_cosine": cosine + random.Random(-step).gauss(0, 0.02), "step/rows": 32.0}
        return {**healthy(step), **ratios, **noise, "loss/train": loss, "loss/val": 1.4}

    (finding,) = findings_of(tmp_path / "noise", lambda step: values(step, 0.02))
    assert (finding.rule, finding.severity) == ("batch-noise", "hint") and 1000 < finding.evidence["noise_scale"] < 3200
    assert findings_of(tmp_path / "signal", lambda step: values(step, 0.3)) == []


def test_a_cause_stands_before_what_it_explains(tmp_path: Path) -> None:
    """A loss that has grown until it was no number: one root, and the other under it."""
    found = findings_of(tmp_path, lambda s: {**healthy(s), "loss/train": 2.0 * 3.0**s if s < 60 else math.nan})
    assert [(finding.rule, finding.explained_by) for finding in found] == [
        ("diverging-loss", ""),
        ("non-finite-loss", "diverging-loss"),
    ]


def test_what_only_follows_is_not_told_under_its_cause(tmp_path: Path) -> None:
    """Saturated units let the gradient vanish: to say both would say one thing twice."""
    found = findings_of(tmp_path, lambda s: {**stuck(s), **vanishing(s), "saturated_fraction/fc1": 1.0})
    assert [finding.rule for finding in found] == ["saturated-units"]


@pytest.mark.parametrize(
    ("severity", "told"), [("hint", {"batch-noise": "", "rate-too-high": ""}), ("warning", {"batch-noise": ""})]
)
def test_a_hint_hides_no_warning(severity: Severity, told: dict[str, str]) -> None:
    """What only follows is not told under its cause, if that is told as loudly."""
    life, rules = Life(), {rule.name: rule for rule in RULES}
    verdicts = [(rules["batch-noise"], Symptom("", 1, severity=severity)), (rules["rate-too-high"], Symptom("", 1))]
    found = [one for points in (10, 20, 40, 80) for one in life.look(points, points, list(verdicts))]
    assert {one.rule: one.explained_by for one in found} == told


def test_an_error_in_a_rule_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as a finding, once."""
    from tuimon.diagnosis.rules import units

    monkeypatch.setattr(units.column_since, "__code__", (lambda panel, column, above: 1 // 0).__code__)
    change = {"dead_fraction/fc1": 1.0}
    found = findings_of(tmp_path, lambda s: {**stuck(s), **change, "loss/train": math.nan if s > 100 else 2.3})
    assert [finding.rule for finding in found] == ["non-finite-loss", "dead-units"]
    assert "cannot be applied: ZeroDivisionError" in found[1].text and found[1].severity == "hint"


def test_causes_have_no_circles_and_name_rules() -> None:
    """Every rule has a name, a meaning of two sentences, and a source."""
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert {*CAUSES, *(effect for effects in CAUSES.values() for effect in effects)} <= set(names)
    assert all(name not in causes_of(name) for name in names)
    assert sorted(in_order(names)) == sorted(names)
    assert all(rule.meaning.count(". ") == 1 and rule.meaning.endswith(".") and rule.cites and rule.needs for rule in RULES)


def test_an_old_severity_has_its_present_name() -> None:
    """Logs of earlier versions say error and info."""
    assert [Finding(1, "a", "b", severity=old).severity for old in ("error", "info", "warning")] == [
        "critical",
        "hint",
        "warning",
    ]  # type: ignore[arg-type]
    assert Diagnosis().abstentions().keys() <= {rule.name for rule in RULES}
