"""Panels that the user makes larger or smaller, or hides; remembered for the folder of runs."""

from __future__ import annotations

from textual import on

from tuimon.viewer.screens.arrangement import Sizes
from tuimon.viewer.screens.curve_keys import CurveScreen
from tuimon.viewer.screens.pages import Layout
from tuimon.viewer.screens.run_panels import RunPanels
from tuimon.viewer.settings import view_of


class ResizableScreen(CurveScreen):
    """A screen with panels."""

    panels: RunPanels

    @property
    def layout_now(self) -> Layout:
        """The current layout."""
        raise NotImplementedError

    def action_panel(self, number: int) -> None:
        """Goes to the page with this number."""
        raise NotImplementedError

    def sizes_changed(self) -> None:
        """Draws what has appeared."""
        raise NotImplementedError

    def action_resize(self, loss: float, column: float) -> None:
        """Gives the loss, or the column beside it, another share of the screen."""
        sizes = self.panels.sizes
        self.panels.resize(sizes._replace(loss=sizes.loss + loss, column=sizes.column + column))

    def action_hide_panel(self) -> None:
        """Hides the focused panel; its number still shows it alone."""
        inside = self.focused.ancestors_with_self if self.focused else ()
        name = next((str(node.id) for node in inside if node.id in self.panels.boxes), "loss")
        if name == "loss" or self.layout_now == "single":
            self.notify("The loss stays. Go to another panel with tab to hide that.", timeout=3)
            return
        self.panels.resize(self.panels.sizes._replace(hidden=self.panels.sizes.hidden | {name}))
        self.action_panel(1)
        self.notify("The panel is hidden. D shows all panels again.", timeout=3)

    def action_show_panels(self) -> None:
        """Shows all panels again, with their usual sizes."""
        self.panels.resize(Sizes())

    @on(RunPanels.Resized)
    def remember_sizes(self) -> None:
        """Remembers what was resized and hidden, and draws what has appeared."""
        loss, column, hidden = self.panels.sizes
        usual = Sizes()
        self.remember(
            loss=None if loss == usual.loss else loss, column=None if column == usual.column else column, hidden=sorted(hidden)
        )
        self.sizes_changed()

    def remembered_sizes(self) -> Sizes:
        """The sizes of the last time in this folder of runs."""
        view, usual = view_of(self.tuimon.runs_dir), Sizes()
        loss = usual.loss if view.loss is None else view.loss
        return Sizes(loss, usual.column if view.column is None else view.column, frozenset(view.hidden)).bounded()
