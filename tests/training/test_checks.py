"""Checks before training: healthy models pass, and each fault fails on the line that looks for it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tuimon.spec.loading import load_spec
from tuimon.training.checks import CHECKS, Subject, examine, made, report
from tuimon.training.checks.building import build_subject, read_data
from tuimon.training.checks.gradient_check import worst_entry
from tuimon.training.checks.ladder import climb, rungs
from tuimon.training.checks.subject import fenced
from tuimon.training.checks.watching import activations_of
from tuimon.training.randomness import random_states
from tuimon.training.report import Line, worst

torch.set_num_threads(1)

DEEP_ENOUGH = ["hidden=64,64", "activation=leaky_relu", "model.slope=0.1", "optimizer=sgd", "momentum=0.9", "batch_size=32"]
# A user's own model file: `%(...)s` is where each test breaks it.
MINE = """
import torch
from torch import nn

class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return gradient * (1 - x.tanh())

class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 32)
        self.second = nn.Linear(32, 32)
        self.last = nn.Linear(32, %(outputs)s)
        %(start)s

    def forward(self, x):
        x = x.flatten(1)
        x = self.first(x)
        x = %(hidden)s
        x = torch.relu(self.second(x))
        x = self.last(x)
        return %(end)s

def build(spec):
    return Mine()
"""
WHOLE = {"outputs": "10", "start": "pass", "hidden": "torch.relu(x)", "end": "x"}


def subject_of(*overrides: str) -> Subject:
    """The subject of the perceptron's preset, with overrides."""
    spec = load_spec("digits-mlp", ["device=cpu", *overrides])
    with fenced(torch.device("cpu")):
        return build_subject(spec, read_data(spec))


def mine(folder: Path, *overrides: str, **broken: str) -> Subject:
    """A user's own model, broken in one place."""
    path = folder / "mine.py"
    path.write_text(MINE % (WHOLE | broken))
    return subject_of(f"model={path}", *overrides)


def lines(subject: Subject, name: str) -> dict[str, Line]:
    """The lines of one check."""
    return {line.check: line for line in made(name, CHECKS[name], subject)}


def failed(subject: Subject, name: str) -> str:
    """The failing lines of one check, as `name: text`."""
    return "\n".join(f"{line.check}: {line.text}" for line in lines(subject, name).values() if line.verdict == "fail")


@pytest.fixture(scope="module")
def healthy() -> Subject:
    """The perceptron on digits."""
    return subject_of()


def test_a_healthy_preset_passes_and_nothing_changes(healthy: Subject) -> None:
    """Every line of the default preset passes; weights, data and random states stay bit-identical."""
    torch.manual_seed(5)
    model, data = copy.deepcopy(healthy.model.state_dict()), copy.deepcopy((healthy.train, healthy.val))
    before = random_states(healthy.device)
    found = list(examine(healthy))
    assert [line for line in found if line.verdict != "pass"] == []
    assert [line.check for line in found if line.check in CHECKS] == [
        "inputs", "parameters", "output layer", "first loss", "gradient check", "gradient reach", "symmetry", "overfit a batch",
        "learning rate",
    ]  # fmt: skip
    assert [line.check for line in found][-1] == "ladder: 10 classes, full model"
    after = random_states(healthy.device)
    assert torch.equal(before.pop("torch"), after.pop("torch")) and before == after
    assert all(torch.equal(value, model[name]) for name, value in healthy.model.state_dict().items())
    assert all(parameter.grad is None for parameter in healthy.model.parameters()) and healthy.model.training
    for split, was in zip((healthy.train, healthy.val), data, strict=True):
        assert torch.equal(split.inputs, was.inputs) and torch.equal(split.targets, was.targets)
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize("preset", ["digits-softmax", "digits-cnn"])
def test_other_healthy_presets_start_well(preset: str) -> None:
    """They pass all but the slow checks, which train."""
    spec = load_spec(preset, ["device=cpu"])
    subject = build_subject(spec, read_data(spec))
    for name in CHECKS.keys() - {"learning rate", "ladder"}:
        assert worst(made(name, CHECKS[name], subject)) == "pass", name


def test_a_users_model_passes(tmp_path: Path) -> None:
    """The model that the tests below break is healthy; function calls count as activations, too."""
    subject = mine(tmp_path)
    for name in CHECKS.keys() - {"learning rate", "ladder"}:
        assert worst(made(name, CHECKS[name], subject)) == "pass", name
    assert {"activation relu", "activation relu (2)"} <= lines(subject, "activations").keys()


