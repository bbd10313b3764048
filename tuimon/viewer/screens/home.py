"""Home: all runs in a folder, live ones first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from tuimon.base.filter import Filter
from tuimon.search.study_file import is_study
from tuimon.viewer.filtered import Filtered, told
from tuimon.viewer.keys import AGAIN, STEER, Key, bindings
from tuimon.viewer.screens.base import why_not_again
from tuimon.viewer.screens.filter_bar import FilterBar
from tuimon.viewer.screens.many_keys import ManyScreen
from tuimon.viewer.screens.scanning import ScanningScreen
from tuimon.viewer.settings import columns_of

if TYPE_CHECKING:
    from tuimon.launcher.runs.summary import RunSummary
    from tuimon.viewer.screens.run_list import RunList
    from tuimon.viewer.screens.run_preview import RunPreview

_LEAST_FOR_PREVIEW = 32  # rows
_NEEDS_A_RUN = ("open", "mark", "sort", "stop", "about", "resume", "replay", "fork", "launch_like", "fold_seeds", "study")

EMPTY = """\
No runs in {folder} yet.

Press  l  to launch one here: choose a preset, press ctrl+s, and watch it train.

Or start one from a shell, with a preset or with your own script, unchanged:

    tuimon run {preset}
    tuimon run train.py

To log your own metrics, add this to the script, however you start it:

    import tuimon
    monitor = tuimon.watch(model, optimizer)
    monitor.log(loss=loss)          # in the loop, at each step
