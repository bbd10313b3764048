"""What a sample of all layers costs, how much memory it takes, and how old the layer table grows on a busy machine.

A sample's cost on the training thread is processor time, for a machine that others use stretches any other: steps that are all
sampled against steps that are not, in turn, medians. What the log's thread does for a sample is told beside it. Memory is the
process's peak with and without samples, each in a process of its own. The table's age is the longest time between two samples,
of a training that two spinning processes disturb, one that stops to validate, and one whose steps are long.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

import tuimon

MODELS = {"200 layers of 64 × 64, ReLU": (200, 64), "2,000 layers of 4 × 4, ReLU": (2000, 4), "3 layers of 256 × 256": (3, 256)}
SPIN = "while True: pass"


def net(layers: int, width: int) -> nn.Sequential:
    """As many linear layers with ReLU."""
    torch.manual_seed(0)
    return nn.Sequential(*[module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())])


def training(layers: int, width: int, folder: Path, budget: float) -> Callable[[], None]:
    """One step of a watched training."""
    model = net(layers, width)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    inputs = torch.randn(64, width)
    monitor = tuimon.watch(model, optimizer, run_dir=folder / f"{layers}-{budget}", budget=budget, meters=False, serve=False)

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


def cost(layers: int, width: int, folder: Path, steps: int) -> tuple[float, float, float]:
    """Seconds of a step without a sample; what a sample adds to it; what it takes beside it, on the log's thread."""
    plain, sampled = training(layers, width, folder, 0.0), training(layers, width, folder, 1.0)
    for _ in range(5):
        plain(), sampled()
    both = [(took(plain), took(sampled)) for _ in range(steps)]
    began, own = time.process_time(), time.thread_time()
    for _ in range(steps):
        sampled()
    time.sleep(1.0)  # until the log's thread is done
    beside = (time.process_time() - began - (time.thread_time() - own)) / steps
    return statistics.median(a for a, _ in both), statistics.median(b - a for a, b in both), beside


def peak_bytes(layers: int, width: int, budget: float) -> int:
    """The most memory that a process needs which trains twenty steps."""
    command = [sys.executable, __file__, "--peak", str(layers), str(width), str(budget)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


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


def longest_age(folder: Path, seconds: float, pause: Callable[[int], float]) -> tuple[float, float]:
    """Longest time between two samples, seconds, and how many there were a second."""
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, targets = torch.randn(64, 64), torch.randint(10, (64,))
    with tuimon.watch(model, optimizer, run_dir=folder, meters=False, serve=False) as monitor:
        end, i = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            monitor.log(loss=loss.item())
            i += 1
            time.sleep(pause(i))
    walls = tuimon.read_run(folder)["grad_norm/0"].walls
    return float((walls[1:] - walls[:-1]).max()), len(walls) / seconds


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=15, help="pairs of a plain and a sampled step, for each model")
    parser.add_argument(
        "--seconds", type=float, default=40.0, help="how long each training lasts whose table's age is measured"
    )
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.peak:
            layers, width, budget = options.peak
            step = training(int(layers), int(width), folder, float(budget))
            for _ in range(20):
                step()
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
            return
        print(f"{'a sample':30} {'bare step':>10} {'adds':>9} {'steps':>6} {'a layer':>8} {'log thread':>11} {'memory':>9}")
        for label, (layers, width) in MODELS.items():
            bare, added, beside = cost(layers, width, folder, options.steps)
            memory = peak_bytes(layers, width, 1.0) - peak_bytes(layers, width, 0.0)
            print(
                f"{label:30} {bare * 1e3:7.1f} ms {added * 1e3:6.1f} ms {added / bare:6.2f} {added / layers * 1e6:5.0f} µs"
                f" {beside * 1e3:8.1f} ms {memory / 2**20:5.0f} MiB",
                flush=True,
            )
        cases: dict[str, tuple[int, Callable[[int], float]]] = {
            "alone": (0, lambda _: 0.0),
            "two spinning processes": (2, lambda _: 0.0),
            "two spinning, validates 2 s every 300 steps": (2, lambda i: 2.0 if i % 300 == 0 else 0.0),
            "two spinning, steps of half a second": (2, lambda _: 0.5),
        }
        print(f"\n{'the layer table':45} {'oldest':>8} {'samples':>11}   of {os.cpu_count()} cores")
        for i, (label, (spinning, pause)) in enumerate(cases.items()):
            with busy(spinning):
                age, rate = longest_age(folder / f"age{i}", options.seconds, pause)
            print(f"{label:45} {age:6.1f} s {rate:7.2f} / s", flush=True)


if __name__ == "__main__":
    main()
