"""Penalties, noise, clipping, delayed starts, and early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tuimon
from tuimon.base.errors import TuimonError
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Command, Notice
from tuimon.spec.loading import load_spec
from tuimon.training import checkpoint
from tuimon.training.loop import Trainer, train
from tuimon.training.regularizers import Regularizers
from tuimon.training.signals import StopSignals

QUICK = ("batch_size=100", "hidden=16", "lr=1e-2", "device=cpu", "dropout=0")  # 15 steps per epoch


def trained(folder: Path, *overrides: str, **options: Any) -> Trainer:
    return train(load_spec("digits-mlp", [*QUICK, *overrides]), folder, **options)


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([value.flatten() for value in trainer.model.state_dict().values()])


def regularizers(model: nn.Module, *overrides: str) -> Regularizers:
    built = Regularizers(model, load_spec("digits-mlp", overrides).regularization)
    for lever in built.levers():
        lever.put(lever.value)
    return built


def test_the_sparsity_penalty_is_the_mean_absolute_hidden_activation():
    """Summed over layers, times its amount; none in evaluation, and none at zero."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2), nn.Sigmoid())
    x = torch.randn(7, 3)
    built = regularizers(model, "sparsity=0.5")
    model(x)
    first = model[1](model[0](x))
    second = model[3](model[2](first))
    wanted = 0.5 * (first.abs().mean() + second.abs().mean())
    built._sizes = built._sizes[:2]  # the hooks also saw the two direct calls above
    torch.testing.assert_close(built.penalty(), wanted)
    with torch.no_grad():
        model(x)
    assert built.penalty() is None
    assert regularizers(model, "sparsity=0").penalty() is None


