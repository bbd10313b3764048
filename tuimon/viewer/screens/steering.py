"""Sends commands to a run from the steering keys, levers and findings, and shows the answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on

from tuimon.diagnosis.remedies import commands
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.records import Applied, Command, LeverInfo, Remedy
from tuimon.viewer import typed
from tuimon.viewer.keys import AGAIN, LOOK, STEER, Key, Levers, steering
from tuimon.viewer.opened import UNREAD
from tuimon.viewer.screens.base import TuimonScreen, why_not_again
from tuimon.viewer.screens.dialogs import Prompt
from tuimon.viewer.screens.finding import FindingScreen
from tuimon.viewer.screens.key_bar import Hint
from tuimon.viewer.screens.page_tabs import PageTabs
from tuimon.viewer.widgets import FindingsPanel, LeverPanel, RunHeader
from tuimon.viewer.widgets.wording import answer_text

if TYPE_CHECKING:
    from tuimon.viewer.opened import Answer, OpenRun

_SHOWN = ("zoom_panel", "filter", "fork")  # also of the keys for viewing, and of those for a run that is over


class SteeringScreen(TuimonScreen):
    """The screen of one run. A lever moves in the log before it moves here."""

    PLACE = "run"

    def __init__(self, run: OpenRun) -> None:
        self.run = run
        super().__init__()

    def levers(self) -> Levers:
        """The levers in the run's log."""
        return self.run.store.levers

    @property
    def subject(self) -> Path | None:
        """The run."""
        return self.run.path

    def hints(self) -> list[Hint]:
        """The footer's keys: not those for viewing, which are in the help, nor those for a run that is over or still live."""
        over = not self.run.status.live and self.run.status != UNREAD
        without = (LOOK, STEER if over else AGAIN)
        return [hint for hint in super().hints() if hint.key.group not in without or hint.key.action in _SHOWN]

    def why_not(self, key: Key) -> str:
        """Why the run cannot do this, or no longer can."""
        if key.command:
            return self.run.why_not(key.command.lever)
        if key.action == "stop":
            return "" if self.run.status.live else self.run.why_not("stop")
        if key.action == "edit_lever":
            return self.run.why_not("undo")
        if key.group == AGAIN:
            return why_not_again(key.action, self.run.path, self.run.status, bool(self.run.store.launched))
        return self._why_no_fix() if key.action == "fix" else ""

    def action_steer(self, key: str) -> None:
        """Sends the command of a key."""
        command = steering(key).command
        if command:
            self._ask(command)

    def action_stop(self) -> None:
        """Stops the run, after a confirmation."""
        if self.run.status.live:
            self.tuimon.ask_stop(self.run.path)
        else:
            self._refuse(self.run.why_not("stop"))

    def action_fix(self) -> None:
        """Applies the first remedy of the first finding that has one."""
        why, remedy = self._why_no_fix(), self.run.first_remedy()
        if why or remedy is None:
            self._refuse(why)
            return
        self.apply(remedy)

    def apply(self, remedy: Remedy) -> None:
        """Sends the commands of a remedy, in order."""
        for command in commands(remedy, self.run.store.levers):
            self._ask(command)

    @on(FindingsPanel.Opened)
    def open_finding(self, event: FindingsPanel.Opened) -> None:
        """Opens the page of the selected finding, and applies the remedy that is chosen there."""

        def take(remedy: Remedy | None) -> None:
            if remedy:
                self.apply(remedy)

        self.app.push_screen(FindingScreen(self.run, event.finding), take)

    @on(LeverPanel.Asked)
    def move_lever(self, event: LeverPanel.Asked) -> None:
        """Sends the command of a lever moved in its panel."""
        self._move(event.command)

    @on(LeverPanel.EditAsked)
    def edit_chosen(self, event: LeverPanel.EditAsked) -> None:
        """Asks for a value for the lever selected in the panel."""
        self._prompt(event.lever)

    def action_edit_lever(self) -> None:
        """Asks for a value: for the selected lever if the levers have the focus, else for any lever."""
        panel = self.query_one(LeverPanel)
        chosen = panel.current if panel.has_focus else None
        self._prompt(chosen if chosen and chosen.type != "action" else None)

    def answered(self, path: Path, answer: Answer) -> None:
        """Shows the answer to a command."""
        if path != self.run.path:
            return
        text = answer_text(answer, self.tuimon.ascii_only)
        if isinstance(answer, Applied):
            self.say(text, "good")
            return
        self.query_one(LeverPanel).failed(answer.id, answer.reason)
        self.say("")
        self._refuse(text)

    def say(self, text: str, style: str = "marker", lasting: bool = False) -> None:
        """Shows a message on the line that has more room; page titles are never cut for it."""
        tabs, header = self.query_one(PageTabs), self.query_one(RunHeader)
        here, elsewhere = (tabs, header) if tabs.room > header.room else (header, tabs)
        elsewhere.say("")
        here.say(text, style, lasting)

    def _move(self, command: Command) -> None:
        """Sends a command; asks first if it cannot be undone."""
        if command.lever == "stop":
            self.action_stop()
        else:
            self._ask(command)

    def _ask(self, command: Command) -> None:
        why = self.run.why_not(command.lever)
        if why:
            self._refuse(why)
            return
        sent = self.run.send(command)
        self.query_one(LeverPanel).requested(sent)
        self.say(f"requested: {_wording(sent)}", "warn", lasting=True)

    def _refuse(self, why: str) -> None:
        self.notify(why, severity="warning", timeout=4, markup=False)

    def _prompt(self, lever: LeverInfo | None) -> None:
        why = self.run.why_not(lever.name if lever else "undo")
        if why:
            self._refuse(why)
            return

        def take(text: str | None) -> None:
            if text:
                self._move(parse_setting(text))

        told = "Enter lever=value, lever=*0.5, or lever=on, off or default, as for `tuimon set`."
        told += f"\n{lever.help}" if lever and lever.help else ""
        check, hint = (partial(judge, levers=self.run.store.levers) for judge in (typed.problem, typed.hint))
        self.app.push_screen(Prompt("Set a lever", told, check, f"{lever.name}=" if lever else "", hint), take)

    def _why_no_fix(self) -> str:
        if not self.run.status.live:
            return self.run.why_not("undo")
        return "" if self.run.first_remedy() else "no finding suggests a fix that this run can apply"


def _wording(command: Command) -> str:
    value = "" if command.value is None else f" {command.value:g}" if isinstance(command.value, float) else f" {command.value}"
    return f"{command.lever} {command.op}{value}" if command.op != "do" else command.lever
