"""A run's story as one HTML page that needs nothing else: no network, no script, charts inline, light or dark.

Jinja2 escapes whatever comes from the log; the charts escape their own text. The page forbids browsers to run or load anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tuimon.base import format
from tuimon.base.version import __version__
from tuimon.launcher.runs.failure import Failure
from tuimon.log.store import Store
from tuimon.paper.card import loss_tags, spans_decades
from tuimon.paper.series import Look
from tuimon.paper.story import Changed, Story
from tuimon.paper.svg import Band, Mark, Notes, closeup, page
from tuimon.paper.tags import by_chart
from tuimon.viewer.about import Fact, Section

_TEMPLATE = Path(__file__).with_name("report.html")
_COLUMNS = 400  # of a chart: what a screen can show, in a page that can be sent
_MARKS = {"helped": "helped", "made it worse": "worse", "too early to say": "early", "no effect": "none"}
_MOST_CLOSEUPS = 30


def html_of(story: Story, store: Store) -> str:
    """The page. `store` has the curves of the story."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    losses = by_chart(loss_tags([store]))
    return template.render(
        story=story,
        version=__version__,
        marks=_MARKS,
        losses=list(_pictures(store, losses, _marks(story))),
        pictures=list(_pictures(store, {title: tags for title, tags in story.charts.items() if title not in losses})),
        closeups={one.number: picture for one in story.changes[:_MOST_CLOSEUPS] if (picture := _closeup(store, one))},
        differing=_differing,
        loss_line=loss_line(story.failure),
        nothing_found=nothing_found(story),
    )


def nothing_found(story: Story) -> str:
    """What is said where there is no finding."""
    return "No problems found." if story.judged else "Nothing could be judged: the log lacks what the rules read."


def loss_line(failure: Failure | None) -> str:
    """How far a run that failed had come."""
    if failure is None:
        return ""
    if failure.loss is None:
        return f"Last step {format.count(failure.step)}, without a finite loss."
    last = f"Last finite loss {format.number(failure.loss)} at step {format.count(failure.loss_step)}"
    return f"{last}, last step {format.count(failure.step)}."


def _marks(story: Story) -> Notes:
    return Notes([Mark(one.step, str(one.number)) for one in story.changes], columns=_COLUMNS)


def _pictures(store: Store, charts: dict[str, tuple[str, ...]], notes: Notes = Notes(columns=_COLUMNS)) -> Iterator[Markup]:  # noqa: B008
    for title, tags in charts.items():
        look = Look(log=spans_decades([store[tag] for tag in tags]))
        yield Markup(page({"": store}, {title: tags}, look, notes))


def _closeup(store: Store, change: Changed) -> Markup | None:
    """The loss around a change, with the band that it was expected in; none where there is no band."""
    effect, tag = change.proof.effect, change.proof.tag
    if not tag or not all(map(math.isfinite, effect.band)):
        return None
    steps = (float(effect.before.first), float(effect.after.last))
    band = Band((float(effect.after.first), float(effect.after.last)), effect.band)
    return Markup(closeup(store, tag, steps, Notes([Mark(change.step, str(change.number))], band, _COLUMNS)))


def _differing(section: Section) -> list[Fact]:
    return [fact for fact in section.facts if fact.preset is not None]
