"""`watch`, `log` and the rest of what a script sees."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import gc
import itertools
import math
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tuimon
from conftest import wait_until
from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.status import Status
from tuimon.log.records import Applied, CheckpointSaved, Command, Ended, Notice, Refused, RunStarted, StopAsked
from tuimon.monitor import describe
from tuimon.monitor.folder import new_run_folder

Start = Callable[..., Any]


def test_a_wrapped_model_goes_by_its_own_name(start: Start) -> None:
    """Compiled, parallel, or both."""
    for wrapped in (
        torch.compile(nn.Sequential(nn.Linear(8, 4)), backend="eager"),
        nn.DataParallel(nn.Sequential(nn.Linear(8, 4))),
        torch.compile(nn.DataParallel(nn.Sequential(nn.Linear(8, 4))), backend="eager"),
    ):
        assert start(wrapped).events(RunStarted)[-1].model == "Sequential"


def test_each_steps_loss_rate_and_throughput_share_a_record(start: Start) -> None:
    """One record a step; the first step has no throughput yet."""
    training = start()
    losses = [training.step() for _ in range(3)]
    store = training.store
    assert store["loss/train"].values.tolist() == pytest.approx(losses)
    assert store["loss/train"].steps.tolist() == store["lr"].steps.tolist() == [1, 2, 3]
    assert store["throughput"].steps.tolist() == [2, 3]
    assert set(store["loss/train"].walls) == set(store["lr"].walls)


def test_a_step_that_nobody_logs_is_written_at_the_next(start: Start) -> None:
    """A script that logs now and then still shows every step's learning rate."""
    training = start()
    for i in range(4):
        training.step(log=i == 1)
    training.monitor.close()
    assert training.store["lr"].steps.tolist() == [1, 2, 3, 4]
    assert training.store["loss/train"].steps.tolist() == [2]


def test_names_become_tags_and_any_number_will_do(start: Start) -> None:
    """The four everyday names have tags of their own; others stay; tensors, integers and numpy's numbers are numbers."""
    training = start()
    training.monitor.log({"loss/val": 1, "x": torch.tensor([2.0])}, val_accuracy=torch.tensor(3), accuracy=4.5)
    training.monitor.log(val_loss=5.0, step=40)
    training.monitor.log(array=np.array([[6.0]]), scalar=np.float32(7.0))
    store = training.store
    assert [store[tag].values[0] for tag in ("loss/val", "x", "accuracy/val", "accuracy/train")] == [1, 2, 3, 4.5]
    assert (store["array"].last, store["scalar"].last) == (6, 7)
    assert store["loss/val"].steps.tolist() == [0, 40]


def test_what_is_no_number_is_told_once_and_the_rest_is_logged(start: Start) -> None:
    """A text among the metrics costs a notice, not the training."""
    training = start()
    for _ in range(2):
        training.step(log=False)
        training.monitor.log(loss=1.0, accuracy="high", norm=torch.ones(3))
    assert training.store["loss/train"].values.tolist() == [1.0, 1.0]
    assert [n.text for n in training.events(Notice)] == [
        "accuracy/train was given a value that is not a number: str",
        "norm was given a value that is not a number: Tensor",
    ]


def test_nan_and_infinite_losses_are_logged_with_one_notice(start: Start) -> None:
    """The log holds what was, and one line says since when."""
    training = start()
    for loss in (1.0, math.nan, math.inf):
        training.step(log=False)
        training.monitor.log(loss=loss)
    values = training.store["loss/train"].values.tolist()
    assert values[0] == 1.0 and math.isnan(values[1]) and values[2] == math.inf
    assert [n.text for n in training.events(Notice)] == ["loss/train is nan since step 2"]