DEAD = "nn.init.constant_(self.first.bias, -100.0)"
DEEP = ["activation=sigmoid", "hidden=32,32,32,32,32,32"]
BROKEN: dict[str, tuple[dict[str, str], list[str], str, str]] = {
    "a wrong backward": ({"hidden": "Wrong.apply(x)"}, [], "gradient check", "gradient check: At first."),
    "a detached layer": ({"hidden": "torch.relu(x).detach()"}, [], "gradient reach", "No gradient reaches first.weight"),
    "a layer under no_grad": ({"hidden": "torch.relu(x.data)"}, [], "gradient check", "backpropagation gives 0,"),
    "zero weights": ({}, ["init.name=constant"], "symmetry", "Initialize at random"),
    "constant weights": ({}, ["init.name=constant", "init.value=0.05"], "symmetry", "Units of first, second are copies"),
    "no gradient through zeros": ({}, ["init.name=constant"], "gradient reach", "is exactly zero"),
    "dead units": ({"start": DEAD}, [], "activations", "activation relu: 100% of its units"),
    "weights too large": ({"hidden": "torch.tanh(x)"}, ["init.name=normal", "init.std=1"], "activations", "are saturated"),
    "a confident start": ({}, ["init.name=normal", "init.std=1"], "first loss", "confident and wrong"),
    "softmax before cross-entropy": ({"end": "torch.softmax(x, 1)"}, [], "output layer", "applies softmax itself"),
    "softmax by hand": ({"end": "x.exp() / x.exp().sum(1, keepdim=True)"}, [], "output layer", "applies softmax itself"),
    "a sigmoid before bce": ({"end": "x.sigmoid()"}, ["loss.name=bce"], "output layer", "applies sigmoid itself"),
    "relu at the output": ({"end": "torch.relu(x)"}, [], "output layer", "ReLU outputs no score below zero"),
    "outputs that are cut off": ({"end": "x * 0"}, [], "overfit a batch", "does not get close to zero"),
    "everything frozen": ({"start": "self.requires_grad_(False)"}, [], "parameters", "nothing would be trained"),
    "infinite weights": ({"start": "nn.init.constant_(self.last.bias, torch.inf)"}, [], "output layer", "NaN or infinite"),
    "an error of its own": ({"end": "x if len(x) < 3 else 1 / 0"}, [], "first loss", "raised ZeroDivisionError"),
    "unscaled inputs": ({}, ["scale=none"], "inputs", "inputs: scale: Large inputs"),
    "a rate too large": ({}, ["optimizer=sgd", "lr=30"], "learning rate", "The loss grows within 300 steps, for 3 of 3 seeds"),
}  # fmt: skip


@pytest.mark.parametrize("broken, overrides, check, said", BROKEN.values(), ids=BROKEN)
def test_a_broken_model_fails_on_its_line(tmp_path: Path, broken: dict[str, str], overrides: list[str], check: str, said: str):
    """The check that looks for this kind of fault reports it."""
    assert said in failed(mine(tmp_path, *overrides, **broken), check)


def test_classes_taken_for_numbers_fail() -> None:
    """MSE on class numbers: few, evenly spaced values, even after scaling."""
    assert "look like class numbers" in failed(subject_of("task=regression"), "targets")
    assert failed(subject_of("data=diabetes"), "targets") == ""


def test_targets_that_an_output_cannot_reach_fail() -> None:
    """ReLU at the output of a regression on z-scored targets: half of them are negative."""
    assert "relu only outputs 0 to inf" in failed(subject_of("data=diabetes", "output=relu"), "output layer")
    assert lines(subject_of("loss.name=mse"), "output layer")["output layer"].verdict == "warn"


def test_unscaled_targets_fail() -> None:
    """The output layer would first have to learn their scale."""
    found = lines(subject_of("data=diabetes", "target_scale=none"), "targets")["targets: scale"]
    assert (found.verdict, found.number) == ("fail", "152 ± 78.3") and "target_scale=zscore" in found.text


def test_an_input_that_dominates_the_others_is_named() -> None:
    """Unscaled wine data: proline is in the hundreds, others are below one."""
    assert "proline dominates the other inputs" in failed(subject_of("data=wine", "scale=none"), "inputs")


