"""Trains presets with several seeds, and keeps each log until the preset, tuimon or torch changes.

A run is one preset with settings, lever settings during the run, a seed and an arithmetic. Runs are trained in worker
processes that train one after the other, so that Python and torch start once.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import msgspec

import tuimon
from tuimon.base.errors import TuimonError, in_one_line
from tuimon.base.version import __version__
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.records import STEERING_FILE, Planned
from tuimon.log.store import Store
from tuimon.spec.keys import fields
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec
from tuimon.spec.usage import unused

# How numbers are rounded: as this processor likes it, or with the plainest code paths, as another one would.
ARITHMETICS: dict[str, dict[str, str]] = {
    "fast": {"OMP_NUM_THREADS": "1"},
    "plain": {
        "OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
}  # fmt: skip
FAILED = "failed.txt"


class Run(NamedTuple):
    """One training."""

    preset: str
    settings: tuple[str, ...] = ()
    steer: tuple[str, ...] = ()
    seed: int = 0
    arithmetic: str = "fast"

    def spec(self, cache: Path) -> Spec:
        """The spec to train; it starts from its source's run with the same seed, if there is one.

        Raises:
            TuimonError: the settings do not fit the preset.
        """
        own = [f"data.path={_iris(cache)}"] if self.preset == "own-table" else []
        start = self.source(cache)
        source = [f"transfer.source={start.folder(cache)}"] if start else []
        often = ["training.checkpoint_every=0", "device=cpu", f"seed={self.seed}"]
        return load_spec(self.preset, [*own, *self.settings, *source, *often])

    def source(self, cache: Path) -> Run | None:
        """The run whose weights this one copies: that of the preset with this name."""
        source = load_spec(self.preset).transfer.source
        return self._replace(preset=source, settings=(), steer=()) if source else None

    def folder(self, cache: Path) -> Path:
        """Where its log is kept; another one once anything that it depends on has changed."""
        return _folder(self, cache)


@functools.cache
def _folder(run: Run, cache: Path) -> Path:
    spec = used(run.spec(cache))
    versions = (__version__, importlib.metadata.version("torch"))
    told = json.dumps([spec, run.steer, run.arithmetic, versions], sort_keys=True)
    return cache / f"{run.preset}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def used(spec: Spec) -> dict[str, object]:
    """What of a spec changes its training: no settings at their default, so that a new one leaves the kept runs valid."""
    left_out = unused(spec)
    values = {field.key: functools.reduce(getattr, field.key.split("."), spec) for field in fields()}
    defaults = {field.key: field.default for field in fields()}
    return {key: value for key, value in values.items() if key not in left_out and value != defaults[key]}


def store_of(run: Run, cache: Path) -> Store | None:
    """The log of a run; None if it was not trained, or failed."""
    folder = run.folder(cache)
    return None if not folder.is_dir() or (folder / FAILED).exists() else tuimon.read_run(folder)


def train_all(runs: Iterable[Run], cache: Path, jobs: int, timeout_s: float) -> list[str]:
    """Trains what is not kept yet, in the given order; returns what failed, one line each."""
    failed: list[str] = []
    for arithmetic in ARITHMETICS:
        wanted = [run for run in _with_sources(runs, cache) if run.arithmetic == arithmetic]
        missing = [run for run in wanted if not run.folder(cache).is_dir()]
        with _environment(ARITHMETICS[arithmetic]):
            for number, text in enumerate(_train_missing(missing, cache, jobs, timeout_s), start=1):
                print(f"[{number}/{len(missing)}] {text}", file=sys.stderr, flush=True)
        failed += [f"{' '.join(run[0:1] + run.settings)}: {_reason(run, cache)}" for run in wanted if _reason(run, cache)]
    return failed


def _train_missing(missing: list[Run], cache: Path, jobs: int, timeout_s: float) -> Iterator[str]:
    started_from = {run.source(cache) for run in missing}
    sources = [run for run in missing if run in started_from]
    for wave in (sources, [run for run in missing if run not in started_from]):
        if not wave:
            continue
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
            for done in as_completed(pool.submit(train, run, cache, timeout_s) for run in wave):
                yield done.result()


def train(run: Run, cache: Path, timeout_s: float) -> str:
    """Trains one run in this process, and keeps its log; returns a line that says what was done."""
    from tuimon.training.loop import train as train_spec  # imports torch, in the worker only

    folder = run.folder(cache)
    making = folder.with_name(f".{folder.name}.{os.getpid()}")
    started = time.monotonic()
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    (making / STEERING_FILE).write_bytes(msgspec.json.encode(_planned(run.steer)))
    error = ""
    try:
        with _within(timeout_s), _silently():
            train_spec(run.spec(cache), making)
    except Exception as raised:  # a preset that cannot be trained is a result, too
        error = in_one_line(raised)
        (making / FAILED).write_text(error, encoding="utf-8")
    if (making / "checkpoints").is_dir() and run.preset != "autoencoder":
        shutil.rmtree(making / "checkpoints")
    with contextlib.suppress(OSError):  # another process trained the same
        making.rename(folder)
    words = " ".join([run.preset, *run.settings, *run.steer, f"seed={run.seed}", run.arithmetic])
    return f"{words}: {error or f'{time.monotonic() - started:.1f} s'}"


def _planned(steer: Iterable[str]) -> list[Planned]:
    parts = (text.rpartition("@") for text in steer)
    return [Planned(int(step), parse_setting(setting, by="bench")) for setting, _, step in parts]


def _with_sources(runs: Iterable[Run], cache: Path) -> list[Run]:
    every = list(runs)
    return list(dict.fromkeys([*(source for run in every if (source := run.source(cache))), *every]))


def _reason(run: Run, cache: Path) -> str:
    path = run.folder(cache) / FAILED
    return path.read_text(encoding="utf-8") if path.exists() else ""


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the main thread after `seconds` of the processor."""

    def late(*_: object) -> None:
        raise TimeoutError(f"longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    """Sends the trainer's lines, which it writes to the descriptor, nowhere."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """For processes that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _iris(cache: Path) -> Path:
    """A table for the preset that trains the user's own: iris stands in."""
    path = cache / "iris.csv"
    if not path.exists():
        from sklearn.datasets import load_iris

        iris = load_iris()
        cache.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow([*iris.feature_names, "species"])
            lines.writerows([*values, iris.target_names[kind]] for values, kind in zip(iris.data, iris.target, strict=True))
    return path


def checked(run: Run, cache: Path) -> str:
    """What is wrong with a run's settings; empty if they fit its preset."""
    try:
        run.spec(cache)
        _planned(run.steer)
    except (TuimonError, ValueError) as error:
        return str(error)
    return ""
