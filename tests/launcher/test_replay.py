"""Replaying a run: what is taken from its log, and that it ends with the very same weights."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from conftest import wait_until
from launching import Runs
from tuimon.base.errors import TuimonError
from tuimon.base.process import Process
from tuimon.launcher.runs.glance import glance, lifecycle
from tuimon.launcher.start.program import words_of
from tuimon.launcher.start.replay import replay, steering_of
from tuimon.launcher.start.resume import resume_run
from tuimon.launcher.start.start import start, start_program
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.batch import Batch, EventRecord
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Command, Event, Launched, Planned, RunStarted
from tuimon.log.store import Store
from tuimon.spec.loading import load_spec

LONG_S = 100.0
ME = Process("here", "boot", 1, 0.0)


def store_of(*events: Event) -> Store:
    """A store of a run whose log holds these events."""
    store = Store()
    for event in events:
        record = EventRecord(getattr(event, "step", 0), 0.0, event)
        store.apply(Batch({}, events=[record], records=1, bytes=1))
    return store


def test_a_run_that_went_back_to_a_checkpoint_saves_it_again_first() -> None:
    """What repairs a run is done again; checkpoints are only needed where the run went back to one."""
    saved, moved = Applied(3, "checkpoint", note="checkpoints/step-3.pt"), Applied(4, "lr_scale", old=1.0, new=0.5)
    back, fresh = Applied(5, "rewind", new="checkpoints/step-3.pt"), Applied(6, "reset_optimizer", note="gone")
    assert [one.command.lever for one in steering_of(store_of(saved, moved))] == ["lr_scale"]
    assert [
        (one.step, one.command.lever, one.command.op, one.command.value)
        for one in steering_of(store_of(saved, moved, back, fresh))
    ] == [
        (3, "checkpoint", "do", None),
        (4, "lr_scale", "set", 0.5),
        (5, "rewind", "do", "checkpoints/step-3.pt"),
        (6, "reset_optimizer", "do", None),
    ]


def test_what_was_done_is_what_is_to_be_done() -> None:
    """Each setting, at its step and on its side of the forward pass; what changes nothing in training is left out."""
    store = store_of(
        RunStarted("a", ME),
        Applied(2, "lr_scale", old=1.0, new=0.5, by="me"),
        Applied(3, "paused", old=False, new=True),
        Applied(3, "checkpoint", note="checkpoints/step-3.pt"),
        Applied(4, "dropout", old=0.2, new=0.2, old_enabled=True, new_enabled=False, mid_step=True),
        Applied(5, "l1", old=0.0, new=0.1, by="the spec"),
        Applied(6, "clip_norm", old=1.0, new=2.0, old_enabled=True, new_enabled=False),
    )
    assert steering_of(store) == [
        Planned(2, Command("lr_scale", "set", 0.5, by="replay of me")),
        Planned(4, Command("dropout", "off", by="replay"), mid_step=True),
        Planned(6, Command("clip_norm", "set", 2.0, by="replay")),
        Planned(6, Command("clip_norm", "off", by="replay")),
    ]


def test_what_a_resumed_run_had_lost_is_not_repeated() -> None:
    """It went on from a checkpoint of step 10; what it says of itself later changes nothing."""
    again = Process("here", "boot", 2, 0.0)
    store = store_of(
        RunStarted("a", ME),
        Applied(9, "l1", old=0.0, new=0.1),
        Applied(10, "l1", old=0.1, new=0.2),
        Applied(10, "l1", old=0.2, new=0.3, mid_step=True),
        Applied(11, "l1", old=0.3, new=0.4),
        RunStarted("a", again, first_step=10),
        Applied(12, "l1", old=0.2, new=0.5),
        RunStarted("a", again, first_step=10),
    )
    assert [(planned.step, planned.command.value) for planned in steering_of(store)] == [(9, 0.1), (10, 0.2), (12, 0.5)]


def test_a_replayed_run_ends_with_the_very_same_weights(runs: Runs, tmp_path: Path) -> None:
    """Steered at moments of chance, the learning rate, dropout and the activation; then once more without anybody.

    The replay's own log says that the same was done at the same steps, and can be replayed itself.
    """
    spec = load_spec("digits-mlp", ["epochs=12", "model.hidden=[32]"])
    run = start(spec, runs_dir=runs.folder, device="cpu")
    wait_until(lambda: "loss/train" in glance(run), LONG_S, "the run trains")
    for setting in ("lr_scale=*0.5", "dropout=0.5", "activation=tanh", "regularization=off", "undo"):
        send(run, parse_setting(setting))
        time.sleep(0.1)
    wait_until(lambda: lifecycle(run).exited, LONG_S, "the run ends")
    again = replay(run, runs_dir=runs.folder)
    assert again.name == f"{run.name}-replay-01"
    wait_until(lambda: lifecycle(again).exited, LONG_S, "its replay ends")
    first, second = (torch.load(path / "checkpoints" / "last.pt", weights_only=True) for path in (run, again))
    assert first["step"] == second["step"] > 1000
    assert all(torch.equal(first["model"][key], second["model"][key]) for key in first["model"])
    done, repeated = (
        [(p.step, p.mid_step, p.command.lever, p.command.value) for p in steering_of(read_run(path))] for path in (run, again)
    )
    assert len(done) == 5 and done == repeated


SCRIPT = """
import sys, torch
torch.set_num_threads(1); torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
for _ in range(int(sys.argv[1])):
    optimizer.zero_grad(); model(torch.randn(8, 4)).square().mean().backward(); optimizer.step()
