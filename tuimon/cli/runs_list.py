"""The verb `ls`: lists runs, filtered and sorted."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuimon.base import format
from tuimon.base.errors import TuimonError, in_one_line
from tuimon.base.nearest import did_you_mean
from tuimon.base.plain import one_line
from tuimon.cli.tables import print_lines, print_names, print_table
from tuimon.launcher.runs.runs import check_runs_dir, list_runs, run_name, runs_dir
from tuimon.search.study_file import is_study

if TYPE_CHECKING:
    from tuimon.launcher.runs.lines import JsonLine
    from tuimon.launcher.runs.scan import Scan
    from tuimon.launcher.runs.summary import RunSummary

_COLUMNS = ("RUN", "STATE", "STEP", "LOSS", "VAL", "SPEED", "DEVICE", "LAST RECORD", "DETAIL")
_TITLES = ("run", "state", "step", "loss", "val", "speed", "device", "last", "detail")  # for --columns
_LOOKED_AT = 32  # trials of a study
_DISPENSABLE = ("DEVICE", "SPEED", "DETAIL", "TAGS", "VAL")  # dropped in this order on a narrow terminal


def ls(options: argparse.Namespace) -> int:
    """Lists runs, newest first, or by a column."""
    directory = runs_dir(options.runs_dir)
    check_runs_dir(directory)
    runs = list_runs(directory)
    if options.names and not (options.words or options.sort or options.reverse):
        return print_names(run_name(run, directory) for run in runs)
    from tuimon.launcher.runs.scan import Scan
    from tuimon.launcher.runs.summary import summarize

    scan = Scan()
    found = _arranged((summarize(run, run_name(run, directory), scan) for run in runs), options)
    if options.names:
        return print_names(run.name for run in found)
    if options.seeds:
        from tuimon.cli.seed_groups import print_groups
        from tuimon.launcher.runs.groups import groups

        return print_groups(groups(found), as_json=options.json)
    if options.json:
        return print_lines(map(_line, found))
    if options.columns:
        return _print_chosen(list(found), options.columns)
    if not options.trials and not (options.words or options.sort or options.reverse):
        return _print_folded(runs, directory, scan)
    listed = list(found)
    if not listed:
        what = f"None of {len(runs)} runs fits {' '.join(options.words)!r}." if runs else f"No runs in {directory}."
        print(what, *([] if runs else ["Start one with `tuimon run`."]), file=sys.stderr)
        return int(bool(runs))
    _print(listed, [_row(run) for run in listed], options.sort or "")
    return 0


def _print_folded(runs: Sequence[Path], directory: Path, scan: Scan) -> int:
    """Prints all runs, a study's trials as one row; of those, only the newest are looked at."""
    from tuimon.launcher.runs.summary import summarize

    if not runs:
        print(f"No runs in {directory}. Start one with `tuimon run`.", file=sys.stderr)
        return 0
    parts = folded(runs, directory)
    looked_at = {
        key: [summarize(run, run_name(run, directory), scan) for run in part[:_LOOKED_AT]] for key, part in parts.items()
    }
    rows = [
        _row(looked_at[key][0]) if key == part[0] else _study_row(run_name(key, directory), looked_at[key], len(part))
        for key, part in parts.items()
    ]
    tags = [" ".join(looked_at[key][0].tags) if key == part[0] else "" for key, part in parts.items()]
    _print([run for part in looked_at.values() for run in part], rows, "", tags)
    return 0


def _print_chosen(runs: Sequence[RunSummary], columns: Sequence[str]) -> int:
    """Prints the columns that were asked for: those of the list by their titles, others as settings."""
    for column in columns:
        if column not in _TITLES and runs and all(_value(run, column) is None for run in runs):
            from tuimon.launcher.runs.matching import values_of

            keys = [*_TITLES, *dict.fromkeys(key for run in runs for key in values_of(run))]
            raise TuimonError(
                f"No run has {column!r}{did_you_mean(column, keys)}.", f"Such as {', '.join(_TITLES)}, or a setting."
            )
    cells = [dict(zip(_TITLES, _row(run), strict=True)) for run in runs]
    rows = [
        [known[one] if one in known else _shown(run, one) for one in columns] for run, known in zip(runs, cells, strict=True)
    ]
    return print_table([[column.upper() for column in columns], *rows])


def _shown(run: RunSummary, column: str) -> str:
    value = _value(run, column)
    return "" if value is None else _text(value)


def folded(runs: Sequence[Path], directory: Path) -> dict[Path, list[Path]]:
    """The runs in their order, the trials of a study together under its folder, at the place of the first of them."""
    parts: dict[Path, list[Path]] = {}
    studies: dict[Path, bool] = {}
    for run in runs:
        folder = run.parent
        if folder != directory and studies.setdefault(folder, is_study(folder)):
            parts.setdefault(folder, []).append(run)
        else:
            parts[run] = [run]
    return parts