def test_a_rate_that_is_a_tensor_is_logged_as_it_was_at_each_step(start: Start) -> None:
    """It may be changed in place, or become a plain number."""
    model = nn.Linear(8, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.5), foreach=False)
    training = start(model=model, optimizer=optimizer)
    training.step()
    optimizer.param_groups[0]["lr"].mul_(0.5)
    training.step()
    training.step(log=False)
    optimizer.param_groups[0]["lr"] = 0.125
    training.step()
    assert training.store["lr"].values.tolist() == [0.5, 0.25, 0.25, 0.125]


def test_groups_with_rates_of_their_own_are_logged_apart(start: Start) -> None:
    """The first group is `lr`; another one is shown where it differs."""
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    groups: list[dict[str, Any]] = [{"params": layer.parameters()} for layer in model]
    groups[1]["lr"] = 0.5
    training = start(model, torch.optim.SGD(groups, lr=0.1))
    training.step()
    assert training.store["lr/group1"].values.tolist() == [0.5]
    assert "lr/group2" not in training.store.series


def test_the_log_begins_with_what_runs(start: Start) -> None:
    """Model, optimizer, layers, levers, versions, command: enough to say later what this was."""
    training = start(config={"width": 12}, seed=3, total_steps=100, steps_per_epoch=10)
    started = training.store.started
    assert (started.name, started.model, started.optimizer, started.seed) == ("run", "Sequential", "AdamW", 3)
    assert [(layer.name, layer.units, layer.activation) for layer in started.layers] == [("0", 12, "ReLU"), ("3", 4, "")]
    assert started.parameters == 8 * 12 + 12 + 12 * 4 + 4
    assert started.config == {"width": 12}
    assert started.process.pid == os.getpid()
    assert {"lr_scale", "weight_decay", "l1", "l2", "dropout", "clip_norm", "paused", "stop"} <= set(training.store.levers)
    assert started.versions["torch"] == torch.__version__


def test_a_run_never_takes_anothers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A taken name gets a number; $TUIMON_RUNS says where runs live."""
    monkeypatch.setenv("TUIMON_RUNS", str(tmp_path / "here"))
    assert [new_run_folder(None, "a").name for _ in range(3)] == ["a", "a-2", "a-3"]
    assert (tmp_path / "here" / "a-3").is_dir()
    with pytest.raises(tuimon.TuimonError, match=r"cannot be named '\.\./b'"):
        new_run_folder(None, "../b")


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """It is said before anything starts, with the way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(tuimon.TuimonError, match="Choose another"):
        new_run_folder(tmp_path / "file", "a")


def test_pausing_holds_the_training_thread_and_commands_act_at_once(start: Start) -> None:
    """A paused run stands at a boundary with everything logged; levers move meanwhile; resume goes on."""
    training = start()
    answers: list[Any] = []

    def run() -> None:
        for _ in range(5):
            training.step()

    training.monitor.send(Command("pause", id="p"), answers.append)
    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: answers)
    training.monitor.send(Command("lr_scale", "multiply", 0.5, id="h"), answers.append)
    wait_until(lambda: len(answers) == 2)
    assert answers[1].note == "lr 0.01 → 0.005"
    assert training.monitor.step == 0
    training.monitor.send(Command("resume"), answers.append)
    thread.join(60)
    assert training.monitor.step == 5
    assert [a.new for a in training.events(Applied) if a.lever == "paused"] == [True, False]


def test_a_pause_does_not_count_as_slow_training(start: Start) -> None:
    """Throughput is that of the steps, not of the wait between them."""
    training = start()
    for _ in range(3):
        training.step()
    training.monitor.send(Command("pause"))
    timer = threading.Timer(1.0, lambda: training.monitor.send(Command("resume")))
    timer.start()
    training.step()
    timer.join()
    training.step()
    assert training.store["throughput"].values.min() > 2.0


def test_a_checkpoint_can_be_asked_for_and_loads_safely(start: Start) -> None:
    """The default checkpoint holds model, optimizer and levers, and its path is the answer."""
    training = start()
    answers: list[Any] = []
    training.step()
    training.monitor.send(Command("checkpoint", "do"), answers.append)
    training.step()
    path = training.monitor.run_dir / answers[0].note
    content = torch.load(path, weights_only=True)
    assert answers[0].note == "checkpoints/step-1.pt" or answers[0].note == "checkpoints/step-2.pt"
    assert set(content) == {"model", "optimizer", "monitor"}
    assert training.events(CheckpointSaved)[0].path == answers[0].note
    training.model.load_state_dict(content["model"])


