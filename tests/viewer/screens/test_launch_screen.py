"""Launching a run from the screen."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select

from driving import seen, text_of, until
from tuimon.base.errors import TuimonError
from tuimon.base.process import this_process
from tuimon.launcher.places import local
from tuimon.launcher.start import start as starting
from tuimon.log.records import RunStarted
from tuimon.log.writer import LogWriter
from tuimon.spec.loading import load_spec, save_spec
from tuimon.spec.presets import presets
from tuimon.spec.spec import Spec
from tuimon.viewer import progress
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.dialogs import TrustDialog
from tuimon.viewer.screens.launch import LaunchScreen
from tuimon.viewer.screens.launch_field import FieldRow


async def form(pilot: Pilot[None]) -> LaunchScreen:
    """Waits for the form."""
    await until(pilot, lambda: isinstance(pilot.app.screen, LaunchScreen) and pilot.app.screen.wanted)
    screen = pilot.app.screen
    assert isinstance(screen, LaunchScreen)
    return screen


def field(screen: LaunchScreen, key: str) -> FieldRow:
    """One row of the form."""
    return next(row for row in screen.query(FieldRow) if row.key == key)


async def retype(pilot: Pilot[None], row: FieldRow, text: str) -> None:
    """Replaces a field's text by typing."""
    row.query_one(Input).focus()
    await pilot.press("ctrl+u", *text)


async def test_the_command_follows_what_is_typed(runs_dir: Path) -> None:
    """It can be copied as shown."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24), notifications=True) as pilot:
        screen = await form(pilot)
        await retype(pilot, field(screen, "optimizer.lr"), "0.02")
        await seen(pilot, "$ tuimon run digits-mlp lr=0.02")
        await pilot.press("ctrl+y")
        assert pilot.app.clipboard == f"tuimon run digits-mlp lr=0.02 --runs-dir {runs_dir}"


async def test_the_label_of_the_field_with_the_focus_stands_out(runs_dir: Path) -> None:
    """Only that label does, so that users see where they type."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24)) as pilot:
        screen = await form(pilot)

        def standing_out() -> list[str]:
            return [row.key for row in screen.query(FieldRow) if row.query_one(".label").styles.text_style.bold]

        await until(pilot, lambda: standing_out() == ["preset"])
        await pilot.press("tab", "tab")
        await until(pilot, lambda: standing_out() == ["model.hidden"])


async def test_a_list_shows_long_names_whole(runs_dir: Path) -> None:
    """One name per line, though the field is narrower."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24)) as pilot:
        await form(pilot)
        await pilot.press("enter", "h", "u", "n", "down")
        await seen(pilot, "hundred-matrices-orthogonal")


async def test_the_closed_list_shows_long_names_whole(runs_dir: Path) -> None:
    """Including the longest preset name."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24)) as pilot:
        screen = await form(pilot)
        longest = max((preset.name for preset in presets()), key=len)
        field(screen, "preset").query_one(Select).value = longest
        await until(pilot, lambda: screen.preset == longest)
        await seen(pilot, f" {longest} ")


async def test_the_note_of_the_field_with_the_focus_is_whole(runs_dir: Path) -> None:
    """Including the last field's, which is the longest."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24)) as pilot:
        screen = await form(pilot)
        await seen(pilot, "script or command")
        field(screen, "model.name").query_one(Select).focus()
        await seen(pilot, "build(spec)")
        field(screen, "more").query_one(Input).focus()
        await seen(pilot, "trials=20")
        assert "build(spec)" not in text_of(pilot)


async def test_what_is_wrong_stands_beside_the_field(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It appears while typing, and an invalid form does not launch."""
    monkeypatch.setattr(starting, "start", lambda *_, **__: pytest.fail("must not start"))
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40), notifications=True) as pilot:
        screen = await form(pilot)
        row = field(screen, "optimizer.lr")
        await retype(pilot, row, "fast")
        await seen(pilot, "must be a number")
        await pilot.press("enter")
        assert row.has_class("-wrong")
        await retype(pilot, row, "0.1")
        await until(pilot, lambda: not row.has_class("-wrong"))


