"""Launch: choose what to train, see the equivalent command, and start it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Input, Static

from tuimon.base import given
from tuimon.base.bounds import Bounds
from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.estimate import estimate
from tuimon.launcher.runs.runs import list_runs, run_name
from tuimon.launcher.runs.summary import RunSummary, summarize
from tuimon.launcher.runs.taught import is_unchanged
from tuimon.search.begin import base_spec
from tuimon.search.plan import Plan
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import DEFAULT_PRESET, presets
from tuimon.spec.spec import Spec
from tuimon.viewer.keys import bindings
from tuimon.viewer.plain_text import said
from tuimon.viewer.progress import remember_preset
from tuimon.viewer.screens import launch_form as form
from tuimon.viewer.screens.base import TuimonScreen
from tuimon.viewer.screens.check import CheckScreen
from tuimon.viewer.screens.dialogs import ErrorDialog, Prompt, TextDialog, TrustDialog
from tuimon.viewer.screens.launch_field import FieldRow

_LOOKED_AT = 64  # runs, for an estimate of the time
_Wanted = TypeVar("_Wanted", bound="Spec | form.Script | form.Searching")


class LaunchScreen(TuimonScreen):
    """The form. Opens the run that it starts."""

    PLACE = "launch"
    BINDINGS: ClassVar[list[BindingType]] = bindings("launch")

    class Started(Message):
        """The worker started a run."""

        def __init__(self, path: Path, preset: str = "") -> None:
            self.path, self.preset = path, preset  # "": something else than a preset as it is
            super().__init__()

    class Searched(Message):
        """The worker started a search."""

        def __init__(self, folder: Path) -> None:
            self.folder = folder
            super().__init__()

    class RunsSeen(Message):
        """The worker has looked at the runs that there are."""

        def __init__(self, runs: Sequence[RunSummary]) -> None:
            self.runs = runs
            super().__init__()

    class HelpRead(Message):
        """The user's own program has said what its options are."""

        def __init__(self, title: str, text: str) -> None:
            self.title, self.text = title, text
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
        self._of_preset = {} if form.is_script(preset) else form.texts_of(load_spec(preset))
        self.texts = {
            **(self._of_preset or form.texts_of(load_spec(DEFAULT_PRESET))),
            form.NAME: "",
            form.AUTOPILOT: form.OFF,
            form.MORE: "",
        }
        self.wanted: Spec | form.Script | form.Searching | None = None  # None while a field is invalid
        self.command = ""  # the equivalent command; "" while a field is invalid
        self._starting = False
        self._earlier: Sequence[RunSummary] = ()  # newest first

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
        """Focuses the preset."""
        self._show_source()
        self._check()
        self._look_at_runs()
        self.query(FieldRow).first().query_one(".control").focus()

    @on(FieldRow.Edited)
    def edited(self, event: FieldRow.Edited) -> None:
        """Updates the form after a change; a new preset sets all fields to its values."""
        if event.key == form.PRESET:
            self._take_preset(event.text)
        else:
            self.texts[event.key] = event.text
        self._check()

    @on(FieldRow.OtherWanted)
    def ask_other(self, event: FieldRow.OtherWanted) -> None:
        """Asks for a value that is not in the list."""
        row = event.row

        def take(text: str | None) -> None:
            if text:
                row.show(text)
                row.post_message(FieldRow.Edited(row.key, text))

        self.app.push_screen(Prompt(row.label, form.help_of(row.key), lambda text: form.problem(row.key, text)), take)

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Starts the run, unless a field is invalid."""
        if self.wanted is None:
            self._show_first_problem()
        elif not self._starting:
            self._once_trusted(self.wanted, self._launch)

    @on(Button.Pressed, "#check")
    def action_check(self) -> None:
        """Checks the spec before training."""
        if self.wanted is None:
            self._show_first_problem()
        elif not isinstance(self.wanted, Spec):
            self.notify("Only presets and spec files can be checked, not scripts or searches.", severity="warning")
        else:
            self._once_trusted(self.wanted, lambda spec: self.app.push_screen(CheckScreen(spec, self.action_start)))

    def action_presets(self) -> None:
        """Opens the list of presets to search."""
        from tuimon.viewer.screens.preset_dialog import PresetDialog

        def take(name: str | None) -> None:
            if name:
                row = self.query(FieldRow).first()
                row.show(name)
                row.post_message(FieldRow.Edited(row.key, name))

        self.app.push_screen(PresetDialog(presets(), self.preset), take)

    @on(Button.Pressed, "#copy")
    def action_copy(self) -> None:
        """Copies the command through the terminal (OSC 52)."""
        if self.wanted is None:
            self._show_first_problem()
            return
        self.app.copy_to_clipboard(self.command)
        self.notify("Copied. If your terminal blocks copying, hold shift and select the text.", timeout=4)

    def action_own_help(self) -> None:
        """Shows what the user's own program prints with --help."""
        if not form.is_script(self.preset):
            self.notify("Only your own program has a --help; `more` takes any setting of a spec.", severity="warning")
            return
        script = form.Script(form.program_words(self.preset))
        self._once_trusted(script, lambda wanted: self._read_help(wanted.words))

    @work(thread=True, exclusive=True, group="help")
    def _read_help(self, words: Sequence[str]) -> None:
        from tuimon.launcher.start.own_help import own_help

        try:
            self.post_message(self.HelpRead(f"{words[0]} --help", own_help(words)))
        except TuimonError as error:
            self.post_message(self.StartFailed(error))

    @on(HelpRead)
    def show_help(self, event: HelpRead) -> None:
        """Shows it over the form."""
        self.app.push_screen(TextDialog(event.title, event.text))

    @work(thread=True, exclusive=True, group="estimate")
    def _look_at_runs(self) -> None:
        """Looks at the newest runs, for an estimate of the time."""
        runs = list_runs(self.runs_dir)[:_LOOKED_AT]
        self.post_message(self.RunsSeen([summarize(run, run_name(run, self.runs_dir)) for run in runs]))

    @on(RunsSeen)
    def estimate_time(self, event: RunsSeen) -> None:
        """Shows how long it will take."""
        self._earlier = event.runs
        self._show_estimate()

    def _show_estimate(self) -> None:
        found = estimate(self.wanted, self._earlier) if isinstance(self.wanted, Spec) else None
        title = "equivalent shell command" + (f" · {found.text}" if found else "")
        self.query_one("#launch-foot").border_title = said(self.app, title)

    @on(Started)
    def open_started(self, event: Started) -> None:
        """Opens the run's screen in place of the form."""
        self._ready()
        if event.preset:
            remember_preset(event.preset, event.path)
        self.tuimon.open_run(event.path)

    @on(Searched)
    def open_searched(self, event: Searched) -> None:
        """Opens the study's page in place of the form."""
        self._ready()
        self.tuimon.go_home()
        self.tuimon.open_study(event.folder)

    @on(StartFailed)
    def show_failure(self, event: StartFailed) -> None:
        """Shows the error and keeps the form as it was."""
        self._ready()
        self.app.push_screen(ErrorDialog(event.error, "Could not start it"))

    def _once_trusted(self, wanted: _Wanted, go: Callable[[_Wanted], object]) -> None:
        """Calls `go`; if it would run files that another user can change, asks the user first."""
        from tuimon.launcher.start.trust import Untrusted, require_trust, require_trust_in_program

        try:
            if isinstance(wanted, form.Script):
                require_trust_in_program(wanted.words, trusted=False)
            elif isinstance(wanted, form.Searching) and wanted.plan.program:
                require_trust_in_program(wanted.plan.program, trusted=False)
            elif isinstance(wanted, form.Searching):
                require_trust(base_spec(wanted.plan), self.preset, trusted=False)
            else:
                require_trust(wanted, self.preset, trusted=False)
        except Untrusted as error:

            def answered(yes: bool | None) -> None:
                if yes:
                    go(wanted)

            self.app.push_screen(TrustDialog(error.message), answered)
        else:
            go(wanted)

    def _launch(self, wanted: Spec | form.Script | form.Searching) -> None:
        self._starting = True
        self.query_one("#start", Button).label = said(self.app, "Launching…")
        name = self.texts[form.NAME].strip() or None
        if isinstance(wanted, form.Searching):
            self._search(wanted.plan, name)
            return
        self._start(wanted, name, form.autopilot_of(self.texts[form.AUTOPILOT]))

    @work(thread=True, exclusive=True, group="start")
    def _start(self, wanted: Spec | form.Script, name: str | None, bounds: Bounds | None) -> None:
        try:
            preset = self.preset if isinstance(wanted, Spec) and is_unchanged(wanted, self.preset) else ""
            self.post_message(self.Started(_start(wanted, self.runs_dir, name, bounds), preset))
        except TuimonError as error:
            self.post_message(self.StartFailed(error))
        except Exception as error:
            self.post_message(self.StartFailed(TuimonError(f"{type(error).__name__}: {error}")))

    @work(thread=True, exclusive=True, group="start")
    def _search(self, plan: Plan, name: str | None) -> None:
        from tuimon.search.background import search_in_background

        try:
            self.post_message(self.Searched(search_in_background(plan, self.runs_dir, name)))
        except TuimonError as error:
            self.post_message(self.StartFailed(error))

    def _ready(self) -> None:
        self._starting = False
        self.query_one("#start", Button).label = "Launch (ctrl+s)"

    def _check(self) -> None:
        script = form.is_script(self.preset)
        problems = {row.key: form.problem(row.key, self._text(row.key), script) for row in form.ROWS}
        taken = {} if script else form.overridden(self.texts)
        for row in self.query(FieldRow):
            row.judge(problems[row.key], taken, script, self._of_preset.get(row.key))
        wrong = next((f"{row.label}: {problems[row.key]}" for row in form.ROWS if problems[row.key]), "")
        self.wanted, self.command = None, ""
        wrong = wrong or self._take_whole()
        self.query_one("#command", Static).update(said(self.app, wrong) or f"$ {self.command}")
        self.query_one("#launch-foot").set_class(bool(wrong), "-wrong")
        self._show_estimate()

    def _take_whole(self) -> str:
        """Builds the spec and the command from the form; returns an error that no single field shows, or an empty text."""
        try:
            wanted = form.wanted_of(self.preset, self.texts)
            self.command = form.shell_command(wanted, self.preset, self.texts, self.runs_dir)
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
            return self._show_about(Path(preset).name, "Your own training script.")
        try:
            spec = load_spec(preset)
        except TuimonError:
            return  # the field's own check reports this
        self._of_preset = form.texts_of(spec)
        self.texts |= self._of_preset
        for row in self.query(FieldRow):
            row.show(self._text(row.key))
        self._show_about(spec.title or spec.name, "\n".join(spec.text))

    def _show_source(self) -> None:
        """Shows what the form starts with."""
        if form.is_script(self.preset):
            self._show_about(Path(self.preset).name, "Your own training script.")
        else:
            spec = load_spec(self.preset)
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


def _start(wanted: Spec | form.Script, runs_dir: Path, name: str | None, bounds: Bounds | None) -> Path:
    from tuimon.launcher.start.start import start, start_program

    environment = given.environment_of_autopilot(bounds)
    if isinstance(wanted, form.Script):
        words, device = wanted.words, wanted.device
        return start_program(words, runs_dir=runs_dir, name=name, device=device, trusted=True, environment=environment)
    return start(wanted, runs_dir=runs_dir, name=name, trusted=True, environment=environment)