def test_a_scripts_own_handler_replaces_the_default(start: Start) -> None:
    """What it returns is the note; if it raises, that is a refusal and training goes on."""
    training = start()
    training.monitor.on("checkpoint", lambda: "mine.pt")

    def stop() -> str:
        raise OSError("disk full")

    training.monitor.on("stop", stop)
    answers: list[Any] = []
    training.monitor.send(Command("checkpoint", "do"), answers.append)
    training.monitor.send(Command("stop", "do"), answers.append)
    training.step()
    assert answers[0].note == "mine.pt"
    assert isinstance(answers[1], Refused) and "disk full" in answers[1].reason


def test_stop_ends_a_script_as_ctrl_c_does_after_a_checkpoint(start: Start) -> None:
    """The exception is Ctrl-C's own; the answer was given, the state saved, and the log says stopped."""
    training = start()
    answers: list[Any] = []
    with pytest.raises(KeyboardInterrupt), training.monitor:
        training.monitor.send(Command("stop", "do"), answers.append)
        training.step()
    assert (training.monitor.run_dir / answers[0].note).is_file()
    assert training.events(Ended)[0].how == "stopped"


def test_a_stop_that_is_refused_asks_for_nothing(start: Start) -> None:
    """The checkpoint before it cannot be saved: the run goes on, and how it ends is its own matter."""
    training, answers = start(), []
    (training.monitor.run_dir / "checkpoints").write_text("in the way")
    training.monitor.send(Command("stop", "do"), answers.append)
    for _ in range(3):
        training.step()
    training.monitor.close()
    assert isinstance(answers[0], Refused) and "stop failed: FileExistsError" in answers[0].reason
    assert not training.monitor.stop_requested
    assert training.events(Ended) == [Ended(how="finished", step=3)]


def test_a_stop_is_applied_when_the_training_has_ended(start: Start) -> None:
    """Not when it was asked for, which the log says by itself; the checkpoint that is saved first is the answer's note."""
    training, answers = start(), []
    training.step()
    with pytest.raises(KeyboardInterrupt):
        training.monitor.send(Command("stop", "do", by="ada", id="1"), answers.append)
        training.step()
    training.monitor.send(Command("stop", "do", id="1"), answers.append)  # sent again: no second stop
    with contextlib.suppress(KeyboardInterrupt):
        training.step()
    assert not answers and training.events(StopAsked) == [StopAsked(step=1, by="ada", id="1")]
    assert not [applied for applied in training.events(Applied) if applied.lever == "stop"]
    training.monitor.close()
    (applied,) = training.events(Applied)
    assert answers == [applied, applied] and (applied.step, applied.note) == (2, "checkpoints/step-1.pt")
    events = [type(record.event) for record in training.store.events]
    assert events.index(Applied) < events.index(Ended)


def test_a_script_that_swallows_the_interrupt_is_asked_again(start: Start) -> None:
    """Every ten steps, where a step begins; the log says once that it still trains, and how to end it."""
    training, answers, asked = start(), [], []
    training.monitor.send(Command("stop", "do"), answers.append)
    for _ in range(35):
        try:
            training.step(log=False)
        except KeyboardInterrupt:
            asked.append(training.monitor.step)
            training.monitor.log(val_loss=1.0)  # a script that evaluates once more on its way out is left in peace
            training.step(log=False)
    assert asked == [0, 10, 20, 30]
    (notice,) = training.events(Notice)
    assert notice.level == "warning" and not answers
    assert notice.text == "asked to stop at step 0, still training; `tuimon stop --now run` ends it"
    assert lifecycle(training.monitor.run_dir).status() == Status("running", "asked to stop at step 0, still training")
    training.monitor.close()
    assert [answer.step for answer in answers] == [35] == [applied.step for applied in training.events(Applied)]
    assert len(list((training.monitor.run_dir / "checkpoints").iterdir())) == 1


