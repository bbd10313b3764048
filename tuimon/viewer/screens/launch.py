"""Launch: choose what to train, see the command that does the same, and start it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Input, Select, Static

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import DEFAULT_PRESET, presets
from tuimon.spec.spec import Spec
from tuimon.viewer.keys import bindings
from tuimon.viewer.plain_text import said
from tuimon.viewer.screens import launch_form as form
from tuimon.viewer.screens.base import TuimonScreen
from tuimon.viewer.screens.check import CheckScreen
from tuimon.viewer.screens.dialogs import ErrorDialog, Prompt

_OTHER = "other…"


class Choice(Select[str]):
    """A list to pick from."""

    def on_mount(self) -> None:
        """Its arrows, where the terminal shows none."""
        if getattr(self.app, "ascii_only", False):
            self.query_one(".down-arrow", Static).update("v")
            self.query_one(".up-arrow", Static).update("^")


class FieldRow(Horizontal):
    """One field: its label, its control, and beside it its help or what is wrong with it."""

    # Textual restyles what lies in a row that gains or loses the focus only where a rule for the row itself speaks of it.
    # A list opens as wide as its longest name, which the field may cut.
    DEFAULT_CSS = """
    FieldRow:focus-within { color: $foreground; }
    FieldRow Select > SelectOverlay { width: auto; min-width: 30; max-width: 60; }
    """

    class Edited(Message):
        """The field has another text."""

        def __init__(self, key: str, text: str) -> None:
            self.key, self.text = key, text
            super().__init__()

    class OtherWanted(Message):
        """What is wanted stands not in the list."""

        def __init__(self, row: FieldRow) -> None:
            self.row = row
            super().__init__()

    def __init__(self, row: form.Row, text: str, choices: tuple[str, ...]) -> None:
        super().__init__(classes="field")
        self.key, self.label, self.text = row.key, row.label, text
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Label, control, note."""
        yield Static(self.label, classes="label")
        yield self._control()
        yield Static(said(self.app, form.help_of(self.key)), classes="note", markup=False)

    def show(self, text: str) -> None:
        """Puts another text in, and tells nobody: whoever calls knows it."""
        self.text = text
        control = self.query_one(".control")
        with control.prevent(Select.Changed, Input.Changed):  # new options first pick the first of them
            if isinstance(control, Select):
                control.set_options(self._options())
                control.value = text
            elif isinstance(control, Input):
                control.value = text

    def judge(self, problem: str, taken: Mapping[str, str], script: bool) -> None:
        """Shows what is wrong, or else that another field takes this one's place, or the help; of a script, what matters."""
        control = self.query_one(".control")
        control.disabled = script and self.key not in form.OF_A_SCRIPT
        if isinstance(control, Input):
            control.placeholder = self._placeholder(script)
        self.set_class(bool(problem), "-wrong")
        self.set_class(not problem and (self.key in taken or (self.key == form.MORE and bool(taken))), "-taken")
        self.query_one(".note", Static).update(said(self.app, problem or form.note_of(self.key, taken, script)))

    def on_resize(self) -> None:
        """With the focus its note stands whole, in more lines, which are to be seen too."""
        if self.has_focus_within:
            self.scroll_visible(animate=False)

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """The user types."""
        event.stop()
        self._edited(event.value)

    @on(Select.Changed)
    def picked(self, event: Select.Changed) -> None:
        """The user picked one of the choices."""
        event.stop()
        if event.value == _OTHER:
            self.query_one(Select).value = self.text
            self.post_message(self.OtherWanted(self))
        else:
            self._edited(str(event.value))

    def _edited(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self.post_message(self.Edited(self.key, text))

    def _control(self) -> Widget:
        if self._choices:
            return Choice(self._options(), value=self.text, allow_blank=False, compact=True, classes="control")
        return Input(self.text, compact=True, select_on_focus=False, classes="control", placeholder=self._placeholder())

    def _placeholder(self, script: bool = False) -> str:
        return said(self.app, (_SCRIPTS_PLACEHOLDERS if script else _PLACEHOLDERS).get(self.key, ""))

    def _options(self) -> list[tuple[str, str]]:
        texts = list(dict.fromkeys((*self._choices, self.text)))
        return [(said(self.app, text), text) for text in [*texts, *([_OTHER] if form.is_open(self.key) else [])]]


_PLACEHOLDERS = {form.NAME: "(made from the preset)", form.MORE: "key=value …"}
_SCRIPTS_PLACEHOLDERS = {form.NAME: "(made from the script)", form.MORE: "--option value …"}


class LaunchScreen(TuimonScreen):
    """The form. Leaves by opening the run that it started."""

    PLACE = "launch"
    BINDINGS: ClassVar[list[BindingType]] = bindings("launch")

    class Started(Message):
        """A run was started, in the worker."""

        def __init__(self, path: Path) -> None:
            self.path = path
            super().__init__()

    class StartFailed(Message):
        """A run could not be started."""

        def __init__(self, error: TuimonError) -> None:
            self.error = error
            super().__init__()

    def __init__(self, runs_dir: Path, preset: str = DEFAULT_PRESET) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.preset = preset
        self.texts = {**form.texts_of(load_spec(preset)), form.NAME: "", form.MORE: ""}
        self.wanted: Spec | form.Script | None = None  # None while something is wrong
        self.command = ""  # that does what the form does; "" while something is wrong
        self._starting = False

    def compose(self) -> ComposeResult:
        """The preset's text, the form, the command and the buttons."""
        yield Static("", id="preset-text", markup=False)
        with VerticalScroll(id="form", can_focus=False):
            for row in form.ROWS:
                yield FieldRow(row, self._text(row.key), self._choices(row.key))
        with Vertical(id="launch-foot"):
            yield Static("", id="command", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Launch (ctrl+s)", variant="primary", compact=True, id="start")
                yield Button("Check (ctrl+t)", compact=True, id="check")
                yield Button("Copy command (ctrl+y)", compact=True, id="copy")
        yield self.key_bar()

    def on_mount(self) -> None:
        """Begins at the preset."""
        self.query_one("#launch-foot").border_title = "the same from a shell"
        spec = load_spec(self.preset)
        self._show_about(spec.title or spec.name, "\n".join(spec.text))
        self._check()
        self.query(FieldRow).first().query_one(".control").focus()

    @on(FieldRow.Edited)
    def edited(self, event: FieldRow.Edited) -> None:
        """A field changed: a preset brings its own values along."""
        if event.key == form.PRESET:
            self._take_preset(event.text)
        else:
            self.texts[event.key] = event.text
        self._check()

    @on(FieldRow.OtherWanted)
    def ask_other(self, event: FieldRow.OtherWanted) -> None:
        """Asks for what stands not in the list."""
        row = event.row

        def take(text: str | None) -> None:
            if text:
                row.show(text)
                row.post_message(FieldRow.Edited(row.key, text))

        self.app.push_screen(Prompt(row.label, form.help_of(row.key), lambda text: form.problem(row.key, text)), take)

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Starts the run, unless something is wrong with the form."""
        if self.wanted is None:
            self._show_first_problem()
        elif not self._starting:
            self._starting = True
            self.query_one("#start", Button).label = said(self.app, "Launching…")
            self._start(self.wanted, self.texts[form.NAME].strip() or None)

    @on(Button.Pressed, "#check")
    def action_check(self) -> None:
        """Looks at what would be trained."""
        if self.wanted is None:
            self._show_first_problem()
        elif isinstance(self.wanted, form.Script):
            self.notify("Only presets and spec files can be checked before they train.", severity="warning")
        else:
            self.app.push_screen(CheckScreen(self.wanted, self.action_start))

    @on(Button.Pressed, "#copy")
    def action_copy(self) -> None:
        """Copies the command, through the terminal (OSC 52)."""
        if self.wanted is None:
            self._show_first_problem()
            return
        self.app.copy_to_clipboard(self.command)
        self.notify("Copied. If your terminal does not allow it, select the text with shift held.", timeout=4)

    @on(Started)
    def open_started(self, event: Started) -> None:
        """Opens the run's screen in place of the form."""
        self._ready()
        self.tuimon.open_run(event.path)

    @on(StartFailed)
    def show_failure(self, event: StartFailed) -> None:
        """Says why, and keeps the form as it was."""
        self._ready()
        self.app.push_screen(ErrorDialog(event.error, "The run could not be started"))

    @work(thread=True, exclusive=True, group="start")
    def _start(self, wanted: Spec | form.Script, name: str | None) -> None:
        try:
            self.post_message(self.Started(_start(wanted, self.runs_dir, name)))
        except TuimonError as error:
            self.post_message(self.StartFailed(error))
        except Exception as error:
            self.post_message(self.StartFailed(TuimonError(f"{type(error).__name__}: {error}")))

    def _ready(self) -> None:
        self._starting = False
        self.query_one("#start", Button).label = "Launch (ctrl+s)"

    def _check(self) -> None:
        script = form.is_script(self.preset)
        problems = {row.key: form.problem(row.key, self._text(row.key), script) for row in form.ROWS}
        taken = {} if script else form.overridden(self.texts)
        for row in self.query(FieldRow):
            row.judge(problems[row.key], taken, script)
        wrong = next((f"{row.label}: {problems[row.key]}" for row in form.ROWS if problems[row.key]), "")
        self.wanted, self.command = None, ""
        wrong = wrong or self._take_whole()
        self.query_one("#command", Static).update(said(self.app, wrong) or f"$ {self.command}")
        self.query_one("#launch-foot").set_class(bool(wrong), "-wrong")

    def _take_whole(self) -> str:
        """Takes what the form says; returns what no single field shows: settings that do not go together."""
        try:
            of = form.script_of if form.is_script(self.preset) else form.spec_of
            wanted = of(self.preset, self.texts)
            self.command = form.shell_command(wanted, self.preset, self.texts[form.NAME].strip(), self.runs_dir)
        except TuimonError as error:
            return error.message
        self.wanted = wanted
        return ""

    def _text(self, key: str) -> str:
        return self.preset if key == form.PRESET else self.texts[key]

    def _choices(self, key: str) -> tuple[str, ...]:
        return tuple(preset.name for preset in presets()) if key == form.PRESET else form.choices_of(key)

    def _take_preset(self, preset: str) -> None:
        self.preset = preset
        if form.is_script(preset):
            return self._show_about(Path(preset).name, "A training script of your own.")
        try:
            spec = load_spec(preset)
        except TuimonError:
            return  # which the check of the field tells
        self.texts |= form.texts_of(spec)
        for row in self.query(FieldRow):
            row.show(self._text(row.key))
        self._show_about(spec.title or spec.name, "\n".join(spec.text))

    def _show_about(self, title: str, text: str) -> None:
        self.query_one("#preset-text", Static).update(_about(said(self.app, title), said(self.app, text)))

    def _show_first_problem(self) -> None:
        wrong = next((row for row in self.query(FieldRow) if row.has_class("-wrong")), None)
        if wrong:
            wrong.query_one(".control").focus()
        self.app.bell()


def _about(title: str, text: str) -> Content:
    return Content("\n").join([Content.styled(title, "bold"), *([Content(text)] if text else [])])


def _start(wanted: Spec | form.Script, runs_dir: Path, name: str | None) -> Path:
    from tuimon.launcher.start.start import start, start_script

    if isinstance(wanted, form.Script):
        return start_script(Path(wanted.path), wanted.arguments, runs_dir=runs_dir, name=name, device=wanted.device)
    return start(wanted, runs_dir=runs_dir, name=name)
