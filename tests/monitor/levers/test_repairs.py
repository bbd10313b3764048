"""Levers that repair: skipped steps, a fresh optimizer, new weights for dead units, going back to a checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tuimon.log.batch import Batch, EventRecord, Points
from tuimon.log.checkpoints import best
from tuimon.log.records import Applied, CheckpointSaved, Command, LeverValue, Notice, Refused
from tuimon.log.settings import RefusedError
from tuimon.log.store import Store
from tuimon.monitor import describe
from tuimon.monitor.levers.repairs import Dead, redraw_all, reinitialize
from tuimon.monitor.probe.layers import gains

Start = Callable[..., Any]


def ask(training: Any, lever: str, value: LeverValue = None) -> Any:
    """Sends a command, and serves it between two steps; returns the answer."""
    answers: list[Any] = []
    training.monitor.send(Command(lever, "set" if value is not None else "do", value, by="test"), answers.append)
    training.monitor.log()
    if not answers:  # what it does shows in the next step
        training.step()
    assert len(answers) == 1
    return answers[0]


def weights_of(training: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in training.model.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def poisoned_step(training: Any) -> None:
    """A step whose gradients have one NaN."""
    training.optimizer.zero_grad()
    training.model(training.inputs).square().mean().backward()
    next(training.model.parameters()).grad[0, 0] = float("nan")
    training.optimizer.step()


def test_a_step_that_is_not_finite_is_skipped(start: Start) -> None:
    """Weights and the optimizer's state stay as they are, the gradients are the script's own again, and it is told once."""
    training = start(nn.Linear(8, 4))
    training.step()
    assert ask(training, "skip_non_finite", True).new is True
    weights, state = weights_of(training), copy.deepcopy(training.optimizer.state_dict()["state"])
    for _ in range(2):
        poisoned_step(training)
    assert same(weights, weights_of(training))
    assert all(
        torch.equal(state[i][key], value)
        for i, s in training.optimizer.state_dict()["state"].items()
        for key, value in s.items()
    )
    assert training.model.weight.grad[0, 0].isnan()
    assert [one.text for one in training.events(Notice) if "not all finite" in one.text] != []
    training.step()
    assert not same(weights, weights_of(training))


def test_steps_that_are_finite_are_the_same_with_the_switch(start: Start) -> None:
    """Looking at gradients changes none."""
    plain, looking = start(nn.Linear(8, 4)), None
    twin = copy.deepcopy(plain.model)
    looking = start(twin, torch.optim.AdamW(twin.parameters(), lr=0.01, weight_decay=0.1), name="other")
    assert ask(looking, "skip_non_finite", True).new is True
    for _ in range(3):
        plain.step()
        looking.step()
    assert same(weights_of(plain), weights_of(looking))


class Own(torch.optim.Optimizer):
    """An optimizer of a script's own, whose step expects a gradient for each parameter, and state that it makes at first."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.1})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(self.state[p]["sum"].add_(p.grad), alpha=group["lr"])


def test_what_an_optimizer_may_not_survive_is_refused(start: Start) -> None:
    """Whether its step can do without gradients or state is not known; the answer says so, and training goes on."""
    model = nn.Linear(8, 4)
    training = start(model, Own(model.parameters()))
    training.step()
    assert "can do without gradients" in ask(training, "skip_non_finite", True).reason
    assert "cannot step without it" in ask(training, "reset_optimizer").reason
    model = nn.Linear(8, 4)
    training = start(model, torch.optim.Adagrad(model.parameters()), name="other")
    training.step()
    assert "cannot step without it" in ask(training, "reset_optimizer").reason
    training.step()


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.RMSprop, torch.optim.NAdam])
def test_a_reset_optimizer_steps_like_a_new_one(start: Start, kind: Any) -> None:
    """From the same weights, it goes on exactly as one that was just made."""
    model = nn.Linear(8, 4)
    training = start(model, kind(model.parameters(), lr=0.01))
    for _ in range(3):
        training.step()
    twin = copy.deepcopy(model)
    fresh = kind(twin.parameters(), lr=0.01)
    answer = ask(training, "reset_optimizer")
    assert isinstance(answer, Applied) and answer.note == "the state of 2 parameters is gone"
    for _ in range(2):
        training.step()
        fresh.zero_grad()
        twin(training.inputs).square().mean().backward()
        fresh.step()
    assert torch.equal(model.weight, twin.weight)


