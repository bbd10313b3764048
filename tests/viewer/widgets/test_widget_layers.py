"""The layer table, histograms through time, and one layer's details."""

import json
import time

from tuimon.log.histogram import of
from tuimon.viewer.draw.curve import Options
from tuimon.viewer.widgets import HistogramView, LayerDetail, LayerTable


async def test_the_table_shows_the_latest_sample(run, show):
    """Layers are in the model's order, also before any sample."""
    async with show(table := LayerTable(), 100, 10) as shown:
        assert "No layers yet" in shown.text()
        table.update_from(run.read())
        assert [line.split()[0] for line in shown.lines()[1:4]] == ["fc1", "fc2", "out"]
        run.sample(20)
        table.update_from(run.read())
        assert "3/256" in shown.lines()[1] and "41/256 !" in shown.lines()[2] and "3.0e-2" in shown.lines()[1]


async def test_the_cursor_selects_a_layer(run, show):
    """Posted once for the first layer, and for each layer reached by key or mouse."""
    run.sample(20)
    async with show(table := LayerTable(), 100, 10) as shown:
        table.update_from(run.read())
        await shown.press("down", "down", "down")
        await shown.pilot.click(LayerTable, offset=(3, 1))
        await shown.pilot.pause()
        assert [message.layer for message in shown.posted(LayerTable.LayerSelected)] == ["fc1", "fc2", "out", "fc1"]


async def test_sorting_keeps_the_selected_layer(run, show):
    """By key or by a click on the title; the same layer stays selected."""
    run.sample(20)
    async with show(table := LayerTable(), 100, 10) as shown:
        table.update_from(run.read())
        table.sort_by("dead")
        assert [line.split()[0] for line in shown.lines()[1:4]] == ["fc2", "fc1", "out"]
        assert table.selected == "fc1" and table.cursor == 1
        await shown.press("O")
        assert [line.split()[0] for line in shown.lines()[1:4]] == ["fc1", "fc2", "out"]
        start = shown.lines()[0].index("grad norm")
        await shown.pilot.click(LayerTable, offset=(start + 2, 0))
        await shown.pilot.pause()
        assert "grad nor▾" in shown.lines()[0]


async def test_histograms_through_time(run, show):
    """Each sample stands until the next, for gradients or activations of the selected layer, or of all layers."""
    async with show(view := HistogramView(), 60, 12) as shown:
        view.update_from(run.read())
        assert "Select a layer" in shown.text()
        view.show_layer("fc1")
        assert "No gradient samples of fc1 yet" in shown.text()
        for step in (20, 40, 60):
            run.sample(step)
        view.update_from(run.read())
        assert view.border_title == "gradient · fc1"
        assert any(line.count("█") > 30 for line in shown.lines()) and "60" in shown.lines()[-1]
        view.align(Options(x_axis="time", cursor=0.0))
        assert shown.lines()[-1].split()[0].endswith("s")
        await shown.press("k")
        assert "activation · fc1" in view.border_title and "-2^" in shown.text()
        await shown.press("K")
        assert view.border_title == "activation · all layers" and shown.lines()[-1].split() == ["fc1", "fc2"]


async def test_the_histogram_switches_between_what_is_logged(run, show):
    """Gradients and activations; weights and updates where the log has them, which others' and earlier ones do not."""
    run.sample(20)
    async with show(view := HistogramView(), 60, 12) as shown:
        view.show_layer("fc1")

        async def titles(count: int) -> list[str]:
            found = []
            for _ in range(count):
                await shown.press("k")
                found.append(view.border_title.split()[0])
            return found

        view.update_from(run.read())
        assert await titles(2) == ["activation", "gradient"]
        run.writer.sample(40, {}, {"weight/fc1": of([0.1, -0.2, 0.1]), "update/fc1": of([1e-4, -1e-4])})
        view.update_from(run.read())
        assert await titles(4) == ["activation", "weight", "update", "gradient"]
        await titles(2)
        assert "-2^-" in shown.text() and view.border_title == "weight · fc1"


async def test_a_histogram_without_a_border_has_its_title_in_a_line(run, show):
    """Without a border the first row names the layer; with one, the border does."""
    run.sample(20)
    async with show(view := HistogramView(), 60, 12) as shown:
        view.show_layer("fc1")
        view.update_from(run.read())
        assert shown.lines()[0].startswith("gradient · fc1 ")
        await shown.press("k")
        assert shown.lines()[0].startswith("activation · fc1 ")
        view.styles.border = ("round", "red")
        await shown.pilot.pause()
        assert "activation" not in shown.text()


async def test_details_of_a_layer(run, show):
    """Range, fractions, and which units are dead."""
    run.sample(20)
    run.writer.text(20, "tuimon/dead_units", json.dumps({"fc2": list(range(0, 205, 5))}))
    async with show(detail := LayerDetail(), 60, 20) as shown:
        detail.update_from(run.read())
        assert "Select a layer" in shown.text()
        detail.show_layer("fc2")
        text = shown.text()
        assert "Linear · 65 792 parameters · 256 units · relu" in text
        assert "0 … 4.50" in text and "41 of 256 units !" in text and " 200" in text


async def test_details_survive_foreign_texts(run, show):
    """Texts that are not JSON, or are JSON of another form, cause no error."""
    run.sample(20)
    for text in ("", "nonsense", "[1]", '{"fc2": 3}'):
        run.writer.text(20, "tuimon/dead_units", text)
        async with show(detail := LayerDetail(), 60, 20) as shown:
            detail.update_from(run.read())
            detail.show_layer("fc2")
            assert "41 of 256 units" in shown.text()


async def test_details_of_a_layer_that_is_nan(run, show):
    """NaN is shown as such; an empty range is a dash."""
    inf, nan = float("inf"), float("nan")
    run.writer.sample(20, {"grad_norm/fc2": nan, "activation_min/fc2": inf, "activation_max/fc2": -inf}, {})
    async with show(detail := LayerDetail(), 60, 20) as shown:
        detail.update_from(run.read())
        detail.show_layer("fc2")
        lines = {line.split()[0]: line.split()[-2:] for line in shown.lines() if line.strip()}
        assert lines["grad"] == ["nan", "!"] and lines["activations"] == ["activations", "–"]


async def test_a_table_that_is_older_than_five_seconds_says_so(run, show):
    """Beside the latest record of the log; a new sample takes the note away."""
    now = time.time()
    run.writer.sample(10, {"grad_norm/fc1": 1.0, "grad_norm/fc2": 1.0}, {}, now + 10.0)
    async with show(table := LayerTable(), 60, 12) as shown:
        table.update_from(run.read())
        assert not table.border_subtitle
        run.writer.scalars(11, {"loss/train": 1.0}, now + 22.0)
        table.update_from(run.read())
        await shown.pilot.pause()
        assert table.border_subtitle == "12 s old"
        run.writer.sample(12, {"grad_norm/fc1": 1.0, "grad_norm/fc2": 1.0}, {}, now + 23.0)
        table.update_from(run.read())
        await shown.pilot.pause()
        assert not table.border_subtitle
