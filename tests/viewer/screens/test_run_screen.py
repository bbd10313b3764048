"""A run's screen: what it shows at which size, and what its keys ask of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from driving import seen, text_of, until
from tuimon.log.records import Applied, Command, LeverInfo, Notice, Refused
from tuimon.log.writer import add_event
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.messages import AnswerCame
from tuimon.viewer.screens.arrangement import Sizes
from tuimon.viewer.screens.run import RunScreen
from tuimon.viewer.widgets import Chart, ChartGrid, FindingsPanel, HistogramView, LayerTable, LeverPanel, PlotOpened


async def opened(pilot: Pilot[None], steps: int = 40) -> RunScreen:
    """Waits until the run's screen has its panels and the whole log is in the store."""

    def complete(screen: Screen[Any]) -> bool:
        return isinstance(screen, RunScreen) and screen.is_mounted and screen.run.store.step == steps

    await until(pilot, lambda: complete(pilot.app.screen))
    screen = pilot.app.screen
    assert isinstance(screen, RunScreen)
    return screen


def asked(screen: RunScreen, monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """Records the commands sent from here on; none reaches a run."""
    sent: list[Command] = []
    monkeypatch.setattr(screen.run.feed, "send", sent.append)
    return sent


@pytest.mark.parametrize("size", [(120, 36), (160, 45), (200, 60)])
async def test_an_overview_shows_all_kinds_of_panels(runs_dir: Path, make_run: Any, size: tuple[int, int]) -> None:
    """Loss, layers, histogram, levers, meters, findings and events, all at once, while it trains."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=size, notifications=True) as pilot:
        await opened(pilot)
        for title in ("loss", "layers", "gradient · fc1", "levers", "GPU", "host", "findings", "events"):
            await seen(pilot, title)
        await seen(pilot, "● running")


async def test_a_small_screen_shows_one_page_at_a_time(runs_dir: Path, make_run: Any) -> None:
    """The number keys and tab reach all pages."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("2")
        await seen(pilot, "grad norm")
        assert "lr_scale" not in text_of(pilot)
        await pilot.press("4")
        await seen(pilot, "lr_scale")
        await pilot.press("tab")
        await seen(pilot, "No GPU readings")
        await pilot.press("shift+tab", "shift+tab")
        await seen(pilot, "gradient · fc1")
        await seen(pilot, "share: ░")


async def test_any_size_between_the_smallest_and_the_largest_is_drawn(runs_dir: Path, make_run: Any) -> None:
    """Resizing a shown run raises no error."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(120, 36), notifications=True) as pilot:
        await opened(pilot)
        for size in [(20, 5), (250, 70), (80, 24), (1, 1), (99, 29), (100, 30), (150, 42), (60, 200), (120, 36)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await seen(pilot, "gradient · fc1")


async def test_the_ascii_screen_is_ascii(runs_dir: Path, make_run: Any) -> None:
    """Borders, curves, bars and signs."""
    async with TuimonApp(runs_dir, make_run("r"), ascii=True).run_test(size=(160, 45), notifications=True) as pilot:
        await opened(pilot)
        await seen(pilot, "gradient")
        assert [letter for letter in text_of(pilot) if not letter.isascii()] == []


@pytest.mark.parametrize(
    ("key", "lever", "op", "value"),
    [
        ("h", "lr_scale", "multiply", 0.5),
        ("H", "lr_scale", "multiply", 2.0),
        ("r", "regularization", "toggle", None),
        ("p", "paused", "toggle", None),
        ("c", "checkpoint", "do", None),
        ("u", "undo", "do", None),
    ],
)
async def test_a_steering_key_sends_its_command_at_once(
    runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch, key: str, lever: str, op: str, value: float | None
) -> None:
    """Without confirmation, once, and shown as requested until the run answers."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        await pilot.press(key)
        assert [(command.lever, command.op, command.value) for command in sent] == [(lever, op, value)]
        await seen(pilot, f"requested: {lever}")
        pilot.app.post_message(AnswerCame(screen.run.path, Applied(41, lever, id=sent[0].id)))
        await seen(pilot, f"applied at step 41: {lever}")
        assert not screen.run.asked


@pytest.mark.parametrize("width", [80, 100, 120, 160])
async def test_what_a_command_changed_is_said_on_the_line_with_room(runs_dir: Path, make_run: Any, width: int) -> None:
    """A result is not cut off while another line has room."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(width, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        screen.say("applied at step 42 311: lr_scale 1 → 0.5", "good")
        await seen(pilot, "applied at step 42 311: lr_scale 1 → 0.5")


async def test_a_refusal_says_why(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown as a warning notice."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        await pilot.press("H")
        pilot.app.post_message(AnswerCame(screen.run.path, Refused(41, "lr_scale", 2.0, "must be at most 1", id=sent[0].id)))
        await seen(pilot, "must be at most 1")


@pytest.mark.parametrize(("own_script", "told"), [(False, "Then it validates, saves"), (True, "stop_requested")])
async def test_the_question_says_what_stopping_does(runs_dir: Path, make_run: Any, own_script: bool, told: str) -> None:
    """For the user's own script it does not promise what only a spec's training does."""
    run = make_run("r", how="", own_script=own_script)
    async with TuimonApp(runs_dir, run).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        await pilot.press("s")
        await seen(pilot, told)
        assert ("validates" in text_of(pilot)) is not own_script


async def test_stop_asks_once(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape cancels; a second attempt can be confirmed."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        stopped: list[Path] = []
        monkeypatch.setattr(pilot.app, "_stop", stopped.append)
        await pilot.press("s")
        await seen(pilot, "Stop this run?")
        await pilot.press("escape")
        assert not stopped
        await pilot.press("s")
        await seen(pilot, "Stop this run?")
        await pilot.press("s")
        await until(pilot, lambda: stopped == [screen.run.path])


async def test_the_header_says_once_how_a_run_ended(runs_dir: Path, make_run: Any) -> None:
    """If the reason fits beside the state, it is not repeated as a message."""
    run = make_run("digits-mlp-7", how="stopped", reason="interrupted")
    async with TuimonApp(runs_dir, run).run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await seen(pilot, "■ stopped (interrupted)")
        header = text_of(pilot).splitlines()[0]
        assert header.count("stopped") == 1 and "digits-mlp-7" in header


async def test_a_reason_that_has_no_room_in_the_header_is_said(runs_dir: Path, make_run: Any) -> None:
    """The full reason is shown for a few seconds."""
    run = make_run("r", how="stopped", reason="by hand: " + "very " * 10 + "wrong, " + "so " * 10 + "wrong")
    async with TuimonApp(runs_dir, run).run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await seen(pilot, "stopped: ")
        await seen(pilot, "wrong, ")  # which the header cuts out


async def test_the_smallest_screen_shows_what_is_asked(runs_dir: Path, make_run: Any) -> None:
    """The stop question, and a typed setting with its error."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(20, 5)) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        await pilot.press("s")
        await seen(pilot, "r finishes")
        await pilot.press("escape", "e", *"lr_scal=2")
        await seen(pilot, "lr_scal=2")
        await seen(pilot, "this run has no")


async def test_a_run_that_is_over_cannot_be_steered(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys say so and send nothing."""
    async with TuimonApp(runs_dir, make_run("r", how="stopped")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.state == "stopped")
        sent = asked(screen, monkeypatch)
        await pilot.press("h", "s", "e")
        await seen(pilot, "r is not training: it is stopped")
        assert sent == []


async def test_a_further_run_is_announced(runs_dir: Path, make_run: Any) -> None:
    """As a notice, whatever panel is shown."""
    path = make_run("a", how="")
    async with TuimonApp(runs_dir, open_run=path).run_test(size=(140, 24), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.seen_live)
        add_event(path, Notice("this program makes a further run: a-2", run="a-2"))
        await seen(pilot, "makes a further run: a-2")


async def test_the_same_notice_stands_there_once(runs_dir: Path, make_run: Any) -> None:
    """Pressing a disabled key repeatedly does not pile up notices."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await seen(pilot, "✓ finished")
        await pilot.press(*"hhrrcc", "n")
        await seen(pilot, "No other run is open or training")
        assert text_of(pilot).count("r is not training") == 1


async def test_a_lever_that_the_run_has_not_is_explained(
    runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command is sent that would be refused."""
    run = make_run("r", how="", levers=(LeverInfo("paused", "switch", False),))
    async with TuimonApp(runs_dir, run).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        await pilot.press("h")
        await seen(pilot, "has no learning rate to change")
        assert sent == []


async def test_any_lever_can_be_typed(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are shown before anything is sent."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        await pilot.press("e", *"weight_decay=*x", "enter")
        await seen(pilot, "must be a finite number")
        await pilot.press("backspace", "2", "enter")
        await until(pilot, lambda: [(c.lever, c.op, c.value) for c in sent] == [("weight_decay", "multiply", 2.0)])


async def test_what_is_typed_stays_until_the_run_would_take_it(
    runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt shows what a lever allows; enter on an invalid setting shows why and keeps the prompt open."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        screen.query_one(LeverPanel).focus()
        await pilot.press("e")
        await seen(pilot, "allowed: a number from 0, *factor")
        assert "Cannot read" not in text_of(pilot)
        await pilot.press("enter")
        await seen(pilot, "lr_scale needs a value")
        await pilot.press("-", "1", "enter")
        await seen(pilot, "lr_scale cannot be -1; allowed: a number from 0")
        assert "lr_scale=-1" in text_of(pilot) and not sent
        await pilot.press("ctrl+u", *"rl_scale=1", "enter")
        await seen(pilot, "this run has no lever rl_scale")
        await pilot.press("ctrl+u", *"lr_scale=0.5", "enter")
        await until(pilot, lambda: [(c.lever, c.op, c.value) for c in sent] == [("lr_scale", "set", 0.5)])


async def test_stop_that_is_typed_asks_as_its_key_does(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping cannot be undone, so it is always confirmed."""
    async with TuimonApp(runs_dir, make_run("r", how="")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        await pilot.press("e")
        await seen(pilot, "lr_scale, weight_decay, regularization, paused")
        await pilot.press(*"stop", "enter")
        await seen(pilot, "Stop this run?")
        assert not sent


async def test_findings_come_with_a_fix(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The panel shows what the log says, and f applies the remedy."""
    async with TuimonApp(runs_dir, make_run("r", how="", dead=40)).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        await until(pilot, lambda: screen.query_one(FindingsPanel).first)
        await pilot.press("f")
        assert [(command.lever, command.op, command.value) for command in sent] == [("lr_scale", "set", 0.5)]


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_findings_page_says_all_and_applies_what_is_chosen(
    runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """What was seen, what it means, and the remedies, of which enter applies one; escape applies none."""
    async with TuimonApp(runs_dir, make_run("r", how="", dead=40)).run_test(size=size, notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.run.status.live)
        sent = asked(screen, monkeypatch)
        await until(pilot, lambda: screen.run.findings)
        panel, finding = screen.query_one(FindingsPanel), screen.run.findings[0]
        for key, moved in (("escape", []), ("enter", [("lr_scale", "set", 0.5)])):
            screen.post_message(FindingsPanel.Opened(panel, finding))
            await seen(pilot, "what it means")
            await seen(pilot, "fc1: 40 % of units have been dead since step 20")
            await seen(pilot, "Units of a ReLU layer give zero for every input")
            await pilot.press("down")
            await seen(pilot, "lr_scale → 0.5")
            await pilot.press(key)
            await until(pilot, lambda: pilot.app.screen is screen)
            assert [(command.lever, command.op, command.value) for command in sent] == moved


async def test_findings_of_a_run_that_is_over_offer_nothing(runs_dir: Path, make_run: Any) -> None:
    """They are listed, and the fix key says why it does nothing."""
    async with TuimonApp(runs_dir, make_run("r", dead=40)).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.query_one(FindingsPanel).first)
        await until(pilot, lambda: screen.run.status.state == "finished")
        await until(pilot, lambda: "f: lr_scale" not in text_of(pilot))
        await seen(pilot, "step 20")
        await pilot.press("f")
        await seen(pilot, "r is not training: it is finished")


async def test_the_selected_layer_is_shown_everywhere(runs_dir: Path, make_run: Any) -> None:
    """The histogram follows the cursor of the table."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        await seen(pilot, "gradient · fc1")
        screen.query_one(LayerTable).focus()
        await pilot.press("down")
        await seen(pilot, "gradient · out")
        await pilot.press("k")
        await seen(pilot, "activation · out")
        assert screen.query_one(HistogramView).kind == "activation"


async def test_chart_keys_work_without_a_focus_on_the_chart(runs_dir: Path, make_run: Any) -> None:
    """They apply to the big chart then."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        chart = screen.query_one("#loss", Chart)
        await seen(pilot, "train")
        await pilot.press("g", "m", "x")
        assert (chart.plot.log_y, chart.plot.x_axis) == (True, "time")
        assert chart.plot.smoothing > 0
        await pilot.press("left")
        assert chart.plot.cursor is not None
        await pilot.press("0")
        assert chart.plot.cursor is None


async def test_a_small_chart_looks_the_same_when_it_is_big(runs_dir: Path, make_run: Any) -> None:
    """A learning rate is not smoothed in the loss's place, and a log axis stays logarithmic."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        big = screen.query_one("#loss", Chart)
        assert big.plot.smoothing > 0
        for title in ("lr", "grad_norm"):
            grid = screen.query_one(ChartGrid)
            await until(pilot, lambda title=title, grid=grid: title in grid.titles)
            small = grid.plot(title)
            grid.post_message(PlotOpened(small))
            await until(pilot, lambda title=title: big.title == title)
            assert (big.plot.smoothing, big.plot.log_y) == (small.smoothing, small.log_y) == (0.0, title == "grad_norm")


async def test_a_log_with_other_names_shows_its_loss_and_its_folder_s_name(runs_dir: Path, make_foreign: Any) -> None:
    """Its loss is in the big chart, and no speed is shown since such a log has none."""
    async with TuimonApp(runs_dir, make_foreign("theirs", "Train Loss", "a")).run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot, 9)
        await until(pilot, lambda: screen.query_one("#loss", Chart).title == "Train Loss")
        await seen(pilot, "─ 0.128 smoothed, 0.100 raw")
        assert text_of(pilot).startswith(" theirs") and "it/s" not in text_of(pilot)


async def test_of_a_run_that_is_over_nothing_is_promised(runs_dir: Path, make_run: Any, make_foreign: Any) -> None:
    """For a live run, missing data is "yet" to come; for a finished one it is not."""
    async with TuimonApp(runs_dir, make_foreign("theirs", "Loss")).run_test(size=(120, 36)) as pilot:
        await opened(pilot, 9)
        await seen(pilot, "events  none")
        shown = text_of(pilot)
        assert " yet" not in shown and not any(f"─ {panel} ─" in shown for panel in ("levers", "layers", "GPU", "host"))
    async with TuimonApp(runs_dir, make_run("ours", how="")).run_test(size=(120, 36)) as pilot:
        await opened(pilot)
        await seen(pilot, "● running")
        await seen(pilot, "no readings yet")


async def test_what_the_user_chose_stays_in_the_big_chart(runs_dir: Path, make_foreign: Any) -> None:
    """Also after more of the log is read."""
    async with TuimonApp(runs_dir, make_foreign("theirs", "Loss", "a")).run_test(size=(160, 45)) as pilot:
        screen = await opened(pilot, 9)
        big = screen.query_one("#loss", Chart)
        grid = screen.query_one(ChartGrid)
        await until(pilot, lambda: big.title == "Loss" and "a" in grid.titles)
        grid.post_message(PlotOpened(grid.plot("a")))
        await until(pilot, lambda: big.title == "a")
        screen._series_seen = 0
        screen.runs_changed({screen.run.path})
        assert big.title == "a"


async def test_one_panel_takes_the_window_and_gives_it_back(runs_dir: Path, make_run: Any) -> None:
    """Opened with z, or with the number of a page that the overview does not show; escape goes back first."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.press("8")
        await seen(pilot, "prints to its own terminal")
        assert screen.layout_now == "single"
        await pilot.press("escape")
        await seen(pilot, "gradient · fc1")
        assert pilot.app.screen is screen


async def test_a_window_that_grows_shows_all_panels(runs_dir: Path, make_run: Any) -> None:
    """Whatever page was shown before; at the small size z explained why it does nothing."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(80, 24), notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.press("tab", "4", "z")
        await seen(pilot, "This window only has room")
        await pilot.resize_terminal(120, 36)
        await seen(pilot, "gradient · fc1")
        assert screen.layout_now == "medium"


async def test_a_click_on_a_footer_key_presses_it(runs_dir: Path, make_run: Any) -> None:
    """A click on a page's title goes to the page."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(80, 24), notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.click("#pages", offset=(9, 0))
        await until(pilot, lambda: screen.page == 1)
        rows = text_of(pilot).splitlines()
        row = next(y for y, line in enumerate(rows) if "? help" in line)
        await pilot.click(offset=(rows[row].index("? help"), row))
        await seen(pilot, "Keys on a run")


async def test_a_run_that_is_gone_is_an_error_in_words(runs_dir: Path) -> None:
    """Not as a traceback."""
    async with TuimonApp(runs_dir, runs_dir / "nowhere").run_test(size=(80, 24), notifications=True) as pilot:
        await seen(pilot, "There is no run at")
        await pilot.press("escape")
        await seen(pilot, "No runs in")


async def test_the_palette_offers_every_key(runs_dir: Path, make_run: Any) -> None:
    """By its help text, besides the themes."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot)
        titles = [command.title for command in pilot.app.get_system_commands(screen)]
        assert "Theme" in titles
        assert "Halve the learning rate (h)" in titles


async def test_several_runs_are_kept_open(runs_dir: Path, make_run: Any) -> None:
    """Key n goes from one to the next, and each keeps its data."""
    first, second = make_run("first"), make_run("second", steps=20)
    async with TuimonApp(runs_dir, first).run_test(size=(120, 36), notifications=True) as pilot:
        await opened(pilot)
        pilot.app.open_run(second)
        await opened(pilot, steps=20)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.run.path == first)
        await seen(pilot, "first")
        assert set(pilot.app.opened) == {first, second}


async def test_panels_are_resized_and_hidden_and_stay_so(runs_dir: Path, make_run: Any) -> None:
    """By keys and by dragging a border; the next time the run is opened, too."""
    run = make_run("r", how="")
    async with TuimonApp(runs_dir, run).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        boxes = screen.panels.boxes
        await until(pilot, lambda: "levers" in screen.panels.boxes)
        rows, columns = boxes["loss"].height, boxes["loss"].width
        await pilot.press("]", "<")
        await until(pilot, lambda: screen.panels.boxes["loss"].width < columns)
        assert screen.panels.boxes["loss"].height > rows
        loss = screen.panels.boxes["loss"]
        top = screen.panels.region.y
        border = (loss.x + 20, top + loss.y + loss.height - 1)
        await pilot.mouse_down(offset=border)
        await pilot.hover(offset=(border[0], border[1] - 5))
        await pilot.mouse_up(offset=(border[0], border[1] - 5))
        await until(pilot, lambda: screen.panels.boxes["loss"].height == loss.height - 5)
        screen.query_one(LeverPanel).focus()
        await pilot.press("d")
        await until(pilot, lambda: "levers" not in screen.panels.boxes)
        sizes = screen.panels.sizes
    async with TuimonApp(runs_dir, run).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        assert screen.panels.sizes == sizes and "levers" not in screen.panels.boxes
        await pilot.press("4")
        await seen(pilot, "lr_scale")
        await pilot.press("z", "D")
        await until(pilot, lambda: "levers" in screen.panels.boxes and screen.panels.sizes == Sizes())