def test_a_deep_sigmoid_network_has_vanishing_gradients() -> None:
    """The first layer's gradient is far below the last layer's, and units hardly differ between examples."""
    deep = subject_of(*DEEP)
    assert "Gradients vanish on the way from out to fc1" in failed(deep, "gradients")
    assert lines(deep, "activations")["activation act6"].verdict != "pass"
    assert failed(subject_of(*DEEP, "norm=batch"), "gradients") == ""


def test_gradients_that_are_all_too_small_fail() -> None:
    """Forty small matrices without a ReLU: the first and last gradients are similar, but both far too small."""
    deep = subject_of("activation=identity", f"hidden={','.join(['16'] * 40)}", "init.name=normal", "init.std=0.05")
    assert "gradient fc1: Almost no gradient arrives" in failed(deep, "gradients")


def test_an_untrained_autoencoder_passes_the_first_loss() -> None:
    """For pixels from 0 to 1, zero outputs are worse than the mean; that is not the model's fault."""
    plain = subject_of("model=autoencoder", "task=reconstruction", "scale=minmax", "hidden=32,8")
    assert lines(plain, "first loss")["first loss"].verdict == "pass"


def test_shuffled_labels_stop_the_ladder_at_its_first_rung() -> None:
    """A model that memorizes them is no better than chance on validation examples; the line says what to check."""
    (found,) = lines(subject_of("shuffled_labels=1"), "ladder").values()
    assert (found.check, found.verdict) == ("ladder: two classes, softmax alone", "fail")
    assert "belong to their inputs" in found.text
    (found,) = lines(subject_of("data=diabetes", "shuffled_labels=1", "seed=1"), "ladder").values()
    assert (found.check, found.verdict) == ("ladder: linear alone", "fail")


def test_the_ladder_stops_where_the_model_fails(tmp_path: Path) -> None:
    """The small models pass their rungs, a dead model does not."""
    dead = mine(tmp_path, start=DEAD)
    found = list(lines(dead, "ladder").values())
    assert [line.verdict for line in found] == ["pass", "pass", "fail"]
    assert found[-1].check == "ladder: two classes, full model"


def changed(subject: Subject, **parts: Callable[[Tensor], Any]) -> Subject:
    """A copy with changed training inputs or targets."""
    return replace(
        subject, train=replace(subject.train, **{name: to(getattr(subject.train, name)) for name, to in parts.items()})
    )


def test_data_that_cannot_be_learned_from_fail(healthy: Subject) -> None:
    """NaN inputs, a single class, class numbers out of range, contradicting targets, leaks into validation."""
    some = torch.arange(len(healthy.train)) % 2 == 0
    holes = changed(healthy, inputs=lambda x: x.masked_fill(torch.rand(x.shape) < 0.01, math.nan))
    assert "NaN or infinite values in the training split" in failed(holes, "inputs")
    assert "the same" in failed(changed(healthy, inputs=torch.zeros_like), "inputs")
    assert "there is nothing to learn" in failed(changed(healthy, targets=torch.zeros_like), "targets")
    assert "must be from 0 to 9" in failed(changed(healthy, targets=lambda t: t + 1), "targets")
    one = healthy.train.inputs[:1]
    twins = changed(healthy, inputs=lambda x: torch.where(some[:, None, None, None], one, x))
    assert "labels: agreement" in failed(twins, "targets")
    assert "validation split" in failed(replace(healthy, val=healthy.train), "targets")
    missing = changed(healthy, targets=lambda t: t.where(t != 3, 4))
    assert "No training example of 3" in lines(missing, "targets")["labels"].text


def test_a_model_for_other_data_fails_and_ends_the_report(tmp_path: Path) -> None:
    """Seven outputs for ten classes."""
    path = tmp_path / "mine.py"
    path.write_text(MINE % (WHOLE | {"outputs": "7"}))
    (line,) = report(load_spec("digits-mlp", [f"model={path}", "device=cpu"]))
    assert (line.check, line.verdict) == ("model", "fail") and "(2, 10)" in line.text and "(2, 7)" in line.text


def test_missing_data_fail(tmp_path: Path) -> None:
    """As one line, with a hint."""
    (line,) = report(load_spec("digits-mlp", ["data.name=csv", f"data.path={tmp_path / 'no.csv'}", "device=cpu"]))
    assert (line.check, line.verdict) == ("data", "fail") and "no.csv" in line.text


