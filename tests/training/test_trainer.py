"""Whole trainings in this process: what they learn, log and save, and that they repeat and resume exactly."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tuimon.base.errors import TuimonError
from tuimon.log.confusion import decode
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, CheckpointSaved, Command, Notice
from tuimon.log.store import Store
from tuimon.spec.loading import load_spec
from tuimon.training import checkpoint
from tuimon.training.best import Best
from tuimon.training.loop import Trainer, train
from tuimon.training.signals import StopSignals

# 45 steps per epoch; dropout draws random numbers at every step.
QUICK = ("batch_size=32", "hidden=32", "lr=1e-3", "checkpoint_every=0", "device=cpu")


def trained(folder: Path, *overrides: str, preset: str = "digits-mlp", **options: Any) -> Trainer:
    return train(load_spec(preset, [*QUICK, *overrides]), folder, **options)


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([value.flatten() for value in trainer.model.state_dict().values()])


def plain(value: Any) -> Any:
    """Replaces tensors by lists, to make states comparable."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.tolist() if isinstance(value, Tensor) else value


def events(store: Store, kind: type) -> list[Any]:
    return [record.event for record in store.events if isinstance(record.event, kind)]


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("digits-softmax", ["lr=0.05", "epochs=8"]),
        ("digits-mlp", ["epochs=10", "hidden=64"]),
        ("digits-cnn", ["epochs=5", "hidden=8,16", "lr=3e-3"]),
    ],
)
def test_every_preset_learns_the_digits(tmp_path: Path, preset: str, overrides: list[str]):
    """Smaller and shorter than the presets, so the threshold is low: 92 %, where chance is 10 %."""
    quick = [setting for setting in QUICK if preset != "digits-softmax" or not setting.startswith("hidden")]
    trainer = train(load_spec(preset, [*quick, *overrides]), tmp_path)
    assert trainer.how == "finished"
    assert trainer.evaluate(trainer.data.val)[1]["accuracy"] > 0.92


def test_a_run_logs_what_it_learns(tmp_path: Path):
    """The loss at every step, the rest at every validation; the last logged values equal recomputed ones."""
    trainer = trained(tmp_path, "epochs=3")
    store = read_run(tmp_path)
    assert list(store["loss/train"].steps) == list(range(1, 136))
    assert list(store["loss/val"].steps) == list(store["accuracy/train"].steps) == [45, 90, 135]
    assert list(store["epoch"].values) == [1, 2, 3]
    trainer.model.eval()
    logits, targets = trainer.model(trainer.data.val.inputs).detach(), trainer.data.val.targets
    assert store["accuracy/val"].last == pytest.approx(float((logits.argmax(1) == targets).float().mean()))
    assert store["loss/val"].last == pytest.approx(float(torch.nn.functional.cross_entropy(logits, targets)), rel=1e-5)
    assert 0.5 < store["accuracy/train"].last < 1
    records = store.texts["confusion/val"]
    matrix = decode(records[-1].text)
    assert [record.step for record in records] == [45, 90, 135] and matrix is not None
    assert sum(map(sum, matrix.counts)) == len(targets)
    right = sum(row[place] for place, row in enumerate(matrix.counts))
    assert right / len(targets) == pytest.approx(store["accuracy/val"].last)
    assert store.ended is not None
    assert (store.ended.how, store.ended.step) == ("finished", 135)


def test_a_run_records_its_spec(tmp_path: Path):
    """The spec is in the folder and in the log, and reproduces the run."""
    spec = load_spec("digits-mlp", [*QUICK, "epochs=1", "seed=3", "l2=0.01"])
    trainer = train(spec, tmp_path / "run")
    started = read_run(tmp_path / "run").started
    assert started is not None
    assert load_spec(tmp_path / "run") == spec
    assert started.spec == spec.to_dict()
    assert (started.seed, started.total_steps, started.steps_per_epoch, started.device) == (3, 45, 45, "cpu")
    assert {lever.name: lever.value for lever in started.levers}["l2"] == 0.01
    again = train(load_spec(tmp_path / "run"), tmp_path / "again")
    assert torch.equal(weights(trainer), weights(again))


