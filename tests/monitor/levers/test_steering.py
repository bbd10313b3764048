"""Levers: what a command does, what is refused, and that everything can be taken back exactly."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tuimon.base.errors import TuimonError
from tuimon.log.records import STEERING_FILE, Applied, Command, LeverValue, Notice, Refused
from tuimon.monitor import describe
from tuimon.monitor.levers.desk import Answer
from tuimon.monitor.levers.scope import StepScope

Start = Callable[..., Any]


def ask(training: Any, lever: str, op: Any = "set", value: LeverValue = None, id: str = "") -> Any:
    """Sends a command and makes a step; returns the answer."""
    answers: list[Any] = []
    training.monitor.send(Command(lever, op, value, by="test", id=id), answers.append)
    training.step()
    assert len(answers) == 1
    return answers[0]


def test_each_lever_says_what_it_does(start: Start) -> None:
    """The panel of levers, `tuimon set` and others' programs have no other words for them."""
    training = start(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Dropout(0.1)))
    assert [lever.name for lever in training.monitor.levers.infos() if not lever.help] == []


def test_halving_the_learning_rate_equals_training_with_half_of_it(start: Start) -> None:
    """`lr_scale × 0.5` gives the very weights that half the learning rate gives."""
    training = start(nn.Linear(8, 4))
    twin = copy.deepcopy(training.model)
    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.005, weight_decay=0.1)
    ask(training, "lr_scale", "multiply", 0.5)
    for _ in range(3):
        training.step()
    for _ in range(4):
        optimizer.zero_grad()
        twin(training.inputs).square().mean().backward()
        optimizer.step()
    assert torch.equal(training.model.weight, twin.weight)


def test_an_answer_tells_what_the_optimizer_used(start: Start) -> None:
    """Old and new value, the step, and the learning rate read back from the step that used it; the log has the same.

    It was asked for before that step's forward pass, and seen behind it.
    """
    training = start()
    training.step()
    answer = ask(training, "lr_scale", "multiply", 0.5, id="a")
    told = {"step": 1, "mid_step": True, "by": "test", "id": "a", "note": "lr 0.01 → 0.005"}
    assert answer == Applied(lever="lr_scale", old=1.0, new=0.5, **told)
    assert training.events(Applied) == [answer]
    assert training.store["lr"].values.tolist() == pytest.approx([0.01, 0.005])


def test_a_scheduler_composes_with_the_scale(start: Start) -> None:
    """After each step the groups hold the scheduler's own value, the same object; in force is its half."""
    training = start()
    scheduler = torch.optim.lr_scheduler.StepLR(training.optimizer, 1, gamma=0.1)
    ask(training, "lr_scale", "set", 0.5)
    own = training.optimizer.param_groups[0]["lr"]
    training.step()
    assert training.optimizer.param_groups[0]["lr"] is own
    scheduler.step()
    training.step()
    assert training.store["lr"].values[-1] == pytest.approx(0.0005)
    ask(training, "lr_scale", "default")
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(0.001)


def test_a_step_that_fails_leaves_no_setting_behind(start: Start) -> None:
    """A step that raises does not run the post hook; its state is still saved as the script has it."""

    class Failing(torch.optim.SGD):
        fail = False

        def step(self, closure: Any = None) -> Any:
            if self.fail:
                raise RuntimeError("out of memory")
            return super().step(closure)

    model = nn.Linear(8, 2)
    training = start(model, Failing(model.parameters(), lr=0.1))
    ask(training, "lr_scale", "set", 0.5)
    training.optimizer.fail = True
    with pytest.raises(RuntimeError, match="out of memory"):
        training.step()
    assert training.optimizer.state_dict()["param_groups"][0]["lr"] == 0.1


