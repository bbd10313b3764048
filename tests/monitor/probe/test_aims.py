"""The gradient at a model's output tells the loss that made it, and its targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import tuimon
from tuimon.log.store import Store
from tuimon.monitor.probe.aims import aims

Loss = Callable[[Tensor], Tensor]
LABELS = torch.arange(32) % 5
NUMBERS = torch.linspace(-3, 40, 32)


def trained(
    folder: Path, outputs: int, loss: Loss, last: nn.Module | None = None, steps: int = 4, zero_grad: bool = True
) -> Store:
    """A few sampled steps of a small model with a loss."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs), *([last] if last else []))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs = torch.randn(32, 6)
    with tuimon.watch(model, optimizer, run_dir=folder, budget=1.0, meters=False, serve=False) as monitor:
        for _ in range(steps):
            value = loss(model(inputs))
            if zero_grad:
                optimizer.zero_grad()
            value.backward()
            optimizer.step()
            monitor.log(loss=value.item())
    return tuimon.read_run(folder)


def is_told(store: Store, tag: str) -> bool:
    """Whether the loss that would have been is the one that was."""
    losses = dict(zip(store["loss/train"].steps.tolist(), store["loss/train"].values.tolist(), strict=True))
    found = zip(store[tag].steps.tolist(), store[tag].values.tolist(), strict=True)
    return all(math.isclose(losses[step], value, rel_tol=1e-3) for step, value in found)


@pytest.mark.parametrize(
    ("tag", "outputs", "loss", "last"),
    [
        ("cross_entropy", 5, lambda out: functional.cross_entropy(out, LABELS), None),
        ("cross_entropy", 5, lambda out: functional.cross_entropy(out, LABELS), nn.Softmax(1)),
        ("likelihood", 5, lambda out: functional.nll_loss(out, LABELS), nn.LogSoftmax(1)),
        ("binary", 1, lambda out: functional.binary_cross_entropy_with_logits(out[:, 0], (LABELS > 2).float()), None),
        ("binary", 5, lambda out: functional.binary_cross_entropy_with_logits(out, torch.eye(5)[LABELS]), None),
        (
            "probability",
            1,
            lambda out: functional.binary_cross_entropy(out[:, 0], (LABELS > 2).float()),
            nn.Sigmoid(),
        ),
        ("squares", 1, lambda out: functional.mse_loss(out[:, 0], NUMBERS), None),
        ("squares", 3, lambda out: functional.mse_loss(out, NUMBERS[:, None].expand(-1, 3)), nn.Sigmoid()),
    ],
)
def test_a_loss_is_told_by_its_gradient_and_value(
    tmp_path: Path, tag: str, outputs: int, loss: Loss, last: nn.Module | None
) -> None:
    """And no other one fits both."""
    store = trained(tmp_path, outputs, loss, last)
    tags = [
        f"aim/{one}" for one in ("cross_entropy", "likelihood", "binary", "probability", "squares") if f"aim/{one}" in store
    ]
    assert [one for one in tags if is_told(store, one)] == [f"aim/{tag}"]


def test_targets_are_told(tmp_path: Path) -> None:
    """Their range and variance; of classes how many there are, and how often the commonest."""
    numbers = trained(tmp_path / "a", 1, lambda out: functional.mse_loss(out[:, 0], NUMBERS))
    assert numbers.last("aim/squares_min") == pytest.approx(-3, abs=1e-3)
    assert numbers.last("aim/squares_max") == pytest.approx(40, abs=1e-3)
    assert numbers.last("aim/squares_variance") == pytest.approx(float(NUMBERS.var(correction=0)), rel=1e-3)
    signs = trained(
        tmp_path / "b", 1, lambda out: functional.binary_cross_entropy_with_logits(out[:, 0], 2.0 * (LABELS > 2).float() - 1)
    )
    assert signs.last("aim/binary_min") == pytest.approx(-1, abs=1e-3)
    classes = trained(tmp_path / "c", 5, lambda out: functional.cross_entropy(out, LABELS))
    assert classes.last("aim/classes") == 5 and classes.last("aim/top_class_fraction") == pytest.approx(7 / 32)
    assert classes.last("aim/entropy") == pytest.approx(math.log(5), rel=0.01)


def test_gradients_that_nobody_has_set_to_zero_are_told(tmp_path: Path) -> None:
    """Those of the step before, when the next ones are computed; also where they are set to zero after the forward pass."""
    loss: Loss = lambda out: functional.cross_entropy(out, LABELS)  # noqa: E731
    assert not trained(tmp_path / "a", 5, loss)["step/grad_before"].values.any()
    added = trained(tmp_path / "b", 5, loss, zero_grad=False)["step/grad_before"].values
    assert added[0] == 0 and (added[1:] > 0).all()


def test_ignored_labels_and_positions_of_a_sequence_count_as_they_should(tmp_path: Path) -> None:
    """Rows without a gradient are left out of the mean, as the loss leaves them out."""
    some = torch.where(LABELS == 0, -100, LABELS)
    store = trained(tmp_path, 5, lambda out: functional.cross_entropy(out, some))
    assert is_told(store, "aim/cross_entropy") and store.last("aim/classes") == 4


def test_a_gradient_of_another_loss_is_none_of_these(tmp_path: Path) -> None:
    """Of absolute differences, say."""
    store = trained(tmp_path, 5, lambda out: (out - torch.eye(5)[LABELS]).abs().mean())
    assert math.isnan(store.last("aim/cross_entropy")) and math.isnan(store.last("aim/likelihood"))
    assert not is_told(store, "aim/squares") and not is_told(store, "aim/binary")
    assert store.last("aim/absolute") == 1


@pytest.mark.parametrize("factor", [0.0, 1e-30, 1e30, math.inf, math.nan])
@pytest.mark.parametrize("shape", [(32, 5), (32,), (4, 5, 3), (2, 5, 3, 3), (1, 1)])
def test_outputs_and_gradients_of_any_size_are_no_error(shape: tuple[int, ...], factor: float) -> None:
    """What is zero, too large or no number at all shows no cross-entropy."""
    output = torch.linspace(-100, 100, math.prod(shape)).reshape(shape)
    found = aims(output, output * factor)
    told = {tag: value for facts in found.read(found.tensors[0].numpy()) for tag, value in zip(*facts, strict=True)}
    assert {"aim/binary", "aim/probability", "aim/squares", "aim/absolute"} <= told.keys()
    assert math.isnan(told.get("aim/cross_entropy", math.nan))


def test_a_cross_entropy_of_many_classes_is_told_of_all_rows() -> None:
    """Once it is known, other losses are looked for in a few rows only: they did not make the gradient."""
    output = torch.randn(100, 1000, requires_grad=True)
    labels = torch.arange(100) % 40
    loss = functional.cross_entropy(output, labels)
    (gradient,) = torch.autograd.grad(loss, output)
    found = aims(output.detach(), gradient)
    told = {tag: value for facts in found.read(found.tensors[0].numpy()) for tag, value in zip(*facts, strict=True)}
    assert told["aim/cross_entropy"] == pytest.approx(loss.item(), rel=1e-5)
    assert told["aim/classes"] == 40 and told["aim/top_class_fraction"] == pytest.approx(3 / 100)
    assert math.isfinite(told["aim/squares"]) and told["aim/squares"] != pytest.approx(loss.item(), rel=0.01)