def test_a_script_that_reads_stop_requested_stops_by_itself(start: Start) -> None:
    """No exception: the loop's own condition ends it, and the log says stopped."""
    training = start()
    while not training.monitor.stop_requested:
        training.step()
        if training.monitor.step == 3:
            training.monitor.request_stop("test")
    assert training.monitor.step == 4 and [type(asked) for asked in training.events(StopAsked)] == [StopAsked]
    training.monitor.close()
    assert training.events(Ended)[0].how == "stopped"


def test_stop_ends_a_pause(start: Start) -> None:
    """A paused run that is stopped is not held until somebody resumes it."""
    training = start()
    assert not training.monitor.stop_requested
    training.monitor.send(Command("pause"))
    timer = threading.Timer(0.2, training.monitor.request_stop)
    timer.start()
    training.step()
    timer.join()
    assert training.monitor.stop_requested
    assert training.monitor.levers["paused"] is False


def test_an_exception_in_the_block_is_how_the_run_ended(start: Start) -> None:
    """The context manager passes the exception on and logs it."""
    training = start()
    with pytest.raises(ValueError, match="bad"), training.monitor:
        training.step()
        raise ValueError("bad")
    assert training.events(Ended) == [Ended(how="failed", reason="ValueError: bad", step=1)]


def test_a_closed_monitor_does_nothing_and_the_model_trains_on(start: Start) -> None:
    """Closing twice, logging and stepping afterwards: all harmless; waiting commands are refused."""
    training = start()
    answers: list[Any] = []
    training.step()
    training.monitor.send(Command("lr_scale", "set", 0.5), answers.append)
    training.monitor.close()
    training.monitor.close("failed")
    training.step()
    assert answers[0].reason == "the run is over"
    assert training.events(Ended) == [Ended(how="finished", step=1)]
    assert training.store.step == 1
    assert not training.optimizer._optimizer_step_pre_hooks


def test_an_error_inside_the_monitor_is_told_once_and_training_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user's loop never sees it."""
    training = start()

    def broken(*_: Any) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(training.monitor._steps._scalars, "write", broken)
    for _ in range(3):
        training.step()
    assert training.monitor.step == 3
    assert [n.text for n in training.events(Notice)] == ["the monitor's log failed: RuntimeError: inside"]
    assert "training goes on" in capsys.readouterr().err


