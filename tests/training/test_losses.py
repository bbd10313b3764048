"""Losses and metrics against hand-computed and scikit-learn's values, and warnings about outputs that do not fit."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, hinge_loss, mean_absolute_error, r2_score
from torch import Tensor, nn

from tuimon.base.errors import TuimonError
from tuimon.log.reader import read_run
from tuimon.log.records import Notice
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec
from tuimon.training.loop import train
from tuimon.training.losses import loss_function, misfits
from tuimon.training.metrics import tally

CPU = torch.device("cpu")
LOGITS, CLASSES = torch.tensor([[2.0, -1.0, 0.5], [0.2, 0.1, -3.0]]), torch.tensor([0, 1])


def spec(*overrides: str) -> Spec:
    return load_spec("digits-mlp", overrides)


def named(name: str, *overrides: str) -> Spec:
    """A spec with a loss that may not fit the task of the digits."""
    plan = spec(*overrides)
    return msgspec.structs.replace(plan, loss=msgspec.structs.replace(plan.loss, name=name))


def loss(name: str, outputs: Tensor, targets: Tensor, task: str = "classification", *overrides: str) -> float:
    return loss_function(named(name, *overrides), task)(outputs, targets).item()


def test_cross_entropy_is_the_mean_of_minus_log_probability():
    """It is ln C if all classes have equal scores."""
    wanted = -math.log(math.exp(2) / (math.exp(2) + math.exp(-1) + math.exp(0.5)))
    assert loss("auto", LOGITS[:1], CLASSES[:1]) == pytest.approx(wanted)
    assert loss("cross_entropy", torch.zeros(4, 10), torch.arange(4)) == pytest.approx(math.log(10))


def test_cross_entropy_of_a_text_is_the_mean_over_its_characters():
    """Outputs [B, T, K], targets [B, T]."""
    wanted = loss("auto", LOGITS, CLASSES)
    assert loss("auto", LOGITS[None], CLASSES[None], "text") == pytest.approx(wanted)


def test_label_smoothing_spreads_a_fraction_over_all_classes():
    """As in torch."""
    plain, even = loss("auto", LOGITS[:1], CLASSES[:1]), -LOGITS[:1].log_softmax(1).mean().item()
    smoothed = loss("auto", LOGITS[:1], CLASSES[:1], "classification", "label_smoothing=0.3")
    assert smoothed == pytest.approx(0.7 * plain + 0.3 * even)


def test_hinge_is_scikit_learns_for_two_classes():
    """Torch divides by the number of classes, scikit-learn does not."""
    torch.manual_seed(0)
    outputs, targets = torch.randn(50, 2), torch.randint(0, 2, (50,))
    decision = (outputs[:, 1] - outputs[:, 0]).numpy()
    assert 2 * loss("hinge", outputs, targets) == pytest.approx(hinge_loss(targets.numpy(), decision), rel=1e-6)


def test_hinge_counts_every_class_within_the_margin():
    """Each by its distance from the margin, against hand-computed values."""
    first = max(0, 1 - 2 - 1) + max(0, 1 - 2 + 0.5)
    second = max(0, 1 - 0.1 + 0.2) + max(0, 1 - 0.1 - 3.0)
    assert loss("hinge", LOGITS, CLASSES) == pytest.approx((first + second) / 3 / 2)
    assert loss("hinge", LOGITS, CLASSES, "classification", "loss.name=hinge", "loss.margin=3") > loss("hinge", LOGITS, CLASSES)


def test_hinge_is_zero_where_scikit_learns_multi_class_hinge_is():
    """Both need the right class to lead every other class by the margin."""
    good = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.5, 2.0]])
    assert loss("hinge", good, torch.tensor([0, 2])) == 0
    assert hinge_loss(np.array([0, 2]), good.numpy(), labels=np.array([0, 1, 2])) == 0


def test_binary_cross_entropy_is_one_versus_rest():
    """One output per class, or a single output for two classes."""

    def one(logit: float, yes: bool) -> float:
        return math.log(1 + math.exp(-logit if yes else logit))

    wanted = (one(2, True) + one(-1, False) + one(0.5, False)) / 3
    assert loss("bce", LOGITS[:1], CLASSES[:1]) == pytest.approx(wanted)
    single = loss("bce", torch.tensor([[1.5], [1.5]]), torch.tensor([1, 0]))
    assert single == pytest.approx((one(1.5, True) + one(1.5, False)) / 2)


def test_mse_compares_values_or_one_hot_classes():
    """Single-value targets may have shape [B] or [B, 1]."""
    assert loss("auto", torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 4.0]), "regression") == pytest.approx(2.5)
    assert loss("mse", torch.tensor([[0.0, 0.5, 0.0]]), torch.tensor([1])) == pytest.approx(0.25 / 3)


def test_a_reconstruction_is_compared_with_the_inputs():
    """In any shape; with mse, or with bce for targets from 0 to 1."""
    image = torch.rand(3, 1, 2, 2)
    assert loss("auto", image.flatten(1), image, "reconstruction") == 0
    assert loss("bce", torch.zeros(3, 4), image, "reconstruction") == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("name", "task"), [("hinge", "regression"), ("cross_entropy", "reconstruction"), ("bce", "regression")]
)
def test_a_loss_that_needs_classes_is_refused_for_values(name: str, task: str):
    """The message is one line."""
    with pytest.raises(TuimonError, match=f"^loss.name = '{name}': needs classes, but the task is {task}"):
        loss_function(named(name), task)


def test_the_quadratic_computes_its_own_loss():
    """The targets are ignored."""
    assert loss("auto", torch.tensor([[25.0], [25.0]]), torch.zeros(2, 1), "quadratic") == 25


def test_metrics_equal_scikit_learns_over_all_batches():
    """They are accumulated batch by batch."""
    torch.manual_seed(0)
    outputs, targets, classes = torch.randn(30, 4), torch.randn(30, 1), torch.randint(0, 4, (30,))
    counted, valued = tally("classification", CPU), tally("regression", CPU)
    for part in torch.arange(30).split(8):
        counted.add(outputs[part], classes[part])
        valued.add(outputs[part, :1], targets[part])
    assert counted.values() == {"accuracy": pytest.approx(accuracy_score(classes, outputs.argmax(1)))}
    r2, mae = r2_score(targets.numpy(), outputs[:, :1].numpy()), mean_absolute_error(targets.numpy(), outputs[:, :1].numpy())
    assert valued.values() == {"r2": pytest.approx(r2), "mae": pytest.approx(mae)}
    assert tally("reconstruction", CPU).values() == {}


def test_the_absolute_error_is_told_in_the_targets_own_unit():
    """R² has none; several targets each have theirs."""
    targets, outputs = torch.tensor([[1.0, 10.0], [2.0, 30.0]]), torch.tensor([[1.5, 10.0], [2.0, 34.0]])
    unit = torch.tensor([100.0, 0.5])
    scaled, plain = tally("regression", CPU, unit), tally("regression", CPU)
    for one in (scaled, plain):
        one.add(outputs, targets)
    assert scaled.values() == {"r2": plain.values()["r2"], "mae": pytest.approx((50 + 0 + 0 + 2) / 4)}


def test_the_sign_of_a_single_output_decides_between_two_classes():
    """As with bce."""
    counted = tally("classification", CPU)
    counted.add(torch.tensor([[0.3], [-0.2], [2.0]]), torch.tensor([1, 1, 1]))
    assert counted.values()["accuracy"] == pytest.approx(2 / 3)


def told(task: str, targets: Tensor, *modules: nn.Module, name: str = "auto") -> str:
    return " ".join(misfits(named(name), task, nn.Sequential(nn.Linear(2, 2), *modules), targets))


@pytest.mark.parametrize(
    ("task", "targets", "output", "name", "text"),
    [
        ("classification", CLASSES, nn.Softmax(1), "auto", "cross_entropy applies softmax itself"),
        ("classification", CLASSES, nn.Sigmoid(), "bce", "bce applies sigmoid itself"),
        ("classification", CLASSES, nn.ReLU(), "auto", "ReLU at the output removes the negative scores"),
        ("classification", CLASSES, nn.Sigmoid(), "hinge", "needs a margin of 1"),
        ("classification", CLASSES, None, "mse", "mse on classes"),
        ("regression", torch.arange(300.0) % 10, None, "auto", "if they are classes, their order means nothing"),
        ("regression", torch.randn(300), nn.ReLU(), "auto", "ReLU at the output is limited to 0 to inf"),
        ("regression", torch.randn(300), nn.Sigmoid(), "auto", "Sigmoid at the output is limited to 0 to 1"),
        ("regression", 3 * torch.randn(300), nn.Tanh(), "auto", "Tanh at the output is limited to -1 to 1"),
        ("reconstruction", torch.randn(300), None, "bce", "bce needs targets from 0 to 1"),
    ],
)
def test_a_loss_that_does_not_fit_is_warned_about(task: str, targets: Tensor, output: nn.Module | None, name: str, text: str):
    """For the output function or for the targets."""
    torch.manual_seed(0)
    assert text in told(task, targets, *([output] if output else []), name=name)


@pytest.mark.parametrize(
    ("task", "targets", "output", "name"),
    [
        ("classification", CLASSES, None, "auto"),
        ("classification", CLASSES, None, "hinge"),
        ("regression", torch.linspace(-3, 7, 400) ** 2, None, "auto"),
        ("regression", torch.rand(400), nn.Sigmoid(), "auto"),
        ("reconstruction", torch.rand(400), None, "bce"),
        ("quadratic", torch.zeros(4), None, "auto"),
    ],
)
def test_a_loss_that_fits_gives_no_warning(task: str, targets: Tensor, output: nn.Module | None, name: str):
    """For common good combinations."""
    assert told(task, targets, *([output] if output else []), name=name) == ""


def test_a_run_warns_in_its_log(tmp_path: Path):
    """It trains anyway."""
    train(spec("loss.name=mse", "model.output=softmax", "hidden=8", "steps=2", "device=cpu"), tmp_path)
    notices = [record.event for record in read_run(tmp_path).events if isinstance(record.event, Notice)]
    assert any(notice.level == "warning" and "mse on classes" in notice.text for notice in notices)


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "hinge", "bce"])
def test_the_digits_can_be_learned_by_every_loss(tmp_path: Path, name: str):
    """Well above chance in a few epochs."""
    trainer = train(spec(f"loss.name={name}", "hidden=32", "epochs=5", "lr=3e-3", "batch_size=32", "device=cpu"), tmp_path)
    assert trainer.evaluate(trainer.data.val)[1]["accuracy"] > 0.85


def test_a_regression_logs_its_own_metrics(tmp_path: Path):
    """R² and mean absolute error instead of accuracy."""
    trainer = train(spec("data=diabetes", "hidden=16", "epochs=8", "lr=3e-3", "device=cpu", "batch_size=32"), tmp_path)
    store = read_run(tmp_path)
    assert store["r2/val"].last > 0.2
    assert {"mae/train", "mae/val"} <= set(store.series)
    assert "accuracy/val" not in store
    assert trainer.best.loss == pytest.approx(float(store["loss/val"].values.min()))
