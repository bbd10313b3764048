"""Where the panels of a run's screen lie: space goes to what has news. Pure.

The loss gets at least 40 % of the screen, unless the user wants another share. A panel with nothing in it is one line, or is
not there if the run is over; layers take the rows that they need. Heights and widths are in cells, of the area between the
header and the footer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tuimon.viewer.screens.pages import PAGES, Layout

_LEAST_COLUMN = 40  # columns beside the loss, and of the loss
_FRAME = 2  # rows of a border
_LEAST_BAND, _MOST_BAND = 6, 14
_LEAST_CHARTS = 8
MOST_FAILURE_ROWS = 7  # rows
_LEVERS = 42  # columns, beside charts


class News(NamedTuple):
    """What the panels have to show.

    Attributes:
        live: whether the run can be steered, or may be (its state is not known yet).
        layers: the number of layers.
        charts: the number of small charts.
        levers: the number of levers.
        findings: rows that the findings take; 0 if there are none.
        gpu: rows that the GPUs take; 0 if there are none.
        host: whether the host was metered.
        events: the number of events.
        output: whether the run's output was captured.
        failed: whether it failed, which comes first then.
        failure_rows: how many rows that takes.
    """

    live: bool = True
    layers: int = 0
    charts: int = 0
    levers: int = 0
    findings: int = 0
    gpu: int = 0
    host: bool = False
    events: int = 0
    output: bool = False
    failed: bool = False
    failure_rows: int = MOST_FAILURE_ROWS


class Sizes(NamedTuple):
    """What the user made larger, smaller or hid.

    Attributes:
        loss: the loss's share of the screen's cells.
        column: the share of the width of the column beside it, where there are two.
        hidden: panels that are not shown; never the loss.
    """

    loss: float = 0.4
    column: float = 1 / 3
    hidden: frozenset[str] = frozenset()

    def bounded(self) -> Sizes:
        """With shares that leave something of every panel."""
        return Sizes(min(max(self.loss, 0.2), 0.8), min(max(self.column, 0.2), 0.6), self.hidden - {"loss"})


class Box(NamedTuple):
    """A panel's place. Without a frame, it is a single line."""

    x: int
    y: int
    width: int
    height: int
    framed: bool = True


Boxes = dict[str, Box]
_USUAL = Sizes()


class _Part(NamedTuple):
    """Panels beside each other in a column: its least and wanted height, and its share of what is left (0: none).

    `goes` is its rank when there is no room: the highest is dropped first, 0 never is. `first` is the width of the first panel,
    if not all are equally wide.
    """

    panels: tuple[str, ...]
    least: int
    wanted: int
    grows: int = 0
    goes: int = 0
    first: int = 0


def arrange(width: int, height: int, screen_height: int, layout: Layout, page: int, news: News, sizes: Sizes = _USUAL) -> Boxes:
    """The places of all visible panels.

    Args:
        width: of the area, which is the screen's.
        height: of the area.
        screen_height: of the whole screen.
        layout: how much is shown at once.
        page: which page, if that is one.
        news: which panels have something to show.
        sizes: what the user wants otherwise; a single page shows all of its panels.
    """
    if layout == "single":
        return _stacked(_page(page, news), 0, 0, width, height)
    least_cells = sizes.loss * width * screen_height
    if news.failed and layout != "wide":
        return _failure_first(width, height, screen_height, layout, news, sizes)
    if layout == "wide":
        return _side_by_side(width, height, least_cells, news, sizes)
    if layout == "tall" or not news.layers:
        return _one_column(width, height, math.ceil(least_cells / width), news, sizes)
    return _two_columns(width, height, least_cells, layout, news, sizes)


def _failure_first(width: int, height: int, screen_height: int, layout: Layout, news: News, sizes: Sizes) -> Boxes:
    """Why the run failed above everything else; the loss keeps its share."""
    rest = news._replace(failed=False, findings=news.findings)
    loss = math.ceil(sizes.loss * screen_height * (1.5 if layout != "tall" and news.layers else 1.0))
    rows = min(max(height - loss, 3), min(news.failure_rows, MOST_FAILURE_ROWS) + _FRAME)
    below = arrange(width, height - rows, screen_height, layout, 0, rest, sizes)
    moved = {name: box._replace(y=box.y + rows) for name, box in below.items() if name != "findings" or news.findings}
    return {"failure": Box(0, 0, width, rows), **moved}


