"""The verb `compare`: trains several specs, or opens several runs, and compares them."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tuimon.base import format
from tuimon.base.errors import TuimonError, in_one_line
from tuimon.base.plain import one_line
from tuimon.cli.gate import CODES, NO_LIMITS, Limits, Side, judge, said
from tuimon.cli.parted import Branch, said_of_forks
from tuimon.cli.sources import Source, sources_of
from tuimon.cli.tables import print_lines, print_table
from tuimon.cli.terminals import has_screen
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

_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 5.0
_LONGEST_STEM = 80  # characters


def compare(options: argparse.Namespace) -> int:
    """Starts presets and spec files, opens runs, overlays their curves, and prints a table at the end.

    Returns:
        The first exit code, in the order of the runs, that is not 0; 0 if there is none. With limits, the gate's, see `gate`.
    """
    limits = Limits(options.max_loss, options.max_slower)
    directory = runs_dir(options.runs_dir)
    sources = sources_of(options.sources)
    found = [_found(source, directory) for source in sources]  # find all of them before starting any
    for source, spec in zip(sources, found, strict=True):
        if isinstance(spec, Spec):
            with_trust(options, partial(require_trust, spec, source.word))
    started = (_opened(source, one, options, directory) for source, one in zip(sources, found, strict=True))
    return watch_together(options, list(dict.fromkeys(started)), directory, limits)  # a run named twice is compared once


def watch_together(
    options: argparse.Namespace, runs: Sequence[Path], directory: Path, limits: Limits = NO_LIMITS, *, forks_told: bool = True
) -> int:
    """Overlays the curves of runs until they end, or waits for that without a screen, and prints a table and a chart.

    Args:
        options: of the command line.
        runs: their folders.
        directory: the folder of the runs.
        limits: how much worse than the first a run may be.
        forks_told: also prints what was done by changes to runs that go on from one point.

    Returns:
        The first exit code, in the order of the runs, that is not 0; 0 if there is none. With limits, the gate's, see `gate`.
    """
    if options.headless or options.json or not has_screen():
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
        print_table(_table(rows))
        if not options.quiet:
            _print_chart(dict(zip(_different(names), stores, strict=True)), options.ascii)
        if forks_told:
            told = said_of_forks([Branch(*one) for one in zip(_different(names), runs, stores, strict=True)])
            print(*(["", *map(one_line, told)] if told else []), sep="\n", end="\n" if told else "")
    if limits != NO_LIMITS:
        sides = [Side(name, status, store) for name, status, store in zip(_different(names), statuses, stores, strict=True)]
        return _gate(sides, limits, options.json)
    codes = (exit_code(status, store.exited) for status, store in zip(statuses, stores, strict=True))
    return next((code for code in codes if code), 0)


def _different(names: Sequence[str]) -> list[str]:
    """The names, with a number where another run before has the same one."""
    return [name if name not in names[:at] else f"{name} ({names[:at].count(name) + 1})" for at, name in enumerate(names)]


def _print_chart(runs: dict[str, Store], ascii: bool) -> None:
    """A small chart of all runs' losses; an error in it costs no table and no exit code."""
    from tuimon.paper.card import loss_chart
    from tuimon.paper.ink import columns_for, ink_for

    try:
        rows = loss_chart(runs, columns_for(sys.stdout), ink_for(sys.stdout, ascii=ascii))
        print(*(["", *rows] if rows else []), sep="\n", end="\n" if rows else "")
    except OSError:
        raise
    except Exception as error:
        print(f"tuimon: no chart: {one_line(in_one_line(error))}", file=sys.stderr)


def _gate(sides: Sequence[Side], limits: Limits, as_json: bool) -> int:
    """Prints the verdict on each run beside the first, and returns the gravest one's exit code."""
    if len(sides) < 2:
        raise TuimonError("A limit compares runs with the first one: name two or more.")
    verdicts = [judge(sides[0], side, limits) for side in sides[1:]]
    if as_json:
        print_lines(verdicts)
    else:
        print("", *(one_line(said(verdict, limits)) for verdict in verdicts), sep="\n")
    return max(CODES[verdict.verdict] for verdict in verdicts)


