"""The list of runs as rows of text: sorting and columns. Pure functions; no Textual."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tuimon.base import format
from tuimon.base.plain import one_line
from tuimon.launcher.runs.configuration import shown
from tuimon.launcher.runs.groups import Folded, Spread, members
from tuimon.launcher.runs.standing import DISK_FULL
from tuimon.viewer.draw.meter import bar, state_glyph
from tuimon.viewer.draw.rows import Row, Span, cells, fit, shorten
from tuimon.viewer.draw.sparkline import sparkline

if TYPE_CHECKING:
    from tuimon.launcher.runs.summary import RunSummary

_FRONT = 3  # cells for the mark, the cursor, and "!" for a damaged log or a full disk
_SETTING_WIDTH = 10
_SPREAD_WIDTH = 19  # of a mean with its spread
_FIRST = 9  # dropped first if room is short
_BAR_WIDTH, _CURVE_WIDTH = 14, 40  # maximum widths when there is room to spare
SORTS = ("newest", "name", "loss", "speed")


class Look(NamedTuple):
    """What a cell needs to know besides its run."""

    now: float
    marked: frozenset[str] = frozenset()
    ascii: bool = False


class Column(NamedTuple):
    """One column: its title, its width in cells, and its rank when room is short (the highest goes first; 0 never goes)."""

    title: str
    width: int
    goes: int
    cell: Callable[[RunSummary, int, Look], list[Span]]
    right: bool = False


def ordered(runs: Iterable[RunSummary], sort: str) -> list[RunSummary]:
    """Live runs first, then by newest start, name, lowest validation loss or highest throughput; unknown values last."""
    return sorted(runs, key=lambda run: (not run.status.live, _order(run, sort)))


def columns_for(width: int, runs: Sequence[RunSummary] = (), wanted: Sequence[str] = ()) -> list[Column]:
    """The columns that fit; the name takes the spare room, up to the longest name.

    If room is short, the validation loss is kept rather than the training loss, unless no run has one.

    Args:
        width: in cells.
        runs: those in the list.
        wanted: titles, or settings, in their order; short of room, the last goes first. Without any, the usual columns.
    """
    validated = any(run.val_loss is not None for run in runs)
    columns = [column if validated or column.title != "val" else column._replace(goes=_FIRST) for column in _COLUMNS]
    columns = chosen(wanted) or columns
    if any(isinstance(run, Folded) for run in runs):
        columns = [column._replace(width=_SPREAD_WIDTH) if column.title in ("train", "val") else column for column in columns]
    while _needed(columns) > width and any(column.goes for column in columns):
        columns.remove(max(columns, key=lambda column: column.goes))
    return _widened(columns, width - _needed(columns), max((cells(run.name) for run in runs), default=0))


def chosen(wanted: Sequence[str]) -> list[Column]:
    """The columns of these titles; any other word is a setting. The name is among them in any case."""
    known = {column.title: column for column in _COLUMNS}
    titles = [*([] if "name" in wanted or not wanted else ["name"]), *wanted]
    columns = [known.get(title) or _setting_column(title) for title in titles]
    return [column._replace(goes=0 if column.title == "name" else place + 1) for place, column in enumerate(columns)]


def _setting_column(key: str) -> Column:
    """A setting's value, by its whole key or the last part of it."""

    def cell(run: RunSummary, width: int, look: Look) -> list[Span]:
        from tuimon.launcher.runs.matching import value_of

        value = value_of(run, key)
        if value is None or value == "":
            return [Span(format.missing(look.ascii), "dim")]
        return [Span(shorten(one_line(shown(value)), width, look.ascii))]

    return Column(key.rpartition(".")[2], max(_SETTING_WIDTH, len(key.rpartition(".")[2])), 0, cell)


def header(columns: Sequence[Column], sort: str) -> Row:
    """The titles, with the sorted column highlighted."""
    row: Row = [Span(" " * _FRONT)]
    for column in columns:
        title = column.title.rjust(column.width) if column.right else column.title.ljust(column.width)
        row += [Span(title, "header-sorted" if _SORTED_BY.get(sort) == column.title else "header"), Span(" ")]
    return row


def run_row(run: RunSummary, columns: Sequence[Column], look: Look) -> Row:
    """The row of one run."""
    marked = all(one.name in look.marked for one in members(run))
    row: Row = [
        Span(("*" if look.ascii else "◆") if marked else " ", "key"),
        Span(" "),
        Span("!" if run.damage or DISK_FULL in run.status.detail else " ", "warn"),
    ]
    for column in columns:
        cell = column.cell(run, column.width, look)
        if column.right:
            cell = [Span(" " * (column.width - sum(len(span.text) for span in cell))), *cell]
        row += [*fit(cell, column.width), Span(" ")]
    return row


def progress(run: RunSummary) -> float:
    """Progress in [0, 1]; NaN if the run's length is unknown."""
    return min(run.step / run.total_steps, 1.0) if run.total_steps else math.nan