async def test_a_field_says_that_more_takes_its_place(runs_dir: Path) -> None:
    """`more` names the field, too, since the field may be scrolled out of view."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40), notifications=True) as pilot:
        screen = await form(pilot)
        await retype(pilot, field(screen, "more"), "epochs=7")
        await seen(pilot, "overridden by epochs=7 in more")
        await seen(pilot, "overrides epochs")
        await retype(pilot, field(screen, "training.epochs"), "7")
        await seen(pilot, "passes over the training split")


async def test_a_preset_brings_its_own_values(runs_dir: Path) -> None:
    """It also shows its own text on what to watch."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40), notifications=True) as pilot:
        screen = await form(pilot)
        field(screen, "preset").query_one(Select).value = "digits-cnn"
        await until(pilot, lambda: screen.wanted and screen.wanted.model.name == "cnn")
        await seen(pilot, "Digits, a convolutional network")
        assert field(screen, "model.name").query_one(Select).value == "cnn"


async def test_a_preset_is_taken_once(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applying it again would revert fields edited afterwards."""
    taken: list[str] = []
    take = LaunchScreen._take_preset

    def noted(self: LaunchScreen, preset: str) -> None:
        taken.append(preset)
        take(self, preset)

    monkeypatch.setattr(LaunchScreen, "_take_preset", noted)
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40), notifications=True) as pilot:
        screen = await form(pilot)
        field(screen, "preset").query_one(Select).value = "digits-cnn"
        await seen(pilot, "Digits, a convolutional network")
        await retype(pilot, field(screen, "optimizer.lr"), "0.02")
        await seen(pilot, "lr=0.02")
        assert taken == ["digits-cnn"]


async def test_launching_opens_the_run(runs_dir: Path, make_run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts the spec in the form, under the name that was typed."""
    started: list[tuple[Spec, dict[str, object]]] = []

    def start(spec: Spec, **options: object) -> Path:
        started.append((spec, options))
        return make_run("mine", how="")  # type: ignore[operator, no-any-return]

    monkeypatch.setattr(starting, "start", start)
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40), notifications=True) as pilot:
        screen = await form(pilot)
        await retype(pilot, field(screen, "training.epochs"), "3")
        await retype(pilot, field(screen, "name"), "mine")
        await pilot.press("ctrl+s")
        await seen(pilot, "● running")
        assert [(spec.training.epochs, options["name"]) for spec, options in started] == [(3, "mine")]


