"""The end of a run as a card: a small chart, last and best values, what was changed, what was found, and what to do next.

At most a hundred columns, reflowed on a narrower terminal. Only what the log tells is on it.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.launcher.runs.loss import latest, loss_tag
from tuimon.launcher.runs.runs import is_resumable
from tuimon.launcher.runs.status import Status
from tuimon.launcher.steering.commands import value_text
from tuimon.launcher.supervisor.output import OUTPUT
from tuimon.log.records import BY_SPEC, Applied, CheckpointSaved, Finding
from tuimon.log.series import Series
from tuimon.log.store import Store
from tuimon.paper.curves import chart
from tuimon.paper.ink import Ink, Size
from tuimon.paper.series import Look
from tuimon.paper.tags import by_chart, is_measured, split_of
from tuimon.viewer.draw.rows import cells, cut

MOST_COLUMNS = 100
CHART_ROWS = 12
_LEAST_POINTS = 5  # of a curve worth a chart
_OUTER, _DECADES = 2.0, 50.0  # percent at either end that does not count; how many times as much calls for a logarithmic axis
_NAMED = 10  # columns of the names at the left
_MOST_METRICS, _MOST_CHANGES, _MOST_FINDINGS = 6, 4, 4
_OTHERS = re.compile(
    r"^(system|grad_norm|weight_norm|update_ratio|dead_\w+|saturated_\w+|activation_\w+)/|^(lr|epoch|throughput)$"
)
_HIGH = re.compile(r"acc|r2|f1|auc|precision|recall|reward|score|bleu|psnr|iou", re.IGNORECASE)
_LOW = re.compile(r"loss|err|mae|mse|perplexity|ppl|nll", re.IGNORECASE)


def card(run: Path, store: Store, status: Status, findings: Iterable[Finding], columns: int, ink: Ink) -> list[str]:
    """The rows of a run's card, at most `columns` cells wide; none if nothing was watched, for the output says all then."""
    if not _metric_tags(store):
        return []
    columns = min(columns, MOST_COLUMNS)
    rows = loss_chart({run.name: store}, columns, ink)
    for name, texts in (
        ("metrics", _metrics(store)),
        ("changed", _changes(store)),
        ("findings", _findings(findings)),
        ("run", _where(run, store)),
        ("next", _next_steps(run, store, status)),
    ):
        for index, text in enumerate(texts):
            whole = name in ("run", "next")  # to be copied
            rows += _entry(name if index == 0 else "", text, columns, ink, whole)
    return rows


def loss_chart(runs: dict[str, Store], columns: int, ink: Ink, rows: int = CHART_ROWS) -> list[str]:
    """A small chart of the losses of some runs; nothing where there are too few points to make a curve."""
    tags = loss_tags(runs.values())
    longest = max((len(store[tag]) for store in runs.values() for tag in tags if tag in store), default=0)
    if longest < _LEAST_POINTS:
        return []
    title = tags[0] if len(tags) == 1 else split_of(tags[0])[0]
    look = Look(log=spans_decades([store[tag] for store in runs.values() for tag in tags if tag in store]), brief=True)
    try:
        return chart(title, runs, tags, look, Size(min(columns, MOST_COLUMNS), rows), ink)
    except TuimonError as error:  # the drawing library cannot be loaded: the rest of the card needs none
        return [cut(one_line(error.message), columns, ink.ascii)]


def spans_decades(series: Iterable[Series]) -> bool:
    """Whether only a logarithmic axis shows all parts of the curves: they are positive, and far apart."""
    values = np.concatenate([one.values[np.isfinite(one.values)] for one in series])
    if not len(values) or values.min() <= 0:
        return False
    low, high = np.percentile(values, (_OUTER, 100 - _OUTER))
    return bool(high > _DECADES * low)


def loss_tags(stores: Iterable[Store]) -> tuple[str, ...]:
    """The training loss with the validation losses that belong to it; of several runs, validation alone where all have it."""
    stores = list(stores)
    losses = {loss_tag(store) for store in stores} - {""}
    metrics = {split_of(loss)[0] for loss in losses}
    charts = by_chart(dict.fromkeys(tag for store in stores for tag in store if split_of(tag)[0] in metrics))
    tags = next(iter(charts.values()), ())
    if len(stores) > 1:
        validated = tuple(tag for tag in tags if split_of(tag)[1] == "val")
        if validated and all(len(store[validated[0]]) >= 2 for store in stores if validated[0] in store):
            return validated[:1] if all(validated[0] in store for store in stores) else tags
    return tags


