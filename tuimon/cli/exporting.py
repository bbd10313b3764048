"""The verb `export`: a run's curves for other programs, as CSV, JSON lines or Parquet, and a chart of them as SVG."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.cli.tagged import fitting, pattern
from tuimon.launcher.runs.lines import SeriesLine, encoded
from tuimon.launcher.runs.loss import loss_tag
from tuimon.launcher.runs.runs import find_run, run_name, runs_dir
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.paper.tags import by_chart, split_of

_COLUMNS = ("run", "tag", "step", "wall_time", "value")


def export(options: argparse.Namespace) -> int:
    """Writes the scalars of one run: a row for each point of each tag."""
    directory = runs_dir(options.runs_dir)
    path = find_run(options.run, directory)
    name, store = run_name(path, directory), read_run(path)
    wanted = pattern(options.tag)
    tags = fitting(wanted, list(store))
    if not tags:
        raise TuimonError(f"{one_line(name)}: no curves were logged.", "`tuimon dump RUN` prints what there is.")
    if options.svg:
        _write_svg(Path(options.svg), name, store, tags if wanted else _losses(store) or tags[:1])
    if options.parquet:
        _write_parquet(options.output, name, store, tags)
    elif options.csv or options.json or not options.svg:
        with _opened(options.output) as out:
            for piece in _json(name, store, tags) if options.json else _csv(name, store, tags):
                out.write(piece)
    for problem in store.problems():
        print(one_line(f"tuimon: {name}: {problem}"), file=sys.stderr)
    return 1 if store.damage else 0


def _losses(store: Store) -> list[str]:
    metric = split_of(loss_tag(store))[0]
    return [tag for tag in store if metric and split_of(tag)[0] == metric]


@contextlib.contextmanager
def _opened(output: str | None) -> Iterator[IO[bytes]]:
    """The file to write to; stdout where none was named."""
    if output is None or output == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with open(output, "wb") as file:
        yield file


def _csv(name: str, store: Store, tags: list[str]) -> Iterator[bytes]:
    """With a head line; numbers as short as they can be read back exactly, `nan` and `inf` as they are."""
    yield (",".join(_COLUMNS) + "\n").encode()
    for tag in tags:
        series = store[tag]
        head = io.StringIO()
        csv.writer(head, lineterminator="").writerow([one_line(name), one_line(tag)])  # it may be read on a terminal
        walls = series.walls.tolist()
        rows = zip(series.steps.tolist(), walls, map(str, series.values), strict=True)
        text = "".join(f"{head.getvalue()},{step},{wall!r},{value}\n" for step, wall, value in rows)
        yield text.encode("utf-8", "replace")


def _json(name: str, store: Store, tags: list[str]) -> Iterator[bytes]:
    for tag in tags:
        series = store[tag]
        yield encoded(
            SeriesLine(
                run=name,
                tag=tag,
                steps=series.steps.tolist(),
                wall_times=series.walls.tolist(),
                values=[float(str(value)) for value in series.values],
            )
        )


def _write_parquet(output: str | None, name: str, store: Store, tags: list[str]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise TuimonError("Parquet needs pyarrow, which is not installed.", "pip install 'tuimon[export]'") from None
    if output is None and sys.stdout.isatty():
        raise TuimonError("Parquet is no text for a terminal.", "Name a file with -o, or write it into a pipe.")
    series = [store[tag] for tag in tags]
    lengths = [len(one) for one in series]
    columns: list[Any] = [
        pyarrow.DictionaryArray.from_arrays(np.zeros(sum(lengths), np.int32), [name]),
        pyarrow.DictionaryArray.from_arrays(np.repeat(np.arange(len(tags), dtype=np.int32), lengths), tags),
        np.concatenate([one.steps for one in series]),
        np.concatenate([one.walls for one in series]),
        np.concatenate([one.values for one in series]),
    ]
    with _opened(output) as out:
        parquet.write_table(pyarrow.table(dict(zip(_COLUMNS, columns, strict=True))), out)


def _write_svg(path: Path, name: str, store: Store, tags: list[str]) -> None:
    """One chart for each metric, below each other."""
    from tuimon.paper.svg import page

    path.write_text(page({name: store}, by_chart(tags)), encoding="utf-8", errors="replace")
