"""Charts of one run at one step: histograms, bars, heat maps, boxes, the confusion matrix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.cli.main import main
from tuimon.log import histogram
from tuimon.log.confusion import decode, encode
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter
from tuimon.paper import kinds
from tuimon.paper.ink import Ink, Size
from tuimon.viewer.draw.rows import cells

ASCII = Ink(ascii=True)
SIZE = Size(60, 14)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two layers, sampled at steps 1 and 100; the second layer's gradients are 16 times as large. Three validations."""
    log = LogWriter(tmp_path / "one", "run")
    for step in (1, 100):
        histograms = {
            "gradient/fc1": histogram.of([0.25 * step, 0.25, 0.3, -0.3, 0.0]),
            "gradient/fc2": histogram.of([4.0, 5.0, -6.0, 7.0]),
        }
        log.sample(step, {"grad_norm/fc1": 0.1, "grad_norm/fc2": 10.0 * step}, histograms)
    for step, right in ((10, 1), (20, 2), (30, 9)):
        log.text(step, "confusion/val", encode([[right, 3], [0, 7]], ["cat", "dog"]))
    log.close()
    return read_run(tmp_path / "one")


def test_a_histogram_has_a_bar_for_each_power_of_two(store: Store) -> None:
    """Negative, zero, positive; at the step that was asked for."""
    rows = kinds.hist(store, ["fc2"], None, SIZE, ASCII)
    assert rows[0] == "gradient/fc2 at step 100: 4 values from -6.00 to 7.00"
    assert {"-2^3", "-2^1", "0", "2^1", "2^3"} == set(rows[-1].split())
    assert max(row.count("#") for row in rows[1:-1]) < 20
    assert kinds.hist(store, ["gradient/fc1"], 50, SIZE, ASCII)[0].startswith("gradient/fc1 at step 1:")
    assert len(kinds.hist(store, [], None, SIZE, ASCII)) == 2 * SIZE.rows + 1  # both layers


def test_bars_have_a_layer_a_row(store: Store) -> None:
    """In the model's order, with the number; gradient norms by powers of ten."""
    rows = kinds.bar(store, [], None, SIZE, ASCII)
    assert rows[0] == "grad_norm by layer at step 100, logarithmic"
    assert rows[1].startswith("fc1   0.100+") and rows[2].startswith("fc2   1 000+")
    assert 0 < rows[1].count("#") < 10 < rows[2].count("#")
    with pytest.raises(TuimonError, match="No layers have 'norm'") as error:
        kinds.bar(store, ["norm"], None, SIZE, ASCII)
    assert "grad_norm" in error.value.hint


def test_heat_maps_show_layers_or_time(store: Store) -> None:
    """The larger gradients lie higher."""
    rows = kinds.heatmap(store, [], None, SIZE, ASCII)
    assert rows[0].startswith("gradient by layer at step 100") and rows[-1].split() == ["fc1", "fc2"]
    marks = [row[7:] for row in rows[1:-1]]
    wide = 12
    darkest = [max(range(len(marks)), key=lambda row: ".:*#".find(marks[row][at : at + 1] or " ")) for at in (0, wide)]
    assert darkest[0] > darkest[1]
    rows = kinds.heatmap(store, ["fc1"], None, SIZE, ASCII)
    assert rows[0].startswith("gradient/fc1 through time") and "step 1" in rows[-1]


def test_boxes_lie_at_the_magnitudes(store: Store) -> None:
    """The median of the larger gradients is further right."""
    rows = kinds.box(store, [], None, SIZE, ASCII)
    medians = [row.rindex("|") for row in rows[1:3]]
    assert medians[0] < medians[1] and rows[1].startswith("gradient/fc1+")


def test_the_confusion_matrix_of_the_last_validation(store: Store) -> None:
    """What was right in brackets; the pair most often confused in words; an earlier one by its step."""
    rows = kinds.confusion(store, [], None, SIZE, ASCII)
    assert rows[0] == "confusion at step 30: 84 % of 19 right"
    assert rows[2].split() == ["cat", "dog"]
    assert [row.split() for row in rows[3:5]] == [["cat", "[9]", "3"], ["dog", ".", "[7]"]]
    assert rows[5] == "most often confused: cat, taken for dog 3 times"
    assert kinds.confusion(store, [], 25, SIZE, ASCII)[0].startswith("confusion at step 20:")


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_what_was_not_logged_is_said(kind: str) -> None:
    """With what would log it."""
    with pytest.raises(TuimonError) as error:
        getattr(kinds, kind)(Store(), [], None, SIZE, ASCII)
    assert error.value.hint


@pytest.mark.parametrize("kind", kinds.KINDS)
@pytest.mark.parametrize("columns", [20, 40, 80, 250])
def test_every_kind_keeps_to_its_columns(store: Store, kind: str, columns: int) -> None:
    """In ASCII alone, where that is asked for."""
    rows = getattr(kinds, kind)(store, [], None, Size(columns, 12), ASCII)
    assert max(map(cells, rows)) <= columns and all(row.isascii() for row in rows)


def test_the_kind_is_an_option_of_plot(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With layers in place of tags; an unknown one is told with the nearest."""
    where = ["--runs-dir", str(tmp_path), "--ascii"]
    assert main(["plot", "one", "fc2", "--kind", "hist", *where]) == 0
    assert capsys.readouterr().out.startswith("gradient/fc2 at step 100")
    assert main(["plot", "one", "fc3", "--kind", "box", *where]) == 1
    assert "did you mean fc" in capsys.readouterr().err
    assert main(["plot", "one", "weight_norm", "--kind", "bar", *where]) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"classes":[],"counts":[]}', '{"classes":["a"],"counts":[[1,2]]}', '{"classes":["a"],"counts":[[-1]]}'],
)
def test_a_text_that_is_no_matrix_is_none(text: str) -> None:
    """Anybody may have written the log."""
    assert decode(text) is None
