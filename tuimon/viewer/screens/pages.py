"""The pages of a run's screen: which panels there are, their order, and which ones fit an overview of a given size. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

Layout = Literal["single", "medium", "large", "huge"]
LAYOUTS: tuple[Layout, ...] = ("single", "medium", "large", "huge")


class Page(NamedTuple):
    """One numbered page: its panels' ids, the first of which takes the focus, and the smallest overview that includes it."""

    title: str
    panels: tuple[str, ...]
    least: Layout = "medium"


PAGES = (
    Page("loss", ("loss",)),
    Page("layers", ("layers", "detail")),
    Page("hist", ("histogram",)),
    Page("levers", ("levers",)),
    Page("meters", ("gpu", "host")),
    Page("findings", ("findings",)),
    Page("events", ("events",)),
    Page("console", ("output",), "huge"),
    Page("metrics", ("metrics",), "large"),
)
GROUPS = {  # panels that lie together, by the id of their container
    "left": frozenset({"loss", "metrics", "levers", "events", "output", "gpu", "host"}),
    "band": frozenset({"levers", "events", "output"}),
    "meters": frozenset({"gpu", "host"}),
    "right": frozenset({"layers", "detail", "histogram", "findings"}),
}
_TALL, _LOW = 56, 36
_NOT_IN_MEDIUM = ("detail",)
_SIZES: tuple[tuple[Layout, int, int], ...] = (("huge", 190, 42), ("large", 150, 42), ("medium", 100, 30))


def layout_for(width: int, height: int) -> Layout:
    """How much a screen of that size shows at once."""
    return next(
        (layout for layout, least_width, least_height in _SIZES if width >= least_width and height >= least_height), "single"
    )


def frame_classes(layout: Layout, height: int) -> frozenset[str]:
    """The style-sheet classes of a layout."""
    said = {"-roomy": layout in ("large", "huge"), "-tall": height >= _TALL, "-low": height < _LOW}
    return frozenset({f"-{layout}", *(name for name, so in said.items() if so)})


def in_overview(page: int, layout: Layout) -> bool:
    """Whether an overview of this layout includes the page."""
    return layout != "single" and LAYOUTS.index(PAGES[page].least) <= LAYOUTS.index(layout)


def panels_shown(layout: Layout, page: int) -> frozenset[str]:
    """The ids of the visible panels; `page` matters only if one page is shown at a time."""
    if layout == "single":
        return frozenset(PAGES[page].panels)
    shown = {panel for number, one in enumerate(PAGES) if in_overview(number, layout) for panel in one.panels}
    return frozenset(shown.difference(_NOT_IN_MEDIUM) if layout == "medium" else shown)


def page_of(panel: str) -> int | None:
    """The page that a panel is on; None if it is not a panel."""
    return next((number for number, page in enumerate(PAGES) if panel in page.panels), None)


def next_page(page: int, by: int, layout: Layout) -> int:
    """The next visible page, or the previous one."""
    if layout == "single":
        return (page + by) % len(PAGES)
    seen = [number for number in range(len(PAGES)) if in_overview(number, layout)]
    place = seen.index(page) if page in seen else 0
    return seen[(place + by) % len(seen)]