def test_dead_units_are_drawn_anew_and_no_others() -> None:
    """Of a convolution: living units and what the optimizer knows of them stay; the same step draws the same numbers."""
    layer = nn.Conv2d(3, 6, 3)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    twin = copy.deepcopy(layer)
    moved = torch.optim.Adam(twin.parameters())
    before, known = layer.weight.detach().clone(), optimizer.state[layer.weight]["exp_avg"].clone()
    note = reinitialize([Dead("conv", layer, [1, 4], 0)], optimizer, 7)
    reinitialize([Dead("conv", twin, [1, 4], 0)], moved, 7)
    assert note == "units drawn anew in conv: 2"
    alive = [0, 2, 3, 5]
    assert torch.equal(layer.weight[alive], before[alive]) and not torch.equal(layer.weight[[1, 4]], before[[1, 4]])
    assert layer.bias[[1, 4]].tolist() == [0.0, 0.0]
    assert torch.equal(optimizer.state[layer.weight]["exp_avg"][alive], known[alive])
    assert not optimizer.state[layer.weight]["exp_avg"][[1, 4]].any()
    assert torch.equal(layer.weight, twin.weight)


def test_all_weights_are_drawn_anew_and_keep_the_size_of_signals() -> None:
    """At any depth, behind rectifiers; frozen layers keep theirs, norms begin at one; no random number of the run is used."""
    layers = [module for _ in range(12) for module in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.BatchNorm1d(64), nn.Linear(64, 64), nn.Linear(64, 10))
    model[-2].requires_grad_(False)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 3.0)
    frozen, twin, random = model[-2].weight.clone(), copy.deepcopy(model), torch.get_rng_state()
    optimizer = torch.optim.Adam(p for p in model.parameters() if p.requires_grad)
    model(torch.randn(8, 64, generator=torch.Generator().manual_seed(1))).sum().backward()
    optimizer.step()
    note = redraw_all(model, optimizer, gains(model), 7)
    redraw_all(twin, torch.optim.Adam(twin.parameters()), gains(twin), 7)
    assert note == "the weights of 14 layers are drawn anew"
    assert torch.equal(torch.get_rng_state(), random) and torch.equal(model[-2].weight, frozen)
    assert torch.equal(model[0].weight, twin[0].weight) and not optimizer.state[model[0].weight]["exp_avg"].any()
    signal = torch.randn(256, 64, generator=torch.Generator().manual_seed(2))
    sizes = [(signal := layer(signal)).detach().std().item() for layer in model[:24]]
    assert 0.2 < sizes[-1] < 2.0 and (model[24].weight == 1).all()
    with pytest.raises(RefusedError, match="PyTorch knows"):
        redraw_all(nn.ReLU(), optimizer, {}, 1)


def test_a_rate_can_be_held_whatever_the_schedule_does(start: Start) -> None:
    """Also where the schedule has ended at zero, which no factor helps; off, the schedule's own rate is back."""
    model = nn.Linear(8, 4)
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1))
    schedule = torch.optim.lr_scheduler.LambdaLR(training.optimizer, lambda step: 0.0)
    assert ask(training, "lr_constant", 0.02).note == "lr 0 → 0.02"
    weights = weights_of(training)
    training.step()
    schedule.step()
    assert not same(weights, weights_of(training)) and training.optimizer.param_groups[0]["lr"] == 0.0
    training.step()
    assert training.store["lr"].last == pytest.approx(0.02)
    answers: list[Any] = []
    training.monitor.send(Command("lr_constant", "off"), answers.append)
    weights = weights_of(training)
    training.step()
    assert same(weights, weights_of(training))


def test_the_probe_says_which_units_are_dead(start: Start) -> None:
    """Before it knows of any, the answer says so; once it does, they are alive in the next forward pass."""
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4))
    nn.init.constant_(model[0].bias, -100.0)
    training = start(model, budget=1.0)
    assert "no dead units are known" in ask(training, "reinit_dead_units").reason
    for _ in range(20_000):
        training.step(log=False)
        if training.monitor._probe.dead_units():
            break
    random = torch.get_rng_state()
    answer = ask(training, "reinit_dead_units")
    assert answer.note == "units drawn anew in 0: 12"
    assert torch.equal(random, torch.get_rng_state())
    assert model[:2](training.inputs).abs().sum() > 0