def test_sparsity_can_count_named_modules_only():
    """Such as an autoencoder's code; the error about an unknown name lists the known ones."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 5))
    built = regularizers(model, "sparsity=1", "sparsity_layers=0")
    model(torch.ones(2, 3))
    torch.testing.assert_close(built.penalty(), model[0](torch.ones(2, 3)).abs().mean())
    with pytest.raises(TuimonError, match=r"sparsity_layers: the model has no module 'code'; it has 0, 1, 2"):
        regularizers(model, "sparsity_layers=code")


def test_a_sparsity_penalty_makes_activations_smaller(tmp_path: Path):
    """The logged loss does not include the penalty, so it stays comparable."""
    plain, sparse = trained(tmp_path / "a", "epochs=8"), trained(tmp_path / "b", "epochs=8", "sparsity=2")

    def size(trainer: Trainer) -> float:
        return trainer.model[:3](trainer.data.val.inputs).abs().mean().item()

    assert size(sparse) < 0.5 * size(plain)
    first = [read_run(tmp_path / name)["loss/train"].values[0] for name in "ab"]
    assert first[0] == first[1]


def test_noise_on_weights_is_gone_after_the_step():
    """The forward pass uses noisy weights, which are restored exactly afterwards."""
    model = nn.Linear(50, 50)
    before = model.weight.detach().clone()
    with regularizers(model, "weight_noise=0.1").noisy_weights():
        difference = (model.weight - before).std().item()
    assert difference == pytest.approx(0.1, rel=0.1)
    assert torch.equal(model.weight, before)


def test_noise_on_inputs_has_the_given_standard_deviation():
    """Characters get no noise."""
    built, inputs = regularizers(nn.Linear(2, 2), "input_noise=0.5"), torch.ones(100, 100)
    assert (built.noisy(inputs) - inputs).std().item() == pytest.approx(0.5, rel=0.05)
    assert torch.equal(built.noisy(torch.arange(3)), torch.arange(3))


@pytest.mark.parametrize("name", ["input_noise", "weight_noise", "sparsity"])
def test_a_regularizer_that_is_off_does_not_change_the_run(tmp_path: Path, name: str):
    """Off, it draws no random numbers; on, the run differs; both resume exactly."""
    spec = load_spec("digits-mlp", [*QUICK, "steps=20", f"{name}=0.1"])
    plain = trained(tmp_path / "plain", "steps=20")
    trainer = Trainer(spec, tmp_path / "off", resume=False, signals=StopSignals())
    trainer.monitor.send(Command("regularization", "off", id="1"))
    trainer.monitor.log(loss=0.0)
    trainer.run()
    assert torch.equal(weights(plain), weights(trainer))
    with_it = train(spec, tmp_path / "on")
    assert not torch.equal(weights(plain), weights(with_it))
    trained(tmp_path / "parts", "steps=9", f"{name}=0.1")
    assert torch.equal(weights(with_it), weights(trained(tmp_path / "parts", "steps=20", f"{name}=0.1", resume=True)))


@pytest.mark.parametrize("name", ["l1", "l2", "weight_decay"])
def test_a_penalty_begins_in_its_epoch(tmp_path: Path, name: str):
    """Until then the run equals one without it; the start is logged, and the run resumes exactly from before it."""
    plain = trained(tmp_path / "plain", "epochs=2", "optimizer=sgd")
    settings = (f"{name}=0.01", f"{name}_from=2", "optimizer=sgd")
    assert torch.equal(weights(plain), weights(trained(tmp_path / "parts", "epochs=2", *settings)))
    whole = trained(tmp_path / "whole", "epochs=3", *settings)
    always = trained(tmp_path / "always", "epochs=3", f"{name}=0.01", "optimizer=sgd")
    assert not torch.equal(weights(whole), weights(always))
    assert torch.equal(weights(whole), weights(trained(tmp_path / "parts", "epochs=3", *settings, resume=True)))
    told = [record.event for record in read_run(tmp_path / "whole").events if isinstance(record.event, Applied)]
    assert [(one.step, one.lever, one.new_enabled, one.by) for one in told] == [
        (0, name, False, "the spec"), (30, name, True, "the spec"),
    ]  # fmt: skip


def test_early_stopping_keeps_the_best(tmp_path: Path):
    """It stops after that many validations without improvement, and says where the best checkpoint is."""
    trainer = trained(tmp_path, "epochs=60", "early_stopping=3", "optimizer=sgd", "lr=3", "momentum=0.9")
    store = read_run(tmp_path)
    assert (trainer.how, store.ended.how if store.ended else "") == ("finished", "finished")
    assert trainer.step < trainer.total_steps
    accuracies, losses = store["accuracy/val"], store["loss/val"]
    best = checkpoint.load(tmp_path / "checkpoints" / "best.pt")
    assert best["step"] == trainer.best.step == accuracies.steps[-4]
    order = np.lexsort((-losses.values, accuracies.values))
    assert accuracies.steps[order[-1]] == best["step"]
    notices = [record.event.text for record in store.events if isinstance(record.event, Notice)]
    assert any(text.endswith(f"the best is checkpoints/best.pt, from step {best['step']}") for text in notices)
    trainer.model.load_state_dict(best["model"])
    assert trainer.evaluate(trainer.data.val)[1]["accuracy"] == pytest.approx(float(accuracies.values.max()))


def test_a_run_that_stopped_early_can_continue_with_more_patience(tmp_path: Path):
    """With the same patience, there are no steps left."""
    settings = ("epochs=60", "optimizer=sgd", "lr=3", "momentum=0.9")
    stopped = trained(tmp_path, *settings, "early_stopping=2")
    assert trained(tmp_path, *settings, "early_stopping=2", resume=True).step == stopped.step
    assert trained(tmp_path, "epochs=60", *settings[1:], "early_stopping=4", resume=True).step > stopped.step


def test_clipping_by_value_limits_every_entry(tmp_path: Path):
    """Like torch's own function; clipping by norm comes after it; both can be switched off while training."""
    w = nn.Parameter(torch.zeros(3))
    model = nn.Module()
    model.w = w
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    gradient, used = torch.tensor([3.0, -0.2, -5.0]), []
    with tuimon.watch(model, optimizer, run_dir=tmp_path, meters=False, serve=False, settings={"clip_value": 0.5}) as monitor:
        commands = [
            [], [Command("clip_norm", "set", 0.1, id="1")],
            [Command("clip_value", "off", id="2"), Command("clip_norm", "off", id="3")],
        ]  # fmt: skip
        for step in commands:
            for command in step:
                monitor.send(command)
            before = w.detach().clone()
            w.grad = gradient.clone()
            optimizer.step()
            used.append(before - w.detach())
    w.grad = gradient.clone()
    torch.nn.utils.clip_grad_value_([w], 0.5)
    torch.testing.assert_close(used[0], w.grad)
    torch.nn.utils.clip_grad_norm_([w], 0.1)
    torch.testing.assert_close(used[1], w.grad)
    torch.testing.assert_close(used[2], gradient)


def test_clipping_from_the_spec_is_on(tmp_path: Path):
    """Both kinds together."""
    trainer = trained(tmp_path, "steps=2", "clip_value=0.01", "clip_norm=0.5")
    infos = {info.name: info for info in trainer.monitor.levers.infos()}
    assert (infos["clip_value"].value, infos["clip_value"].enabled) == (0.01, True)
    assert (infos["clip_norm"].value, infos["clip_norm"].enabled) == (0.5, True)