def test_penalties_are_the_gradients_of_the_penalized_loss(start: Start) -> None:
    """l1 and l2 move the weights as a loss that contains them does."""
    torch.manual_seed(3)
    plain = nn.Linear(8, 4)
    watched = copy.deepcopy(plain)
    training = start(watched, torch.optim.SGD(watched.parameters(), lr=0.1), settings={"l1": 0.01, "l2": 0.02})
    training.step()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    loss = plain(training.inputs).square().mean()
    for p in plain.parameters():
        loss = loss + 0.01 * p.abs().sum() + 0.02 / 2 * p.square().sum()
    loss.backward()
    optimizer.step()
    torch.testing.assert_close(watched.weight, plain.weight)
    torch.testing.assert_close(watched.bias, plain.bias)


def test_penalties_make_weights_small_also_where_the_loss_is_maximized(start: Start) -> None:
    """l2 is the weight decay of plain SGD, in a group that goes up as in one that goes down."""
    plain = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4))
    watched = copy.deepcopy(plain)

    def groups(model: nn.Sequential) -> list[dict[str, Any]]:
        return [{"params": model[0].parameters(), "maximize": True}, {"params": model[1].parameters()}]

    training = start(watched, torch.optim.SGD(groups(watched), lr=0.1), settings={"l2": 0.02})
    training.step()
    plain(training.inputs).square().mean().backward()
    torch.optim.SGD(groups(plain), lr=0.1, weight_decay=0.02).step()
    for a, b in zip(watched.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_clipping_equals_pytorchs_own(start: Start) -> None:
    """The clip lever does what `clip_grad_norm_` does."""
    plain = nn.Linear(8, 4)
    watched = copy.deepcopy(plain)
    training = start(watched, torch.optim.SGD(watched.parameters(), lr=0.1))
    ask(training, "clip_norm", "set", 0.01)
    plain(training.inputs).square().mean().backward()
    nn.utils.clip_grad_norm_(plain.parameters(), 0.01)
    torch.optim.SGD(plain.parameters(), lr=0.1).step()
    torch.testing.assert_close(watched.weight, plain.weight, rtol=0, atol=0)


def test_sparse_gradients_are_clipped_and_not_made_dense() -> None:
    """An embedding's sparse gradient stays sparse under l2, and is scaled by clipping."""
    embedding = nn.Embedding(10, 4, sparse=True)
    scope = StepScope(torch.optim.SGD(embedding.parameters(), lr=0.1))
    embedding(torch.tensor([1, 1, 3])).sum().mul(100).backward()
    scope.l2, scope.clip_norm = 0.1, 1.0
    scope.change_gradients()
    assert embedding.weight.grad is not None and embedding.weight.grad.is_sparse
    assert embedding.weight.grad.to_dense().norm().item() == pytest.approx(1.0, rel=1e-4)


def test_a_closure_computes_gradients_that_are_then_clipped(start: Start) -> None:
    """LBFGS computes its gradients inside the step; the levers act there too."""
    model = nn.Linear(8, 1)
    training = start(model, torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3), settings={"clip_norm": 1e-3}, budget=1.0)
    norms = []

    def closure() -> torch.Tensor:
        training.optimizer.zero_grad()
        loss = model(training.inputs).square().mean()
        loss.backward()
        return loss

    before = [p.detach().clone() for p in model.parameters()]
    training.optimizer.step(closure)
    norms = [p.grad.norm().item() for p in model.parameters() if p.grad is not None]
    assert sum(n * n for n in norms) ** 0.5 <= 1.001e-3
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert training.store["grad_norm/Linear"].values[0] > 1e-3  # as the loss gave it, before clipping