def _page(page: int, news: News) -> list[_Part]:
    """The panels of one page, below each other; short ones take what they need, the first one the rest."""
    first, *others = PAGES[page].panels
    if "failure" in others:
        first, others = ("failure", ["findings"] if news.findings else []) if news.failed else (first, [])
    needed = {"host": 5 if news.host else 1, "detail": 11, "findings": news.findings + 1}
    return [_Part((first,), 1, 1, 1), *(_Part((name,), min(needed[name], 3), needed[name], 0, 1) for name in others)]


def _one_column(width: int, height: int, loss: int, news: News, sizes: Sizes) -> Boxes:
    strips = [name for name in _lines(news) if name != "events" or not news.live]
    parts = [_Part(("loss",), min(loss, height), loss, 0 if news.charts else 2)]
    if news.layers:
        parts.append(_Part(("layers",), min(news.layers + 3, 8), min(news.layers + 3, 12), 0, 2))
        parts.append(_Part(("histogram",), 6, 8, 1, 5))
    if news.charts:
        parts.append(_Part(("metrics",), _LEAST_CHARTS, 10, 4, 4 if news.layers else 1))
    if news.live:
        band = ("levers", "events", "output") if width >= 150 and news.output else ("levers", "events")
        parts.append(_Part(band, _LEAST_BAND, min(max(news.levers + _FRAME, _LEAST_BAND), 10), 0, 3))
    parts += [_Part((name,), 3, rows, 0, 6) for name, rows in _needed(news).items() if name not in ("gpu", "host")]
    meters = tuple(name for name in ("gpu", "host") if name in _needed(news))
    parts += [_Part(meters, 5, max(_needed(news)[name] for name in meters), 0, 7)] if meters else []
    if news.events and not news.live:
        parts.append(_Part(("events", "output") if news.output else ("events",), 4, 6, 0, 5))
    return _stacked(_shown([*parts, *_line_rows(strips, width)], sizes), 0, 0, width, height)


def _two_columns(width: int, height: int, least_cells: float, layout: Layout, news: News, sizes: Sizes) -> Boxes:
    right = min(max(_LEAST_COLUMN, int(width * sizes.column)), width - _LEAST_COLUMN)
    left = width - right
    loss = math.ceil(least_cells / left)
    below = height - loss
    roomy = layout in ("large", "huge")
    band: tuple[str, ...] = ()
    if news.live and below >= _LEAST_BAND:
        band = ("levers", "metrics" if roomy and news.charts and below >= _LEAST_CHARTS else "events")
    elif not news.live and below >= 5:
        band = ("metrics",) if news.charts and below >= _LEAST_CHARTS else ("events",)
    column = [_Part(("loss",), min(loss, height), loss, 1)]
    column += [_Part(band, 5, below, 0, 0, _LEVERS if "metrics" in band and len(band) > 1 else 0)] if band else []
    return {
        **_stacked(_shown(column, sizes), 0, 0, left, height),
        **_stacked(_shown(_right_column(right, layout, news, band), sizes), left, 0, right, height),
    }


def _right_column(width: int, layout: Layout, news: News, elsewhere: Sequence[str]) -> list[_Part]:
    parts = [_Part(("layers",), 5, min(news.layers + 3, 18), 0), _Part(("histogram",), 6, 8, 2, 5)]
    if layout in ("large", "huge"):
        parts.insert(1, _Part(("detail",), 6, 9, 0, 8))
    parts += [_Part((name,), 3, rows, 0, 4) for name, rows in _needed(news).items()]
    if news.live and "levers" not in elsewhere:
        parts.append(_Part(("levers",), 4, news.levers + _FRAME, 0, 3))
    if news.events and "events" not in elsewhere:
        parts.append(_Part(("events",), 4, min(news.events + _FRAME, 9), 1, 7))
    if layout == "huge" and news.output:
        parts.append(_Part(("output",), 5, 9, 1, 8))
    return [*parts, *_line_rows([name for name in _lines(news) if name not in elsewhere], width)]


