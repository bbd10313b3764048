"""The keys that steer several runs at once from a list of runs. Each says first what it will do to which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuimon.base.errors import TuimonError
from tuimon.viewer.keys import AGAIN, STEER, steering
from tuimon.viewer.screens.base import TuimonScreen
from tuimon.viewer.screens.key_bar import Hint

if TYPE_CHECKING:
    from tuimon.launcher.runs.summary import RunSummary
    from tuimon.viewer.screens.many import Deed


class ManyScreen(TuimonScreen):
    """A screen with a list of runs, of which some are marked."""

    def chosen_runs(self) -> list[RunSummary]:
        """The marked runs; without marks, the selected one."""
        raise NotImplementedError

    def steered(self) -> list[RunSummary]:
        """The live ones among them."""
        return [run for run in self.chosen_runs() if run.status.live]

    def hints(self) -> list[Hint]:
        """The footer's keys, first those for the list; those that steer only while there is something to steer."""
        hints = [hint for hint in super().hints() if hint.key.group != STEER or self.steered()]
        return sorted(hints, key=lambda hint: hint.key.group == AGAIN or hint.key.group == STEER)

    def action_steer(self, key: str) -> None:
        """Sends a key's command to the marked runs, after saying to which."""
        from tuimon.viewer.screens.many import sending

        known = steering(key)
        if known.command:
            self._steer(f"{known.help}:", sending(known.command))

    def action_edit_lever(self) -> None:
        """Asks for a setting, for all marked runs."""
        from tuimon.launcher.steering.commands import parse_setting
        from tuimon.viewer.screens.dialogs import Prompt
        from tuimon.viewer.screens.many import sending

        if not self.steered():
            self._refuse()
            return

        def wrong(text: str) -> str:
            try:
                parse_setting(text)
            except TuimonError as error:
                return error.message
            return ""

        def take(text: str | None) -> None:
            if text:
                self._steer(f"{text}:", sending(parse_setting(text)))

        self.app.push_screen(Prompt("Set a lever", "Enter lever=value or lever=*0.5, as for `tuimon set`.", wrong), take)

    def action_stop(self) -> None:
        """Stops the selected run, or all marked ones, after a confirmation."""
        from tuimon.viewer.screens.many import stopping

        live = self.steered()
        if len(live) == 1:
            self.tuimon.ask_stop(live[0].path)
        else:
            self._steer("Stop", stopping)

    def action_keep_best(self) -> None:
        """Stops all marked runs except the one with the lowest loss."""
        from tuimon.viewer.screens.many import stopping
        from tuimon.viewer.screens.run_table import ordered

        live = self.steered()
        if len(live) < 2:
            self.notify("Mark at least two runs that train, with space.", severity="warning", timeout=4)
            return
        best, *others = ordered(live, "loss")
        self._steer(f"Keep {best.name} and stop", stopping, others)

    def _steer(self, what: str, deed: Deed, runs: Sequence[RunSummary] | None = None) -> None:
        from tuimon.viewer.screens.many import ManyDialog

        live = self.steered() if runs is None else runs
        if live:
            self.app.push_screen(ManyDialog(what, [(run.name, run.path) for run in live], deed))
        else:
            self._refuse()

    def _refuse(self) -> None:
        chosen = self.chosen_runs()
        why = f"{chosen[0].name} is not training: it is {chosen[0].status.state}." if chosen else "There is no run to steer."
        self.notify(why, severity="warning", timeout=4, markup=False)
