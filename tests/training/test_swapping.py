"""Replacing activations while a model trains: by levers, with exact undo, and kept when the run is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

import tuimon
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Command, Refused
from tuimon.spec.loading import load_spec
from tuimon.training import checkpoint
from tuimon.training.loop import Trainer, train
from tuimon.training.signals import StopSignals
from tuimon.training.swapping import Activations

QUICK = ("batch_size=100", "hidden=16,16", "lr=1e-2", "device=cpu", "optimizer=adam")
Plan = dict[int, Command]


def steered(folder: Path, plan: Plan, *overrides: str, stop: int = 0, resume: bool = False) -> Trainer:
    """A training that receives commands while given steps are logged."""
    trainer = Trainer(load_spec("digits-mlp", [*QUICK, *overrides]), folder, resume=resume, signals=StopSignals())
    log = trainer.monitor.log

    def send_and_log(*arguments: Any, **values: Any) -> None:
        if "loss" in values and trainer.step in plan:
            trainer.monitor.send(msgspec.structs.replace(plan[trainer.step], id=str(trainer.step)))
        if "loss" in values and trainer.step == stop:
            trainer._ask_to_stop()
        log(*arguments, **values)

    trainer.monitor.log = send_and_log  # type: ignore[method-assign]
    trainer.run()
    return trainer


def to(name: str, lever: str = "activation") -> Command:
    return Command(lever, "set", name)


UNDO = Command("undo", "do")


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([value.flatten() for value in trainer.model.state_dict().values()])


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 5), nn.Hardswish(), nn.Linear(5, 2), nn.Softmax(1)
    )


def names(activations: Activations) -> list[str]:
    return [lever.info.name for lever in activations.levers()]


def test_there_is_a_lever_for_all_layers_and_one_for_each():
    """Named after the layer before it; the output function has none."""
    model = network()
    activations = Activations(model, torch.optim.SGD(model.parameters(), 0.1))
    assert names(activations) == ["activation", "activation/0", "activation/3"]
    assert activations.names == {"0": "relu", "3": "hardswish"}
    plain = nn.Sequential(nn.Linear(2, 2))
    assert Activations(plain, torch.optim.SGD(plain.parameters(), 0.1)).levers() == []


def test_any_model_with_activation_modules_can_be_steered(tmp_path: Path):
    """A user's script needs two lines; a module used in two places is replaced in both."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.act = nn.Linear(2, 3), nn.Linear(3, 3), nn.Tanh()
            self.again = self.act

        def forward(self, x: Tensor) -> Tensor:
            return self.again(self.second(self.act(self.first(x))))

    model = Own()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with tuimon.watch(model, optimizer, run_dir=tmp_path, meters=False, serve=False) as monitor:
        monitor.declare(*Activations(model, optimizer).levers(monitor.describe))
        monitor.send(to("relu"))
        monitor.log(loss=1.0)
        assert type(model.act) is nn.ReLU
        assert model.again is model.act
        answers: list[Applied | Refused] = []
        monitor.send(to("rilu"), answers.append)
        monitor.log(loss=1.0)
        assert isinstance(answers[0], Refused)


def test_the_activations_in_use_are_in_the_log(tmp_path: Path):
    """The layers are described again with their new activations."""
    trainer = steered(tmp_path, {5: to("tanh"), 8: to("sigmoid", "activation/fc2")}, "steps=20")
    store = read_run(tmp_path)
    applied = [record.event for record in store.events if isinstance(record.event, Applied)]
    assert [(one.lever, one.old, one.new) for one in applied] == [
        ("activation", "relu", "tanh"), ("activation/fc2", "tanh", "sigmoid"),
    ]  # fmt: skip
    assert store.started is not None
    assert {layer.name: layer.activation for layer in store.started.layers} == {"fc1": "Tanh", "fc2": "Sigmoid", "out": ""}
    assert trainer.monitor.levers["activation"] == "tanh,sigmoid"