@pytest.mark.parametrize("loss, expected", [("cross_entropy", math.log(10)), ("bce", math.log(2)), ("mse", 0.1)])
def test_chance_is_the_loss_of_zero_outputs(loss: str, expected: float) -> None:
    """It is ln C for cross-entropy, ln 2 for binary cross-entropy, 1/C for MSE on one-hot targets."""
    found = lines(subject_of(f"loss.name={loss}"), "first loss")["first loss"]
    assert float(found.number.split("chance ")[1]) == pytest.approx(expected, rel=5e-3)


def test_differences_agree_with_a_correct_gradient_even_at_kinks() -> None:
    """With zero weights every ReLU is at its kink, where there is no slope to compare with."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    inputs, targets = torch.randn(6, 4).double(), torch.randint(3, (6,))
    assert worst_entry(net, lambda: nn.functional.cross_entropy(net(inputs), targets)).error < 1e-7
    nn.init.zeros_(net[0].weight), nn.init.zeros_(net[0].bias)
    assert worst_entry(net, lambda: nn.functional.cross_entropy(net(inputs), targets)).error < 1e-7


def test_a_gradient_that_is_off_by_a_factor_is_measured() -> None:
    """The relative error of twice the correct gradient is 0.5."""
    net = nn.Linear(4, 1).double()
    net.weight.register_hook(lambda gradient: 2 * gradient)
    inputs = torch.randn(6, 4).double()
    found = worst_entry(net, lambda: net(inputs).square().mean())
    assert found.error == pytest.approx(0.5, abs=1e-3) and found.name.startswith("weight[")


@pytest.mark.parametrize(("rate", "verdict"), [("0.02", "pass"), ("0.0916", "warn"), ("0.15", "fail"), ("0.275", "fail")])
def test_a_rate_is_called_good_only_if_it_trains(rate: str, verdict: str) -> None:
    """With momentum, rates below the bound of the range test diverge within some hundred steps; the suggested one has room."""
    chosen = [*DEEP_ENOUGH, f"lr={rate}"]
    found = lines(subject_of(*chosen), "learning rate")["learning rate"]
    assert found.verdict == verdict, found.text
    marks = dict((name, value) for value, name in found.marks)
    assert marks["suggested"] < 0.06 < 0.15 < marks["upper bound"]


def test_the_range_test_finds_the_largest_rate_of_the_quadratic() -> None:
    """Gradient descent on (w − 5)² converges below a rate of 1, and diverges above."""
    found = lines(subject_of("data=quadratic", "model=quadratic", "optimizer=gd", "lr=0.1"), "learning rate")["learning rate"]
    assert found.verdict == "pass" and 0.8 < dict((name, rate) for rate, name in found.marks)["upper bound"] < 1
    assert found.points[0][1] == pytest.approx(25, abs=0.1)
    assert (
        lines(subject_of("data=quadratic", "model=quadratic", "optimizer=gd", "lr=1.5"), "learning rate")[
            "learning rate"
        ].verdict
        == "fail"
    )


def test_the_ladder_for_text_starts_with_the_last_character() -> None:
    """It predicts the next character better than the frequencies of characters do."""
    subject = subject_of("data=text", "context=16", "model=rnn", "hidden=8")
    rung = next(rungs(subject))
    with fenced(subject.device):
        climbed = climb(subject, rung)
    assert rung.name == "the last character alone" and climbed.own.better


def test_activations_are_named_by_their_module_or_function() -> None:
    """Modules by their path, function calls by the function and the module that made them."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.Softmax(dim=1))
    seen, outputs = activations_of(model, torch.randn(5, 3))
    assert [(found.name, found.kind) for found in seen] == [("1", "tanh"), ("3", "softmax")]
    assert [found.is_output(outputs) for found in seen] == [False, True]
    assert torch.equal(outputs, model.eval()(torch.randn(5, 3))) is False and not model[0]._forward_hooks


@pytest.mark.parametrize("spec", [["model=rnn", "hidden=16"], ["model=transformer", "hidden=8,8"]])
def test_text_models_start_well(spec: list[str]) -> None:
    """Characters are not scaled, and every position has a label."""
    subject = subject_of("data=text", "context=16", *spec)
    for name in CHECKS.keys() - {"learning rate", "ladder", "overfit a batch"}:
        assert worst(made(name, CHECKS[name], subject)) == "pass", name
