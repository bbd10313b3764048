"""Where the panels of a run lie, as cells."""

from __future__ import annotations

import itertools

import pytest

from tuimon.viewer.screens.arrangement import News, Sizes, arrange
from tuimon.viewer.screens.pages import layout_for

LIVE = News(True, layers=3, charts=10, levers=8, findings=0, gpu=0, host=True, events=4, output=True)
CASES = {
    "live": LIVE,
    "with findings and GPUs": LIVE._replace(findings=6, gpu=6),
    "over": LIVE._replace(live=False),
    "many layers": LIVE._replace(layers=200),
    "without layers": LIVE._replace(layers=0),
    "another program's": News(False, charts=20),
    "nothing": News(False),
    "starting": News(True),
}
SIZES = [(80, 50), (200, 15), (120, 36), (160, 45), (250, 70), (100, 30), (190, 42), (130, 24)]


def places(width: int, height: int, news: News) -> dict[str, tuple[int, int, int, int, bool]]:
    chrome = 4 if width >= 130 else 5
    return dict(arrange(width, height - chrome + (height < 20), height, layout_for(width, height), 0, news))


@pytest.mark.parametrize(("size", "case"), list(itertools.product(SIZES, CASES)))
def test_the_loss_has_forty_percent_of_the_screen(size: tuple[int, int], case: str) -> None:
    """Whatever else there is to show."""
    loss = places(*size, CASES[case])["loss"]
    assert loss[2] * loss[3] >= 0.4 * size[0] * size[1]


@pytest.mark.parametrize(("size", "case"), list(itertools.product([*SIZES, (40, 10), (20, 5), (60, 40), (61, 200)], CASES)))
def test_panels_fill_the_area_and_do_not_overlap(size: tuple[int, int], case: str) -> None:
    """Every cell belongs to one panel at most, and nothing lies outside."""
    width, height = size
    taken: set[tuple[int, int]] = set()
    for x, y, columns, rows, _ in places(width, height, CASES[case]).values():
        cells = set(itertools.product(range(x, x + columns), range(y, y + rows)))
        assert not taken & cells and columns > 0 and rows > 0
        taken |= cells
    assert all(0 <= x < width and 0 <= y < height for x, y in taken)


def test_a_panel_without_news_is_a_line() -> None:
    """And framed as soon as it has some."""
    quiet, loud = places(160, 45, LIVE), places(160, 45, CASES["with findings and GPUs"])
    for name in ("findings", "gpu"):
        assert quiet[name][3:] == (1, False)
        assert loud[name][3] >= 5 and loud[name][4]


def test_why_a_run_failed_takes_the_rows_that_it_needs() -> None:
    """At most seven; the others are the charts'."""
    failed = CASES["over"]._replace(failed=True)
    for rows, height in ((4, 6), (7, 9), (30, 9)):
        assert places(160, 45, failed._replace(failure_rows=rows))["failure"][3] == height


def test_a_run_that_is_over_has_no_levers() -> None:
    """And no meters that were never read."""
    for size in SIZES:
        assert "levers" in places(*size, LIVE)
        assert "levers" not in places(*size, CASES["over"])
        assert not {"levers", "gpu", "host", "layers"} & places(*size, CASES["another program's"]).keys()


def test_layers_take_the_rows_that_they_need() -> None:
    """Three of them less than twelve, and a hundred no more than a part of the column."""
    rows = [places(160, 45, LIVE._replace(layers=layers))["layers"][3] for layers in (3, 12, 200)]
    assert rows[0] == 6 and rows[1] == 15 and rows[2] <= 22


def test_a_log_of_metrics_alone_shows_twelve_charts_at_once() -> None:
    """Besides its loss, at 160×45."""
    from tuimon.viewer.draw.shelves import grid_for

    box = places(160, 45, CASES["another program's"])["metrics"]
    grid = grid_for(box[2] - 2, box[3] - 2, 19)
    assert grid.rows * grid.columns >= 12


def test_the_loss_is_in_sight_in_tall_and_in_wide_windows() -> None:
    """Beside what changes most."""
    assert {"loss", "layers", "levers"} <= places(80, 50, LIVE).keys()
    assert {"loss", "layers", "levers"} <= places(200, 15, LIVE).keys()


@pytest.mark.parametrize(("size", "case"), list(itertools.product([*SIZES, (40, 10)], CASES)))
@pytest.mark.parametrize("wanted", [Sizes(0.2, 0.2), Sizes(0.8, 0.6), Sizes(hidden=frozenset({"layers", "levers", "events"}))])
def test_other_sizes_fill_the_area_as_well(size: tuple[int, int], case: str, wanted: Sizes) -> None:
    """No cell belongs to two panels, the loss is there, and what is hidden is not, unless it is all there is room for."""
    width, height = size[0], size[1] - 5
    layout = layout_for(*size)
    boxes = arrange(width, height, size[1], layout, 0, CASES[case], wanted)
    cells = [
        (x, y) for box in boxes.values() for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)
    ]
    assert len(cells) == len(set(cells)) and "loss" in boxes
    assert all(0 <= x < width and 0 <= y < height for x, y in cells)
    assert not wanted.hidden & set(boxes) or layout in ("single", "wide")


def test_the_user_decides_how_large_the_loss_is() -> None:
    """More rows, a narrower column beside it; shares have bounds."""
    usual = arrange(160, 40, 45, "large", 0, LIVE)
    taller = arrange(160, 40, 45, "large", 0, LIVE, Sizes(loss=0.5))
    wider = arrange(160, 40, 45, "large", 0, LIVE, Sizes(column=0.25))
    assert taller["loss"].height > usual["loss"].height and wider["loss"].width > usual["loss"].width
    assert Sizes(9.0, 0.0, frozenset({"loss", "gpu"})).bounded() == Sizes(0.8, 0.2, frozenset({"gpu"}))