def test_another_seed_gives_another_run(tmp_path: Path):
    """The split, the initialization and the batches differ."""
    one, two = trained(tmp_path / "a", "epochs=1"), trained(tmp_path / "b", "epochs=1", "seed=1")
    assert not torch.equal(weights(one), weights(two))
    assert not torch.equal(one.data.val.targets, two.data.val.targets)


def test_steps_end_a_run_before_its_epochs_do(tmp_path: Path):
    """It validates there, even within an epoch."""
    trainer = trained(tmp_path, "steps=50")
    store = read_run(tmp_path)
    assert (trainer.how, trainer.step) == ("finished", 50)
    assert list(store["accuracy/val"].steps) == [45, 50]


@pytest.mark.parametrize("first", [45, 60], ids=["at an epoch's end", "within an epoch"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, first: int, optimizer: str):
    """Bit-identical weights, optimizer state, random states and best validation."""
    changes = [f"optimizer={optimizer}", *(["momentum=0.9"] if optimizer == "sgd" else [])]
    whole = trained(tmp_path / "whole", "steps=120", *changes)
    trained(tmp_path / "parts", f"steps={first}", *changes)
    resumed = trained(tmp_path / "parts", "steps=120", *changes, resume=True)
    assert torch.equal(weights(whole), weights(resumed))
    one, two = (checkpoint.load(folder / "checkpoints" / "last.pt") for folder in (tmp_path / "whole", tmp_path / "parts"))
    for key in ("optimizer", "random", "step", "tally", "monitor", "schedule", "activations"):
        assert plain(one[key]) == plain(two[key]), key
    store = read_run(tmp_path / "parts")
    assert list(store["loss/train"].steps) == list(range(1, 121))
    assert (store["loss/train"].values == read_run(tmp_path / "whole")["loss/train"].values).all()


def test_a_run_stopped_by_a_lever_resumes_exactly(tmp_path: Path):
    """It finishes its step, validates and saves before it stops."""
    whole = trained(tmp_path / "whole", "steps=120")
    stopped = steered(tmp_path / "parts", 70, Command("stop", "do", id="1"))
    assert (stopped.how, stopped.step) == ("stopped", 70)
    store = read_run(tmp_path / "parts")
    assert list(store["accuracy/val"].steps) == [45, 70]
    assert store.ended is not None
    assert (store.ended.how, store.ended.step) == ("stopped", 70)
    assert torch.equal(weights(whole), weights(trained(tmp_path / "parts", "steps=120", resume=True)))


def test_a_requested_checkpoint_resumes_exactly(tmp_path: Path):
    """It is saved between two steps while training continues."""
    whole = steered(tmp_path / "run", 60, Command("checkpoint", "do", id="1"))
    store = read_run(tmp_path / "run")
    assert CheckpointSaved(60, "checkpoints/step-60.pt", "asked") in events(store, CheckpointSaved)
    assert events(store, Applied)[0].note == "checkpoints/step-60.pt"
    (tmp_path / "run" / "checkpoints" / "step-60.pt").replace(tmp_path / "run" / "checkpoints" / "last.pt")
    assert torch.equal(weights(whole), weights(trained(tmp_path / "run", "steps=120", resume=True)))


def test_a_checkpoint_requested_within_a_step_is_saved_at_its_end(tmp_path: Path):
    """Dropout has already drawn random numbers for the step, so only its end can be resumed from."""
    spec = load_spec("digits-mlp", [*QUICK, "steps=120"])
    trainer = Trainer(spec, tmp_path / "run", resume=False, signals=StopSignals())

    def ask(*_: object) -> None:
        if trainer.model.training and trainer.step == 59:
            trainer.monitor.send(Command("checkpoint", "do", id="1"))

    trainer.model.register_forward_hook(ask)
    trainer.run()
    saved = events(read_run(tmp_path / "run"), CheckpointSaved)
    assert [event for event in saved if event.reason == "asked"] == [CheckpointSaved(60, "checkpoints/step-60.pt", "asked")]
    (tmp_path / "run" / "checkpoints" / "step-60.pt").replace(tmp_path / "run" / "checkpoints" / "last.pt")
    assert torch.equal(weights(trainer), weights(trained(tmp_path / "run", "steps=120", resume=True)))


def test_a_run_goes_back_to_its_best_weights_behind_a_checkpoint_of_now(tmp_path: Path):
    """Both asked for within a step, and done in this order at its end; the best state may not have been written yet."""
    spec = load_spec("digits-mlp", [*QUICK, "steps=60"])
    trainer = Trainer(spec, tmp_path / "run", resume=False, signals=StopSignals())
    rewound: list[Tensor] = []

    def ask(*_: object) -> None:
        if trainer.model.training and trainer.step == 50:
            trainer.monitor.send(Command("checkpoint", "do"))
            trainer.monitor.send(Command("rewind", "do"))
        if trainer.model.training and trainer.step == 51:
            rewound.append(weights(trainer))

    trainer.model.register_forward_hook(ask)
    trainer.run()
    done = [one for one in events(read_run(tmp_path / "run"), Applied) if one.lever == "rewind"]
    assert [(one.new, one.note) for one in done] == [("checkpoints/best.pt", "checkpoints/best.pt, after this step")]
    now = checkpoint.load(tmp_path / "run" / "checkpoints" / "step-51.pt")
    best = torch.cat([value.flatten() for value in now["model"].values()])
    assert not torch.equal(rewound[0], best)
    assert now["best"]["step"] == 45 and trainer.step == 60
    whole = Trainer(load_spec("digits-mlp", [*QUICK, "steps=45"]), tmp_path / "twin", resume=False, signals=StopSignals())
    whole.run()
    assert torch.equal(rewound[0], weights(whole))


@pytest.mark.parametrize("mid_step", [True, False], ids=["within a step", "between two"])
def test_a_checkpoint_requested_in_a_pause_says_when_it_is_saved(tmp_path: Path, mid_step: bool):
    """Immediately between two steps; within a step, only when the run continues."""
    trainer = Trainer(load_spec("digits-mlp", [*QUICK, "steps=90"]), tmp_path / "run", resume=False, signals=StopSignals())
    path, last = (tmp_path / "run" / "checkpoints" / name for name in ("step-60.pt", "last.pt"))
    log, told = trainer.monitor.log, []

    def ask() -> None:
        trainer.monitor.send(Command("paused", "on", id="1"))
        trainer.monitor.send(Command("checkpoint", "do", id="2"), lambda answer: told.append((answer.note, path.exists())))
        trainer.monitor.send(Command("paused", "off", id="3"))

    def ask_and_log(*arguments: Any, **values: Any) -> None:
        if trainer.step == 60 and not mid_step:
            ask()
        log(*arguments, **values)

    trainer.monitor.log = ask_and_log  # type: ignore[method-assign]
    trainer.model.register_forward_hook(lambda *_: ask() if mid_step and trainer.step == 59 else None)
    trainer.run()
    note = "checkpoints/step-60.pt"
    assert told == [(f"{note}, saved when the run continues", False) if mid_step else (note, True)]
    path.replace(last)
    assert torch.equal(weights(trainer), weights(trained(tmp_path / "run", "steps=90", resume=True)))


def test_levers_keep_their_values_when_a_run_is_resumed(tmp_path: Path):
    """The changes to a run are part of its state."""
    whole = steered(tmp_path / "whole", 20, Command("lr_scale", "multiply", 0.5, id="1"))
    steered(tmp_path / "parts", 20, Command("lr_scale", "multiply", 0.5, id="1"), "steps=60")
    resumed = trained(tmp_path / "parts", "steps=120", resume=True)
    assert torch.equal(weights(whole), weights(resumed))
    assert resumed.monitor.levers["lr_scale"] == 0.5


def test_the_best_checkpoint_is_from_the_best_validation(tmp_path: Path):
    """It contains the weights of that validation."""
    trainer = trained(tmp_path, "epochs=6", "lr=0.03")
    store = read_run(tmp_path)
    best = checkpoint.load(tmp_path / "checkpoints" / "best.pt")
    accuracies = store["accuracy/val"].values
    assert accuracies[list(store["accuracy/val"].steps).index(best["step"])] == accuracies.max()
    trainer.model.load_state_dict(best["model"])
    assert trainer.evaluate(trainer.data.val)[1]["accuracy"] == pytest.approx(float(accuracies.max()))


def test_a_validation_whose_loss_is_not_finite_is_never_the_best(tmp_path: Path):
    """Its weights are useless, whatever its accuracy."""
    best = Best()
    assert not best.is_beaten(1, math.nan, {"accuracy": 0.1})
    assert not best.is_beaten(2, math.inf, {})
    assert best.is_beaten(3, 2.0, {"accuracy": 0.05})
    trained(tmp_path, "epochs=2", "optimizer=sgd", "lr=1000", "hidden=64,64,64", "activation=identity")
    assert not (tmp_path / "checkpoints" / "best.pt").exists()


def test_a_checkpoint_that_cannot_be_written_is_reported_and_training_continues(tmp_path: Path):
    """Here a file is in the place of the folder."""
    (tmp_path / "checkpoints").write_text("")
    trainer = trained(tmp_path, "epochs=2")
    assert trainer.how == "finished"
    notices = events(read_run(tmp_path), Notice)
    assert any("checkpoints/last.pt was not saved: " in notice.text and notice.level == "warning" for notice in notices)


def test_training_continues_when_the_loss_is_no_longer_finite(tmp_path: Path):
    """The log says since which step."""
    trainer = trained(tmp_path, "epochs=1", "optimizer=sgd", "lr=1000", "hidden=64,64,64", "activation=identity")
    assert (trainer.how, trainer.step) == ("finished", 45)
    assert any("loss/train is" in notice.text for notice in events(read_run(tmp_path), Notice))


def test_bfloat16_learns_too(tmp_path: Path):
    """The weights stay float32."""
    trainer = trained(tmp_path, "epochs=8", "precision=bfloat16")
    assert weights(trainer).dtype == torch.float32
    assert trainer.evaluate(trainer.data.val)[1]["accuracy"] > 0.9


def test_a_batch_size_above_the_data_uses_all_examples(tmp_path: Path):
    """That is full-batch gradient descent."""
    trainer = trained(tmp_path, "batch_size=100000", "epochs=3")
    assert (trainer.steps_per_epoch, trainer.step) == (1, 3)


def test_the_spec_sets_how_often_to_validate_and_save(tmp_path: Path):
    """In epochs; both also happen at the end."""
    trained(tmp_path, "epochs=5", "validate_every=2", "checkpoint_every=3")
    store = read_run(tmp_path)
    assert list(store["accuracy/val"].steps) == [90, 180, 225]
    assert [event.step for event in events(store, CheckpointSaved) if event.reason == "last"] == [135, 225]


def test_a_run_without_a_checkpoint_cannot_be_resumed(tmp_path: Path):
    """The error comes before anything is written."""
    with pytest.raises(TuimonError, match="there is no checkpoint"):
        trained(tmp_path, resume=True)
    assert list(tmp_path.iterdir()) == []


def steered(folder: Path, step: int, command: Command, *overrides: str) -> Trainer:
    """A training of 120 steps that receives a command while step `step` is logged."""
    spec = load_spec("digits-mlp", [*QUICK, "steps=120", *overrides])
    trainer = Trainer(spec, folder, resume=False, signals=StopSignals())
    log = trainer.monitor.log

    def send_and_log(*arguments: Any, **values: Any) -> None:
        if trainer.step == step and "loss" in values:
            trainer.monitor.send(command)
        log(*arguments, **values)

    trainer.monitor.log = send_and_log  # type: ignore[method-assign]
    trainer.run()
    return trainer


def test_a_stop_between_two_epochs_still_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It arrives right after the end of the epoch checked whether training is over."""
    signals = StopSignals()
    trainer = Trainer(load_spec("digits-mlp", [*QUICK, "epochs=50"]), tmp_path, resume=False, signals=signals)
    end_of_epoch = trainer._end_of_epoch

    def stopped_right_after(over: bool) -> bool:
        was_over = end_of_epoch(over)
        if trainer.step == 90:
            signals.asked = True
        return was_over

    monkeypatch.setattr(trainer, "_end_of_epoch", stopped_right_after)
    trainer.run()
    store = read_run(tmp_path)
    assert (trainer.how, trainer.step) == ("stopped", 91)
    assert store["loss/val"].steps.tolist() == [45, 90, 91]
    assert checkpoint.load(tmp_path / "checkpoints" / "last.pt")["step"] == 91
