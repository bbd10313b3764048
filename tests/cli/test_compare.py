"""`tuimon compare` without a screen: starts or opens runs, waits for them, and prints one table."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launching import Runs, status
from tuimon.base.errors import TuimonError
from tuimon.base.process import Process
from tuimon.cli import main as cli
from tuimon.cli.comparing import result
from tuimon.cli.parted import Branch, said_of_forks
from tuimon.cli.sources import sources_of
from tuimon.launcher.runs.status import Status
from tuimon.log.reader import read_run
from tuimon.log.records import Ended, Forked, LayerInfo, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.spec.loading import load_spec


def compared(runs: Runs, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `tuimon compare` to its end."""
    command = [sys.executable, "-m", "tuimon", "compare", *arguments, "--runs-dir", str(runs.folder), "--headless"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def test_presets_are_started_and_runs_opened(runs: Runs) -> None:
    """It trains a preset with the given settings and waits for a run; the table has a row for each."""
    runs.start("stand-in", "--steps", "40")
    done = compared(runs, "digits-softmax", "epochs=1", "stand-in")
    assert done.returncode == 0, done.stderr
    head, trained, opened, *_ = done.stdout.splitlines()
    assert head.split()[:4] == ["RUN", "STATE", "STEP", "LOSS"]
    assert trained.startswith("digits-softmax-01  finished") and opened.startswith("stand-in           finished  40")


def test_the_table_as_json_has_null_for_unknown_values(runs: Runs) -> None:
    """One object for each run; the best validation loss is the lowest finite one."""
    runs.start("stand-in", "--steps", "40")
    row = json.loads(compared(runs, "stand-in", "--json").stdout)
    assert (row["run"], row["state"], row["step"], row["dead_fraction"]) == ("stand-in", "finished", 40, None)
    assert row["best_val_loss"] <= row["val_loss"]


def test_an_unknown_name_is_an_error_that_suggests_presets(runs: Runs) -> None:
    """It is reported before anything starts."""
    done = compared(runs, "digits-sofmax")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "digits-softmax" in done.stderr


def test_ctrl_c_ends_the_waiting_and_names_the_runs_that_continue(runs: Runs) -> None:
    """So that nobody thinks that Ctrl-C stopped them."""
    runs.start("done", "--steps", "3")
    run = runs.start("live")
    command = [sys.executable, "-m", "tuimon", "compare", "done", "live", "--runs-dir", str(runs.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr and "live" in process.stderr.readline()  # how far they are
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and "Still running: live." in told and "Traceback" not in told
    assert status(run) == "running"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_run_that_failed_makes_the_comparison_fail(runs: Runs, form: tuple[str, ...]) -> None:
    """The table still has its row; the exit code is 1."""
    runs.start("bad", "--steps", "3", "--fail")
    done = compared(runs, "bad", *form)
    assert done.returncode == 1 and "failed" in done.stdout


def test_the_exit_code_is_that_of_the_first_run_without_success(runs: Runs) -> None:
    """As the run's own process ended."""
    runs.start("good", "--steps", "3")
    runs.script("three", "raise SystemExit(3)")
    runs.script("five", "raise SystemExit(5)")
    assert compared(runs, "good", "three", "five").returncode == 3


def test_runs_of_one_name_have_a_row_each(runs: Runs, tmp_path: Path) -> None:
    """Two folders, one of them named twice. It finds the loss in a log of another framework."""
    for folder in ("here", "there"):
        log = LogWriter(tmp_path / folder / "one", "v2")
        log.scalars(7, {"train_loss": 0.5})
        log.close()
    paths = [str(tmp_path / folder / "one") for folder in ("here", "there", "here")]
    done = compared(runs, *paths, "--json")
    assert [(row["run"], row["loss"]) for row in map(json.loads, done.stdout.splitlines())] == [("one", 0.5), ("one", 0.5)]


def test_settings_belong_to_the_source_before_them(runs: Runs) -> None:
    """Each run trains with its own; several values make as many runs, and their names tell them apart."""
    done = compared(runs, "epochs=20", "quadratic", "lr=0.01", "quadratic", "lr=0.1,0.2", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["run"] for row in rows] == ["quadratic-lr_0.01-01", "quadratic-lr_0.1-01", "quadratic-lr_0.2-01"]
    assert [row["step"] for row in rows] == [20, 20, 20]
    specs = [load_spec(runs.folder / row["run"]) for row in rows]
    assert [spec.optimizer.lr for spec in specs] == [0.01, 0.1, 0.2]
    losses = [row["loss"] for row in rows]
    assert losses == sorted(losses, reverse=True) and losses[0] > 2 * losses[1]


def test_regressions_are_compared_by_r2_and_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In place of an accuracy; where there are both, each run has a gap."""
    values = {"a": {"r2/val": 0.5, "mae/val": 43.25}, "b": {"r2/val": 0.25, "mae/val": 60.0}, "c": {"accuracy/val": 0.875}}
    for name, more in values.items():
        writer = LogWriter(tmp_path / name, "run")
        writer.scalars(1, {"loss/train": 1.0, "loss/val": 1.0, **more})
        writer.event(Ended("finished", step=1))
        writer.close()
    assert cli.main(["compare", "a", "b", "--headless", "--quiet", "--runs-dir", str(tmp_path)]) == 0
    head, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head == ["RUN", "STATE", "STEP", "LOSS", "VAL", "BEST", "VAL", "R2", "MAE", "DEAD", "TIME"]
    assert first[6:8] == ["0.500", "43.2"] and second[6:8] == ["0.250", "60.0"]
    assert cli.main(["compare", "a", "c", "--headless", "--quiet", "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[7:11] == ["ACC", "R2", "MAE", "DEAD"]
    assert cli.main(["compare", "a", "c", "--json", "--runs-dir", str(tmp_path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["val_r2"], line["val_mae"], line["val_accuracy"]) for line in lines] == [
        (0.5, 43.25, None),
        (None, None, 0.875),
    ]


def test_the_output_layer_has_no_dead_units(tmp_path: Path) -> None:
    """It gets no gradient once everything is learned; the table tells of hidden layers."""
    layers = (LayerInfo("fc1", "Linear", activation="relu"), LayerInfo("out", "Linear"))
    started = RunStarted(name="one", process=Process("host", "boot", 1, 2.0), layers=layers)
    log = LogWriter(tmp_path / "one", "v2")
    log.event(started)
    log.scalars(1, {"dead_fraction/fc1": 0.125, "dead_fraction/out": 0.7})
    log.close()
    store = read_run(tmp_path / "one")
    assert result("one", Status("finished"), store).dead_fraction == 0.125


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a lr=0.1 b", [("a", ("lr=0.1",)), ("b", ())]),
        ("seed=1 a b lr=2", [("a", ("seed=1",)), ("b", ("seed=1", "lr=2"))]),
        ("a lr=1,2 seed=3,4", [("a", (f"lr={lr}", f"seed={seed}")) for lr in (1, 2) for seed in (3, 4)]),
        ("a hidden=64,32", [("a", ("hidden=64,32",))]),
        ("a hidden=[64],[64,32]", [("a", ("hidden=[64]",)), ("a", ("hidden=[64,32]",))]),
        ("a activation=relu,tanh", [("a", ("activation=relu",)), ("a", ("activation=tanh",))]),
        ("a betas=0.9,0.99", [("a", ("betas=0.9,0.99",))]),
        ("a data.path=x,y.csv", [("a", ("data.path=x,y.csv",))]),
        ("./odd=name a", [("./odd=name", ()), ("a", ())]),
    ],
)
def test_words_become_sources_with_their_settings(words: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    """A list stays one value unless it is in brackets several times."""
    assert [source[:2] for source in sources_of(words.split())] == expected


def test_too_many_combinations_are_refused() -> None:
    """Before anything starts."""
    values = ",".join(map(str, range(9)))
    with pytest.raises(TuimonError, match="81 runs"):
        sources_of(["quadratic", f"seed={values}", f"epochs={values}"])


@pytest.mark.parametrize("sources", [["lr=3"], ["a", "lr=3", "epochs=2"]])
def test_settings_that_change_nothing_are_an_error(runs: Runs, sources: list[str]) -> None:
    """If they come after a run, or there are no other arguments."""
    runs.start("a", "--steps", "20")
    done = compared(runs, *sources)
    assert done.returncode == 1 and "Cannot apply lr=3" in done.stderr
    assert [run.name for run in runs.folder.iterdir()] == ["a"]


def test_runs_that_go_on_from_one_point_say_what_the_change_did(tmp_path: Path) -> None:
    """A fork beside its parent in either order, and two forks of one point beside each other; runs of their own say nothing."""

    def branch(name: str, loss: float, forked: Forked | None) -> Branch:
        writer = LogWriter(tmp_path / name, "run")
        if forked:
            writer.event(forked, forked.step)
        for step in range(1, 101):
            writer.scalars(step, {"loss/train": 1.0 + 0.1 * (step % 3) - (loss if step > 40 else 0)})
        writer.close()
        return Branch(name, tmp_path / name, read_run(tmp_path / name))

    origin = Forked("a", str(tmp_path / "a"), 40)
    parent, fork, other = branch("a", 0.0, None), branch("b", 0.3, origin), branch("c", 0.2, origin)
    (line,) = said_of_forks([parent, fork])
    assert line.startswith("b: helped: loss/train 0.8") and line.endswith("; without it: a, from step 40 on")
    assert said_of_forks([fork, parent]) == [line]
    assert said_of_forks([fork, other])[0].startswith("c: made it worse: ")
    assert said_of_forks([parent, branch("d", 0.3, None)]) == []
