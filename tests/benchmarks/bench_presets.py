"""Every preset trained headless on a CPU, and what came of it as one table: does each show what its text says?

Trains in processes of their own, two at a time and each on one thread; reads their logs with `tuimon.read_run`, prints the
table, and keeps it in models/presets/RESULTS.md. `--only NAME…` trains some presets and replaces their rows alone.

A gradient norm is that of a layer's whole gradient, in the first sample (of step 1) and in the last one. Dead and saturated
units are those of the last sample. Seconds are of the processor, which other programs on the machine do not change much.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import tuimon
from tuimon.log.store import Store
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import models_folder, presets

ROOT = Path(__file__).parent.parent.parent
RESULTS = models_folder() / "presets" / "RESULTS.md"
COLUMNS = (
    "preset", "end", "steps", "loss train", "loss val", "least val", "score train", "score val", "dead units", "saturated",
    "gradient at first, first / last layer", "gradient at last, first / last layer", "check", "seconds", "measured",
)  # fmt: skip
SCORES = ("accuracy", "r2")


class Outcome(NamedTuple):
    """How a preset's process ended, where its log is, and what `tuimon check` finds wrong with it before it is trained."""

    name: str
    folder: Path
    code: int
    seconds: float
    check: str


def main() -> int:
    """Trains, prints and writes the table; 0 unless a preset failed to train."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="tuimon-presets-") as name:
        folder = Path(options.keep or name)
        outcomes = train_all(options.only or [preset.name for preset in presets()], folder, options.timeout)
        rows = {outcome.name: row(outcome) for outcome in outcomes}
    write(rows)
    print(table(rows.values()))
    failed = [outcome.name for outcome in outcomes if outcome.code]
    print(f"failed: {', '.join(failed)}" if failed else f"{len(rows)} presets trained")
    return bool(failed)


def train_all(names: Sequence[str], folder: Path, timeout_s: float) -> list[Outcome]:
    """Trains presets two at a time; what others start from is trained before them, and once."""
    sources = {name: source for name in names if (source := load_spec(name).transfer.source)}
    first = [name for name in dict.fromkeys([*sources.values(), *names]) if name not in sources]
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for wave in (first, list(sources)):
            outcomes += pool.map(lambda name: train(name, folder, timeout_s), wave)
    return outcomes


def train(name: str, folder: Path, timeout_s: float) -> Outcome:
    """One preset in a process of its own, ended after `timeout_s`."""
    run = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    settings = [name, *_needed(name, folder), "device=cpu"]
    command = [sys.executable, "-m", "tuimon.training", *settings, "--run-dir", str(run)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TUIMON_RUNS": str(folder), "PYTHONPATH": path}
    with open(folder / f"{name}.txt", "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)  # also tells the time on the processor
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    print(f"{name}: exit code {process.returncode}", file=sys.stderr, flush=True)
    checked = check(settings, environment, timeout_s)
    print(f"{name}: check {checked}", file=sys.stderr, flush=True)
    return Outcome(name, run, process.returncode, usage.ru_utime + usage.ru_stime, checked)


def check(settings: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> str:
    """What `tuimon check` says of a preset: that it passes, or the first line on which it fails."""
    command = [
        sys.executable,
        "-c",
        "import sys; from tuimon.cli.main import main; sys.exit(main())",
        "check",
        *settings,
        "--json",
    ]
    try:
        found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return f"longer than {timeout_s:.0f} s"
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    failed = [line["check"] for line in lines if line.get("verdict") == "fail"]
    if not lines or bool(failed) != bool(found.returncode):
        return f"ended with {found.returncode}"
    return f"fails: {failed[0]}" + (f", {len(failed) - 1} more" if failed[1:] else "") if failed else "passes"


def row(outcome: Outcome) -> list[str]:
    """What the table says of one preset."""
    spec, today = load_spec(outcome.name), datetime.date.today().isoformat()
    if not outcome.folder.is_dir():
        unknown = ["–"] * (len(COLUMNS) - 5)
        return [outcome.name, f"failed ({outcome.code})", *unknown, outcome.check, f"{outcome.seconds:.0f}", today]
    store = tuimon.read_run(outcome.folder)
    score = next((name for name in SCORES if f"{name}/val" in store.series), "")
    hidden = sum(spec.model.hidden) if spec.model.name in ("mlp", "cnn", "autoencoder") else 0
    return [
        outcome.name, "finished" if outcome.code == 0 else f"failed ({outcome.code})", f"{store.step:,}",
        number(mean_of_last(store, "loss/train")), number(last(store, "loss/val")), number(least(store, "loss/val")),
        *(number(last(store, f"{score}/{split}")) for split in ("train", "val")),
        dead(store, hidden), saturated(store), gradients(store, 0), gradients(store, -1), outcome.check,
        f"{outcome.seconds:.0f}", today,
    ]  # fmt: skip


def last(store: Store, tag: str) -> float | None:
    """A series' last value; None where there is no series."""
    return store[tag].last if tag in store.series else None