def _metrics(store: Store) -> list[str]:
    """Each metric's last and best value, the losses first."""
    tags, loss = _metric_tags(store), loss_tag(store)
    tags.sort(key=lambda tag: (tag != loss, "loss" not in tag.lower(), "acc" not in tag.lower()))
    lines = []
    for tag in tags[:_MOST_METRICS]:
        value = format.number(latest(store, tag))
        lines.append(f"{one_line(tag):<16} {value:>8}{best_of(tag, store[tag], store)}")
    if len(tags) > _MOST_METRICS:
        lines.append(f"and {len(tags) - _MOST_METRICS} more")
    return lines


def _metric_tags(store: Store) -> list[str]:
    return [tag for tag in store if len(store[tag]) and not is_measured(tag)]


def best_of(tag: str, series: Series, store: Store) -> str:
    """`   best 0.312 at step 400, epoch 3`; nothing for a metric of which nobody says which way is better."""
    values = series.values.astype(float)
    if not np.isfinite(values).any():
        return ""
    if _LOW.search(tag):
        index = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
    elif _HIGH.search(tag):
        index = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    else:
        return ""
    step = int(series.steps[index])
    length = store.started.steps_per_epoch if store.started else None
    epoch = f", epoch {max(1, -(-step // length))}" if length else ""
    return f"   best {format.number(values[index])} at step {format.count(step)}{epoch}"


def _changes(store: Store) -> list[str]:
    """What was steered while it ran, not what its own spec had planned."""
    moves = [record.event for record in store.events if isinstance(record.event, Applied)]
    moves = [one for one in moves if one.by != BY_SPEC and (one.old, one.old_enabled) != (one.new, one.new_enabled)]
    lines = [
        f"{one.lever} {value_text(one.old, one.old_enabled)} → {value_text(one.new, one.new_enabled)}"
        f" at step {format.count(one.step)}"
        for one in moves[-_MOST_CHANGES:]
    ]
    earlier = len(moves) - len(lines)
    return [*([f"{earlier} earlier changes, then"] if earlier else []), *lines]


def _findings(findings: Iterable[Finding]) -> list[str]:
    """What was found and holds, each place once, in its latest wording."""
    held: dict[tuple[str, str], Finding] = {}
    for one in findings:
        held.pop((one.rule, one.layer), None)
        if one.cleared is None:
            held[one.rule, one.layer] = one
    lines = [f"{one.severity}: {one.text}" for one in list(held.values())[:_MOST_FINDINGS]]
    more = len(held) - len(lines)
    return [*lines, *([f"and {more} more"] if more > 0 else [])]


def _where(run: Path, store: Store) -> list[str]:
    saved = [record.event for record in store.events if isinstance(record.event, CheckpointSaved)]
    best = [one for one in saved if one.reason == "best"]
    lines = [str(run)]
    if best:
        lines.append(f"best checkpoint: {best[-1].path}, step {format.count(best[-1].step)}")
    elif saved:
        lines.append(f"checkpoint: {saved[-1].path}, step {format.count(saved[-1].step)}")
    return lines


def _next_steps(run: Path, store: Store, status: Status) -> list[str]:
    """Commands to go on with."""
    name = shlex.quote(run.name)
    lines = []
    if status.state in ("failed", "killed", "lost") and (run / OUTPUT).is_file():
        lines.append(f"its output: less {shlex.quote(str(run / OUTPUT))}")
    if is_resumable(run) and not status.live:
        total = store.started.total_steps if store.started else None
        more = f" steps={2 * total}" if total and store.step >= total else ""
        lines.append(f"tuimon resume {name}{more}")
    lines.append(f"tuimon plot {name}")
    return lines


def _entry(name: str, text: str, columns: int, ink: Ink, whole: bool) -> list[str]:
    """A named row, wrapped below itself unless it is to stay whole."""
    text = one_line(text)
    if ink.ascii:
        text = text.replace("→", "->").replace("–", "-")
    room = max(columns - _NAMED, 10)
    parts = [text] if whole or cells(text) <= room else textwrap.wrap(text, room, break_on_hyphens=False)
    return [f"{name if index == 0 else '':<{_NAMED}}{part}".rstrip() for index, part in enumerate(parts or [""])]