async def test_a_failure_to_start_is_told_with_what_to_try(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialog shows it; the form stays as it was."""

    def start(*_: object, **__: object) -> Path:
        raise TuimonError("Cannot make a folder for the run.", "Choose another one.")

    monkeypatch.setattr(starting, "start", start)
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24), notifications=True) as pilot:
        screen = await form(pilot)
        await retype(pilot, field(screen, "optimizer.lr"), "0.02")
        await pilot.press("enter")
        await seen(pilot, "Cannot make a folder for the run.")
        assert "Choose another one." in text_of(pilot)
        await pilot.press("escape")
        await seen(pilot, "lr=0.02")


async def test_a_small_screen_scrolls_to_the_field_in_use(runs_dir: Path) -> None:
    """At 80×24 the keyboard reaches the last field, and the command stays visible."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24), notifications=True) as pilot:
        screen = await form(pilot)
        field(screen, "more").query_one(Input).focus()
        await seen(pilot, "key=value")
        assert "$ tuimon run" in text_of(pilot)


@pytest.mark.parametrize("size", [(20, 5), (40, 12)])
async def test_the_smallest_screen_shows_the_field_in_use(runs_dir: Path, size: tuple[int, int]) -> None:
    """And the command: the preset's text and the buttons are hidden first."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=size) as pilot:
        await form(pilot)
        await pilot.press("tab", "tab", "tab", "tab")
        await seen(pilot, "optimizer  ")
        await seen(pilot, "$ tuimon run")


async def test_a_run_whose_preset_is_gone_launches_again(runs_dir: Path) -> None:
    """Its spec file is complete, and the command names that file."""
    save_spec(load_spec("digits-mlp", ["epochs=2"]), runs_dir / "old")
    path = runs_dir / "old" / "spec.toml"
    path.write_text(path.read_text().replace('"digits-mlp"', '"/gone.toml"'))
    async with TuimonApp(runs_dir, launch=True).run_test(size=(140, 40), notifications=True) as pilot:
        screen = await form(pilot)
        field(screen, "preset").query_one(Select).value = "other…"
        await seen(pilot, "script or command")
        await until(pilot, lambda: pilot.app.screen is not screen)
        pilot.app.screen.query_one(Input).value = str(path.parent)
        await pilot.press("enter")
        await until(pilot, lambda: str(path.parent) in screen.command)
        assert screen.wanted is not None and screen.wanted.training.epochs == 2
        await pilot.press("ctrl+y")
        assert pilot.app.clipboard == screen.command


async def test_a_script_takes_the_presets_place(runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields that it does not use are disabled, `more` holds its arguments, and it starts as from a shell."""
    started = []
    monkeypatch.setattr(starting, "start_program", lambda *words, **more: started.append((words, more)) or runs_dir)
    (tmp_path / "train.py").write_text("")
    async with TuimonApp(runs_dir, launch=True).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await form(pilot)
        field(screen, "preset").query_one(Select).value = "other…"
        await until(pilot, lambda: pilot.app.screen is not screen)
        pilot.app.screen.query_one(Input).value = str(tmp_path / "train.py")
        await pilot.press("enter")
        await seen(pilot, "Your own training script.")
        await seen(pilot, "(from the script)")
        assert field(screen, "model.name").query_one(Select).disabled and "set by the script itself" in text_of(pilot)
        await retype(pilot, field(screen, "more"), "--lr 0.1 'two words'")
        await until(pilot, lambda: screen.command.endswith("train.py --lr 0.1 'two words'"))
        assert screen.command.startswith(f"tuimon run --runs-dir {runs_dir} ")
        await pilot.press("ctrl+t")
        await seen(pilot, "Only presets and spec files can be checked")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: started)
        assert started[0][0] == ((str(tmp_path / "train.py"), "--lr", "0.1", "two words"),)
        assert started[0][1] == {
            "runs_dir": runs_dir,
            "name": None,
            "device": None,
            "trusted": True,
            "environment": {},
        }


async def test_after_a_script_a_preset_has_all_its_fields_again(runs_dir: Path, tmp_path: Path) -> None:
    """The fields hold the preset's values."""
    (tmp_path / "train.py").write_text("")
    async with TuimonApp(runs_dir, launch=True).run_test(size=(120, 36), notifications=True) as pilot:
        screen = await form(pilot)
        row = field(screen, "preset")
        for text in (str(tmp_path / "train.py"), "digits-cnn"):
            row.show(text)
            row.post_message(FieldRow.Edited("preset", text))
            await until(pilot, lambda text=text: screen.preset == text and screen.wanted)
        assert isinstance(screen.wanted, Spec) and screen.wanted.model.name == "cnn"
        assert not any(row.query_one(".control").disabled for row in screen.query(FieldRow))


@pytest.mark.parametrize(("keys", "runs_it"), [(("escape",), False), (("enter",), False), (("y",), True)])
async def test_files_that_others_can_change_are_run_only_when_the_user_says_so(
    runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], runs_it: bool
) -> None:
    """The dialog names the file that would run; the button with the focus is the one that does nothing."""
    started: list[str] = []
    monkeypatch.setattr(local, "supervise", lambda run, command, **more: started.append(run.name))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "evil.py").write_text("def build(spec): ...\n")
    save_spec(load_spec("digits-mlp", [f"model.name={theirs}/evil.py"]), theirs)
    theirs.chmod(0o777)
    async with TuimonApp(runs_dir, launch=True).run_test(size=(120, 36)) as pilot:
        screen = await form(pilot)
        field(screen, "preset").post_message(FieldRow.Edited("preset", str(theirs)))
        await until(pilot, lambda: screen.preset == str(theirs) and screen.wanted)
        for begin in ("ctrl+t", "ctrl+s"):
            await pilot.press(begin)
            await seen(pilot, "Run another user's files?")
            assert "evil.py" in text_of(pilot) and "everybody" in text_of(pilot) and not started
            await pilot.press(*(keys if begin == "ctrl+s" else ("escape",)))
            await until(pilot, lambda: not isinstance(pilot.app.screen, TrustDialog))
        if runs_it:
            await until(pilot, lambda: started)
        await pilot.pause()
        assert bool(started) is runs_it


