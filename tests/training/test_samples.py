"""The trainer's validation samples: logged, readable, and without any effect on the training."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, r2_score

from tuimon.log.reader import read_run
from tuimon.log.seen import seen_in
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec
from tuimon.training.data import load
from tuimon.training.data.scaling import PREPARATIONS, prepare
from tuimon.training.loop import Trainer, train
from tuimon.training.losses import each_loss_function, loss_function


def trained(folder: Path, samples: int, preset: str, *settings: str) -> Trainer:
    """A short run."""
    return train(load_spec(preset, [f"training.samples={samples}", "device=cpu", *settings]), folder / f"{preset}-{samples}")


@pytest.mark.parametrize("preset", ["digits-mlp", "autoencoder"])
def test_samples_change_no_bit_of_the_training(tmp_path: Path, preset: str) -> None:
    """Also with dropout and noise on the inputs, whose random numbers a validation must not draw."""
    small = ("epochs=2", "data.train_examples=64")
    watched, plain = (trained(tmp_path, samples, preset, *small) for samples in (12, 0))
    for one, other in zip(watched.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert seen_in(read_run(plain.folder)) is None
    store, seen = read_run(watched.folder), seen_in(read_run(watched.folder))
    assert seen is not None and (seen.split, seen.step) == ("val", watched.step)
    assert seen.samples.of == len(watched.data.val) and seen.pictures is not None and seen.weights is not None
    assert seen.samples.each == (2 if preset == "autoencoder" else 1)
    worst = seen.samples.samples[0]
    alone = watched.data.val.batch(torch.tensor([worst.index]))
    watched.model.eval()
    with torch.no_grad():
        assert worst.loss == pytest.approx(float(watched.loss(watched.model(alone.inputs), alone.targets)), rel=1e-3)
    picture = watched.data.undo(alone.inputs)[0, 0].numpy()  # type: ignore[misc]
    assert np.corrcoef(picture.ravel(), seen.pictures[0].ravel())[0, 1] > 0.999
    assert len(store.pictures["pictures/samples/val"]) == 2


def test_the_last_validation_always_has_samples(tmp_path: Path) -> None:
    """Whatever the number of those before."""
    run = trained(tmp_path, 4, "regression-diabetes", "epochs=40", "training.checkpoint_every=0")
    store = read_run(run.folder)
    steps = [record.step for record in store.texts["samples/val"]]
    assert steps[-1] == run.step and 20 <= len(steps) <= 32
    seen = seen_in(store, step=100)
    assert seen is not None and 60 < seen.step <= 100 and len(seen.samples.samples) == 4
    assert seen.samples.columns[:2] == ("age", "sex") and seen.pictures is None
    raw = load_diabetes().target
    assert {float(one.truth) for one in seen.samples.samples} <= {float(value) for value in raw}
    wanted = run.data.scaled_targets.undone(run.data.val.targets)  # type: ignore[union-attr]
    run.model.eval()
    with torch.no_grad():
        said = run.data.scaled_targets.undone(run.model(run.data.val.inputs))  # type: ignore[union-attr]
    assert store.last("mae/val") == pytest.approx(mean_absolute_error(wanted.numpy(), said.numpy()), rel=1e-4)
    assert store.last("r2/val") == pytest.approx(r2_score(wanted.numpy(), said.numpy()), rel=1e-4)


def named(preset: str, name: str) -> Spec:
    """A preset with another loss."""
    plan = load_spec(preset)
    return msgspec.structs.replace(plan, loss=msgspec.structs.replace(plan.loss, name=name, label_smoothing=0.1))


@pytest.mark.parametrize(
    ("preset", "name", "task", "outputs", "targets"),
    [
        *(("digits-mlp", name, "classification", (6, 4), "classes") for name in ("auto", "hinge", "bce", "mse")),
        ("digits-mlp", "bce", "classification", (6, 1), "classes"),
        ("text-rnn", "auto", "text", (6, 3, 4), "classes"),
        ("regression-diabetes", "mse", "regression", (6, 3), "values"),
        ("autoencoder", "bce", "reconstruction", (6, 3), "values"),
    ],
)
def test_the_loss_of_each_example_makes_the_loss_of_all(
    preset: str, name: str, task: str, outputs: tuple[int, ...], targets: str
) -> None:
    """Its mean over the batch."""
    generator = torch.Generator().manual_seed(0)
    given = torch.randn(outputs, generator=generator)
    wanted = (
        torch.randint(0, max(outputs[-1], 2), outputs[:-1], generator=generator) if targets == "classes" else given.sigmoid()
    )
    each = each_loss_function(named(preset, name), task)(given, wanted)
    assert each.shape == (6,)
    assert float(each.mean()) == pytest.approx(float(loss_function(named(preset, name), task)(given, wanted)), rel=1e-5)


@pytest.mark.parametrize("name", sorted(PREPARATIONS))
def test_scaling_is_undone(name: str) -> None:
    """Pictures and tables are shown as they were read."""
    raw = np.random.default_rng(0).normal(3, 2, (50, 1, 2, 3)).astype(np.float32)
    raw[:, 0, 1, 2] = 7  # a constant input
    preparation = prepare(name, raw)
    assert np.allclose(preparation.undone(preparation.whole(raw)).numpy(), raw, atol=1e-4)


def test_the_samples_of_a_split_are_undone_to_what_was_read() -> None:
    """For the bundled digits: whole numbers from 0 to 16."""
    data = load(load_spec("digits-mlp").data, 0, torch.device("cpu"))
    assert data.undo is not None
    digits = data.undo(data.val.inputs[:20])
    assert torch.allclose(digits, digits.round(), atol=1e-4) and digits.min() > -1e-4 and digits.max() <= 16.001


def test_two_inputs_get_a_plane_in_their_own_units(tmp_path: Path) -> None:
    """Of blobs, and of nothing with more inputs; the training does not notice."""
    small = ("epochs=2", "model.hidden=[4]")
    watched, plain = (trained(tmp_path, samples, "plane-curve", "data.name=blobs", *small) for samples in (3, 0))
    assert all(torch.equal(a, b) for a, b in zip(watched.model.parameters(), plain.model.parameters(), strict=True))
    seen = seen_in(read_run(watched.folder))
    assert seen is not None and seen.plane is not None and seen.samples.plane is not None
    assert seen.plane.shape == (1, 40, 72, 3)
    told = seen.samples.plane
    assert (told.names, told.classes) == (("x", "y"), ("a", "b", "c"))
    assert watched.data.undo is not None
    low, high = (edge(watched.data.undo(watched.data.val.inputs), 0).values for edge in (torch.min, torch.max))
    spread = 0.08 * (high - low)
    expected = [float(low[0] - spread[0]), float(high[0] + spread[0]), float(low[1] - spread[1]), float(high[1] + spread[1])]
    assert list(told.ranges) == pytest.approx(expected, rel=1e-4)