def test_logging_inside_of_a_step_is_no_boundary(start: Start) -> None:
    """A closure that trains and logs, as Lightning's does: what is asked meanwhile acts on the next step, and on all of it."""
    model = nn.Linear(8, 4)
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1))
    answers: list[Any] = []

    def rate_of_a_step(*commands: Command) -> float:
        def closure() -> torch.Tensor:
            training.optimizer.zero_grad()
            loss = model(training.inputs).square().mean()
            loss.backward()
            for command in commands:
                training.monitor.send(command, answers.append)
            training.monitor.log(loss=loss)
            return loss

        before = model.bias.detach().clone()
        training.optimizer.step(closure)
        moved: torch.Tensor = (before - model.bias.detach()) / model.bias.grad
        return moved.median().item()

    commands = [Command("lr_scale", "set", 0.5), Command("lr_scale", "set", 0.1), Command("checkpoint", "do")]
    rates = [rate_of_a_step(command) for command in commands] + [rate_of_a_step()]
    assert rates == pytest.approx([0.1, 0.05, 0.01, 0.01], rel=1e-3)
    assert [(a.step, a.note) for a in answers[:2]] == [(1, "lr 0.1 → 0.05"), (2, "lr 0.05 → 0.01")]
    assert answers[2].step == 3


def test_weight_decay_keeps_the_groups_proportions_and_comes_back_exactly(start: Start) -> None:
    """Off is zero in every group, a new value scales all, and the groups hold their own again after each step."""
    model = small = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4))
    groups = [{"params": small[0].parameters(), "weight_decay": 0.1}, {"params": small[1].parameters(), "weight_decay": 0.0}]
    training = start(model, torch.optim.SGD(groups, lr=0.1))
    used: list[list[float]] = []
    training.optimizer.register_step_pre_hook(lambda o, *_: used.append([g["weight_decay"] for g in o.param_groups]))
    answer = ask(training, "weight_decay", "off")
    ask(training, "weight_decay", "set", 0.2)
    ask(training, "weight_decay", "default")
    assert used == [[0.0, 0.0], [0.2, 0.0], [0.1, 0.0]]
    assert answer.note == "weight_decay 0.1 → 0"
    assert [g["weight_decay"] for g in training.optimizer.param_groups] == [0.1, 0.0]


def test_weight_decay_that_the_script_raises_from_none_goes_off_and_comes_back(start: Start) -> None:
    """A plan of the script's own, begun at zero: off is off whatever it says meanwhile."""
    model = nn.Linear(8, 4)
    training, used = start(model, torch.optim.SGD(model.parameters(), lr=0.1)), []
    training.optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["weight_decay"]))
    for decay, command in ((0.1, "off"), (0.2, "on"), (0.3, "on")):
        training.optimizer.param_groups[0]["weight_decay"] = decay
        ask(training, "regularization", command)
    assert used == [0.0, 0.2, 0.3]


def test_regularization_goes_off_and_comes_back_to_exactly_what_it_was(start: Start) -> None:
    """All regularizers are off together; one that was off by itself before is still off afterwards."""
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.3), nn.Dropout(0.1), nn.Linear(8, 2))
    training = start(model, settings={"l2": 0.01})
    ask(training, "l2", "off")
    drops = [m for m in model if isinstance(m, nn.Dropout)]
    answer = ask(training, "regularization", "toggle")
    assert [m.p for m in drops] == [0.0, 0.0]
    assert answer.note == "weight_decay 0.1 → 0, dropout 0.3 → 0"
    ask(training, "regularization", "toggle")
    assert [m.p for m in drops] == [0.3, 0.1]
    levers = {info.name: info for info in training.monitor.levers.infos()}
    assert (levers["l2"].enabled, levers["dropout"].enabled) == (False, True)


def test_moving_a_regularizer_while_all_are_off_says_so(start: Start) -> None:
    """The value is kept for later, and the answer does not pretend that it acts."""
    training = start()
    ask(training, "regularization", "off")
    answer = ask(training, "dropout", "set", 0.5)
    assert "not in force while regularization is off" in answer.note
    assert training.model[2].p == 0.0
    ask(training, "regularization", "on")
    assert training.model[2].p == 0.5


