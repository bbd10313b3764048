"""The pages of a run's screen: which panels there are, their order, and how much a window shows at once. Pure."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal, NamedTuple

# One page at a time; one column of panels; one row of them; two columns with more and more in them.
Layout = Literal["single", "tall", "wide", "medium", "large", "huge"]
LAYOUTS: tuple[Layout, ...] = ("single", "tall", "wide", "medium", "large", "huge")


class Page(NamedTuple):
    """One numbered page: its panels' ids, the first of which takes the focus."""

    title: str
    panels: tuple[str, ...]


PAGES = (
    Page("loss", ("loss",)),
    Page("layers", ("layers", "detail")),
    Page("hist", ("histogram",)),
    Page("levers", ("levers",)),
    Page("meters", ("gpu", "host")),
    Page("findings", ("findings", "failure")),
    Page("events", ("events",)),
    Page("console", ("output",)),
    Page("metrics", ("metrics",)),
)
_SIZES: tuple[tuple[Layout, int, int], ...] = (
    ("huge", 190, 42),
    ("large", 150, 42),
    ("medium", 100, 30),
    ("tall", 60, 40),
    ("wide", 130, 12),
)


def layout_for(width: int, height: int) -> Layout:
    """How much a screen of that size shows at once."""
    return next(
        (layout for layout, least_width, least_height in _SIZES if width >= least_width and height >= least_height), "single"
    )


def page_of(panel: str) -> int | None:
    """The page that a panel is on; None if it is not a panel."""
    return next((number for number, page in enumerate(PAGES) if panel in page.panels), None)


def page_is_seen(page: int, panels: Container[str]) -> bool:
    """Whether any of a page's panels is among those in sight."""
    return any(panel in panels for panel in PAGES[page].panels)


def next_page(page: int, by: int, panels: Container[str]) -> int:
    """The next visible page, or the previous one; of all pages if one is shown at a time (no panels are given)."""
    seen = [number for number in range(len(PAGES)) if page_is_seen(number, panels)] or list(range(len(PAGES)))
    place = seen.index(page) if page in seen else 0
    return seen[(place + by) % len(seen)]