def _row(name: str, status: Status, store: Store) -> Result:
    """A run's row; an error in it is said, and costs no other run's."""
    try:
        return result(name, status, store)
    except Exception as error:
        print(f"tuimon: {name} cannot be shown: {one_line(in_one_line(error))}", file=sys.stderr)
        return Result(name, status.state, store.step, None, None, None, None, None, math.nan)


def _found(source: Source, directory: Path) -> Spec | Path:
    """The spec of a preset or a .toml file; for anything else, an existing run."""
    names = [preset.name for preset in presets()]
    if source.word.endswith(".toml") or source.word in names:
        return load_spec(source.word, source.settings)
    try:
        run = find_run(source.word, directory)
    except TuimonError as error:
        near = ", ".join(difflib.get_close_matches(source.word, names)) or "`tuimon presets` lists them"
        text = f"{error.message} {source.word!r} is not a preset or a .toml file either."
        raise TuimonError(text, f"Presets: {near}.") from None
    if source.settings:
        hint = "Settings change the preset or .toml file before them, which is started. Runs are opened as they are."
        raise TuimonError(f"Cannot apply {' '.join(source.settings)} to the run {source.word}.", hint)
    return run


def _opened(source: Source, found: Spec | Path, options: argparse.Namespace, directory: Path) -> Path:
    """The run of a source, which is started if it is a spec; its name says what tells it from the others."""
    if isinstance(found, Path):
        return found
    stem = f"{found.name}{source.label}"[:_LONGEST_STEM]
    return start(found, runs_dir=directory, stem=stem, device=options.device, trusted=True)


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
    dead_fraction: float | None  # of the hidden layer with the most dead units
    seconds: float
    val_r2: float | None = None
    val_mae: float | None = None  # in the target's own unit


def result(name: str, status: Status, store: Store) -> Result:
    """The latest values of a run, and its lowest finite validation loss."""
    val = store["loss/val"].values if "loss/val" in store else np.empty(0)
    finite = val[np.isfinite(val)]
    dead = [store.last(tag) for tag in store if tag.startswith("dead_fraction/") and tag not in _of_output(store)]
    return Result(
        name, status.state, store.step, latest(store, loss_tag(store)), latest(store, VALIDATION),
        float(finite.min()) if len(finite) else None, latest(store, "accuracy/val"), max(dead, default=None),
        seconds_trained(store), latest(store, "r2/val"), latest(store, "mae/val"),
    )  # fmt: skip


def _of_output(store: Store) -> set[str]:
    """The tag of the output layer, which gets no gradient for a class that is learned: it has no units that could die."""
    layers = store.started.layers if store.started else ()
    return {f"dead_fraction/{layer.name}" for layer in layers[-1:] if not layer.activation}


def _table(rows: Sequence[Result]) -> list[tuple[str, ...]]:
    """The rows as texts, titles first; R² and MAE where a run has them, and then accuracy only if one has that."""
    valued, classed = any(row.val_r2 is not None for row in rows), any(row.val_accuracy is not None for row in rows)
    columns: dict[str, Callable[[Result], str]] = {
        "RUN": lambda row: row.run,
        "STATE": lambda row: row.state,
        "STEP": lambda row: format.count(row.step),
        "LOSS": lambda row: format.number(row.loss),
        "VAL": lambda row: format.number(row.val_loss),
        "BEST VAL": lambda row: format.number(row.best_val_loss),
    }
    if classed or not valued:
        columns["ACC"] = lambda row: format.percent(row.val_accuracy)
    if valued:
        columns |= {"R2": lambda row: format.number(row.val_r2), "MAE": lambda row: format.number(row.val_mae)}
    columns["DEAD"] = lambda row: format.percent(row.dead_fraction)
    columns["TIME"] = lambda row: format.duration(None if math.isnan(row.seconds) else row.seconds)
    return [tuple(columns), *(tuple(text(row) for text in columns.values()) for row in rows)]