def test_undo_takes_back_one_change_after_the_other(start: Start) -> None:
    """The last change first, refused when there is none left; what was refused is no change."""
    training = start()
    ask(training, "lr_scale", "multiply", 0.5)
    ask(training, "dropout", "off")
    ask(training, "lr_scale", "set", -1)
    assert ask(training, "undo", "do").lever == "dropout"
    assert training.model[2].p == 0.3
    answer = ask(training, "undo", "do")
    assert (answer.lever, answer.old, answer.new) == ("lr_scale", 0.5, 1.0)
    assert ask(training, "undo", "do").reason == "there is nothing to undo"


@pytest.mark.parametrize(
    ("lever", "op", "value", "reason"),
    [
        ("lr_scale", "set", 0.0, "allowed: a number from 1e-09 to 1e+09"),
        ("lr_scale", "set", float("nan"), "allowed: a number"),
        ("lr_scale", "set", True, "allowed: a number"),
        ("lr_scale", "set", "fast", "allowed: a number"),
        ("lr_scale", "do", None, "needs a value; allowed: a number"),
        ("dropout", "multiply", 10.0, "allowed: a number from 0 to 1"),
        ("dropout", "multiply", "x", "multiplied by a number"),
        ("paused", "set", 3.0, "allowed: on, off"),
        ("checkpoint", "set", 3.0, "takes no value"),
        ("dropuot", "off", None, "did you mean dropout?"),
        ("lr", "set", 0.1, "did you mean lr_scale?"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(start: Start, lever: str, op: str, value: LeverValue, reason: str) -> None:
    """Wrong values, types, operations and names change nothing; the answer and the log say what is allowed."""
    training = start()
    answer = ask(training, lever, op, value)
    assert isinstance(answer, Refused)
    assert reason in answer.reason
    assert training.events(Refused)[0].reason == answer.reason
    assert training.monitor.levers["lr_scale"] == 1.0


def test_the_same_id_is_applied_once_and_answered_again(start: Start) -> None:
    """A command that is sent again, before or after its answer, has one effect."""
    training = start()
    answers: list[Any] = []
    for _ in range(2):
        training.monitor.send(Command("lr_scale", "multiply", 0.5, id="x"), answers.append)
    training.step()
    training.monitor.send(Command("lr_scale", "multiply", 0.5, id="x"), answers.append)
    training.step()
    assert training.monitor.levers["lr_scale"] == 0.5
    assert len(answers) == 3 and len(set(map(str, answers))) == 1
    assert len(training.events(Applied)) == 1


def test_several_commands_at_one_boundary_each_tell_of_their_own_change(start: Start) -> None:
    """Two halvings are two answers with two notes."""
    training = start()
    answers: list[Any] = []
    for i in "ab":
        training.monitor.send(Command("lr_scale", "multiply", 0.5, id=i), answers.append)
    training.step()
    assert [a.note for a in answers] == ["lr 0.01 → 0.005", "lr 0.005 → 0.0025"]


def test_a_levers_own_error_is_a_refusal_and_the_lever_stays(start: Start) -> None:
    """A user's lever that raises does not end the training."""
    training = start()
    place = {"k": 1.0}

    def put(value: float) -> None:
        if value > 5:
            raise ValueError("too warm")
        place["k"] = value

    training.monitor.add_lever("temperature", lambda: place["k"], put, low=0.0, high=10.0)
    assert ask(training, "temperature", "set", 2.0).note == "temperature 1 → 2"
    assert ask(training, "temperature", "set", 6.0).reason == "temperature failed: ValueError: too warm"
    allowed = "allowed: a number from 0 to 10, *factor, default"
    assert ask(training, "temperature", "off").reason == f"temperature cannot be off; {allowed}"
    assert ask(training, "temperature", "set", 60.0).reason == f"temperature cannot be 60; {allowed}"
    assert ask(training, "temperature", "multiply", 30.0).reason == f"temperature cannot be 60; {allowed}"
    assert place["k"] == 2.0
    ask(training, "undo", "do")
    assert place["k"] == 1.0


def test_levers_and_step_survive_a_checkpoint(start: Start) -> None:
    """What was set, what is off and what can be undone come back; a pause does not."""
    training = start(name="a")
    ask(training, "lr_scale", "set", 0.25)
    ask(training, "dropout", "off")
    state = training.monitor.state_dict()
    again = start(name="b")
    again.monitor.load_state_dict(state)
    assert again.monitor.step == 2
    assert again.model[2].p == 0.0
    assert again.store.started.first_step == 2
    again.step()
    assert again.store["lr"].values[-1] == pytest.approx(0.0025)
    assert ask(again, "undo", "do").lever == "dropout"


def test_closing_gives_the_model_back_as_it_was(start: Start) -> None:
    """After the run the model drops what its script said."""
    training = start()
    ask(training, "dropout", "off")
    training.monitor.close()
    assert training.model[2].p == 0.3


def test_a_rate_of_dropout_that_the_script_changes_is_the_scripts(start: Start) -> None:
    """One that falls with the epochs: regularization comes back to it, and so does the end of the run."""
    training, rates = start(), []
    drop = training.model[2]
    drop.p = 0.1
    for lever, op, value in (
        ("regularization", "off", None),
        ("regularization", "on", None),
        ("dropout", "set", 0.6),
        ("dropout", "default", None),
    ):
        training.monitor.send(Command(lever, op, value))
        training.step()
        training.step()
        rates.append(drop.p)
    assert rates == [0.0, 0.1, pytest.approx(0.6), 0.1]
    drop.p = 0.05
    training.monitor.close()
    assert drop.p == 0.05


def test_a_lever_of_whole_numbers_gets_whole_numbers(start: Start) -> None:
    """`range(accumulate)` must not be given 8.0; half of one is refused."""
    training, answers, settings = start(), [], {"accumulate": 4, "temperature": np.float32(1.0)}
    for name in settings:
        training.monitor.add_lever(name, lambda name=name: settings[name], lambda v, name=name: settings.update({name: v}))
    for lever, factor in (("accumulate", 2.0), ("accumulate", 0.3), ("temperature", 0.5)):
        training.monitor.send(Command(lever, "multiply", factor), answers.append)
    training.step()
    assert settings == {"accumulate": 8, "temperature": 0.5} and type(settings["accumulate"]) is int
    assert isinstance(answers[1], Refused) and "whole number" in answers[1].reason


def test_a_lever_that_can_never_be_moved_is_not_made(start: Start) -> None:
    """A text without choices, or a list."""
    training = start()
    for value in ("adam", [1, 2]):
        with pytest.raises(TuimonError):
            training.monitor.add_lever("own", lambda value=value: value, lambda _: None)
    assert "own" not in training.monitor.levers


def test_dropout_inside_recurrent_and_attention_layers_moves_with_the_rest(start: Start) -> None:
    """They drop out by themselves, without a module of their own for it."""
    model = nn.ModuleDict({"lstm": nn.LSTM(8, 8, 2, dropout=0.4), "attention": nn.MultiheadAttention(8, 2, dropout=0.2)})
    training = start(nn.Sequential(nn.Linear(8, 4), model))
    training.model.forward = lambda x: training.model[0](x)
    rates = []
    for op in ("off", "on"):
        training.monitor.send(Command("regularization", op))
        training.step()
        training.step()
        rates.append((model["lstm"].dropout, model["attention"].dropout))
    assert rates == [(0.0, 0.0), (0.4, 0.2)]


def test_one_of_several_processes_is_not_steered_alone(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are kept equal would part; a checkpoint, a stop and the script's own levers do no harm."""
    training, answers, own = start(), [], {"x": 1.0}
    training.monitor.add_lever("x", lambda: own["x"], lambda v: own.update(x=v))
    training.monitor.send(Command("lr_scale", "set", 0.5), answers.append)
    training.step()
    monkeypatch.setattr(training.monitor.levers, "_processes", lambda: 2)
    for command in (Command("undo", "do"), Command("paused", "on"), Command("x", "set", 2.0)):
        training.monitor.send(command, answers.append)
    training.step()
    assert [type(answer) for answer in answers] == [Applied, Refused, Refused, Applied]
    assert "2 processes train this model together" in answers[1].reason and own == {"x": 2.0}


@pytest.mark.filterwarnings("ignore:FSDP")
def test_weights_that_are_gathered_from_all_processes_are_not_saved_by_one(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for the others for ever, and they for it; a stop would save first, too. A handler of the script's may."""
    distributed, answers = torch.distributed, []
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        from torch.distributed.fsdp import FullyShardedDataParallel

        model = FullyShardedDataParallel(nn.Linear(8, 4), device_id=torch.device("cpu"), use_orig_params=True)
        training = start(model, torch.optim.SGD(model.parameters(), lr=0.1))
        monkeypatch.setattr(describe, "processes_together", lambda: 2)
        for action in ("checkpoint", "stop"):
            training.monitor.send(Command(action, "do"), answers.append)
        training.step()
        training.monitor.on("checkpoint", lambda: "mine.pt")
        training.monitor.send(Command("checkpoint", "do"), answers.append)
        training.step()
    finally:
        distributed.destroy_process_group()
    assert [type(answer) for answer in answers] == [Refused, Refused, Applied]
    assert "gathers the weights" in answers[0].reason and answers[2].note == "mine.pt"


def test_a_closed_run_carries_nothing_out(start: Start) -> None:
    """A script may go on logging; what is handed in now moves nothing and is not written."""
    training = start()
    training.step()
    training.monitor.close()
    training.monitor.send(Command("lr_scale", "multiply", 0.5))
    training.monitor.log(loss=1.0)
    training.monitor.log(loss=torch.tensor(1.0))
    assert training.monitor.levers["lr_scale"] == 1.0
    assert training.store["loss/train"].steps.tolist() == [1]


def test_a_plan_is_carried_out_in_the_order_of_its_steps(start: Start, tmp_path: Path) -> None:
    """However it stands in the file, which somebody may have written by hand."""
    plan = [{"step": step, "command": {"lever": "l1", "value": step / 10}} for step in (2, 1)]
    (tmp_path / STEERING_FILE).write_text(json.dumps(plan))
    training = start(run_dir=tmp_path)
    for _ in range(3):
        training.step()
    assert [(applied.step, applied.new) for applied in training.events(Applied)] == [(1, 0.1), (2, 0.2)]


@pytest.mark.parametrize("content", ["", "{", "[{}]", "[" * 9_000, '[{"step": 1, "command": {"lever": "l1", "op": "melt"}}]'])
def test_a_plan_that_cannot_be_read_is_told_and_training_goes_on(
    start: Start, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it is done, and no traceback is shown for it."""
    (tmp_path / STEERING_FILE).write_text(content)
    training = start(run_dir=tmp_path)
    training.step()
    (notice,) = training.events(Notice)
    assert "steering.json" in notice.text and notice.level == "warning" and capsys.readouterr().err == ""


def test_a_boundary_carries_out_so_many_commands_and_leaves_the_others_to_the_next(start: Start) -> None:
    """However many wait, a step is not held up for long; all of them are answered in their order."""
    training = start()
    answers: list[Answer] = []
    for i in range(200):
        training.monitor.send(Command("l1", "set", i / 1000, id=str(i)), answers.append)
    counts = []
    for _ in range(5):
        training.step(log=False)
        counts.append(len(answers))
    assert counts[0] <= 64 and counts[-1] == 200
    assert all(later - earlier <= 64 for earlier, later in itertools.pairwise(counts))
    assert [answer.id for answer in answers] == [str(i) for i in range(200)]
