"""Runs as jobs of a real Slurm, on a node with a name of its own: queued, followed, steered, preempted, cancelled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import wait_until
from launching import STANDIN
from slurm_cluster import NODE, cluster_in
from tuimon.base.errors import TuimonError
from tuimon.base.process import host_name
from tuimon.launcher.places.place import Job
from tuimon.launcher.places.places import holder, place_named
from tuimon.launcher.places.slurm import Slurm
from tuimon.launcher.places.slurm_jobs import SlurmJob, jobs, minutes
from tuimon.launcher.runs.glance import judge, lifecycle
from tuimon.launcher.runs.status import Status
from tuimon.launcher.start.start import start
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.launcher.steering.stop import stop
from tuimon.log.reader import read_run
from tuimon.log.records import CheckpointSaved, Queued, RunStarted
from tuimon.spec.loading import load_spec

pytestmark = pytest.mark.xdist_group("slurm")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield from cluster_in(tmp_path_factory.mktemp("slurm"), patch)


def submit(folder: Path, place: Slurm, *names: str, code: str = "") -> list[Path]:
    """Hands stand-ins for trainings, or pieces of code, to Slurm together."""
    handed = []
    for name in names:
        run = folder / name
        run.mkdir(parents=True)
        command = [sys.executable, "-c", code] if code else [sys.executable, str(STANDIN), str(run), "--steps", "100000"]
        handed.append(Job(run, command, {"name": name, "device": "cpu"}))
    place.submit(handed)
    return [job.run for job in handed]


def state(run: Path) -> Status:
    """A run's state, with what Slurm says this moment."""
    jobs.cache_clear()
    return judge(run)[1]


def test_a_run_is_steered_preempted_goes_on_and_stops(cluster: Path, tmp_path: Path) -> None:
    """All of it from another machine: by the shared folder alone."""
    spec = load_spec("digits-softmax", ["epochs=100000"])
    run = start(spec, runs_dir=tmp_path, name="far", place=place_named("slurm:open,time=30m"), device="cpu")
    assert state(run).state in ("queued", "starting")
    wait_until(lambda: state(run).state == "running", what="it trains")
    assert lifecycle(run).training.process.host == NODE != host_name()
    answer = send(run, parse_setting("lr_scale=0.5"))
    assert (answer.lever, answer.new) == ("lr_scale", 0.5)
    job = lifecycle(run).engine.removeprefix("slurm/")
    subprocess.run(["scancel", "--signal=USR1", job], check=True)
    wait_until(lambda: len([one for one in read_run(run).events if isinstance(one.event, Queued)]) == 2, what="it waits again")
    wait_until(lambda: state(run).state == "queued" and "BeginTime" in state(run).detail, what="Slurm has put it back")
    saved = max(one.event.step for one in read_run(run).events if isinstance(one.event, CheckpointSaved))
    # Slurm waits two minutes by itself; in the second in which it was killed, a node does not launch a job again
    subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now+4"], check=True)
    wait_until(lambda: state(run).state == "running", what="it goes on")
    store = read_run(run)
    again = [one.event for one in store.events if isinstance(one.event, RunStarted)][-1]
    assert again.first_step == saved > 0
    assert lifecycle(run).engine == f"slurm/{job}"
    assert "applied" in stop(run)
    wait_until(lambda: state(run).state == "stopped", what="it has stopped")


def test_waiting_runs_are_an_array_and_each_can_be_cancelled(cluster: Path, tmp_path: Path) -> None:
    """The log says that they wait, and why in Slurm's word; a run that was cancelled never begins."""
    jobs.cache_clear()
    jobs()  # an answer from before they were submitted does not count
    first, second = submit(tmp_path, place_named("slurm:closed"), "first", "second")
    assert judge(first)[1].state == judge(second)[1].state == "queued"
    wait_until(lambda: "PartitionDown" in state(first).detail, what="Slurm has looked at it")
    assert lifecycle(first).engine.endswith("_0") and lifecycle(second).engine.endswith("_1")
    assert stop(first) == "taken out of the queue"
    assert state(first) == Status("stopped", "before its turn in the queue came")
    assert state(second).state == "queued"
    subprocess.run(["scancel", lifecycle(second).engine.removeprefix("slurm/")], check=True)
    wait_until(lambda: not state(second).live, what="it was cancelled by hand")
    assert state(second).detail.endswith("before it began")


