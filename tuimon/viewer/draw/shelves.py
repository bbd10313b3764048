"""The arrangement of many small charts: in rows of a few, under headings that fold, pinned ones first. Pure.

A shelf is one row of the arrangement: a heading, or the places of charts that stand side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

HEADED_FROM = 25  # fewer charts than this need no headings
_LEAST_WIDTH, _LEAST_HEIGHT = 26, 6
_CLIPPED = 5  # rows with which the last chart of a page is still worth drawing
PINNED = "pinned"


class Shelf(NamedTuple):
    """A heading with its number of `charts`, or a row of charts by their titles."""

    heading: str = ""
    titles: tuple[str, ...] = ()
    charts: int = 0
    folded: bool = False


class Grid(NamedTuple):
    """How many rows and columns of charts there are on a page, and the size of each in cells."""

    rows: int
    columns: int
    width: int
    height: int


def grid_for(width: int, height: int, charts: int, chosen: tuple[int, int] | None = None) -> Grid:
    """The grid that fits an area, for so many charts.

    Args:
        width: of the area, in cells.
        height: of the area, in cells.
        charts: how many there are: few charts are large.
        chosen: rows and columns that the user wants; as many as fit are shown.
    """
    most_rows, most_columns = max(height // _LEAST_HEIGHT, 1), max(width // _LEAST_WIDTH, 1)
    if chosen:
        rows, columns = min(chosen[0], most_rows), min(chosen[1], most_columns)
    else:
        columns = min(max(round(width / 40), 1), most_columns, max(charts, 1))
        needed = -(-max(charts, 1) // columns)
        rows = min(needed, most_rows)
    return Grid(rows, columns, max(width // columns, 1), min(max(height // rows, 1), max(height, 1)))


def shelves(
    groups: Iterable[tuple[str, str]], columns: int, pinned: Sequence[str] = (), folded: Collection[str] = ()
) -> list[Shelf]:
    """The arrangement from top to bottom.

    Args:
        groups: title and heading of each chart, in order; charts without a heading come first.
        columns: charts side by side.
        pinned: titles of charts that come before all others.
        folded: headings whose charts are hidden.
    """
    by_heading: dict[str, list[str]] = {}
    titles = []
    for title, heading in groups:
        titles.append(title)
        if title not in pinned:
            by_heading.setdefault(heading, []).append(title)
    kept = [title for title in pinned if title in titles]
    if len(titles) < HEADED_FROM or len(by_heading) < 2:
        return list(_rows([*kept, *(title for some in by_heading.values() for title in some)], columns))
    found = [Shelf(PINNED, charts=len(kept)), *_rows(kept, columns)] if kept else []
    for heading, some in sorted(by_heading.items(), key=lambda item: bool(item[0])):
        if heading:
            found.append(Shelf(heading, charts=len(some), folded=heading in folded))
        if heading not in folded:
            found += _rows(some, columns)
    return found


def _rows(titles: Sequence[str], columns: int) -> Iterable[Shelf]:
    for start in range(0, len(titles), columns):
        yield Shelf(titles=tuple(titles[start : start + columns]))


class Placed(NamedTuple):
    """A shelf on a page: its place among all shelves, its first row, and its height."""

    number: int
    shelf: Shelf
    y: int
    height: int


def page_from(arrangement: Sequence[Shelf], top: int, height: int, chart_height: int) -> list[Placed]:
    """The shelves below each other from `top` on, as far as they fit; charts that nearly fit are lower. At least one."""
    found: list[Placed] = []
    y = 0
    for number in range(max(top, 0), len(arrangement)):
        shelf = arrangement[number]
        wanted = 1 if shelf.heading else chart_height
        given = min(wanted, height - y)
        if found and given < (1 if shelf.heading else min(_CLIPPED, wanted)):
            break
        found.append(Placed(number, shelf, y, max(given, 1)))
        y += given
    return found


def top_showing(arrangement: Sequence[Shelf], at: int, top: int, height: int, chart_height: int) -> int:
    """The first shelf of a page that includes the one at `at`, moved from `top` as little as possible."""
    top = min(max(top, 0), max(len(arrangement) - 1, 0))
    if at < top:
        return at
    top = max(top, at - height)  # a shelf takes a row at least
    while top < at and at > page_from(arrangement, top, height, chart_height)[-1].number:
        top += 1
    return top