def _study_row(name: str, newest: Sequence[RunSummary], trials: int) -> Sequence[str]:
    """A study's row; `newest` are its latest trials, among which are those that are live."""
    live = sum(run.status.live for run in newest)
    state = f"{live} live" if live else "study"
    hint = f"tuimon search {name} --show"
    return (name, state, f"{format.count(trials)} trials", "", "", "", newest[0].device, _ago(newest[0].last_wall), hint)


def _arranged(runs: Iterable[RunSummary], options: argparse.Namespace) -> Iterable[RunSummary]:
    """The runs that are asked for, in their order; one by one as they are read where nothing needs all of them."""
    if not (options.words or options.sort or options.reverse):
        return runs
    from tuimon.base.filter import Filter
    from tuimon.launcher.runs.matching import matching

    found = matching(runs, Filter(" ".join(options.words)))
    return _sorted(found, options.sort, options.reverse) if options.sort else found[:: -1 if options.reverse else 1]


def _sorted(runs: Sequence[RunSummary], column: str, reverse: bool) -> list[RunSummary]:
    """By a column's title or any key of the filters: numbers, then texts; runs without a value last, either way."""
    values = {run.name: _value(run, column) for run in runs}
    known = [run for run in runs if values[run.name] is not None]
    if runs and not known:
        from tuimon.launcher.runs.matching import values_of

        keys = [*_SORTED_BY, *dict.fromkeys(key for run in runs for key in values_of(run))]
        hint = f"Such as {', '.join(_SORTED_BY)}, or a setting: optimizer.lr."
        raise TuimonError(f"No run has {column!r}{did_you_mean(column, keys)}.", hint)
    known.sort(key=lambda run: _rank(values[run.name]), reverse=reverse)
    return [*known, *(run for run in runs if values[run.name] is None)]


_SORTED_BY: dict[str, Callable[[RunSummary], Any]] = {
    "run": lambda run: run.name,
    "state": lambda run: run.status.state,
    "step": lambda run: run.step,
    "loss": lambda run: run.loss,
    "val": lambda run: run.val_loss,
    "speed": lambda run: run.steps_per_second,
    "device": lambda run: run.device,
    "last": lambda run: run.last_wall,
    "began": lambda run: run.first_wall,
}


def _value(run: RunSummary, column: str) -> Any:
    from tuimon.launcher.runs.matching import value_of

    column = column.lower()
    value = _SORTED_BY[column](run) if column in _SORTED_BY else value_of(run, column)
    return None if value == "" or value != value else value


def _rank(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float)
    return not is_number, float(value) if is_number else 0.0, str(value)


def _print(runs: Sequence[RunSummary], cells: Sequence[Sequence[str]], sort: str, tags: Sequence[str] | None = None) -> None:
    """Prints rows, by default one a run, and where the logs of the runs are damaged."""
    titles, rows = [*_COLUMNS], [[*row] for row in cells]
    tags = [" ".join(run.tags) for run in runs] if tags is None else tags
    if any(tags):
        _insert(titles, rows, "TAGS", tags)
    if sort and sort.lower() not in _SORTED_BY:
        values = (_value(run, sort) for run in runs)
        _insert(titles, rows, sort.upper(), ["" if value is None else _text(value) for value in values])
    print_table([titles, *rows], _DISPENSABLE, elastic="DETAIL")
    sys.stdout.flush()
    for run in runs:
        for damage in run.damage:
            print(one_line(f"! {run.name}: {damage}"), file=sys.stderr)


def _insert(titles: list[str], rows: list[list[str]], title: str, texts: Sequence[str]) -> None:
    """A column after that of the runs' names."""
    titles.insert(1, title)
    for row, text in zip(rows, texts, strict=True):
        row.insert(1, text)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _row(run: RunSummary) -> Sequence[str]:
    try:
        return _cells(run)
    except Exception as error:  # of this run alone: the others are listed
        return (run.name, "unknown", "", "", "", "", "", "", in_one_line(error))


def _cells(run: RunSummary) -> Sequence[str]:
    total = f"/{format.count(run.total_steps)}" if run.total_steps else ""
    speed = format.rate(run.steps_per_second) if run.status.live else ""
    return (
        run.name,
        f"{run.status.state} !" if run.damage else run.status.state,
        f"{format.count(run.step)}{total}",
        _metric(run.loss),
        _metric(run.val_loss),
        speed,
        run.device,
        _ago(run.last_wall),
        run.status.detail,
    )


def _metric(value: float | None) -> str:
    return "" if value is None else format.number(value)


def _ago(wall: float) -> str:
    if wall != wall:
        return ""
    age = format.age(max(0.0, time.time() - wall))
    return age if age == "now" else f"{age} ago"


def _line(run: RunSummary) -> JsonLine:
    from tuimon.launcher.runs.lines import DamageOf, RunLine

    names = run.__dataclass_fields__.keys() & set(RunLine.__struct_fields__) - {"path", "damage"}
    damage = tuple(DamageOf(**damage._asdict() | {"path": str(damage.path)}) for damage in run.damage)
    told: dict[str, Any] = {name: getattr(run, name) for name in names}
    status = run.status
    return RunLine(run=run.name, path=str(run.path), state=status.state, detail=status.detail, damage=damage, **told)