def test_a_job_that_is_ended_says_how(cluster: Path, tmp_path: Path) -> None:
    """`stop --now` cancels the job; when a node goes down, Slurm puts its job back, and the run waits again."""
    ended, moved = submit(tmp_path, place_named("slurm"), "ended", "moved")
    wait_until(lambda: state(ended).state == state(moved).state == "running", what="both train")
    assert "cancelled Slurm's job" in stop(ended, now=True)
    assert not state(ended).live
    set_node = ["scontrol", "update", f"nodename={NODE}"]
    subprocess.run([*set_node, "state=down", "reason=test"], check=True)
    wait_until(lambda: state(moved).state == "queued", what="the run waits for another node")
    subprocess.run([*set_node, "state=resume"], capture_output=True)  # it may have come back by itself


SCRIPT = """
import os, sys
from pathlib import Path
from tuimon.log.writer import LogWriter

log = LogWriter(Path(os.environ["TUIMON_RUN_FOLDER"]), "run")
for step in range(1, 4):
    log.scalars(step, {"loss/val": float(sys.argv[1].partition("=")[2]) + 1 / step})
log.close()
"""


def test_a_search_submits_its_trials_together(cluster: Path, tmp_path: Path) -> None:
    """Trials that start at the same time are an array; all of them count, whenever Slurm was asked before."""
    pytest.importorskip("optuna")
    (tmp_path / "train.py").write_text(SCRIPT)
    words = [
        "search",
        "--on",
        "slurm,time=5m",
        "--jobs",
        "2",
        "--name",
        "s",
        "--budget",
        "4",
        "train.py",
        "--lr=log(1e-5,1e-1)",
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TUIMON_RUNS": str(tmp_path / "runs")}
    command = [sys.executable, "-m", "tuimon", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "4 trials: 4 finished" in done.stdout, done.stdout + done.stderr
    engines = [lifecycle(tmp_path / "runs" / "s" / f"trial-000{n}").engine for n in (1, 2)]
    assert {engine.rpartition("_")[2] for engine in engines} == {"0", "1"}


def test_what_slurm_refuses_is_said_before_a_folder_is_made(cluster: Path, tmp_path: Path) -> None:
    """A partition that does not exist is named, with those that do."""
    with pytest.raises(TuimonError, match="no partition 'gone'") as raised:
        start(load_spec("digits-softmax"), runs_dir=tmp_path / "runs", place=place_named("slurm:gone"))
    assert "open, closed" in raised.value.hint
    assert not (tmp_path / "runs").exists()


def test_another_runs_job_is_not_touched(cluster: Path, tmp_path: Path) -> None:
    """A log that names a job of the user's which belongs to another folder cancels nothing."""
    [run] = submit(tmp_path, place_named("slurm:closed"), "own")
    forged = tmp_path / "elsewhere" / "forged"
    forged.mkdir(parents=True)
    place = holder(lifecycle(run).engine)
    assert place.state(forged).phase == "over"
    assert not place.cancel(forged)
    with pytest.raises(TuimonError, match="no job"):
        place.end(forged)
    assert state(run).state == "queued"
    subprocess.run(["scancel", lifecycle(run).engine.removeprefix("slurm/")], check=True)
    wait_until(lambda: state(run).state == "stopped", what="it was cancelled by hand")
    assert "was cancelled before it began" in state(run).detail


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("slurm", Slurm()),
        ("slurm:gpu", Slurm("gpu")),
        ("slurm,time=2h", Slurm("", (("time", "2h"),))),
        ("slurm:gpu,cpus=4,gpus=2,qos=high", Slurm("gpu", (("cpus", "4"), ("gpus", "2"), ("qos", "high")))),
    ],
)
def test_places_of_slurm_are_read(text: str, place: Slurm) -> None:
    assert place_named(text) == place


@pytest.mark.parametrize("text", ["slurm:a b", "slurm:-x", "slurm,color=red", "slurm,cpus=many", "slurm:x,time", "slurmy"])
def test_a_place_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(TuimonError, match="Cannot"):
        place_named(text)


@pytest.mark.parametrize(
    ("limit", "found"), [("1:00:00", 60), ("2-00:30:00", 2910), ("30:00", 30), ("infinite", 10080), ("n/a", 10080)]
)
def test_slurms_time_limits_are_read(limit: str, found: int) -> None:
    assert minutes(limit) == found


@pytest.mark.parametrize(
    ("word", "phase", "how"),
    [
        ("PENDING", "waits", "lost"),
        ("COMPLETING", "runs", "lost"),
        ("CANCELLED", "over", "stopped"),
        ("TIMEOUT", "over", "killed"),
        ("NODE_FAIL", "over", "lost"),
        ("COMPLETED", "over", "lost"),
    ],
)
def test_what_slurm_says_of_a_job(word: str, phase: str, how: str) -> None:
    held = SlurmJob("7", word, "None", "/runs/a").held()
    assert (held.phase, held.how) == (phase, how)


def test_without_slurm_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TuimonError, match=r"no sbatch here|submitit is not installed"):
        Slurm().check({})
