"""What the diagnosis costs: a look at a long log, whether it grows with the log, and all rules as a share of a training.

The first table reads logs of growing length, of a network of 20 layers, as the training process does: in pieces of a second of
training each. The second part trains, watched and, as its baseline, unwatched, and compares the processor time of the thread of
diagnosis, and of the rules in it, with that of the process.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import torch
from torch import nn

import tuimon
from tuimon.base.process import this_process
from tuimon.diagnosis import Diagnosis
from tuimon.log.reader import RunReader
from tuimon.log.records import LayerInfo, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.monitor import diagnosing

LAYERS = 20
LOOK_TARGET_MS = 20.0
SHARE_TARGET = 0.002
_KINDS = (
    "grad_norm", "weight_norm", "update_ratio", "activation_min", "activation_max", "activation_mean", "activation_std",
    "negative_fraction", "dead_fraction", "saturated_fraction", "unit_similarity", "identical_fraction",
)  # fmt: skip
_MODEL = ("input/mean", "input/std", "output/min", "output/max", "aim/cross_entropy", "aim/squares", "grad_cosine", "step/rows")


def write_log(folder: Path, steps: int) -> None:
    """A run of so many steps, every 50th of them sampled."""
    noise = random.Random(0)
    layers = tuple(LayerInfo(name=f"fc{i}", type="Linear", units=64, parameters=4160, activation="Tanh") for i in range(LAYERS))
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name="r", process=this_process(), layers=layers, total_steps=steps))
    for step in range(1, steps + 1):
        loss = 2.3 * 0.9999**step + noise.gauss(0, 0.05)
        writer.scalars(step, {"loss/train": loss, "lr": 1e-3, "throughput": 1000.0})
        if step % 50 == 0:
            values = {f"{kind}/fc{i}": 10 ** noise.gauss(-2, 0.1) for kind in _KINDS for i in range(LAYERS)}
            writer.sample(step, values | {tag: noise.gauss(0, 1) for tag in _MODEL}, {})
        if step % 500 == 0:
            writer.scalars(step, {"loss/val": loss + 0.1})
    writer.close()


class TimedDiagnosis(Diagnosis):
    """Notes how long each look takes."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def look(self) -> list[tuimon.log.records.Finding]:
        """Looks, and notes the time."""
        began = time.thread_time()
        found = super().look()
        self.times.append(time.thread_time() - began)
        return found


def read_log(folder: Path, piece: int = 1 << 17) -> tuple[list[float], float]:
    """The times of the looks, and of everything, in seconds of this thread's processor time."""
    engine, reader = TimedDiagnosis(), RunReader(folder, brief=True)
    began = time.thread_time()
    while batch := reader.read(piece):
        engine.take(batch)
    taken = time.thread_time() - began
    reader.close()
    return engine.times, taken


class Costs(NamedTuple):
    """Seconds of processor time: of all looks at the rules, of the diagnosis's thread, of the process; unwatched, a step's.

    `clock`: how long the training took, which is more where other processes want the processor, too.
    """

    rules: float
    diagnosis: float
    process: float
    bare_step: float
    clock: float


def training() -> tuple[nn.Module, torch.optim.Optimizer, Callable[[], float]]:
    """A perceptron of five layers, its optimizer, and what makes a step and returns the loss."""
    torch.manual_seed(0)
    model = nn.Sequential(*(part for _ in range(4) for part in (nn.Linear(256, 256), nn.ReLU())), nn.Linear(256, 10))
    inputs, labels = torch.randn(64, 256), torch.randint(10, (64,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> float:
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.item())

    return model, optimizer, step


def train(folder: Path, steps: int) -> Costs:
    """Trains unwatched for a tenth of the steps, then watched for all of them."""
    torch.set_num_threads(1)
    _, _, step = training()
    began = time.process_time()
    for _ in range(steps // 10):
        step()
    bare_step = (time.process_time() - began) / (steps // 10)
    engines: list[TimedDiagnosis] = []

    def timed() -> TimedDiagnosis:
        engines.append(TimedDiagnosis())
        return engines[-1]

    model, optimizer, step = training()
    with (
        mock.patch.object(diagnosing, "Diagnosis", timed),
        tuimon.watch(model, optimizer, run_dir=folder, meters=False, serve=False) as monitor,
    ):
        thread = next(one for one in threading.enumerate() if one.name == "tuimon-diagnosis")
        clock = time.pthread_getcpuclockid(thread.ident or 0)
        began, started = time.process_time(), time.perf_counter()
        for _ in range(steps):
            monitor.log(loss=step())
        own, whole = time.clock_gettime(clock), time.process_time() - began
        taken = time.perf_counter() - started
    return Costs(sum(engines[0].times), own, whole, bare_step, taken)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[5_000, 50_000, 200_000])
    parser.add_argument("--train", type=int, default=40_000, help="steps of the training; 0 for none")
    options = parser.parse_args()
    print(f"{LAYERS} layers\n{'steps':>8} {'looks':>6} {'median':>9} {'longest':>9} {'last ten':>9} {'all':>9}  per step")
    for steps in options.steps:
        with tempfile.TemporaryDirectory() as folder:
            write_log(Path(folder), steps)
            times, taken = read_log(Path(folder))
        median, late = statistics.median(times), statistics.median(times[-10:])
        print(
            f"{steps:8} {len(times):6} {median * 1e3:6.2f} ms {max(times) * 1e3:6.2f} ms {late * 1e3:6.2f} ms {taken:7.2f} s  "
            f"{taken / steps * 1e6:.1f} µs (a look: at most {LOOK_TARGET_MS:g} ms)"
        )
    if options.train:
        with tempfile.TemporaryDirectory() as folder:
            costs = train(Path(folder), options.train)
        print(
            f"training: {costs.process / options.train * 1e3:.2f} ms a step, unwatched {costs.bare_step * 1e3:.2f} ms; "
            f"{costs.clock:.0f} s, {costs.process:.0f} s of them of the processor; all rules {costs.rules:.2f} s, "
            f"{costs.rules / costs.process:.2%} of these (target {SHARE_TARGET:.1%}); with the reading of the log "
            f"{costs.diagnosis:.2f} s, {costs.diagnosis / costs.process:.2%}, {costs.diagnosis / costs.clock:.2%} of the time"
        )


if __name__ == "__main__":
    main()
