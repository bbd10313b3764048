"""Which panels a screen of a given size shows."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tuimon.viewer.screens.arrangement import News, arrange
from tuimon.viewer.screens.page_tabs import place_tabs
from tuimon.viewer.screens.pages import PAGES, layout_for, next_page, page_of

FULL = News(True, layers=3, charts=10, levers=8, findings=2, gpu=3, host=True, events=4, output=True)
TITLES = [page.title for page in PAGES]


@pytest.mark.parametrize(
    ("width", "height", "layout"),
    [
        (20, 5, "single"), (40, 10, "single"), (80, 24, "single"), (80, 50, "tall"), (200, 15, "wide"),
        (120, 36, "medium"), (160, 45, "large"), (200, 60, "huge"), (250, 24, "wide"),
    ],
)  # fmt: skip
def test_more_room_shows_more_at_once(width: int, height: int, layout: str) -> None:
    """A tall and a wide window show panels below and beside each other, a small one a page at a time."""
    assert layout_for(width, height) == layout


def test_every_panel_is_reached_from_a_small_screen() -> None:
    """The pages together show all panels, of a run that failed, too."""
    news = (FULL, FULL._replace(failed=True))
    seen = {name for one in news for number in range(len(PAGES)) for name in arrange(80, 20, 24, "single", number, one)}
    assert seen == {name for page in PAGES for name in page.panels}


def test_the_next_page_passes_over_what_the_overview_does_not_show() -> None:
    """Such a page opens only by its number."""
    last = next(number for number in range(len(PAGES)) if PAGES[number].title == "events")
    assert next_page(last, 1, ("loss", "events")) == 0
    assert next_page(last, 1, ()) == last + 1


def test_a_panel_tells_its_page() -> None:
    """Also if it is the second panel of the page."""
    assert page_of("host") == page_of("gpu") == 4
    assert page_of("nothing") is None


@pytest.mark.parametrize("width", [200, 80, 50, 30])
def test_the_tabs_fit(width: int) -> None:
    """All titles are shortened equally, down to bare numbers."""
    tabs = place_tabs(TITLES, width)
    assert len(tabs) == len(PAGES)
    assert tabs[-1].end <= width
    assert all(before.end < after.start for before, after in pairwise(tabs))


def test_eighty_columns_show_whole_titles() -> None:
    """The most common small terminal."""
    assert [tab.title for tab in place_tabs(TITLES, 80)] == TITLES
