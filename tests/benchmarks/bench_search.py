"""What random search, rounds from coarse to fine and TPE find on the digits, next to a grid of as many trials.

    python tests/benchmarks/bench_search.py [--trials N] [--seeds K]

Each search is the product's own: its plan, its samplers, its journal. The trials train in this process, one after the other,
as starting a process for each would take most of the time. A seed is that of the search and of the trainings, so that grids
differ, too, by their split, initial weights and batches.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from tuimon.log.reader import read_run
from tuimon.search.begin import base_text, make_study, plan_for_spec
from tuimon.search.study import Study
from tuimon.spec.loading import load_spec
from tuimon.training.loop import train

SPACE = ("lr=log(1e-4,1)", "momentum=one_minus_log(0.5,0.99)", "dropout=uniform(0,0.5)")
FIXED = ("optimizer=sgd", "hidden=32", "batch_size=32", "epochs=3", "checkpoint_every=0", "device=cpu")
SAMPLERS = ("grid", "random", "fine", "tpe")


def main() -> None:
    """Prints a table: the best validation loss of each search, by seed, and their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=27)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_stdout_for_the_table()
    began = time.monotonic()
    print(f"digits-mlp, {' '.join(FIXED)}; {'  '.join(SPACE)}; {options.trials} trials each; lowest loss/val")
    print("| seed | " + " | ".join(SAMPLERS) + " |\n|---|" + "---|" * len(SAMPLERS), flush=True)
    found: dict[str, list[float]] = {sampler: [] for sampler in SAMPLERS}
    for seed in range(options.seeds):
        for sampler in SAMPLERS:
            found[sampler].append(searched(sampler, seed, options.trials))
        print(f"| {seed} | " + " | ".join(f"{values[-1]:.3f}" for values in found.values()) + " |", flush=True)
    print("| median | " + " | ".join(f"{statistics.median(values):.3f}" for values in found.values()) + " |")
    for sampler in SAMPLERS[1:]:
        better = sum(one < other for one, other in zip(found[sampler], found["grid"], strict=True))
        print(f"{sampler}: better than the grid with {better} of {options.seeds} seeds")
    print(f"took {time.monotonic() - began:.0f} s")


def keep_stdout_for_the_table() -> None:
    """The trainer prints its progress to descriptor 1."""
    sys.stdout = open(os.dup(1), "w", buffering=1)  # noqa: SIM115
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def searched(sampler: str, seed: int, trials: int) -> float:
    """The lowest validation loss of one search."""
    how = {"sampler": sampler, "seed": seed, "budget": f"{trials} trials"}
    plan = plan_for_spec("digits-mlp", [*SPACE, *FIXED, f"seed={seed}"], how)
    with tempfile.TemporaryDirectory() as folder:
        home = make_study(plan, Path(folder), "study")
        study = Study(home, plan, base_text(plan, home), print)
        while trial := study.ask():
            value = trained(home, trial.name, trial.values)
            study.tell(trial.number, "diverged" if math.isnan(value) else "finished", value)
        best = study.best()
    return best.value if best else math.nan


def trained(home: Path, name: str, values: dict[str, str]) -> float:
    """The lowest finite validation loss of one training."""
    spec = load_spec(home / "base.toml", [f"{key}={value}" for key, value in values.items()])
    train(spec, home / name)
    curve = read_run(home / name)["loss/val"].values
    return min((float(value) for value in curve if math.isfinite(value)), default=math.nan)


if __name__ == "__main__":
    sys.exit(main())
