"""Normalization layers and residual connections in the perceptron and the convolutional network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tuimon.base.errors import TuimonError
from tuimon.log.reader import read_run
from tuimon.spec.loading import load_spec
from tuimon.training.batches import batch_sizes
from tuimon.training.loop import train
from tuimon.training.model import build_model


def built(*overrides: str, preset: str = "digits-mlp") -> nn.Module:
    torch.manual_seed(0)
    return build_model(load_spec(preset, [*overrides, "dropout=0"]), torch.zeros(2, 1, 8, 8))


IMAGES = torch.linspace(-3, 3, 6 * 64).reshape(6, 1, 8, 8).sin() * torch.arange(1, 7)[:, None, None, None]


@pytest.mark.parametrize(("preset", "layer"), [("digits-mlp", "fc1"), ("digits-cnn", "conv1")])
def test_a_layer_before_batch_norm_has_no_bias(preset: str, layer: str):
    """Batch normalization subtracts the mean, so a bias has no effect; other norms keep it."""
    assert built("model.norm=batch", preset=preset).get_submodule(layer).bias is None
    for norm in ("none", "layer", "group"):
        assert built(f"model.norm={norm}", preset=preset).get_submodule(layer).bias is not None
    assert built("model.norm=batch", preset=preset).out.bias is not None


def test_batch_norm_normalizes_by_the_batch_and_evaluates_by_running_averages():
    """In training, each unit has zero mean and unit variance over the batch; in evaluation, examples are independent."""
    model = built("model.norm=batch", "hidden=16")
    seen: list[Tensor] = []
    model.norm1.register_forward_hook(lambda *parts: seen.append(parts[2].detach()))
    model(IMAGES)
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[0].var(0, unbiased=False), torch.ones(16), atol=1e-2, rtol=0)
    model.eval()
    torch.testing.assert_close(model(IMAGES)[:1], model(IMAGES[:1]))


@pytest.mark.parametrize(
    ("preset", "norm", "pieces"),
    [("digits-mlp", "layer", 1), ("digits-mlp", "group", 4), ("digits-cnn", "layer", 1), ("digits-cnn", "group", 4)],
)
def test_layer_and_group_norm_normalize_each_example(preset: str, norm: str, pieces: int):
    """Over all units or over each group, independent of the batch."""
    model = built(f"model.norm={norm}", "hidden=16", preset=preset)
    seen: list[Tensor] = []
    model.norm1.register_forward_hook(lambda *parts: seen.append(parts[2].detach()))
    model(IMAGES)
    grouped = seen[0].reshape(6, pieces, -1)
    torch.testing.assert_close(grouped.mean(2), torch.zeros(6, pieces), atol=1e-4, rtol=0)
    torch.testing.assert_close(grouped.var(2, unbiased=False), torch.ones(6, pieces), atol=1e-2, rtol=0)


def test_groups_must_divide_every_layer():
    """The error comes in one line, before anything is built."""
    with pytest.raises(TuimonError, match=r"^model.groups = 3: must divide every width in model.hidden, also 16$"):
        load_spec("digits-mlp", ["model.norm=group", "model.groups=3", "hidden=9,16"])


def test_batch_norm_needs_two_examples(tmp_path: Path):
    """One example has no variance."""
    with pytest.raises(TuimonError, match=r"^model.norm = 'batch': needs data.batch_size of at least 2"):
        load_spec("digits-mlp", ["model.norm=batch", "batch_size=1"])
    with pytest.raises(TuimonError, match=r"^Batch normalization needs at least 2 training examples, but there is only 1"):
        train(load_spec("digits-mlp", ["model.norm=batch", "train_examples=1", "device=cpu"]), tmp_path)


def test_a_last_batch_that_is_too_small_joins_the_one_before_it(tmp_path: Path):
    """1,437 examples in batches of 4 leave one."""
    assert batch_sizes(9, 4) == [4, 4, 1]
    assert batch_sizes(9, 4, least=2) == [4, 5]
    assert (batch_sizes(8, 4, least=2), batch_sizes(1, 4, least=2), batch_sizes(3, 4)) == ([4, 4], [1], [3])
    spec = load_spec("digits-mlp", ["model.norm=batch", "batch_size=4", "epochs=1", "hidden=8", "device=cpu"])
    trainer = train(spec, tmp_path)
    assert (trainer.steps_per_epoch, trainer.step) == (359, 359)
    assert len(read_run(tmp_path)["loss/train"]) == 359


@pytest.mark.parametrize("preset", ["digits-mlp", "digits-cnn"])
def test_a_residual_connection_adds_what_goes_in(preset: str):
    """If the weights are zero, a layer of equal width is the identity."""
    model = built("model.residual=true", "hidden=16,16", preset=preset)
    seen: list[Tensor] = []
    for name in ("add1", "add2"):
        model.get_submodule(name).register_forward_hook(lambda *parts: seen.append(parts[2]))
    layer = model.get_submodule("fc2" if preset == "digits-mlp" else "conv2")
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    model(IMAGES)
    assert torch.equal(seen[0], seen[1])
    assert model.skip1.project is not None
    assert model.skip2.project is None


def first_gradient(*overrides: str) -> float:
    model = built("hidden=" + ",".join(["32"] * 30), *overrides)
    nn.functional.cross_entropy(model(IMAGES), torch.arange(6)).backward()
    return float(model.fc1.weight.grad.norm())


def test_residual_connections_and_norms_prevent_vanishing_gradients():
    """Without them, almost no gradient reaches the first of thirty sigmoid layers."""
    plain = first_gradient("activation=sigmoid")
    assert plain < 1e-12
    assert first_gradient("activation=sigmoid", "model.residual=true") > 1e6 * plain
    assert first_gradient("activation=tanh", "model.norm=batch") > 1e-3


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
@pytest.mark.parametrize("preset", ["digits-mlp", "digits-cnn"])
def test_every_norm_trains_with_residual_connections(tmp_path: Path, preset: str, norm: str):
    """Including watching, saving and evaluation."""
    overrides = [f"model.norm={norm}", "model.residual=true", "hidden=8,16", "epochs=2", "lr=1e-2", "device=cpu"]
    trainer = train(load_spec(preset, [*overrides, "batch_size=64"]), tmp_path)
    assert trainer.evaluate(trainer.data.val)[1]["accuracy"] > 0.6
