"""Runs as actors of a real Ray of two CPUs on this machine: queued, trained, cancelled, and told when its head is gone."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import wait_until
from launching import STANDIN
from tuimon.base.errors import TuimonError
from tuimon.launcher.places.place import Held, Job
from tuimon.launcher.places.places import holder, place_named
from tuimon.launcher.places.ray_cluster import Ray
from tuimon.launcher.runs.glance import judge, lifecycle
from tuimon.launcher.runs.status import Status
from tuimon.launcher.steering.stop import stop
from tuimon.log.reader import read_run
from tuimon.log.records import Notice

pytestmark = pytest.mark.xdist_group("ray")
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def head() -> Iterator[subprocess.Popen[bytes]]:
    """The head of a cluster, whose `args[-1]` is its address; its folder has a short path, for the sockets in it."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("no Ray here: pip install ray")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    options = ["--head", "--block", "--num-cpus=2", "--num-gpus=0", "--include-dashboard=false", "--disable-usage-stats"]
    options += [f"--temp-dir={folder}", f"--port={port}", "--node-ip-address=127.0.0.1", "--object-store-memory=80000000"]
    command = [sys.executable, "-c", "import sys; from ray.scripts.scripts import main; sys.exit(main())", "start", *options]
    environment = os.environ | {"PYTHONPATH": ROOT, "RAY_ADDRESS": ""}
    with open(os.path.join(folder, "out"), "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, process_group=0)
    process.args = [*command, f"127.0.0.1:{port}"]
    try:
        wait_until(lambda: Path(folder, "out").read_text().count("--block"), what="Ray is up")
        yield process
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)


def end(head: subprocess.Popen[bytes]) -> None:
    """Kills a cluster with all that belongs to it; the supervisors of runs have sessions of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()


def test_runs_wait_for_cpus_train_and_are_told_that_the_head_is_gone(
    head: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs on two CPUs: one waits until another is stopped. One that needs both CPUs is cancelled while it waits."""
    monkeypatch.setenv("PYTHONPATH", ROOT)
    place = place_named(f"ray:{head.args[-1]}")
    runs = submit(tmp_path, place, "first", "second", "third")
    wait_until(lambda: sum(map(trains, runs)) == 2, what="two of them train")
    [waiting] = [run for run in runs if not trains(run)]
    training = [run for run in runs if trains(run)]
    assert judge(waiting)[1].state == "queued" and "Ray at 127.0.0.1" in judge(waiting)[1].detail
    stop(training[0])
    wait_until(lambda: trains(waiting), what="the next one trains")
    [large] = submit(tmp_path, place_named(f"ray:{head.args[-1]},cpus=2"), "large")
    assert stop(large) == "taken out of the queue"
    assert judge(large)[1] == Status("stopped", "before its turn in the queue came")
    forged = tmp_path / "elsewhere" / "third"
    forged.mkdir(parents=True)
    actor = holder(lifecycle(waiting).engine)
    assert not actor.cancel(forged) and actor.state(forged).phase == "unknown"
    assert actor.state(waiting) == Held("lives")
    end(head)
    wait_until(lambda: not judge(waiting)[1].live, what="the training was asked to stop")
    notices = [one.event.text for one in read_run(waiting).events if isinstance(one.event, Notice)]
    assert any("Ray has ended the run's actor" in text for text in notices)
    with pytest.raises(TuimonError, match="does not answer"):
        place.check({})


def submit(folder: Path, place: Ray, *names: str) -> list[Path]:
    """Hands stand-ins for trainings to Ray."""
    jobs = []
    for name in names:
        run = folder / name
        run.mkdir()
        command = [sys.executable, str(STANDIN), str(run), "--steps", "100000"]
        jobs.append(Job(run, command, {"name": name, "device": "cpu"}))
    place.submit(jobs)
    return [job.run for job in jobs]


def trains(run: Path) -> bool:
    return lifecycle(run).training is not None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ray", Ray()),
        ("ray:head:6379", Ray("head:6379")),
        ("ray:ray://head:10001,gpus=2", Ray("ray://head:10001", (("gpus", "2"),))),
        ("ray,cpus=4", Ray("", (("cpus", "4"),))),
    ],
)
def test_places_of_ray_are_read(text: str, place: Ray) -> None:
    assert place_named(text) == place


@pytest.mark.parametrize("text", ["ray:a b", "ray,color=red", "ray,cpus=many", "rays"])
def test_a_place_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(TuimonError, match="Cannot"):
        place_named(text)


def test_a_log_cannot_make_us_ask_another_machine(tmp_path: Path) -> None:
    """Only the user's own state folder knows at which address a run's actor is."""
    held = holder("ray/tuimon-" + "0" * 32).state(tmp_path)
    assert held == Held("unknown", "submitted by another user, or from another machine")