def least(store: Store, tag: str) -> float | None:
    """A series' least value, NaN left out."""
    values = [float(value) for value in store[tag].values if not math.isnan(value)] if tag in store.series else []
    return min(values, default=None)


def mean_of_last(store: Store, tag: str, share: float = 0.05) -> float | None:
    """The mean over a series' end: one batch's loss says little."""
    if tag not in store.series:
        return None
    values = store[tag].values
    return float(values[-max(1, round(len(values) * share)) :].mean())


def dead(store: Store, hidden: int) -> str:
    """How many hidden units are dead, of how many where the model's width says it."""
    tags = [tag for tag in store.series if tag.startswith("dead_units/") and not tag.endswith("/out")]
    counted = sum(store[tag].last for tag in tags)
    return "–" if not tags else f"{counted:.0f}" + (f" of {hidden}" if hidden else "")


def saturated(store: Store) -> str:
    """The mean share of saturated units over those layers whose activation has an asymptote."""
    shares = [store[tag].last for tag in store.series if tag.startswith("saturated_fraction/")]
    return f"{sum(shares) / len(shares):.0%}" if shares else "–"


def gradients(store: Store, sample: int) -> str:
    """The gradient's norm in the first and in the last layer, normalization left out."""
    tags = [tag for tag in store.series if tag.startswith("grad_norm/") and "norm" not in tag.partition("/")[2]]
    return " / ".join(number(float(store[tag].values[sample])) for tag in (tags[0], tags[-1])) if tags else "–"


def number(value: float | None) -> str:
    """Three digits or more, whatever the size."""
    if value is None:
        return "–"
    return f"{value:.4f}" if 0.001 <= abs(value) < 10 else f"{value:.3g}"


def write(rows: dict[str, list[str]]) -> None:
    """Puts the rows into the results' file; those of presets that were not trained now stay as they were."""
    kept = {cells[0]: cells for cells in _written() if len(cells) == len(COLUMNS)}
    known = [preset for preset in presets() if preset.name in kept | rows]
    parts = [
        "# What every preset shows\n",
        f"Written by `python tests/benchmarks/bench_presets.py`, on {_machine()}.",
        "Presets are trained two at a time, each on one thread of the CPU; seconds are of the processor, with the start of",
        "Python and torch. The training loss is the mean over the last 20th of the steps; the score is accuracy, or R² of a",
        "regression. A gradient is the norm of a layer's whole gradient, in the first sample, of step 1, and in the last one.",
        "Check is what `tuimon check` says before the training: presets that show a fault fail, on the line that names it.",
    ]
    for group in dict.fromkeys(preset.group for preset in known):
        names = [preset.name for preset in known if preset.group == group]
        parts.append(f"\n## {group[:1].upper()}{group[1:]}\n\n{table((kept | rows)[name] for name in names)}")
    RESULTS.write_text("\n".join(parts) + "\n", encoding="utf-8")


def table(rows: Iterable[Sequence[str]]) -> str:
    """The rows as a table in Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _written() -> list[list[str]]:
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]


def _needed(name: str, folder: Path) -> list[str]:
    """What a preset cannot know by itself: a table of one's own, for which iris stands in."""
    if load_spec(name).data.name != "csv":
        return []
    from sklearn.datasets import load_iris

    iris, path = load_iris(), folder / "iris.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow([*iris.feature_names, "species"])
        lines.writerows([*values, iris.target_names[kind]] for values, kind in zip(iris.data, iris.target, strict=True))
    return [f"data.path={path}"]


def _machine() -> str:
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Trains every preset and writes what came of it.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="train these presets, and replace their rows alone")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS", help="for one preset (default: 300)")
    parser.add_argument("--keep", metavar="DIR", help="keep the runs there (default: they are removed)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