def test_the_probe_observes_the_new_activation(tmp_path: Path):
    """ReLU has no outputs below zero, tanh has."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with tuimon.watch(model, optimizer, run_dir=tmp_path, meters=False, serve=False, budget=1.0) as monitor:
        monitor.declare(*Activations(model, optimizer).levers())
        for step in range(40):
            if step == 20:
                monitor.send(to("tanh"))
            optimizer.zero_grad()
            model(torch.randn(32, 4)).square().mean().backward()
            optimizer.step()
            monitor.log(loss=0.0)
    lowest = read_run(tmp_path)["activation_min/0"]
    assert (lowest.values[lowest.steps <= 20] == 0).all()
    assert lowest.values[-1] < 0


def test_hooks_move_to_the_new_activation():
    """A hook on the old module sees the new one, and its handle still removes it."""
    model = network()
    seen: list[str] = []
    handle = model[2].register_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    activations = Activations(model, torch.optim.SGD(model.parameters(), 0.1))
    activations.put_all("elu")
    model(torch.randn(3, 4))
    handle.remove()
    model(torch.randn(3, 4))
    assert seen == ["ELU"]


def test_undoing_a_change_immediately_changes_nothing(tmp_path: Path):
    """The run ends with the weights of an unchanged run."""
    whole = train(load_spec("digits-mlp", [*QUICK, "steps=40"]), tmp_path / "whole")
    trainer = Trainer(load_spec("digits-mlp", [*QUICK, "steps=40"]), tmp_path / "run", resume=False, signals=StopSignals())
    for command in (to("prelu"), to("sigmoid", "activation/fc1"), UNDO, UNDO):
        trainer.monitor.send(command)
    trainer.run()
    assert trainer.activations.names == {"fc1": "relu", "fc2": "relu"}
    assert torch.equal(weights(whole), weights(trainer))


def test_undoing_a_change_of_all_layers_restores_a_mixture():
    """Each layer gets its previous activation."""
    model = network()
    activations = Activations(model, torch.optim.SGD(model.parameters(), 0.1))
    levers = {lever.info.name: lever for lever in activations.levers()}
    before = levers["activation"].setting[0]
    levers["activation"].put("tanh")
    levers["activation"].put(before)
    assert activations.names == {"0": "relu", "3": "hardswish"}


def test_a_learned_slope_is_kept_until_it_is_used_again(tmp_path: Path):
    """With its optimizer state: the parameter, its averages and its step count are restored."""
    model = nn.Sequential(nn.Linear(4, 8), nn.PReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    activations = Activations(model, optimizer)

    def step() -> None:
        optimizer.zero_grad()
        model(torch.randn(32, 4)).square().mean().backward()
        optimizer.step()

    step()
    slope, state = model[1].weight, {key: value.clone() for key, value in optimizer.state[model[1].weight].items()}
    learned = slope.item()
    activations.put("0", "relu")
    assert [len(group["params"]) for group in optimizer.param_groups] == [4]
    step()
    activations.put("0", "prelu")
    assert model[1].weight is slope
    assert slope.item() == learned != 0.25
    assert all(torch.equal(optimizer.state[slope][key], value) for key, value in state.items())
    assert len(optimizer.param_groups[0]["params"]) == 5
    step()
    assert slope.item() != learned


PLANS: dict[str, Plan] = {
    "another activation": {5: to("tanh")},
    "one layer": {5: to("gelu", "activation/fc2")},
    "learned slopes": {5: to("prelu", "activation/fc2"), 9: to("prelu", "activation/fc1")},
    "learned slopes that wait": {5: to("prelu"), 9: to("relu"), 33: to("prelu")},
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_resumed_run_keeps_its_activations(tmp_path: Path, plan: Plan, optimizer: str):
    """Bit-identical, including learned slopes and the optimizer's state."""
    settings = ("steps=40", f"optimizer={optimizer}")
    whole = steered(tmp_path / "whole", plan, *settings)
    steered(tmp_path / "parts", plan, *settings, stop=20)
    resumed = steered(tmp_path / "parts", {step: c for step, c in plan.items() if step > 20}, *settings, resume=True)
    assert whole.activations.names == resumed.activations.names
    assert torch.equal(weights(whole), weights(resumed))
    ends = [checkpoint.load(tmp_path / folder / "checkpoints" / "last.pt") for folder in ("whole", "parts")]
    assert ends[0]["activations"]["order"] == ends[1]["activations"]["order"]
    assert str(ends[0]["optimizer"]) == str(ends[1]["optimizer"])


def test_undo_after_a_resume_restores_a_learned_slope(tmp_path: Path):
    """The checkpoint contains the kept slope."""
    plan = {5: to("prelu"), 9: to("relu")}
    stopped = steered(tmp_path, plan, "steps=40", stop=20)
    learned = {layer: slot._waiting["prelu"].weight.item() for layer, slot in stopped.activations._slots.items()}
    resumed = steered(tmp_path, {39: UNDO}, "steps=40", resume=True)
    assert resumed.activations.names == {"fc1": "prelu", "fc2": "prelu"}
    assert resumed.model.act1.weight.item() == pytest.approx(learned["fc1"], abs=0.02)
    assert resumed.model.act1.weight.item() != 0.25


def test_the_slope_of_a_leaky_relu_is_the_specs(tmp_path: Path):
    """Both when built and when set later."""
    trainer = steered(tmp_path, {2: to("leaky_relu")}, "steps=4", "slope=0.3")
    assert trainer.model.act2.negative_slope == 0.3
