"""Paths of optimizers over a bowl's contours, or along a parabola, as a picture. Pure functions, any thread."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from tuimon.base import format
from tuimon.log.path import PARABOLA, Path
from tuimon.log.pictures import Pixels
from tuimon.log.samples import COLOURS
from tuimon.viewer.draw.pictures import picture, swatch
from tuimon.viewer.draw.rows import Row, Span, clip, printable, shorten

WIDTH, HEIGHT = 72, 40  # pixels
_BANDS = (26, 44)  # grey, of contours in turns: each is twice as high as the one inside
_MARGIN = 0.08
_MOST_STEPS = 2000  # that are drawn; of more, every n-th
_FAR = 3.0  # times the distance between start and minimum; what runs away further is cut off


def path_rows(paths: Mapping[str, Path], width: int, *, ascii: bool = False, shaded: bool = False) -> list[Row]:
    """The paths of runs over the function that they share.

    Args:
        paths: at least one, by the run's name; all of the same function and condition.
        width: columns.
        ascii: with ASCII's characters alone.
        shaded: without colours.
    """
    first = next(iter(paths.values()))
    low, high = _ranges(list(paths.values()))
    pixels = _ground(first, low, high)
    for number, path in enumerate(paths.values()):
        _draw(pixels, path, low, high, COLOURS[(number + 1) % len(COLOURS)])
    rows = picture(pixels, width, shaded)
    names = ("w", "its value") if first.function == PARABOLA else ("x", "y")
    axes = [f"{name} from {format.number(low[at])} to {format.number(high[at])}" for at, name in enumerate(names)]
    key: list[Row] = []
    for number, (name, path) in enumerate(paths.items()):
        mark = [] if shaded else [swatch(COLOURS[(number + 1) % len(COLOURS)]), Span(" ")]
        ends = path.value(*path.places[-1])
        how = f"{printable(name)}: {format.count(len(path.places) - 1)} steps, to {format.number(float(ends), ascii)}"
        key.append([*mark, Span(how, "value")])
    said = [f"across: {axes[0]}; up: {axes[1]}"]
    if first.function != PARABOLA:
        said.append("each contour is half as high as the one around it")
    told: list[Row] = [[Span(shorten(text, width, ascii), "dim")] for text in said]
    return [clip(row, width, ascii) for row in (*rows, *told, *key)]


def _ranges(paths: list[Path]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The lowest and the highest of both axes, around all paths and the minimum."""
    both = [_points(path) for path in paths]
    goal = np.array([[5.0, 0.0]] if paths[0].function == PARABOLA else [[0.0, 0.0]])
    start = np.concatenate([points[:1] for points in both] + [goal])
    near = start.min(0), start.max(0)
    room = np.maximum(near[1] - near[0], 1e-6)
    points = np.concatenate([*both, goal])
    low = np.maximum(points.min(0), near[0] - _FAR * room)
    high = np.minimum(points.max(0), near[1] + _FAR * room)
    edge = np.maximum(high - low, 1e-6) * _MARGIN
    low, high = low - edge, high + edge
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _points(path: Path) -> np.ndarray:
    """[steps + 1, 2]: two weights, or one and the value there."""
    if path.function != PARABOLA:
        return path.places
    return np.concatenate([path.places, path.value(path.places)], 1)


def _ground(path: Path, low: tuple[float, float], high: tuple[float, float]) -> Pixels:
    x, y = (np.linspace(low[axis], high[axis], count) for axis, count in ((0, WIDTH), (1, HEIGHT)))
    if path.function == PARABOLA:
        pixels = np.full((HEIGHT, WIDTH), _BANDS[0], np.uint8)
        pixels[y[::-1, None] < path.value(x)[None]] = _BANDS[1]
    else:
        heights = path.value(x[None], y[::-1, None])
        level = np.floor(np.log2(np.maximum(heights, 1e-30))).astype(int)
        pixels = np.where(level % 2, _BANDS[1], _BANDS[0]).astype(np.uint8)
    return np.repeat(pixels[:, :, None], 3, axis=2)


def _draw(pixels: Pixels, path: Path, low: tuple[float, float], high: tuple[float, float], colour: tuple[int, ...]) -> None:
    """Where each step ended, bright, and the way there, darker."""
    points = _points(path)
    points = points[:: -(-len(points) // _MOST_STEPS)]
    scale = np.array([WIDTH - 1, HEIGHT - 1]) / (np.array(high) - np.array(low))
    spots = (points - np.array(low)) * scale
    for begin, end in itertools.pairwise(spots):
        pieces = int(min(np.ceil(np.abs(end - begin).max()), 4 * WIDTH)) + 1
        _dot(pixels, np.linspace(begin, end, pieces), tuple(part * 6 // 10 for part in colour))
    _dot(pixels, spots, colour)


def _dot(pixels: Pixels, spots: np.ndarray, colour: tuple[int, ...]) -> None:
    column, row = np.round(spots).astype(int).T
    inside = (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
    pixels[HEIGHT - 1 - row[inside], column[inside]] = colour
