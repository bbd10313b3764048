"""What a sample of all layers costs, how much memory it takes, and how old the layer table grows and what it costs meanwhile.

A sample's cost on the training thread is processor time, for a machine that others use stretches any other: steps that are
all sampled against steps that are not, in turn, medians. What the log's thread does for a sample is told beside it: for all
that is logged, and for the layer table alone, which is logged more often. Memory is the process's peak with and without
samples, each in a process of its own; what the diagnosis keeps of the samples stands apart. The table's age is the longest
time between two samples, of trainings alone and beside two spinning processes: one that stops to validate, one that collects
episodes, one whose steps are long, one of many layers. Beside it stands what samples took, on both threads, of the 30 s in
which they took most, and what they wrote.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

import tuimon
from tuimon.monitor.probe.schedule import Schedule

Sizes = tuple[int, int]

MODELS = {"200 layers of 64 × 64, ReLU": (200, 64), "2,000 layers of 4 × 4, ReLU": (2000, 4), "3 layers of 256 × 256": (3, 256)}
SPIN = "while True: pass"


def net(layers: int, width: int) -> nn.Sequential:
    """As many linear layers with ReLU."""
    torch.manual_seed(0)
    return nn.Sequential(*[module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())])


def training(layers: int, width: int, folder: Path, budget: float, diagnose: bool = True) -> Callable[[], None]:
    """One step of a watched training."""
    model = net(layers, width)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    inputs = torch.randn(64, width)
    options = {"budget": budget, "diagnose": diagnose, "meters": False, "serve": False}
    monitor = tuimon.watch(model, optimizer, run_dir=folder / f"{layers}-{budget}", **options)

    def step() -> None:
        optimizer.zero_grad()
        loss = model(inputs).square().mean()
        loss.backward()
        optimizer.step()
        monitor.log(loss=loss.item())

    return step


def took(step: Callable[[], None]) -> float:
    """Seconds of processor that a step takes on this thread."""
    began = time.thread_time()
    step()
    return time.thread_time() - began


def cost(layers: int, width: int, folder: Path, steps: int) -> tuple[float, float, float, float]:
    """Seconds of a step without a sample; what a sample adds to it; what the log's thread does for it; for the table alone."""
    plain, sampled = training(layers, width, folder, 0.0), training(layers, width, folder, 1.0)
    for _ in range(5):
        plain(), sampled()
    both = [(took(plain), took(sampled)) for _ in range(steps)]
    beside = logging_seconds(sampled, steps)
    wants_rest, Schedule.wants_rest = Schedule.wants_rest, property(lambda _: False)  # type: ignore[assignment, method-assign]
    table = logging_seconds(sampled, steps)
    Schedule.wants_rest = wants_rest  # type: ignore[method-assign]
    return statistics.median(a for a, _ in both), statistics.median(b - a for a, b in both), beside, table


def logging_seconds(sampled: Callable[[], None], steps: int) -> float:
    """What the log's threads take for a sampled step."""
    clocks = [
        time.pthread_getcpuclockid(thread.ident)
        for thread in threading.enumerate()
        if thread.name == "tuimon-log" and thread.ident
    ]
    time.sleep(0.5)  # until they are done with what was before
    began = sum(map(time.clock_gettime, clocks))
    for _ in range(steps):
        sampled()
        time.sleep(0.2)  # lest this thread has to help them
    time.sleep(0.5)
    return (sum(map(time.clock_gettime, clocks)) - began) / steps


