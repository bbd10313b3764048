"""Each rule finds its problem where training suffers, and finds nothing in a healthy log."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from diagnosis_logs import LAYERS, Values, findings_of, healthy, stuck
from tuimon.diagnosis import RULES, Diagnosis
from tuimon.diagnosis.causes import CAUSES, causes_of, in_order
from tuimon.diagnosis.diagnosis import Finding


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
