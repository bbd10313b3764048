"""The pages of a run's screen: which panels there are, in which order, and which an overview of a given size shows. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

Layout = Literal["single", "medium", "large"]


class Page(NamedTuple):
    """One numbered page: its panels' ids, the first of which takes the focus, and the overviews that show it."""

    title: str
    panels: tuple[str, ...]
    layouts: tuple[Layout, ...] = ("medium", "large")


PAGES = (
    Page("loss", ("loss",)),
    Page("layers", ("layers", "detail")),
    Page("hist", ("histogram",)),
    Page("levers", ("levers",)),
    Page("meters", ("gpu", "host")),
    Page("findings", ("findings",)),
    Page("events", ("events",)),
    Page("console", ("output",), ("large",)),
    Page("metrics", ("metrics",), ("large",)),
)
_LARGE_ONLY = ("detail",)
_MEDIUM_SIZE, _LARGE_SIZE = (100, 30), (150, 42)


def layout_for(width: int, height: int) -> Layout:
    """How much a screen of that size shows at once."""
    if width >= _LARGE_SIZE[0] and height >= _LARGE_SIZE[1]:
        return "large"
    return "medium" if width >= _MEDIUM_SIZE[0] and height >= _MEDIUM_SIZE[1] else "single"


def panels_shown(layout: Layout, page: int) -> frozenset[str]:
    """The ids of the panels that are in sight; `page` counts only where one page is shown at a time."""
    if layout == "single":
        return frozenset(PAGES[page].panels)
    shown = {panel for one in PAGES if layout in one.layouts for panel in one.panels}
    return frozenset(shown if layout == "large" else shown.difference(_LARGE_ONLY))


def page_of(panel: str) -> int | None:
    """The page that a panel is on; None for what is no panel."""
    return next((number for number, page in enumerate(PAGES) if panel in page.panels), None)


def next_page(page: int, by: int, layout: Layout) -> int:
    """The page after this one, or before, among those that can be seen."""
    if layout == "single":
        return (page + by) % len(PAGES)
    seen = [number for number, one in enumerate(PAGES) if layout in one.layouts]
    place = seen.index(page) if page in seen else 0
    return seen[(place + by) % len(seen)]
