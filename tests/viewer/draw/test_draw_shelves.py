"""The arrangement of many small charts."""

from __future__ import annotations

from tuimon.viewer.draw.shelves import Shelf, grid_for, page_from, shelves, top_showing


def test_the_grid_fits_the_area_and_the_charts() -> None:
    """Twelve in the lower half of 160×45; few charts are large; what the user chose is kept as far as it fits."""
    twelve = grid_for(158, 20, 40)
    assert (twelve.rows, twelve.columns) == (3, 4)
    assert (grid_for(158, 20, 1).rows, grid_for(158, 20, 1).columns) == (1, 1)
    assert grid_for(158, 20, 40, (2, 2))[:2] == (2, 2) and grid_for(60, 12, 40, (6, 6))[:2] == (2, 2)
    assert grid_for(1, 1, 0)[:2] == (1, 1)


def test_few_charts_need_no_headings() -> None:
    """Pinned ones come first."""
    found = shelves([("a", ""), ("b/1", "b"), ("c/1", "c")], 2, pinned=("c/1",))
    assert found == [Shelf(titles=("c/1", "a")), Shelf(titles=("b/1",))]


def test_many_charts_have_headings_that_fold() -> None:
    """Charts without a prefix come first, without one; a folded heading tells how many it hides."""
    groups = [("lr", ""), *((f"a/{i}", "a") for i in range(20)), *((f"b/{i}", "b") for i in range(20))]
    found = shelves(groups, 10, folded={"a"}, pinned=["b/3", "gone"])
    assert [(shelf.heading, shelf.charts, shelf.folded, len(shelf.titles)) for shelf in found] == [
        ("pinned", 1, False, 0), ("", 0, False, 1), ("", 0, False, 1), ("a", 20, True, 0),
        ("b", 19, False, 0), ("", 0, False, 10), ("", 0, False, 9),
    ]  # fmt: skip


def test_a_page_holds_what_fits() -> None:
    """Its last charts may be lower; one shelf is always shown."""
    found = [Shelf("a", charts=4), *(Shelf(titles=(str(i),)) for i in range(4))]
    assert [(place.number, place.y, place.height) for place in page_from(found, 0, 20, 7)] == [
        (0, 0, 1),
        (1, 1, 7),
        (2, 8, 7),
        (3, 15, 5),
    ]
    assert [place.number for place in page_from(found, 3, 3, 7)] == [3]
    assert page_from([], 0, 5, 7) == []


def test_the_page_moves_as_little_as_needed() -> None:
    """So that the current chart is on it."""
    found = [Shelf(titles=(str(i),)) for i in range(1000)]
    assert top_showing(found, 5, 4, 14, 7) == 4
    assert top_showing(found, 2, 4, 14, 7) == 2
    assert top_showing(found, 999, 0, 14, 7) == 998
    assert top_showing([], 0, 3, 14, 7) == 0
