"""The part of the app that starts runs again: resumes them, replays them, or fills the form with what they trained.

Starting takes seconds, so it has a thread of its own, which only posts messages; all else is on the main thread.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from pathlib import Path

from textual import on, work

from tuimon.base.errors import TuimonError
from tuimon.spec import SPEC_FILE
from tuimon.viewer.messages import Restarted
from tuimon.viewer.noticing import NoticingApp

_RESUME = "How long should it train? For example epochs=40 or steps=5000; an empty line trains for as long as planned."
_FORK = "What is different: lr_scale=*0.5, dropout=off, lr=0.01, epochs=40. An empty line changes nothing."
_REPLAY = "Settings to change, such as seed=1; an empty line repeats the run exactly, with the same interventions."


class RestartingApp(NoticingApp):
    """An app that starts runs again."""

    def open_run(self, path: Path) -> None:
        """Shows a run's screen."""
        raise NotImplementedError

    def show_error(self, error: TuimonError, title: str = "That did not work") -> None:
        """Shows an error in a dialog."""
        raise NotImplementedError

    def resume(self, path: Path) -> None:
        """Asks for how long, then resumes a run that is over."""
        from tuimon.launcher.start.resume import resume_run

        self._ask(f"Resume {path.name}", _RESUME, "Resuming", path, lambda words, yes: resume_run(path, None, words, yes))

    def replay(self, path: Path) -> None:
        """Asks what to change, then trains a run again with the same interventions."""
        from tuimon.launcher.start.replay import replay

        go = functools.partial(replay, path, runs_dir=self.runs_dir)
        self._ask(f"Replay {path.name}", _REPLAY, "Replaying", path, lambda words, yes: go(words, trusted=yes))

    def fork(self, path: Path) -> None:
        """Asks what is to be different, then starts a fork of a run; one that is live saves a checkpoint and goes on."""
        from tuimon.launcher.start.fork import fork

        go = functools.partial(fork, path, None, runs_dir=self.runs_dir)
        self._ask(f"Fork {path.name}", _FORK, "Forking", path, lambda words, yes: go(words, trusted=yes).fork)

    def launch_like(self, path: Path) -> None:
        """Opens the form with what a run trained."""
        from tuimon.viewer.screens.launch import LaunchScreen

        try:
            if (path / SPEC_FILE).is_file():
                self.push_screen(LaunchScreen(self.runs_dir, str(path / SPEC_FILE)))
            else:
                self.push_screen(LaunchScreen(self.runs_dir, shlex.join(_words_of(path))))
        except TuimonError as error:
            self.show_error(error)

    def _ask(self, title: str, told: str, doing: str, path: Path, go: Callable[[list[str], bool], Path]) -> None:
        from tuimon.viewer.screens.dialogs import Prompt

        def take(text: str | None) -> None:
            if text is not None:
                self.notify(f"{doing} {path.name}…", markup=False, timeout=4)
                self._start_again(path, functools.partial(go, text.split()))

        self.push_screen(Prompt(title, told, _problem, may_be_empty=True), take)

    @work(thread=True, group="again")
    def _start_again(self, path: Path, go: Callable[[bool], Path], trusted: bool = False) -> None:
        from tuimon.launcher.start.trust import Untrusted

        try:
            self.post_message(Restarted(path, go(trusted)))
        except Untrusted as error:
            self.post_message(Restarted(path, None, error, lambda: self._start_again(path, go, True)))
        except TuimonError as error:
            self.post_message(Restarted(path, None, error))

    @on(Restarted)
    def show_restarted(self, event: Restarted) -> None:
        """Opens the run, or shows why it was not started; asks first if it would run another user's files."""
        from tuimon.viewer.screens.dialogs import TrustDialog

        if event.started:
            self.open_run(event.started)
        elif event.error and event.trusted:
            trusted = event.trusted

            def answered(yes: bool | None) -> None:
                if yes:
                    trusted()

            self.push_screen(TrustDialog(event.error.message), answered)
        elif event.error:
            self.show_error(event.error, "Could not start the run again")


def _problem(text: str) -> str:
    wrong = next((word for word in text.split() if "=" not in word), "")
    return f"{wrong!r} is not key=value" if wrong else ""


def _words_of(path: Path) -> tuple[str, ...]:
    """A program's words as they followed `tuimon run`."""
    from tuimon.launcher.runs.glance import lifecycle
    from tuimon.launcher.start.program import words_of

    launched = lifecycle(path).launched
    words = words_of(launched) if launched else ()
    if not words:
        raise TuimonError(
            f"Cannot launch a run like {path.name}: its log does not say how it was started.",
            "Only runs that tuimon started can be launched again.",
        )
    return tuple(words)
