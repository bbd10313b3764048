"""Paths of optimizers over a function: where the dots are, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from tuimon.base.process import this_process
from tuimon.log.batch import Batch, EventRecord, Points
from tuimon.log.path import Path, path_of
from tuimon.log.records import RunStarted
from tuimon.log.samples import COLOURS
from tuimon.log.store import Store
from tuimon.viewer.draw.paths import HEIGHT, WIDTH, path_rows
from tuimon.viewer.draw.rows import text_of


def bowl(*places: tuple[float, float], condition: float = 20.0) -> Path:
    """A path over two weights."""
    return Path("bowl", condition, np.array(places))


def pixels_of(rows: list) -> list[list[tuple[str, ...]]]:
    """The colours of the picture's pixels, by row and column."""
    found: list[list[tuple[str, ...]]] = []
    for row in rows[: HEIGHT // 2]:
        cells = [span.style.removeprefix("pixel-").split("-") for span in row if span.style for _ in span.text]
        found += [[cell[0] for cell in cells], [cell[1] for cell in cells]]  # type: ignore[list-item]
    return found


def test_steps_are_bright_and_the_way_between_them_is_dark() -> None:
    """From the upper left to the minimum in one step: two bright dots, and a straight line."""
    rows = path_rows({"gd": bowl((-10.0, 2.0), (0.0, 0.0))}, 80)
    pixels = pixels_of(rows)
    assert (len(pixels), len(pixels[0])) == (HEIGHT, WIDTH)
    bright, dark = ("".join(f"{part * share // 10:02x}" for part in COLOURS[1]) for share in (10, 6))
    dots = [(row, column) for row, line in enumerate(pixels) for column, colour in enumerate(line) if colour == bright]
    assert dots == [(3, 5), (HEIGHT - 4, WIDTH - 6)]
    way = [(row, column) for row, line in enumerate(pixels) for column, colour in enumerate(line) if colour == dark]
    assert len({column for _, column in way}) == WIDTH - 12
    assert all(abs((row - 3) / (HEIGHT - 7) - (column - 5) / (WIDTH - 11)) < 0.05 for row, column in way)


def test_each_run_is_named_with_its_steps_and_where_it_ended() -> None:
    """In the value of the function, which is exact here; the axes have ranges."""
    rows = path_rows({"gd": bowl((-8.0, 2.0), (-4.0, 1.0)), "adam": bowl((-8.0, 2.0), (0.0, 0.0), (0.0, 0.0))}, 80)
    told = [text_of(row).rstrip() for row in rows[HEIGHT // 2 :]]
    assert told[0] == "across: x from -8.64 to 0.640; up: y from -0.160 to 2.16"
    assert told[2:] == ["▀▀ gd: 1 steps, to 18.0", "▀▀ adam: 2 steps, to 0"]
    assert text_of(path_rows({"gd": bowl((1.0, 1.0))}, 80, shaded=True)[-1]).startswith("gd: 0 steps")


def test_a_parabola_has_its_value_upwards() -> None:
    """All places lie on it."""
    path = Path("quadratic", 0.0, np.array([[0.0], [2.0], [5.0]]))
    assert path.value(path.places).tolist() == [[25.0], [9.0], [0.0]]
    told = [text_of(row).rstrip() for row in path_rows({"a": path}, 80)[HEIGHT // 2 :]]
    assert told == ["across: w from -0.400 to 5.40; up: its value from -2.00 to 27.0", "▀▀ a: 2 steps, to 0"]


@pytest.mark.parametrize("places", [[(1e38, 1.0)], [(0.0, 0.0)] * 3, [(-1.0, 1.0), (1e9, -1e9)], [(1.0, 1.0)] * 50_000])
def test_what_runs_away_or_stands_still_has_a_picture(places: list[tuple[float, float]]) -> None:
    """Also very long paths; a narrow terminal gets a smaller one."""
    assert all(len(text_of(row)) <= 40 for row in path_rows({"a": bowl(*places)}, 40))


@pytest.mark.parametrize(
    ("model", "xs"),
    [
        ("bowl", [1.0]),
        ({"name": ["bowl"]}, [1.0]),
        ({"name": "bowl", "options": 3}, [1.0]),
        ({"name": "bowl", "options": {"condition": "steep"}}, [1.0]),
        ({"name": "bowl", "options": {"condition": float("nan")}}, [1.0]),
        ({"name": "bowl"}, [float("nan")]),
        ({"name": "mlp"}, [1.0]),
    ],
)
def test_a_log_that_does_not_tell_a_path_has_none(model: object, xs: list[float]) -> None:
    """Whoever wrote it; a right one beside them."""

    def read(model: object, xs: list[float]) -> Path | None:
        store = Store()
        started = RunStarted("a", this_process(), spec={"model": model})
        count = len(xs)
        points = Points(np.arange(count), np.zeros(count), np.array(xs, np.float32))
        scalars = {"weights/x": points, "weights/y": points}
        store.apply(Batch(scalars, events=[EventRecord(0, 0.0, started)], records=2, bytes=1))
        return path_of(store)

    assert read(model, xs) is None
    found = read({"name": "bowl", "options": {"condition": 7}}, [1.0, 2.0])
    assert found is not None and found.condition == 7 and found.places.tolist() == [[1, 1], [2, 2]]