def test_rewinding_brings_back_weights_and_the_optimizers_state(start: Start) -> None:
    """Its groups stay the very objects, with the rate of now; the answer and the log name the checkpoint."""
    training = start(nn.Linear(8, 4))
    training.step()
    saved = ask(training, "checkpoint").note
    weights, moment = weights_of(training), training.optimizer.state[training.model.weight]["exp_avg"].clone()
    groups, group = training.optimizer.param_groups, training.optimizer.param_groups[0]
    training.step()
    group["lr"] = 0.5
    answer = ask(training, "rewind")
    assert (answer.new, answer.note) == (saved, f"{saved}, of step 1") == (training.events(Applied)[-1].new, answer.note)
    assert same(weights, weights_of(training))
    assert torch.equal(training.optimizer.state[training.model.weight]["exp_avg"], moment)
    assert training.optimizer.param_groups is groups and groups[0] is group and group["lr"] == 0.5
    training.step()
    assert not same(weights, weights_of(training))


def test_gradients_of_weights_that_are_no_more_are_not_used(start: Start) -> None:
    """Where a script is only asked within a step, its gradients belong to the weights of before: the step is skipped."""
    training = start(nn.Linear(8, 4))
    training.step()
    ask(training, "checkpoint")
    weights = weights_of(training)
    training.step(log=False)
    answers: list[Any] = []
    training.optimizer.zero_grad()
    training.model(training.inputs).square().mean().backward()
    training.monitor.send(Command("rewind", "do"), answers.append)
    training.optimizer.step()
    assert answers[0].mid_step and same(weights, weights_of(training))
    training.step()
    assert not same(weights, weights_of(training))


def test_why_a_run_cannot_go_back(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No checkpoint, none of that name, one that is no checkpoint, one of another model, several processes: nothing changes."""
    training = start(nn.Linear(8, 4))
    assert "no checkpoint yet" in ask(training, "rewind").reason
    training.step()
    ask(training, "checkpoint")
    folder = training.monitor.run_dir / "checkpoints"
    (folder / "odd.pt").write_text("none")
    torch.save({"model": {"weight": torch.zeros(2)}, "optimizer": training.optimizer.state_dict()}, folder / "other.pt")
    torch.save({"model": {}, "optimizer": {}}, tmp_path / "outside.pt")
    weights = weights_of(training)
    for name, why in (
        ("step-9.pt", "no checkpoint 'step-9.pt'"),
        ("odd.pt", "can be read"),
        ("other.pt", "does not fit the model"),
    ):
        assert why in ask(training, "rewind", name).reason
    assert "no checkpoint" in ask(training, "rewind", f"../../../{tmp_path.name}/outside.pt").reason
    assert same(weights, weights_of(training))
    monkeypatch.setattr(describe, "processes_together", lambda: 2)
    training.monitor.levers._processes = describe.processes_together
    for lever in ("rewind", "reset_optimizer", "reinit_dead_units", "reinit_weights"):
        assert isinstance(refused := ask(training, lever), Refused) and "2 processes" in refused.reason


def test_a_script_may_go_back_in_its_own_way(start: Start) -> None:
    """Its handler gets the name, or an empty string for the best."""
    training, asked = start(), []
    training.monitor.on("rewind", lambda name: asked.append(name) or "mine")
    assert ask(training, "rewind").note == "mine"
    assert ask(training, "rewind", "first").new == "first"
    assert asked == ["", "first"]


def saved(*pairs: tuple[int, str], reason: Any = "asked") -> list[CheckpointSaved]:
    return [CheckpointSaved(step, path, reason) for step, path in pairs]


def store_of(**tags: dict[int, float]) -> Store:
    store = Store()
    scalars = {
        tag.replace("_", "/"): Points(*(torch.tensor(part).numpy() for part in (list(v), [0.0] * len(v), list(v.values()))))
        for tag, v in tags.items()
    }
    store.apply(Batch(scalars, events=[EventRecord(0, 0.0, Notice(""))], records=1, bytes=1))
    return store


def test_which_checkpoint_is_the_best() -> None:
    """What training calls the best; else by the last validation before it; else by the last training losses; never by NaN."""
    three = saved((0, "a"), (10, "b"), (20, "c"))
    falling = {step: 5.0 - step / 10 for step in range(1, 21)}
    assert best(three, store_of(loss_train=falling)).path == "c"
    lost = falling | {step: float("nan") for step in range(11, 21)}
    assert best(three, store_of(loss_train=lost)).path == "b"
    assert best(three, store_of(loss_train=falling, loss_val={5: 3.0, 10: 1.0, 20: 2.0})).path == "b"
    named = [*three, *saved((5, "best.pt"), reason="best")]
    assert best(named, store_of(loss_train=falling)).path == "best.pt"
    assert best(saved((0, "a"), (4, "b")), store_of(loss_train={s: float(s) for s in range(1, 5)})).path == "a"
    assert best(three, Store()).path == "c"
