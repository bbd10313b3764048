"""Starting a run: its folder, its spec, its device, and what is refused before anything starts."""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import wait_until
from launching import Runs
from tuimon.base.errors import TuimonError
from tuimon.base.process import this_process
from tuimon.base.run_name import check_name
from tuimon.launcher.places import local
from tuimon.launcher.places.spawn import supervise
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.start import devices
from tuimon.launcher.start import start as start_module
from tuimon.launcher.start.checking import check
from tuimon.launcher.start.devices import Device, Gpu
from tuimon.launcher.start.resume import resume_run
from tuimon.launcher.start.start import start, start_program
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.records import CheckpointSaved, Ended, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.spec.loading import load_spec

SPEC = load_spec("digits-softmax", ["steps=30"])


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been started; nothing is."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(local, "supervise", lambda run, command, **more: calls.append({"command": command, **more}))
    return calls


def test_a_run_gets_a_folder_a_number_and_its_resolved_spec(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """Numbers go on from the highest; the spec in the folder is the spec that was asked for."""
    (tmp_path / "digits-softmax-07").mkdir()
    run = start(SPEC, runs_dir=tmp_path, device="cpu")
    assert run == tmp_path / "digits-softmax-08"
    assert load_spec(run / "spec.toml").training.steps == 30
    assert handed_over[0]["command"][-4:] == [str(run / "spec.toml"), "model.name=softmax", "--run-dir", str(run)]
    assert handed_over[0]["details"]["spec"]["training"]["steps"] == 30


def test_a_users_model_file_is_kept_as_it_was(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """The run trains the file where it lies; the folder says later what stood in it."""
    model = tmp_path / "mine.py"
    model.write_text("def build(spec): ...\n")
    run = start(load_spec("digits-mlp", [f"model.name={model}"]), runs_dir=tmp_path, device="cpu")
    model.write_text("changed\n")
    assert (run / "model.py").read_text() == "def build(spec): ...\n"
    assert load_spec(run / "spec.toml").model.name == str(model)


def test_runs_started_at_once_get_different_folders(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """Mkdir decides, so that twenty at a time do not share one."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: start(SPEC, runs_dir=tmp_path, device="cpu"), range(20)))
    assert len(set(found)) == 20


def test_a_name_may_be_given_once(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """The second is refused with what to do, and nothing starts."""
    assert start(SPEC, runs_dir=tmp_path, name="mine").name == "mine"
    with pytest.raises(TuimonError, match="already a run called mine"):
        start(SPEC, runs_dir=tmp_path, name="mine")
    assert len(handed_over) == 1


@pytest.mark.parametrize("name", ["", " a", "a/b", "..", ".hidden", "-v", "a\nb", "latest", "x" * 200])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    """Each with its reason; no folder is made."""
    with pytest.raises(TuimonError, match="cannot be named"):
        check_name(name)
    with pytest.raises(TuimonError):
        start(SPEC, runs_dir=tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["/proc/no/runs", "/dev/null/runs"])
def test_an_unwritable_folder_is_refused_before_anything_starts(folder: str, handed_over: list[dict[str, Any]]) -> None:
    """Also for root, who may write everywhere else."""
    with pytest.raises(TuimonError, match="Cannot make a folder for the run") as error:
        start(SPEC, runs_dir=Path(folder), device="cpu")
    assert "--runs-dir" in error.value.hint
    assert not handed_over


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """With the same words."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(TuimonError, match="Cannot make a folder for the run"):
        start(SPEC, runs_dir=tmp_path / "runs", device="cpu")


def test_without_torch_the_user_learns_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed_over: list[dict[str, Any]]
) -> None:
    """Nothing is made."""
    plain = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "torch" else plain(name, *more))
    with pytest.raises(TuimonError, match="torch is not installed") as error:
        start(SPEC, runs_dir=tmp_path)
    assert "tuimon[train]" in error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_current_folder_that_is_gone_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed_over: list[dict[str, Any]]
) -> None:
    """A run would stand there too, where torch cannot even be imported; so would a check."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for begin in (
        lambda: start(load_spec("digits-mlp"), runs_dir=tmp_path),
        lambda: load_spec("digits-mlp", ["epochs=2"]),
        lambda: list(check(SPEC)),
    ):
        with pytest.raises(TuimonError, match="current folder no longer exists"):
            begin()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_device_is_refused(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """Before a folder is made."""
    with pytest.raises(TuimonError, match="Unknown device 'gpu7'"):
        start(SPEC, runs_dir=tmp_path, device="gpu7")
    assert list(tmp_path.iterdir()) == []


def test_the_chosen_gpu_is_the_only_one_that_the_trainer_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed_over: list[dict[str, Any]]
) -> None:
    """By the environment; its spec says `cuda`, and the log says which one people call it."""
    choice = Device("cuda", {"CUDA_VISIBLE_DEVICES": "3"}, "cuda:3")
    monkeypatch.setattr(start_module, "choose_device", lambda text, **more: choice)
    run = start(SPEC, runs_dir=tmp_path, device="cuda:3")
    assert load_spec(run / "spec.toml").training.device == "cuda"
    assert handed_over[0]["environment"] == {"CUDA_VISIBLE_DEVICES": "3"}
    assert handed_over[0]["details"]["device"] == "cuda:3"


def test_a_script_gets_a_folder_a_copy_and_its_own_arguments(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """It runs where it lies; which GPUs it sees is its own affair unless somebody chooses."""
    script = tmp_path / "my train.py"
    script.write_text("print()")
    run = start_program([str(script), "--lr", "0.1"], runs_dir=tmp_path / "runs")
    assert run == tmp_path / "runs" / "my-train-01" and (run / "script.py").read_text() == "print()"
    assert handed_over[0]["command"] == (sys.executable, str(script), "--lr", "0.1")
    assert handed_over[0]["environment"] == {} and handed_over[0]["for_command"]["TUIMON_RUNS"] == str(tmp_path / "runs")
    start_program([str(script)], runs_dir=tmp_path / "runs", device="cpu")
    assert handed_over[1]["environment"] == {"CUDA_VISIBLE_DEVICES": ""}


def test_a_script_may_lie_in_the_users_folder(
    tmp_path: Path, handed_over: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that the Launch screen shows has its `~` in quotes, where a shell leaves it alone."""
    (tmp_path / "train.py").write_text("print()")
    monkeypatch.setenv("HOME", str(tmp_path))
    start_program(["~/train.py"], runs_dir=tmp_path / "runs")
    assert handed_over[0]["command"][-1] == str(tmp_path / "train.py")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["data.path=no.csv"], "no.csv cannot be read: No such file"),
        (["data.path=.", "data=npz"], "cannot be read: Is a directory"),
        (["data.path=own.csv", "data.target=lenght"], "has no such column; did you mean length?"),
        (["data.path=own.csv", "data.target=4"], "has no such column; it has width, length, kind"),
        (["data.path=no.txt", "data=text", "model=rnn"], "no.txt cannot be read"),
    ],
)
def test_what_is_known_of_the_data_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], says: str
) -> None:
    """A missing file or column leaves no failed run behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("width;length;kind\n1,5;2;a\n2,5;3;b\n", encoding="utf-8")
    with pytest.raises(TuimonError, match=re.escape(says)):
        start(load_spec("own-table", overrides), runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("name", "says"), [("missing.py", "no file .*missing.py"), ("folder.py", "folder with neither")])
def test_a_script_that_is_none_starts_nothing(tmp_path: Path, handed_over: list[dict[str, Any]], name: str, says: str) -> None:
    """And leaves no folder behind."""
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(TuimonError, match=says):
        start_program([str(tmp_path / name)], runs_dir=tmp_path / "runs")
    assert not handed_over and not (tmp_path / "runs").exists()


def test_runs_started_in_a_row_are_spread_over_the_gpus(monkeypatch: pytest.MonkeyPatch, runs: Runs) -> None:
    """As by `tuimon compare`: none has taken memory yet when the next one chooses."""
    cards = [Gpu(index, "H200", 90, 100, str(index)) for index in range(2)]
    monkeypatch.setattr(devices, "gpus", lambda: cards)
    monkeypatch.setattr(devices, "torch_version", lambda: "2.13.0+cu130")
    monkeypatch.setattr(start_module, "PYTHON", (sys.executable, "-c", "import time; time.sleep(60)"))
    started = [start(SPEC, runs_dir=runs.folder) for _ in range(3)]
    launched = [lifecycle(run).launched for run in started]
    assert [run.device for run in launched if run] == ["cuda:0", "cuda:1", "cuda:0"]


def test_what_cannot_be_resumed_is_refused(tmp_path: Path, runs: Runs) -> None:
    """No spec, no checkpoint, or still running."""
    with pytest.raises(TuimonError, match=r"no .*spec.toml"):
        resume_run(tmp_path)
    run = runs.start("live")
    (run / "spec.toml").write_text(SPEC.to_toml())
    with pytest.raises(TuimonError, match=r"has no checkpoints/last.pt"):
        resume_run(run)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").touch()
    with pytest.raises(TuimonError, match="it is running"):
        resume_run(run)
    send(run, parse_setting("pause"))
    with pytest.raises(TuimonError, match="it is paused") as error:
        resume_run(run)
    assert "tuimon set live resume" in error.value.hint


def test_a_run_that_has_ended_is_resumed_where_it_was_started(
    runs: Runs, tmp_path: Path, handed_over: list[dict[str, Any]]
) -> None:
    """With its own spec but for how long it is, in its own folder, from the folder that relative paths were meant from."""
    run = runs.folder / "a"
    run.mkdir()
    supervise(run, [sys.executable, "-c", ""], cwd=tmp_path)
    wait_until(lambda: lifecycle(run).exited)
    (run / "spec.toml").write_text(SPEC.to_toml())
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").touch()
    with pytest.raises(TuimonError, match="Cannot resume a with lr=3: it would be another run"):
        resume_run(run, settings=["epochs=9", "lr=3"])
    assert not handed_over
    assert resume_run(run, settings=["epochs=9"]) == run
    words = ["--run-dir", str(run), "epochs=9", f"device={SPEC.training.device}", "--resume"]
    assert handed_over[0]["command"][-7:] == [str(run / "spec.toml"), "model.name=softmax", *words]
    assert handed_over[0]["details"]["spec"]["training"]["epochs"] == 9
    assert handed_over[0]["cwd"] == tmp_path


def test_a_run_that_has_nothing_left_to_train_is_not_resumed(tmp_path: Path, handed_over: list[dict[str, Any]]) -> None:
    """But for longer it is, and so is one whose last checkpoint is not of its end."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").touch()
    (tmp_path / "spec.toml").write_text(SPEC.to_toml())
    with contextlib.closing(LogWriter(tmp_path, "run")) as log:
        log.event(RunStarted(name="a", process=this_process(), total_steps=30, steps_per_epoch=10))
        log.scalars(30, {"throughput": 1.0})
        log.event(CheckpointSaved(20, "checkpoints/last.pt", "last"))
        log.event(CheckpointSaved(30, "checkpoints/step-30.pt", "asked"))
        log.event(Ended("finished"))
        resume_run(tmp_path)
        log.event(CheckpointSaved(30, "checkpoints/last.pt", "last"))
    for settings in ((), ("epochs=3",)):
        with pytest.raises(TuimonError, match="it has already trained 30 steps"):
            resume_run(tmp_path, settings=settings)
    resume_run(tmp_path, settings=["epochs=4"])
    resume_run(tmp_path, settings=["steps=31"])
    assert len(handed_over) == 3