"""


class HomeScreen(Filtered, ScanningScreen, ManyScreen):
    """The list of runs."""

    PLACE = "home"
    BINDINGS: ClassVar[list[BindingType]] = bindings("home")
    AUTO_FOCUS = ""  # do not focus the filter: it would take keys pressed before the list is there

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        self.sort = "newest"
        self.folds = False  # whether runs that differ in their seed alone are one row
        self._composed = False
        self._list: RunList | None = None
        self._preview: RunPreview | None = None
        self._told: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Starts almost empty so that it shows at once: the list comes with the first scan of the folder.

        If a run's screen opens first, there is only a line until the user comes back here.
        """
        if self.tuimon.opens_a_run:
            yield Static(" tuimon", id="home-title", markup=False)
            return
        self._composed = True
        yield Static(self._title(), id="home-title", markup=False)
        yield Static("Looking for runs…", id="empty", markup=False)
        yield Static("", id="run-detail", markup=False)
        yield FilterBar()
        yield self.key_bar()

    def on_mount(self) -> None:
        """Scans the folder after the first frame."""
        if not self.tuimon.opens_a_run:
            self.call_after_refresh(self.scan)

    async def on_screen_resume(self) -> None:
        """Scans again when the user comes back."""
        if self.tuimon.opens_a_run:
            return
        if not self._composed:
            await self.recompose()
        self.scan()

    def on_resize(self) -> None:
        """Previews the selected run where there is room."""
        if self._list:
            self._show_detail()

    def why_not(self, key: Key) -> str:
        """Why a key that needs a run or marked runs does nothing."""
        chosen = self._chosen()
        if key.action in _NEEDS_A_RUN and not chosen:
            return "there are no runs yet: press l to launch one"
        if key.action == "study" and chosen and not is_study(chosen.path.parent):
            return f"{chosen.name} is no trial of a study"
        if key.group == STEER and chosen and not self.steered():
            return f"{chosen.name} is not training: it is {chosen.status.state}"
        if key.group == AGAIN and len(self._under_cursor()) > 1:
            return f"{chosen.name if chosen else ''} is several runs: press a to list each"
        if key.group == AGAIN and chosen:
            return why_not_again(key.action, chosen.path, chosen.status, chosen.launched)
        if key.action == "overlay" and len(self._marked()) < 2:
            return "mark at least two runs with space, then press o"
        return ""

    @property
    def subject(self) -> Path | None:
        """The selected run."""
        chosen = self._chosen()
        return chosen.path if chosen else None

    async def scanned(self) -> None:
        """Shows the runs that were found."""
        if self._list is None:
            await self._make_list()
        self._show()

    async def _make_list(self) -> None:
        from tuimon.viewer.screens.run_list import RunList
        from tuimon.viewer.screens.run_preview import RunPreview

        self._list, self._preview = RunList(), RunPreview()
        self._list.choose_columns(columns_of(self.tuimon.settings.columns))
        await self.mount(self._list, self._preview, before="#run-detail")
        self._list.focus()

    def _show(self) -> None:
        from tuimon.launcher.runs.groups import folded
        from tuimon.launcher.runs.matching import matching
        from tuimon.viewer.screens.run_table import ordered

        if self._list is None:
            return
        found = matching(self.runs, self._filter) or self.runs
        shown = ordered(folded(found) if self.folds else found, self.sort)
        self._list.show(shown, self.sort)
        self._list.display = bool(shown)
        empty = self.query_one("#empty", Static)
        empty.display = not shown
        if not shown:
            empty.update(self._nothing())
        self._tell("#home-title", self._title())
        self._show_detail()

    def _tell(self, line: str, text: str) -> None:
        """Updates one of the text lines if the text changed. Skips the layout, since the height stays the same."""
        if self._told.get(line) != text:
            self._told[line] = text
            self.query_one(line, Static).update(text, layout=False)

    def _nothing(self) -> str:
        from tuimon.spec.presets import DEFAULT_PRESET

        if self.runs_dir.exists() and not self.runs_dir.is_dir():
            return f"{_shown(self.runs_dir)} is not a folder. Choose another one with --runs-dir."
        return EMPTY.format(folder=_shown(self.runs_dir), preset=DEFAULT_PRESET)

    def _title(self) -> str:
        live = sum(run.status.live for run in self.runs)
        parts = ["runs"]
        if self.runs:
            parts += [self._counted(), f"{live} live", f"sorted by {self.sort}"]
            parts += ["seeds folded"] if self.folds else []
        if self._filter:
            parts.append(f"/ {self._filter.text}")
        if self._marked():
            parts.append(f"{len(self._marked())} marked")
        return " tuimon  " + "  ".join([*parts, f"in {_shown(self.runs_dir)}"])

    def _counted(self) -> str:
        shown = sum(len(self._parts(run)) for run in self._list.runs) if self._list else len(self.runs)
        return f"{len(self.runs)} total" if shown == len(self.runs) else f"{shown} of {len(self.runs)}"

    def _show_detail(self) -> None:
        from tuimon.viewer.screens.run_table import detail

        chosen = self._chosen()
        self._tell("#run-detail", f" {detail(chosen, self.tuimon.ascii_only)}" if chosen else "")
        if self._preview:
            self._preview.display = chosen is not None and self.size.height >= _LEAST_FOR_PREVIEW
            self._preview.styles.height = self.size.height // 3
            self._preview.show(chosen)
        self.show_keys()

    def on_run_list_moved(self) -> None:
        """Shows the selected run's details, for which the list has no room."""
        self._show_detail()

    def on_run_list_chosen(self) -> None:
        """Opens the run that was chosen with enter or a double click."""
        self.action_open()

    def action_open(self) -> None:
        """Opens the selected run; several that are one row are compared."""
        runs = self._under_cursor()
        if len(runs) > 1:
            self.tuimon.compare([run.path for run in runs], folds=True)
        elif runs:
            self.tuimon.open_run(runs[0].path)

    def action_study(self) -> None:
        """Opens the study of the selected trial."""
        if self.subject and is_study(self.subject.parent):
            self.tuimon.open_study(self.subject.parent)

    def action_mark(self) -> None:
        """Marks or unmarks the selected run."""
        if self._list:
            self._list.toggle_mark()
            self._show()

    def action_overlay(self) -> None:
        """Compares the curves of the marked runs."""
        marked = self._marked()
        if len(marked) < 2:
            self.notify("Mark at least two runs with space, then press o.", severity="warning")
            return
        self.tuimon.compare([run.path for run in marked], folds=self.folds)

    def action_sort(self) -> None:
        """Sorts by the next column."""
        from tuimon.viewer.screens.run_table import SORTS

        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self._show()

    def action_fold_seeds(self) -> None:
        """Shows runs that differ in their seed alone as one row, with mean and spread; or each again."""
        self.folds = not self.folds
        self._show()
        if self.folds and self._list and not any(len(self._parts(run)) > 1 for run in self._list.runs):
            self.notify("No two runs differ in their seed alone.", timeout=4)

    def action_columns(self) -> None:
        """Asks for the columns of the list, which are remembered."""
        from tuimon.viewer.screens.dialogs import Prompt

        def take(text: str | None) -> None:
            if text:
                self.tuimon.prefer(columns=text)
                if self._list:
                    self._list.choose_columns(columns_of(text))

        told = f"Titles in their order, or settings: name,val,lr,seed; or auto. Now: {self.tuimon.settings.columns}."
        self.app.push_screen(Prompt("Columns", told, lambda _: ""), take)

    def chosen_runs(self) -> list[RunSummary]:
        """The marked runs; without marks, the selected one."""
        return self._marked() or list(self._under_cursor())

    def filter_by(self, text: str) -> str:
        """Shows only the runs that match; if none does, all. Returns what was found.

        Raises:
            FilterError: it contains a wrong regular expression.
        """
        from tuimon.launcher.runs.matching import matching

        self._filter = Filter(text)
        found = matching(self.runs, self._filter)
        self._show()
        return told(len(found), len(self.runs), "run")

    def action_filter(self) -> None:
        """Asks for a filter."""
        if self._list:
            self.query_one(FilterBar).ask("runs", self, self._list.focus)

    def action_back(self) -> None:
        """Clears the filter."""
        self.filter_by("")
        if self._list:
            self._list.focus()

    def _chosen(self) -> RunSummary | None:
        return self._list.under_cursor if self._list and self._list.display else None

    def _under_cursor(self) -> tuple[RunSummary, ...]:
        """The runs that the selected row stands for."""
        chosen = self._chosen()
        return self._parts(chosen) if chosen else ()

    def _parts(self, run: RunSummary) -> tuple[RunSummary, ...]:
        from tuimon.launcher.runs.groups import members

        return members(run)

    def _marked(self) -> list[RunSummary]:
        names = self._list.marked if self._list else frozenset()
        return [run for run in self.runs if run.name in names]


def _shown(folder: Path) -> str:
    """The folder as the user would type it."""
    try:
        return f"./{folder.relative_to(Path.cwd())}"
    except ValueError:
        return str(folder)
