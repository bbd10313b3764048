"""The verb `plot`: prints charts of runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.launcher.runs.loss import loss_tag
from tuimon.launcher.runs.runs import find_run, run_name, runs_dir
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.paper import kinds
from tuimon.paper.curves import chart
from tuimon.paper.ink import Ink, Size, ink_for, size_for
from tuimon.paper.series import Look
from tuimon.paper.tags import by_chart, chosen, matching, split_of, unknown

_SYSTEM = "system/"


def plot(options: argparse.Namespace) -> int:
    """Prints one chart for each metric, with all runs in it."""
    runs, patterns = _runs_and_tags(options.words, runs_dir(options.runs_dir), options.kind)
    ink = ink_for(sys.stdout, ascii=options.ascii, no_colour=options.no_color)
    if options.kind != "curves":
        return _plot_kind(options, runs, patterns, ink)
    charts = _charts(runs, patterns)
    size = Size(*options.size) if options.size else size_for(sys.stdout, len(charts))
    look = Look(options.x, options.log, options.smooth)
    for number, (title, tags) in enumerate(charts.items()):
        print(*([""] if number else []), *chart(title, runs, tags, look, size, ink), sep="\n")
    _tell_problems(runs)
    return 0


def _plot_kind(options: argparse.Namespace, runs: Mapping[str, Store], patterns: Sequence[str], ink: Ink) -> int:
    """Prints a chart of another kind for each run, under its name if there are several."""
    draw = getattr(kinds, options.kind)
    size = Size(*options.size) if options.size else size_for(sys.stdout, len(runs))
    for number, (name, store) in enumerate(runs.items()):
        head = [*([""] if number else []), one_line(name)] if len(runs) > 1 else []
        print(*head, *draw(store, patterns, options.step, size, ink), sep="\n")
    _tell_problems(runs)
    return 0


def _runs_and_tags(words: Sequence[str], directory: Path, kind: str) -> tuple[dict[str, Store], list[str]]:
    """Leading words name runs; the first one that names a tag of theirs, or no run, begins the tags."""
    runs: dict[str, Store] = {}
    for index, word in enumerate(words):
        tags = {tag for store in runs.values() for tag in _tags_of(store, kind)}
        if runs and not (directory / word).is_dir() and matching(word, tags):
            return runs, list(words[index:])
        try:
            path = find_run(word, directory)
        except TuimonError as error:
            if not runs:
                raise
            return runs, _tags_or(error, words[index:], tags)
        runs[_free(run_name(path, directory), runs)] = read_run(path)
    return runs, []


def _tags_of(store: Store, kind: str) -> set[str]:
    """What the words after the runs may name: tags of curves, or of histograms with the layers that these are of."""
    if kind not in ("hist", "heatmap", "box"):
        return {*store, *store.texts}
    return {*store.histograms, *(tag.partition("/")[2] for tag in store.histograms)}


def _tags_or(error: TuimonError, words: Sequence[str], tags: set[str]) -> list[str]:
    """The words as tags; if the first is neither a tag nor a run, says both."""
    if not matching(words[0], tags):
        missing = unknown(words[0], tags)
        raise TuimonError(f"{missing.message.rstrip('.')}, and no run.", missing.hint or error.hint)
    return list(words)


def _free(name: str, taken: Mapping[str, Store]) -> str:
    """The name, with a number if another folder's run has it already."""
    names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(one for one in names if one not in taken)


def _charts(runs: Mapping[str, Store], patterns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Tags by the title of their chart."""
    tags = list(dict.fromkeys(tag for store in runs.values() for tag in store))
    if patterns:
        return by_chart(chosen(patterns, tags), layers_together=len(runs) == 1)
    losses = {loss_tag(store) for store in runs.values()} - {""}
    metrics = {split_of(loss)[0] for loss in losses}
    found = by_chart(tag for tag in tags if split_of(tag)[0] in metrics)
    if found:
        return found
    others = [tag for tag in tags if not tag.startswith(_SYSTEM)]
    if not others:
        raise TuimonError(
            f"{', '.join(map(one_line, runs))}: no curves were logged.", "`tuimon dump RUN` prints what there is."
        )
    return by_chart(others[:1])


def _tell_problems(runs: Mapping[str, Store]) -> None:
    sys.stdout.flush()
    for name, store in runs.items():
        for problem in store.problems():
            print(one_line(f"tuimon: {name}: {problem}"), file=sys.stderr)