SLOW_TO_END = """
import sys, time
from pathlib import Path
from tuimon.log.records import Ended, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.base.process import this_process
log = LogWriter(Path(sys.argv[1]), "run")
log.event(RunStarted("a", this_process()))
log.event(Ended(how="stopped", step=0))
time.sleep(1.5)
"""


def test_a_run_is_resumed_once_its_last_process_is_reaped(runs: Runs, handed_over: list[dict[str, Any]]) -> None:
    """It may have said that it has stopped seconds before: its end would be taken for that of the new attempt."""
    run = runs.folder / "a"
    run.mkdir()
    supervise(run, [sys.executable, "-c", SLOW_TO_END, str(run)])
    (run / "spec.toml").write_text(SPEC.to_toml())
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").touch()
    wait_until(lambda: lifecycle(run).ended)
    assert not lifecycle(run).exited
    resume_run(run)
    assert handed_over and lifecycle(run).exited


def test_starting_imports_no_torch(tmp_path: Path) -> None:
    """The process that starts runs stays quick."""
    modules = "tuimon.launcher.start.start, tuimon.launcher.feed, tuimon.cli.headless, tuimon.cli.main, tuimon.cli.running"
    code = f"import sys, {modules}; assert not {{'torch', 'textual', 'sklearn'}} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