async def test_typing_into_a_field_replaces_its_text(runs_dir: Path) -> None:
    """Not 16428 from 128 and 64; the field is then marked, with the preset's value beside it."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(120, 40), notifications=True) as pilot:
        screen = await form(pilot)
        row = field(screen, "data.batch_size")
        before = row.text
        row.query_one(Input).focus()
        await pilot.pause()
        await pilot.press(*"48")
        await until(pilot, lambda: row.text == "48")
        await seen(pilot, f"preset: {before}")
        await seen(pilot, "* batch size")
        await retype(pilot, row, before)
        await until(pilot, lambda: "* batch size" not in text_of(pilot))


async def test_presets_are_searched_with_a_preview(runs_dir: Path) -> None:
    """By name, group and text; enter takes the selected one, escape none."""
    async with TuimonApp(runs_dir, launch=True).run_test(size=(120, 40), notifications=True) as pilot:
        screen = await form(pilot)
        await pilot.press("ctrl+o", *"vanishing cure")
        await seen(pilot, "vanishing-cure-init")
        await pilot.press(*"xyz")
        await seen(pilot, "no preset matches: all are shown")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.preset == "digits-mlp"
        await pilot.press("ctrl+o", *"digits-cnn", "enter")
        await until(pilot, lambda: screen.preset == "digits-cnn")
        await seen(pilot, "Digits, a convolutional network")


async def test_the_presets_are_also_listed_by_course(runs_dir: Path, make_run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tab switches; a launch of a preset as it is does its lessons, which the list then shows."""

    def start(*_: object, **__: object) -> Path:
        return make_run("dying-relu-01", how="")  # type: ignore[operator, no-any-return]

    monkeypatch.setattr(starting, "start", start)
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40), notifications=True) as pilot:
        screen = await form(pilot)
        await pilot.press("ctrl+o")
        await seen(pilot, "tab: by course")
        await pilot.press("tab")
        await seen(pilot, "first-steps 1")
        await pilot.press(*"throw")  # words of the idea and the name of another lesson find lessons
        await seen(pilot, "activations 8")
        await pilot.press("ctrl+u", *"never comes back", "enter")
        await until(pilot, lambda: screen.preset == "dying-relu" and screen.wanted)
        await pilot.press("ctrl+s")
        await seen(pilot, "● running")
    assert set(progress.done()) == {"activations/dying-relu", "debugging/apply-a-fix"}
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40), notifications=True) as pilot:
        await form(pilot)
        await pilot.press("ctrl+o", "tab", *"dying-relu")
        await seen(pilot, "activations 6 done")
        await pilot.press("tab")
        await seen(pilot, "tab: by course")
        assert "activations 6" not in text_of(pilot)


async def test_the_form_says_how_long_it_will_take(runs_dir: Path) -> None:
    """By an earlier run of the same preset, for as many epochs as the form has; nothing without one."""
    config = msgspec.to_builtins(load_spec("digits-mlp"))
    writer = LogWriter(runs_dir / "before", "run")
    writer.event(RunStarted("before", this_process(), spec=config, steps_per_epoch=40, device="cpu"))
    for step in range(1, 101):
        writer.scalars(step, {"loss/train": 1.0, "throughput": 20.0})
    writer.close()
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 40)) as pilot:
        screen = await form(pilot)
        await retype(pilot, field(screen, "training.epochs"), "30")
        await seen(pilot, "about 1:00, as before")
        await retype(pilot, field(screen, "data.batch_size"), "7")
        await until(pilot, lambda: "as before" not in text_of(pilot))


async def test_the_help_of_a_script_is_at_hand(runs_dir: Path, tmp_path: Path) -> None:
    """It is read when asked for, and shown as it is."""
    script = tmp_path / "train.py"
    script.write_text("print('usage: train [--lr RATE] [red]')")
    async with TuimonApp(runs_dir).run_test(size=(100, 40)) as pilot:
        await pilot.app.push_screen(LaunchScreen(runs_dir, str(script)))
        await form(pilot)
        await pilot.press("ctrl+e")
        await seen(pilot, "usage: train [--lr RATE] [red]")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, LaunchScreen))
