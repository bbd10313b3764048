"""The layer table."""

import math

import numpy as np
import pytest

from tuimon.log.histogram import of
from tuimon.viewer.draw.layers import Layer, layer_columns, layer_header, layer_row, sorting_key
from tuimon.viewer.draw.rows import text_of, width_of

GRADIENT = np.array(of([2.0**-7] * 3 + [-(2.0**-7)]).counts)
LAYERS = [
    Layer("fc1", "Linear", 1.2e-2, GRADIENT, 3, 256, 0.0, 1.1e-3),
    Layer("encoder.layer.11.output", "Linear", 8.1e-3, GRADIENT, 41, 256, 0.6, 0.9e-3),
    Layer("out", "Linear", math.inf),
    Layer("stem", "Conv2d", trainable=False),
]


def drawn(width, ascii=False):
    columns = layer_columns(LAYERS, width)
    return [text_of(layer_header(columns, width, ascii=ascii))] + [
        text_of(layer_row(layer, columns, width, (-8, -4), ascii)) for layer in LAYERS
    ]


def test_rows_at_sixty_columns():
    """Name, gradient, dead units and update ratio are aligned in columns."""
    assert drawn(60, ascii=True) == [
        "layer             grad norm  gradient        dead  upd.ratio",
        "fc1                  1.2e-2     - #       3/256       1.1e-3",
        "encoder~1.output     8.1e-3     - #      41/256 !     9.0e-4",
        "out                   inf !  -                -            -",
        "stem                 frozen  -                -            -",
    ]


@pytest.mark.parametrize("width", [1, 8, 20, 30, 45, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("ascii", [False, True])
def test_every_width_is_filled_exactly(width, ascii):
    """No row is too long, and ASCII tables contain only ASCII."""
    rows = [*drawn(width, ascii)]
    assert {len(row) for row in rows} == {width}
    assert not ascii or "".join(rows).isascii()


def test_columns_go_by_importance():
    """The narrowest table has names and gradient norms; saturation and type need the most room."""
    keys = {width: [column.key for column in layer_columns(LAYERS, width)] for width in (10, 20, 32, 60, 120)}
    assert keys[10] == ["name"]
    assert keys[20] == ["name", "grad_norm"]
    assert keys[32] == ["name", "grad_norm", "dead"]
    assert "type" not in keys[60] and "type" in keys[120]


def test_alarm_is_a_sign_and_a_style():
    """A tenth of the units dead is a warning, half of them is bad."""
    columns = layer_columns(LAYERS, 120)
    spans = {span.text.strip(): span.style for span in layer_row(LAYERS[1], columns, 120, (-8, -4))}
    assert spans["41/256 !"] == "warn" and spans["60 % !"] == "bad"
    assert width_of(layer_row(LAYERS[1], columns, 120, (-8, -4))) == 120


def test_nan_is_told_from_what_was_not_measured():
    """A measured gradient has a histogram; NaN is marked with a sign and a style."""
    broken = Layer("fc1", gradient=GRADIENT, update_ratio=math.nan)
    columns = layer_columns([broken], 60)
    row = layer_row(broken, columns, 60, (-8, -4))
    assert [(span.text.strip(), span.style) for span in row if "nan" in span.text] == [("nan !", "bad")] * 2
    assert "nan" not in text_of(layer_row(Layer("fc1"), columns, 60, (-8, -4)))


def test_sorting_puts_what_was_not_measured_last():
    """Rows are sorted by value, then come those without one."""
    ordered = sorted(LAYERS, key=lambda layer: sorting_key(layer, "dead"))
    assert [layer.name for layer in ordered][:2] == ["fc1", "encoder.layer.11.output"]