def peak_so_far() -> int:
    """The most memory that this process has needed, without what its parent has."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_bytes(layers: int, width: int, budget: float, diagnose: bool = False) -> int:
    """The most memory that a process needs which trains twenty steps: the median of three."""
    command = [sys.executable, __file__, "--peak", *map(str, (layers, width, budget, int(diagnose)))]
    return statistics.median(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3))


@contextlib.contextmanager
def busy(spinning: int) -> Iterator[None]:
    """Processes that only spin beside this one."""
    others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(spinning)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def table(folder: Path, seconds: float, sizes: Sizes, pause: Callable[[int], float]) -> tuple[float, float, float, float]:
    """A training's longest time between two samples, in seconds; samples a second; what they took of the worst 30 s; bytes."""
    model = net(*sizes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    inputs = torch.randn(64, sizes[1])
    costs: list[tuple[float, float]] = []
    with tuimon.watch(model, optimizer, run_dir=folder, meters=False, serve=False) as monitor:
        schedule = monitor._probe.schedule
        paid = schedule.pay

        def pay(now: float, cost_s: float, *room: float) -> None:
            costs.append((now, cost_s))
            paid(now, cost_s, *room)

        schedule.pay = pay  # type: ignore[method-assign]
        end, i = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            optimizer.zero_grad()
            loss = model(inputs).square().mean()
            loss.backward()
            optimizer.step()
            if i % 10 == 0:
                monitor.log(loss=loss.item())
            i += 1
            time.sleep(pause(i))
    walls = tuimon.read_run(folder)["grad_norm/0"].walls
    window = min(30.0, seconds)
    worst = max(sum(cost for at, cost in costs if begin <= at < begin + window) for begin, _ in costs) / window
    written = sum(file.stat().st_size for file in folder.iterdir()) / seconds
    return float((walls[1:] - walls[:-1]).max()), len(walls) / seconds, worst, written


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=15, help="pairs of a plain and a sampled step, for each model")
    parser.add_argument(
        "--seconds", type=float, default=40.0, help="how long each training lasts whose table's age is measured"
    )
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.peak:
            layers, width, budget, diagnose = options.peak
            step = training(int(layers), int(width), folder, float(budget), diagnose=diagnose == "1")
            for _ in range(20):
                step()
            print(peak_so_far())
            return
        heads = (
            f"{'bare step':>10} {'adds':>9} {'steps':>6} {'a layer':>8} {'log thread':>11} {'table alone':>11}"
            f" {'memory':>9} {'diagnosis':>9}"
        )
        print(f"{'a sample':30} {heads}")
        for label, (layers, width) in MODELS.items():
            bare, added, beside, alone = cost(layers, width, folder, options.steps)
            plain, sampled, diagnosed = (peak_bytes(layers, width, *of) for of in ((0.0,), (1.0,), (1.0, True)))
            print(
                f"{label:30} {bare * 1e3:7.1f} ms {added * 1e3:6.1f} ms {added / bare:6.2f} {added / layers * 1e6:5.0f} µs"
                f" {beside * 1e3:8.1f} ms {alone * 1e3:8.1f} ms"
                f" {(sampled - plain) / 2**20:5.0f} MiB {(diagnosed - sampled) / 2**20:5.0f} MiB",
                flush=True,
            )
        small, many = (3, 64), (200, 64)
        cases: list[tuple[str, tuple[int, Sizes, Callable[[int], float]]]] = [
            ("3 layers, alone", (0, small, lambda _: 0.0)),
            ("… beside two spinning processes", (2, small, lambda _: 0.0)),
            ("…, which validates for 2 s every 300 steps", (2, small, lambda i: 2.0 if i % 300 == 0 else 0.0)),
            (
                "…, which collects episodes of 0.3 to 1.5 s",
                (2, small, lambda i: 0.3 * (1 + i // 20 % 5) if i % 20 == 0 else 0.0),
            ),
            ("…, with steps of half a second", (2, small, lambda _: 0.5)),
            ("200 layers, alone", (0, many, lambda _: 0.0)),
            ("… beside two spinning processes", (2, many, lambda _: 0.0)),
        ]
        print(f"\n{'the layer table':45} {'oldest':>8} {'samples':>11} {'of any 30 s':>12} {'log':>9}   {os.cpu_count()} cores")
        for i, (label, (spinning, sizes, pause)) in enumerate(cases):
            with busy(spinning):
                age, rate, worst, written = table(folder / f"age{i}", options.seconds, sizes, pause)
            print(f"{label:45} {age:6.1f} s {rate:7.2f} / s {worst:11.2%} {written / 1024:5.1f} KB/s", flush=True)


if __name__ == "__main__":
    main()