def detail(run: RunSummary, ascii: bool = False) -> str:
    """One line of details that the list has no room for."""
    made_of = [part for part in (run.model, run.activation, run.optimizer, run.device) if part]
    how = f"{run.status.state}: {run.status.detail}" if run.status.detail else run.status.state
    steps = f"step {format.count(run.step)}" + (f" of {format.count(run.total_steps)}" if run.total_steps else "")
    dot = " - " if ascii else " · "
    how = run.states if isinstance(run, Folded) else how
    return dot.join([run.name, *map(str, run.damage), *made_of, steps, how])


def _order(run: RunSummary, sort: str) -> tuple[float, list[str | int]]:
    keys = {"newest": -run.first_wall, "loss": _loss(run), "speed": -run.steps_per_second, "name": 0.0}
    key = keys.get(sort, 0.0)
    return (math.inf if math.isnan(key) else key), _natural(run.name)


def _natural(name: str) -> list[str | int]:
    """The words and numbers of a name in turn, so that run-2 sorts before run-10."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def _loss(run: RunSummary) -> float:
    loss = run.loss if run.val_loss is None else run.val_loss
    return math.nan if loss is None else loss


def _needed(columns: Sequence[Column]) -> int:
    return _FRONT + sum(column.width + 1 for column in columns)


def _widened(columns: Sequence[Column], spare: int, longest_name: int) -> list[Column]:
    """Gives spare room to the name, the progress bar and the curve, in this order."""
    wanted = {"name": longest_name, "done": _BAR_WIDTH, "loss": _CURVE_WIDTH}
    widths = {column.title: column.width for column in columns}
    for title, width in wanted.items():
        if title in widths:
            more = max(0, min(spare, width - widths[title]))
            widths[title] += more
            spare -= more
    return [column._replace(width=widths[column.title]) for column in columns]


def _state(run: RunSummary, width: int, look: Look) -> list[Span]:
    glyph, style = state_glyph(run.status.state, look.ascii)
    return [Span(f"{glyph} {run.status.state}", style)]


def _name(run: RunSummary, width: int, look: Look) -> list[Span]:
    return [Span(shorten(run.name, width, look.ascii), "name" if run.status.live else "value")]


def _progress(run: RunSummary, width: int, look: Look) -> list[Span]:
    share = progress(run)
    if math.isnan(share):
        return [Span(format.si(run.step))]
    text = f"{math.floor(share * 100):3} %"
    drawn = bar(share, width - len(text) - 1, look.ascii) + " " if width > 2 * len(text) else ""
    return [Span(drawn, "histogram"), Span(text)]


def _curve(run: RunSummary, width: int, look: Look) -> list[Span]:
    return [Span(sparkline(run.losses, width, look.ascii, log=True), "train")]


def _mean(run: RunSummary, spread: Spread | None, ascii: bool) -> list[Span]:
    count = len(members(run))
    return [Span(spread.text(ascii, count), "warn" if spread.count < count else "")] if spread else []


def _number(value: float | None, ascii: bool) -> list[Span]:
    if value is None:
        return [Span(format.missing(ascii), "dim")]
    return [Span(format.number(value), "" if math.isfinite(value) else "bad")]


def _train(run: RunSummary, width: int, look: Look) -> list[Span]:
    spread = run.loss_spread if isinstance(run, Folded) else None
    return _mean(run, spread, look.ascii) or _number(run.loss, look.ascii)


def _val(run: RunSummary, width: int, look: Look) -> list[Span]:
    spread = run.val_spread if isinstance(run, Folded) else None
    return _mean(run, spread, look.ascii) or _number(run.val_loss, look.ascii)


def _speed(run: RunSummary, width: int, look: Look) -> list[Span]:
    if math.isnan(run.steps_per_second):
        return [Span(format.missing(look.ascii), "dim")]
    return [Span(format.rate(run.steps_per_second), "" if run.status.live else "dim")]


def _device(run: RunSummary, width: int, look: Look) -> list[Span]:
    return [Span(shorten(run.device or format.missing(look.ascii), width, look.ascii))]


def _model(run: RunSummary, width: int, look: Look) -> list[Span]:
    return [Span(shorten(run.model, width, look.ascii), "dim")]


def _age(run: RunSummary, width: int, look: Look) -> list[Span]:
    return [Span(format.age(look.now - run.last_wall), "dim")]


_COLUMNS = (
    Column("state", 10, 0, _state),
    Column("name", 16, 0, _name),
    Column("done", 5, 4, _progress),
    Column("loss", 12, 5, _curve),
    Column("train", 8, 6, _train, right=True),
    Column("val", 8, 1, _val, right=True),
    Column("speed", 10, 3, _speed, right=True),
    Column("device", 7, 7, _device),
    Column("model", 16, 8, _model),
    Column("ago", 6, 2, _age, right=True),
)
_SORTED_BY = {"newest": "ago", "name": "name", "loss": "val", "speed": "speed"}