print(model.weight.tolist())
"""


def test_a_scripts_run_is_replayed_with_its_own_arguments(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From where it was started, on the device that was chosen; and refused once the script has changed."""
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    run = start_program(["train.py", "4000"], runs_dir=runs.folder, device="cpu")
    wait_until(lambda: "loss/train" in glance(run), LONG_S, "the script trains")
    send(run, parse_setting("lr_scale=100"))
    wait_until(lambda: lifecycle(run).exited, LONG_S, "the script ends")
    monkeypatch.chdir("/")
    with pytest.raises(TuimonError, match="with lr=1: it is the run of a program"):
        replay(run, ["lr=1"], runs_dir=runs.folder)
    again = replay(run, runs_dir=runs.folder)
    wait_until(lambda: lifecycle(again).exited, LONG_S, "its replay ends")
    assert (run / "output.log").read_text() == (again / "output.log").read_text() != ""
    assert [launched.device for path in (run, again) if (launched := lifecycle(path).launched)] == ["cpu", "cpu"]
    (tmp_path / "train.py").write_text(SCRIPT + "\n")
    with pytest.raises(TuimonError, match=r"train\.py has changed since"):
        replay(run, runs_dir=runs.folder)


def test_a_script_of_an_older_log_is_known_by_its_command() -> None:
    """Version 0.1 ran scripts by a module of its own, which the command names."""
    command = ("/usr/bin/python3", "-P", "-m", "tuimon.monitor.script.script", "/runs/train-01", "train.py", "--lr", "1")
    assert words_of(Launched("train-01", command, "/", ME)) == ("train.py", "--lr", "1")
    assert words_of(Launched("a", ("/usr/bin/python3", "train.py"), "/", ME)) == ()


def test_a_run_of_unknown_origin_cannot_be_replayed(runs: Runs) -> None:
    """Nothing says how to start it, and nothing is started."""
    run = runs.start("a", "--steps", "3")
    assert any(isinstance(record.event, Launched) for record in read_run(run).events)
    with pytest.raises(TuimonError, match="its log does not say how it was started"):
        replay(run, runs_dir=runs.folder)
    assert [path.name for path in runs.folder.iterdir()] == ["a"]


def test_a_resumed_replay_goes_on_with_what_is_left(runs: Runs) -> None:
    """What came before the checkpoint is in the checkpoint, and is not done again."""
    plan = [Planned(step, Command("lr_scale", "set", value)) for step, value in ((100, 0.5), (1000, 0.25), (2500, 0.125))]
    spec = load_spec("digits-softmax", ["steps=2000"])
    run = start(spec, runs_dir=runs.folder, device="cpu", steering=plan)
    wait_until(lambda: lifecycle(run).exited, LONG_S, "the run ends")
    resume_run(run, settings=["steps=3000"])
    wait_until(lambda: lifecycle(run).status().state == "finished" and read_run(run).step == 3000, LONG_S, "it ends anew")
    moved = [(r.event.step, r.event.new) for r in read_run(run).events if isinstance(r.event, Applied)]
    assert moved == [(100, 0.5), (1000, 0.25), (2500, 0.125)]
