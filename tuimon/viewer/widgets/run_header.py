"""The header of a run's screen: what the run is, its state and its progress."""

from __future__ import annotations

import math
from collections.abc import Hashable

from textual.geometry import Size

from tuimon.base import format
from tuimon.launcher.runs.summary import made_of, pace, seconds_trained
from tuimon.log.records import Applied, LeverValue, RunStarted
from tuimon.log.store import Store
from tuimon.viewer.draw.meter import state_glyph
from tuimon.viewer.draw.rows import Row, Span, clip, cut, fit, shorten, width_of
from tuimon.viewer.widgets.saying import Saying

ONE_LINE = 130  # from this many cells on, everything fits on one line
_LEAST_NAME = 12
_OVER = ("finished", "stopped", "failed", "killed", "lost")


class RunHeader(Saying):
    """Name, model and optimizer; state; epoch, step, speed and ETA, or duration; learning rate and regularization.

    On one line if that fits, else on two, cutting from the right. Messages appear on the upper line.
    """

    DEFAULT_CSS = "RunHeader { height: auto; }"

    def __init__(self, called: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._called = called  # for logs without a name, which tuimon did not write
        self._state = "unknown"
        self._detail = ""

    def set_state(self, state: str, detail: str = "") -> None:
        """Shows the run's state."""
        if (state, detail) != (self._state, self._detail):
            self._state, self._detail = state, detail
            self.redraw()

    @property
    def room(self) -> int:
        """Cells available for a message; none with one line."""
        width = self.content_size.width
        return self._room_beside(self._how(), width) if width < ONE_LINE else 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Two lines in a narrow window."""
        return 2 if width < ONE_LINE else 1

    def watched(self, store: Store) -> Hashable:
        """Nearly every record changes the step."""
        return store.version

    def draw(self, width: int, height: int) -> list[Row]:
        """One line, or two."""
        if self.store is None:
            return [[Span("no run yet", "dim")]]
        who, how = _who(self.store, self._called, self.ascii), self._how()
        far, set_to = _far(self.store, self._state, self.ascii), _set_to(self.store, self.ascii)
        if height >= 2:
            room = self._room_beside(how, width)
            said = [Span(cut(self.said.text, room, self.ascii), self.said.style)] if self.said.text else set_to
            if width_of(said) > room:
                said = []  # the state matters more than the settings
            return [_spread([who], [*said, Span("  "), *how], width, self.ascii), clip(far, width, self.ascii)]
        return [_spread([who, how, far], set_to, width, self.ascii)]

    def _room_beside(self, how: Row, width: int) -> int:
        return max(width - _LEAST_NAME - width_of(how) - 4, 0)

    def _how(self) -> Row:
        glyph, style = state_glyph(self._state, self.ascii)
        detail = f" ({self._detail})" if self._detail else ""
        damaged = "  ! log damaged" if self.store and self.store.damage else ""
        return [Span(f"{glyph} {self._state}", style), Span(detail, "dim"), Span(damaged, "warn")]


def _who(store: Store, called: str, ascii: bool) -> Row:
    started, launched = store.started, store.launched
    name = started.name if started else launched.name if launched else called or "run"
    dot = " - " if ascii else " · "
    parts = [part for part in made_of(started, launched) if part]
    return [Span(name, "title"), Span("".join(dot + part for part in parts), "dim")]


def _far(store: Store, state: str, ascii: bool) -> Row:
    started = store.started
    total = started.total_steps if started else None
    row = [Span("step ", "dim"), Span(format.count(store.step), "value")]
    if total:
        row.append(Span(f"/{format.count(total)}", "dim"))
    if started and started.steps_per_epoch:
        epochs = f"/{math.ceil(total / started.steps_per_epoch)}" if total else ""
        epoch = store.step // started.steps_per_epoch
        if not (total and store.step >= total):
            epoch += 1
        row = [Span("epoch ", "dim"), Span(str(epoch), "value"), Span(f"{epochs}  ", "dim"), *row]
    if state == "paused":
        return row  # while paused, the last logged speed no longer holds
    if state in _OVER:
        took = seconds_trained(store)
        return [*row, Span("  after ", "dim"), Span(format.duration(took), "value")] if took >= 0 else row
    speed = pace(store)
    if started or not math.isnan(speed):  # a log that tuimon did not write has no speed
        row.append(Span(f"  {format.rate(speed, ascii)}", "value"))
    if state == "running" and total and speed > 0 and store.step < total:
        row += [Span("  ETA ", "dim"), Span(format.duration((total - store.step) / speed), "value")]
    return row


def _set_to(store: Store, ascii: bool) -> Row:
    row: Row = []
    lr, factor = rate_in_force(store)
    if not math.isnan(lr):
        row += [Span("lr ", "dim"), Span(format.number(lr), "value")]
    if factor not in (None, 1.0):
        row.append(Span(f" ({format.scale(factor, ascii)})", "warn"))
    if "regularization" in store.levers:
        on = store.levers["regularization"].value is not False
        row += [Span("  reg ", "dim"), Span("on" if on else "off", "value" if on else "warn")]
    return row


def rate_in_force(store: Store) -> tuple[float, float | None]:
    """The current learning rate and the lever's factor in it: 1.0 if off, None if the two cannot be matched.

    The latest logged rate includes the factor at its step. If the factor changed since, as while paused, the rate is corrected.
    """
    lr, lever = store.last("lr"), store.levers.get("lr_scale")
    now = _factor(lever.value, lever.enabled) if lever else None
    if now is None or math.isnan(lr):
        return lr, now
    then = _factor_at(int(store["lr"].steps[-1]), store, now)
    if then == now:
        return lr, now
    return (lr * now / then, now) if then else (lr, None)


def _factor_at(step: int, store: Store, now: float) -> float | None:
    """The factor in force when `step` was the latest step: the value that the first later move replaced."""
    factor: float | None = now
    for record in reversed(store.events):
        event = record.event
        if isinstance(event, RunStarted) or (isinstance(event, Applied) and event.step < step):
            break
        if isinstance(event, Applied) and event.lever == "lr_scale":
            factor = _factor(event.old, event.old_enabled)
    return factor


def _factor(value: LeverValue, enabled: bool) -> float | None:
    if not enabled:
        return 1.0
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _spread(left: list[Row], right: Row, width: int, ascii: bool) -> Row:
    """Places parts on the left and one on the right; the first part is shortened if needed."""
    gap = Span("  ")
    rest = [span for part in left[1:] for span in (gap, *part)]
    taken = width_of(rest) + width_of(right) + 2
    first = left[0]
    if width_of(first) + taken > width:
        first = [Span(shorten("".join(s.text for s in first), max(width - taken, 8), ascii), "title")]
    body = [*first, *rest]
    return fit([*body, Span(" " * max(width - width_of(body) - width_of(right), 2)), *right], width)
