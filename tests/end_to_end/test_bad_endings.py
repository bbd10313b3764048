"""Failures around a real training: kills at random moments, a full disk, two users who steer at once."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs, runs_in
from tuimon.base.process import is_alive
from tuimon.launcher.runs.glance import glance, lifecycle
from tuimon.launcher.start.start import start
from tuimon.launcher.steering.client import client_of
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Command, Gap
from tuimon.log.store import Store
from tuimon.spec.loading import load_spec

CHECKOUT = Path(__file__).parents[2]
SLOW_S = 60.0

FULL_DISK = """
import os, sys, torch, tuimon
model = torch.nn.Linear(4, 2); optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
monitor = tuimon.watch(model, optimizer, run_dir=sys.argv[1], meters=False, budget=0)  # no samples: all records are steps
ballast = sys.argv[1] + ".ballast"
def fill():
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True: file.write(bytes(512))
        except OSError: pass
for step in range(1, 601):
    if step in (200, 400): monitor._writer.flush()  # write the records held back, or fail to
    if step == 200: fill()
    if step == 400: os.unlink(ballast)
    model(torch.ones(1, 4)).sum().backward(); optimizer.step(); optimizer.zero_grad()
    monitor.log(loss=float(step))
monitor.close()
print("trained", monitor.step)
"""

ON_THE_SOCKET = """
import json, socket, sys
wishes = {"want": "log", "file": sys.argv[2], "from": 0}, {"want": "control"}
peers = []
for wish in wishes:
    peers.append(socket.socket(socket.AF_UNIX))
    peers[-1].connect(sys.argv[1])
    peers[-1].sendall(json.dumps(wish).encode() + b"\\n")
peers[1].sendall(b'{"lever":"l1","op":"off","id":"a"}\\n' * 1000 + b'{"lever":"lr_sc')
while True:
    print(len(peers[0].recv(1000)), flush=True)
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """A folder of runs; all its processes end with the test."""
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield from runs_in(tmp_path / "runs")


def long_run(runs: Runs, name: str) -> Path:
    """Starts a real training that outlasts any test; returns once a step is on disk."""
    run = start(load_spec("digits-softmax", ["epochs=100000"]), runs_dir=runs.folder, name=name, device="cpu")
    wait_until(lambda: "loss/train" in glance(run), SLOW_S, "the run trains")
    return run


def is_consecutive(store: Store) -> bool:
    """Whether no step is missing from the training loss."""
    steps = store["loss/train"].steps
    return bool((steps[1:] - steps[:-1] == 1).all())


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_moments_leave_a_readable_log(runs: Runs, seed: int) -> None:
    """Whichever is killed first, supervisor or trainer: no step is missing from the log, and the end is detected."""
    rng = random.Random(seed)
    run = long_run(runs, f"killed-{seed}")
    life = lifecycle(run)
    assert life.launched and life.started
    victims = {"supervisor": life.launched.supervisor, "trainer": life.started.process}
    order = rng.sample(sorted(victims), 2)
    for victim in order:
        time.sleep(rng.uniform(0.05, 0.5))
        if is_alive(victims[victim]):
            os.kill(victims[victim].pid, signal.SIGKILL)
        wait_until(lambda victim=victim: not is_alive(victims[victim]), SLOW_S, f"{victim} is gone")
    store = read_run(run)
    assert not store.damage and is_consecutive(store)
    expected = "lost" if order[0] == "supervisor" else "killed"
    wait_until(lambda: lifecycle(run).status().state in (expected, "lost"), SLOW_S, f"the run is {expected}")


def test_a_viewer_killed_at_random_moments_leaves_the_run_untouched(runs: Runs) -> None:
    """Headless viewers are killed one after the other while the run keeps training; each new one shows it."""
    run = long_run(runs, "watched")
    rng = random.Random(0)
    for _ in range(4):
        command = [sys.executable, "-m", "tuimon", "attach", str(run), "--headless", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as viewer:
            assert viewer.stdout and b"{" in viewer.stdout.readline()
            time.sleep(rng.uniform(0, 0.3))
            viewer.kill()
    step = read_run(run).step
    wait_until(lambda: read_run(run).step > step, SLOW_S, "the run trains on")
    assert lifecycle(run).status().state == "running" and is_consecutive(read_run(run))


def test_a_viewer_killed_on_the_runs_socket_leaves_the_run_untouched(runs: Runs) -> None:
    """A client that follows the log and is sending commands disappears: the next one is served as usual."""
    run = long_run(runs, "served")
    started = lifecycle(run).started
    assert started
    (log,) = run.glob("events.out.tfevents.*.run")
    rng = random.Random(0)
    for _ in range(4):
        command = [sys.executable, "-c", ON_THE_SOCKET, started.socket, log.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as viewer:
            assert viewer.stdout and int(viewer.stdout.readline()) > 0
            time.sleep(rng.uniform(0, 0.2))
            viewer.kill()
    client = client_of(run, lifecycle(run))
    attempts = (client.send(Command("lr_scale", "multiply", 0.5, id=f"next-{i}")) for i in itertools.count())
    wait_until(lambda: isinstance(next(attempts), Applied), SLOW_S, "a command is accepted again after the flood")
    client.close()
    step = read_run(run).step
    wait_until(lambda: read_run(run).step > step, SLOW_S, "the run trains on")
    assert is_alive(started.process) and is_consecutive(read_run(run))


def test_training_goes_on_while_the_disk_is_full(small_disk: Callable[[int], Path]) -> None:
    """All steps are trained; the log records how many records are missing and continues after them."""
    run = small_disk(512) / "run"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(run)], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "trained 600\n"), done.stderr
    store = read_run(run)
    gaps = [record.event for record in store.events if isinstance(record.event, Gap)]
    told = [step for gap in gaps for step in range(gap.first_step, gap.last_step + 1)]  # none if one write took them all
    steps = store["loss/train"].steps.tolist()
    assert not store.damage and all(200 <= step <= 400 for step in told)
    assert [step for step in range(1, 601) if step not in steps] == told


def test_two_who_steer_at_once_are_both_answered_and_nothing_is_lost(runs: Runs) -> None:
    """Halvings and doublings from two viewers are each applied exactly once, in the order of the log."""
    run = long_run(runs, "steered")
    life = lifecycle(run)
    answers: list[object] = []

    def steer(factor: float) -> None:
        client = client_of(run, life)
        for by in [factor, 1 / factor] * 25:  # alternating, so that neither reaches a bound by getting ahead
            answers.append(client.send(Command("lr_scale", "multiply", by, by=str(by), id=uuid.uuid4().hex)))
        client.close()

    threads = [threading.Thread(target=steer, args=(factor,)) for factor in (0.5, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SLOW_S)
    assert len(answers) == 100 and all(isinstance(answer, Applied) for answer in answers)
    moved = [record.event for record in read_run(run).events if isinstance(record.event, Applied)]
    assert len(moved) == 100 and len({event.id for event in moved}) == 100
    value = 1.0
    for event in moved:
        assert event.old == value and event.new == value * float(event.by)
        value = event.new
    assert value == 1.0