def _side_by_side(width: int, height: int, least_cells: float, news: News, sizes: Sizes) -> Boxes:
    """Short and wide: the loss on the left, what changes most beside it."""
    loss = min(max(math.ceil(least_cells / max(height, 1)), _LEAST_COLUMN), width - _LEAST_COLUMN)
    rest = width - loss
    parts: list[_Part] = [_Part(("failure",), 4, MOST_FAILURE_ROWS + _FRAME, 1)] if news.failed else []
    if news.layers:
        parts.append(_Part(("layers",), 4, news.layers + 3, 1, 1))
    if news.live:
        parts.append(_Part(("levers",), 4, news.levers + _FRAME, 1, 2))
    if news.charts and (not parts or rest >= 130):
        parts.append(_Part(("metrics",), 4, height, 1, 4))
    if not news.live and news.events and (not parts or rest >= 60):
        parts.append(_Part(("events",), 4, height, 1, 5))
    parts = _shown(parts, sizes) or [_Part(("events",), 1, height, 1)]
    beside = min(max(rest // 38, 1), len(parts))
    columns = [[part] for part in parts[: beside - 1]] + [parts[beside - 1 :]]
    column_width = rest // len(columns)
    columns[-1] += [_Part((name,), 3, rows, 0, 3) for name, rows in _needed(news).items()]
    columns[-1] += _line_rows([name for name in _lines(news) if name != "events"], column_width)
    boxes: Boxes = {"loss": Box(0, 0, loss, height)}
    for index, column in enumerate(columns):
        x = loss + index * column_width
        boxes |= _stacked(_shown(column, sizes), x, 0, column_width if index < len(columns) - 1 else width - x, height)
    return boxes


def _needed(news: News) -> dict[str, int]:
    """The rows that each panel with something to say needs, besides the large ones."""
    rows = {"findings": news.findings, "gpu": news.gpu, "host": 3 if news.host else 0}
    return {name: min(needed, 8) + _FRAME for name, needed in rows.items() if needed}


def _lines(news: News) -> list[str]:
    """The panels that have nothing to show: a line each, and none at all for meters of a run that is over."""
    empty = {
        "findings": not (news.findings or news.failed),
        "gpu": not news.gpu and news.live,
        "host": not news.host and news.live,
    }
    return [name for name, so in empty.items() if so] + ([] if news.events else ["events"])


def _line_rows(names: Sequence[str], width: int) -> list[_Part]:
    """Lines beside each other, at least 24 cells each."""
    beside = max(width // 24, 1)
    return [_Part(tuple(names[start : start + beside]), 1, 1, 0, 9) for start in range(0, len(names), beside)]


def _shown(parts: Sequence[_Part], sizes: Sizes) -> list[_Part]:
    """The parts without the panels that the user hid."""
    kept = [part._replace(panels=tuple(name for name in part.panels if name not in sizes.hidden)) for part in parts]
    return [part for part in kept if part.panels]


def _stacked(parts: Sequence[_Part], x: int, y: int, width: int, height: int) -> Boxes:
    """Parts below each other: what does not fit is dropped, the rest gets what it wants and shares what is left."""
    kept = list(parts)
    while sum(part.least for part in kept) > height and any(part.goes for part in kept):
        kept.remove(max(reversed(kept), key=lambda part: part.goes))
    boxes: Boxes = {}
    for part, rows in zip(kept, _heights(kept, height), strict=True):
        left = x
        for name, cells in zip(part.panels, _widths(part, width), strict=True):
            boxes[name] = Box(left, y, cells, rows, rows > 1)
            left += cells
        y += rows
    return {name: box for name, box in boxes.items() if box.height > 0}


def _widths(part: _Part, width: int) -> list[int]:
    count = len(part.panels)
    if part.first and count > 1:
        return [part.first, *_widths(part._replace(panels=part.panels[1:], first=0), width - part.first)]
    share, extra = divmod(width, count)
    return [share + (index < extra) for index in range(count)]


def _heights(parts: Sequence[_Part], height: int) -> list[int]:
    rows = [min(part.least, height) for part in parts]
    for index, part in sorted(enumerate(parts), key=lambda item: item[1].goes):
        rows[index] += max(min(part.wanted - rows[index], height - sum(rows)), 0)
    weights = [part.grows for part in parts]
    if not any(weights) and parts:
        weights[0] = 1
    left = max(height - sum(rows), 0)
    given = [left * weight // max(sum(weights), 1) for weight in weights]
    given[weights.index(max(weights))] += left - sum(given) if parts else 0
    over = sum(rows) - height  # even the least does not fit: the last parts lose
    for index in range(len(rows) - 1, -1, -1):
        taken = min(max(over, 0), rows[index])
        rows[index], over = rows[index] - taken, over - taken
    return [row + more for row, more in zip(rows, given, strict=True)]
