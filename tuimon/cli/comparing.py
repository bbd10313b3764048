"""The verb `compare`: trains several specs, or opens several runs, and compares them."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tuimon.base import format
from tuimon.base.errors import TuimonError, in_one_line
from tuimon.base.plain import one_line
from tuimon.cli.tables import print_lines, print_table
from tuimon.cli.trusting import with_trust
from tuimon.launcher.runs.lines import ResultLine
from tuimon.launcher.runs.loss import VALIDATION, latest, loss_tag
from tuimon.launcher.runs.runs import find_run, run_name, runs_dir
from tuimon.launcher.runs.status import State, Status, exit_code
from tuimon.launcher.runs.summary import seconds_trained, summarize
from tuimon.launcher.start.start import start
from tuimon.launcher.start.trust import require_trust
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import presets
from tuimon.spec.spec import Spec

_COLUMNS = ("RUN", "STATE", "STEP", "LOSS", "VAL", "BEST VAL", "ACC", "DEAD", "TIME")
_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 5.0


def compare(options: argparse.Namespace) -> int:
    """Starts presets and spec files, opens runs, overlays their curves, and prints a table at the end.

    Returns:
        The first exit code, in the order of the runs, that is not 0; 0 if there is none.
    """
    directory = runs_dir(options.runs_dir)
    settings = [word for word in options.sources if "=" in word]
    sources = [word for word in options.sources if "=" not in word]
    found = [_found(source, settings, directory) for source in sources]  # find all of them before starting any
    if settings and all(isinstance(one, Path) for one in found):
        hint = "Settings only change presets and .toml files, which are started. Runs are opened as they are."
        raise TuimonError(f"Cannot apply {' '.join(settings)}: there is no preset or .toml file to apply it to.", hint)
    for source, spec in zip(sources, found, strict=True):
        if isinstance(spec, Spec):
            with_trust(options, partial(require_trust, spec, source))
    started = (
        one if isinstance(one, Path) else start(one, runs_dir=directory, device=options.device, trusted=True) for one in found
    )
    runs = list(dict.fromkeys(started))  # a run named twice is compared once
    if options.headless or options.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        statuses = _wait(runs)
    else:
        from tuimon.viewer.start import show

        show(directory, compare=runs, ascii=options.ascii)
        statuses = [summarize(run).status for run in runs]
    stores = [read_run(run) for run in runs]
    names = [run_name(run, directory) for run in runs]
    rows = [_row(name, status, store) for name, status, store in zip(names, statuses, stores, strict=True)]
    if options.json:
        print_lines(ResultLine(**row._asdict()) for row in rows)
    else:
        print_table([_COLUMNS, *map(_texts, rows)])
    codes = (exit_code(status, store.exited) for status, store in zip(statuses, stores, strict=True))
    return next((code for code in codes if code), 0)


def _row(name: str, status: Status, store: Store) -> Result:
    """A run's row; an error in it is said, and costs no other run's."""
    try:
        return result(name, status, store)
    except Exception as error:
        print(f"tuimon: {name} cannot be shown: {one_line(in_one_line(error))}", file=sys.stderr)
        return Result(name, status.state, store.step, None, None, None, None, None, math.nan)


def _found(source: str, settings: Sequence[str], directory: Path) -> Spec | Path:
    """The spec of a preset or a .toml file; for anything else, an existing run."""
    names = [preset.name for preset in presets()]
    if source.endswith(".toml") or source in names:
        return load_spec(source, settings)
    try:
        return find_run(source, directory)
    except TuimonError as error:
        near = ", ".join(difflib.get_close_matches(source, names)) or "`tuimon presets` lists them"
        raise TuimonError(f"{error.message} {source!r} is not a preset or a .toml file either.", f"Presets: {near}.") from None


def _wait(runs: Sequence[Path]) -> list[Status]:
    """Waits until no run is live. Ctrl-C ends the waiting only; the runs continue."""
    try:
        return _ended(runs)
    except KeyboardInterrupt:
        live = ", ".join(run.name for run in runs if summarize(run).status.live)
        print(f"Still running: {live}. `tuimon stop RUN` stops a run.", file=sys.stderr)
        raise


def _ended(runs: Sequence[Path]) -> list[Status]:
    told = time.monotonic()
    while any((summaries := {run: summarize(run) for run in runs})[run].status.live for run in runs):
        if time.monotonic() > told + _TELL_EVERY_S:
            told = time.monotonic()
            parts = [f"{run.name} {format.count(s.step)}/{format.count(s.total_steps or 0)}" for run, s in summaries.items()]
            print("  ".join(parts), file=sys.stderr)
        time.sleep(_LOOK_EVERY_S)
    return [summary.status for summary in summaries.values()]


class Result(NamedTuple):
    """One row of the table; None where the log has no such value."""

    run: str
    state: State
    step: int
    loss: float | None
    val_loss: float | None
    best_val_loss: float | None
    val_accuracy: float | None
    dead_fraction: float | None  # of the layer with the most dead units
    seconds: float


def result(name: str, status: Status, store: Store) -> Result:
    """The latest values of a run, and its lowest finite validation loss."""
    val = store["loss/val"].values if "loss/val" in store else np.empty(0)
    finite = val[np.isfinite(val)]
    dead = [store.last(tag) for tag in store if tag.startswith("dead_fraction/")]
    return Result(
        name, status.state, store.step, latest(store, loss_tag(store)), latest(store, VALIDATION),
        float(finite.min()) if len(finite) else None, latest(store, "accuracy/val"), max(dead, default=None),
        seconds_trained(store),
    )  # fmt: skip


def _texts(row: Result) -> tuple[str, ...]:
    losses = (format.number(x) for x in (row.loss, row.val_loss, row.best_val_loss))
    shares = (format.percent(x) for x in (row.val_accuracy, row.dead_fraction))
    return (row.run, row.state, format.count(row.step), *losses, *shares, format.duration(row.seconds))
