"""The picture of what a model says at every place of a plane, and the examples on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tuimon.log.samples import COLOURS
from tuimon.monitor.plane import HEIGHT, MOST, WIDTH, Plane

CORNERS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 1.0], [10.0, 1.0]])


def right_half(inputs: Tensor) -> Tensor:
    """Scores of two classes: sure of the second where x is above 5."""
    x = 100 * (inputs[:, :1] - 5)
    return torch.cat([-x, x], 1)


def drawn(say: object, targets: Tensor, inputs: Tensor = CORNERS) -> tuple[np.ndarray, tuple[float, ...]]:
    """The picture of a model."""
    plane = Plane(say)  # type: ignore[arg-type]
    plane.add(inputs, targets, say(inputs))  # type: ignore[operator]
    return plane.draw()


def test_the_border_is_where_the_model_has_it() -> None:
    """Left of 5 the first class's colour, right of it the second's, darker than the dots."""
    pixels, ranges = drawn(right_half, torch.tensor([0, 1, 0, 1]))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert ranges == pytest.approx((-0.8, 10.8, -0.08, 1.08))
    middle = pixels[HEIGHT // 2].astype(int)
    first, second = (np.array(colour) for colour in COLOURS[:2])
    assert all((pixel < first + 1).all() and abs(pixel - 0.45 * first).max() <= 1 for pixel in middle[: WIDTH // 2])
    assert all(abs(pixel - 0.45 * second).max() <= 1 for pixel in middle[WIDTH // 2 :])


def test_examples_lie_where_they_are_and_wrong_ones_are_white() -> None:
    """A high y is at the top; the example at (10, 1) is of the first class, but the model says the second."""
    pixels, _ = drawn(right_half, torch.tensor([0, 1, 0, 0]))
    dots = {(row, column): tuple(pixels[row, column]) for row in range(HEIGHT) for column in range(WIDTH)}
    dots = {place: colour for place, colour in dots.items() if max(colour) > 0.5 * max(max(COLOURS[0]), max(COLOURS[1]))}
    left, right, top, bottom = 5, WIDTH - 6, 3, HEIGHT - 4
    assert dots == {
        (bottom, left): COLOURS[0], (bottom, right): COLOURS[1], (top, left): COLOURS[0], (top, right): (255, 255, 255),
    }  # fmt: skip


def test_a_single_output_is_the_second_class_and_values_are_grey() -> None:
    """As everywhere: a logit of two classes; a regression is dark where it is low."""
    pixels, _ = drawn(lambda inputs: 100 * (inputs[:, :1] - 5), torch.tensor([0, 1, 0, 1]))
    assert tuple(pixels[HEIGHT // 2, 0]) < tuple(pixels[HEIGHT // 2, -1])
    values, _ = drawn(lambda inputs: inputs[:, 1:], torch.tensor([[0.0], [0.0], [1.0], [1.0]]))
    assert values[0, 0].tolist() == [255] * 3 and values[-1, 0].tolist() == [0] * 3
    assert (np.diff(values[:, 0, 0].astype(int)) <= 0).all()


def test_many_examples_one_place_and_what_is_not_finite() -> None:
    """No more than fit; a plane without any extent, and a model that says NaN, get a picture, too."""
    one = torch.ones(1000, 2)
    plane = Plane(lambda inputs: torch.full((len(inputs), 3), torch.nan))
    for _ in range(3):
        plane.add(one, torch.zeros(1000, dtype=torch.int64), torch.zeros(1000, 3))
    pixels, ranges = plane.draw()
    assert len(plane._parts) == 1 and MOST < 1000
    assert pixels.shape == (HEIGHT, WIDTH, 3) and ranges[0] < 1 < ranges[1]