def test_a_clock_that_jumps_bends_no_duration(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall time only labels records: throughput stays positive and finite when it runs backwards."""
    clock = itertools.count(10_000_000, -100)
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    training = start()  # after it, for whoever keeps the clock that there was
    for _ in range(5):
        training.step()
    monkeypatch.undo()
    throughput = training.store["throughput"].values
    assert len(throughput) == 4 and (throughput > 0).all() and (throughput < 1e6).all()


def test_the_commit_is_read_from_gits_own_files(tmp_path: Path) -> None:
    """A branch, packed references, a detached head, a linked worktree; none of it is no error."""
    git, commit = tmp_path / "repo" / ".git", "0123456789abcdef0123456789abcdef01234567"
    inside = tmp_path / "repo" / "src"
    inside.mkdir(parents=True)
    assert describe.git_commit(inside) == ""
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert describe.git_commit(inside) == ""
    (git / "packed-refs").write_text(f"# pack-refs\n{commit} refs/heads/main\n")
    assert describe.git_commit(inside) == commit
    (git / "refs" / "heads" / "main").write_text("f" * 40 + "\n")
    assert describe.git_commit(inside) == "f" * 40
    (git / "HEAD").write_text(commit)
    assert describe.git_commit(inside) == commit
    (git / "worktrees" / "w").mkdir(parents=True)
    (git / "worktrees" / "w" / "HEAD").write_text("ref: refs/heads/main")
    (git / "worktrees" / "w" / "commondir").write_text("../..")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {git / 'worktrees' / 'w'}")
    assert describe.git_commit(tmp_path / "w") == "f" * 40


def test_importing_the_package_is_cheap(environment: dict[str, str]) -> None:
    """Neither torch nor numpy nor the screen is imported before something of theirs is used."""
    code = "import sys, tuimon; print([m for m in ('torch', 'numpy', 'textual', 'psutil') if m in sys.modules], dir(tuimon))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[] ['Monitor', 'TuimonError', '__version__', 'diagnose', 'read_run', 'watch']\n"


def test_a_run_whose_model_is_gone_is_ended(tmp_path: Path, runtime_dir: Path) -> None:
    """A notebook's cell run again, a search over many models: neither models nor threads nor open runs are left behind."""

    def trial() -> tuple[weakref.ref[nn.Module], Path]:
        model = nn.Linear(8, 4)
        optimizer = torch.optim.Adam(model.parameters())
        monitor = tuimon.watch(model, optimizer, runs_dir=tmp_path, name="trial")
        loss = model(torch.ones(2, 8)).sum()
        loss.backward()
        optimizer.step()
        monitor.log(loss=loss)
        return weakref.ref(model), monitor.run_dir

    before = set(threading.enumerate())
    (first, folder), (second, _) = trial(), trial()
    assert first() is None and second() is not None
    store = tuimon.read_run(folder)
    assert len(store["loss/train"]) == 1
    assert [e.event for e in store.events if isinstance(e.event, Ended)] == [Ended(how="finished", step=1)]
    gc.collect()
    assert second() is None
    wait_until(lambda: before.issuperset(threading.enumerate()))  # those of the run see at their next turn that it is over


def test_watching_an_optimizer_again_ends_the_first_run(start: Start) -> None:
    """A notebook's cell run twice: two monitors around one step would leave the rate halved for good."""
    first = start()
    first.step()
    first.monitor.send(Command("lr_scale", "multiply", 0.5))
    second = start(first.model, first.optimizer)
    second.monitor.send(Command("lr_scale", "multiply", 0.5))
    for _ in range(3):
        second.step()
    assert first.optimizer.param_groups[0]["lr"] == 0.01
    assert second.store["lr"].values.tolist() == pytest.approx([0.005] * 3)
    assert [(ended.how, ended.reason) for ended in first.events(Ended)] == [("stopped", "watched anew as run-2")]


def test_watching_in_a_folder_again_ends_the_first_run(start: Start, tmp_path: Path) -> None:
    """A notebook's cell with a folder of its own, run twice: the new model's steps are not mixed with the old one's."""
    first, second = (start(run_dir=tmp_path / "mine") for _ in range(2))
    first.step()
    second.step()
    store = second.store
    assert [record.event.reason for record in store.events if isinstance(record.event, Ended)] == ["watched anew as mine"]
    assert store["loss/train"].steps.tolist() == [1]


def test_a_folder_that_another_process_trains_in_is_refused(start: Start, tmp_path: Path) -> None:
    """Before a line is written, and until that process closes its run or ends."""
    code = (
        "import sys, torch, tuimon\nmodel = torch.nn.Linear(1, 1)\n"
        "monitor = tuimon.watch(model, torch.optim.SGD(model.parameters()), run_dir=sys.argv[1], meters=False, serve=False)\n"
        "print(flush=True); input(); monitor.close(); print(flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin and other.stdout and other.stdout.readline()
        files = sorted(os.listdir(tmp_path / "run"))
        with pytest.raises(TuimonError, match=f"Cannot train in .*run: process {other.pid} is training there"):
            start(run_dir=tmp_path / "run")
        assert sorted(os.listdir(tmp_path / "run")) == files
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline()
        training = start(run_dir=tmp_path / "run")
        training.step()
        assert not training.events(Notice)
        other.kill()


def test_a_folder_that_cannot_be_locked_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the log, where every view shows it; training goes on."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", refuse)
        training = start()
    training.step()
    (notice,) = training.events(Notice)
    assert notice.level == "warning" and "trainer.lock cannot be locked: No locks available" in notice.text


@pytest.mark.parametrize(
    ("values", "step", "tag", "logged"),
    [
        ({0: 0.5}, None, "0", 1),
        ({"a\udc80": 0.5}, None, "a\\udc80", 1),
        ({"x": 0.5}, 7.9, "x", 7),
        ({"x": 0.5}, "20", "x", 1),
        ({"x": 0.5}, -3, "x", 1),
        ({"x": 0.5}, torch.tensor(4), "x", 4),
        ({"x": 0.5, "big": 10**400}, None, "x", 1),
    ],
)
def test_odd_names_and_steps_lose_nothing(start: Start, values: dict[Any, Any], step: Any, tag: str, logged: int) -> None:
    """The value is kept under the nearest name and step there is, and so is what is logged beside it."""
    training = start()
    training.step(log=False)
    training.monitor.log(values, step=step)
    training.step()
    training.monitor.close()
    store = training.store
    assert store[tag].steps.tolist() == [logged] and store[tag].last == 0.5
    assert len(store["loss/train"]) == 1 and len(training.events(Ended)) == 1


def test_nothing_that_fails_at_the_end_reaches_the_script(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a script does after `close` is done."""
    training = start()
    monkeypatch.setattr(training.monitor._writer, "close", lambda: 1 / 0)
    training.monitor.close()


def test_any_config_is_kept(start: Start) -> None:
    """Paths, devices, numpy's numbers, argparse's namespaces."""
    options = {"out": Path("x"), "device": torch.device("cpu"), "rate": np.float32(0.5), "sizes": np.arange(2), 1: object}
    kept = start(config=options, total_steps=np.int64(9), device=torch.device("cpu")).events(RunStarted)[-1]
    assert kept.config == {"out": "x", "device": "cpu", "rate": 0.5, "sizes": [0, 1], "1": "<class 'object'>"}
    assert kept.total_steps == 9 and kept.device == "cpu"
    assert start(config=argparse.Namespace(lr=0.1)).events(RunStarted)[-1].config == {"lr": 0.1}


def test_a_config_keeps_what_a_log_can_hold(start: Start) -> None:
    """Of a table of embeddings, and of a list that holds itself, what `repr` shows of them."""
    itself: list[object] = []
    itself.append(itself)
    kept = start(config={"table": torch.zeros(100_000), "itself": itself, "lr": 0.1}).events(RunStarted)[-1].config
    assert kept["lr"] == 0.1 and kept["table"].startswith("tensor([0., 0") and len(kept["table"]) < 100
    assert kept["itself"].startswith("[[")


def test_a_value_without_a_name_is_told_once_and_training_goes_on(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    """As one call of `log` that was written too quickly."""
    training = start()
    for _ in range(2):
        training.monitor.log(torch.ones(3), accuracy=0.5)
        training.step()
    told = [notice.text for notice in training.events(Notice) if "without a name" in notice.text]
    assert len(told) == 1 and "Tensor" in told[0] and "without a name" in capfd.readouterr().err
    assert training.store["accuracy/train"].values.tolist() == [0.5, 0.5]


def test_a_budget_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """And a name may be a number."""
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TuimonError, match="Cannot take budget"):
        tuimon.watch(model, optimizer, runs_dir=tmp_path, budget="0.01")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    tuimon.watch(model, optimizer, runs_dir=tmp_path, name=3, meters=False).close()  # type: ignore[arg-type]
    assert (tmp_path / "3").is_dir()


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        ((nn.Linear(1, 1), ["a", "b"]), {}, "Cannot watch a list: it is not a torch optimizer"),
        ((nn.Linear(1, 1), argparse.Namespace(param_groups=[])), {}, "Cannot watch a Namespace: it is not a torch optimizer"),
        (("model", None), {}, "Cannot watch a str: it is not a torch.nn.Module"),
        ((), {"config": 3}, "Cannot store a int as the run's config"),
        ((), {"total_steps": "100"}, "Cannot take total_steps = '100'"),
        ((), {"settings": {"clip_nrm": 1.0}}, "Cannot start with clip_nrm"),
        ((), {"settings": {"l2": -1.0}}, "Cannot start with l2 = -1.0"),
        ((), {"name": "latest"}, "latest means the newest run"),
        ((), {"name": "-rf"}, "it begins with '-'"),
        ((), {"name": "a\nb"}, "without / or control characters"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_made(
    tmp_path: Path, arguments: tuple[Any, ...], options: dict[str, Any], reason: str
) -> None:
    """One clear error, and no folder that looks like a run."""
    model = nn.Linear(1, 1)
    with pytest.raises(TuimonError, match=reason):
        tuimon.watch(*(arguments or (model, torch.optim.SGD(model.parameters()))), runs_dir=tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_numbers_that_are_not_whole_lose_no_description(start: Start) -> None:
    """Reckoned with a division, a float's way of writing, or without an end."""
    for given, kept in ((1e4, 10_000), (46.875, 47), (math.inf, None), (np.float64(3), 3)):
        started = start(total_steps=given, steps_per_epoch=given, seed=given).events(RunStarted)[-1]
        assert (started.total_steps, started.steps_per_epoch, started.seed) == (kept, kept, kept)


def test_an_optimizer_is_found_inside_of_its_wrapper(start: Start) -> None:
    """As accelerate's, which is an optimizer to `isinstance` and was never set up as one."""

    class Wrapper(torch.optim.Optimizer):
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.optimizer = optimizer

        param_groups = property(lambda self: self.optimizer.param_groups)

        def step(self, closure: Any = None) -> None:
            self.optimizer.step(closure)

    model = nn.Linear(8, 4)
    training = start(model, Wrapper(torch.optim.SGD(model.parameters(), lr=0.5)))
    training.model(training.inputs).sum().backward()
    training.optimizer.step()
    training.monitor.log(loss=1.0)
    assert training.store["lr"].last == 0.5 and training.monitor.step == 1
    assert training.events(RunStarted)[-1].optimizer == "SGD"


def test_a_handler_may_return_a_path_or_nothing(start: Start) -> None:
    """What it returns is the answer's note."""
    training, answers = start(), []
    for result in (Path("my.pt"), None):
        training.monitor.on("checkpoint", lambda result=result: result)
        training.monitor.send(Command("checkpoint", "do"), answers.append)
        training.step()
        training.step()
    assert [answer.note for answer in answers] == ["my.pt", ""]


def test_a_stop_from_outside_is_told_as_one(start: Start) -> None:
    """Not as an interruption by Ctrl-C."""
    training = start()
    with pytest.raises(KeyboardInterrupt), training.monitor:
        training.monitor.send(Command("stop", "do"))
        training.step()
    assert training.events(Ended)[0] == Ended(how="stopped", reason="asked to stop", step=0)


def test_a_confusion_matrix_is_logged_at_its_step(start: Start) -> None:
    """As a text, from a tensor or from lists; what is no matrix is told, and training goes on."""
    from tuimon.log.confusion import decode

    monitor = start().monitor
    monitor.log_confusion(torch.tensor([[3, 1], [0, 2]]), ["cat", "dog"])
    monitor.log_confusion([[1]], split="test")
    monitor.log_confusion([[1, 2]])
    monitor.close()
    store = tuimon.read_run(monitor.run_dir)
    matrix = decode(store.texts["confusion/val"][-1].text)
    assert matrix is not None and (matrix.classes, matrix.counts) == (("cat", "dog"), ((3, 1), (0, 2)))
    assert "confusion/test" in store.texts
    assert any("log_confusion" in record.event.text for record in store.events if isinstance(record.event, Notice))
