"""A run's story as text: for a terminal, a mail, a log of CI. The charts are plotext's."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tuimon.log.store import Store
from tuimon.paper.card import loss_tags, spans_decades
from tuimon.paper.curves import chart
from tuimon.paper.ink import Ink, Size
from tuimon.paper.report_page import loss_line, nothing_found
from tuimon.paper.series import Look
from tuimon.paper.story import Found, Metric, Story
from tuimon.paper.tags import by_chart
from tuimon.viewer.about import Section
from tuimon.viewer.draw.rows import cells, cut, shorten

_CHART_ROWS = 16
_MOST_CHARTS = 6  # beside the losses
_NAMED = 18  # columns of names
_MOST_SETTINGS = 12


def text_of(story: Story, store: Store, columns: int, ink: Ink) -> list[str]:
    """The report's rows, wrapped at `columns`."""
    rows = [story.name, *(row for name, value in story.facts for row in _named(name, value, columns))]
    for title, lines in _parts(story, store, columns, ink):
        if lines:
            rows += ["", title.upper(), *lines]
    return [_ascii(row) if ink.ascii else row for row in rows]


def _ascii(row: str) -> str:
    return row.replace("→", "->").replace("…", "...").replace("±", "+-").replace("·", "-").replace("–", "-")


def _parts(story: Story, store: Store, columns: int, ink: Ink) -> Iterator[tuple[str, list[str]]]:
    losses = by_chart(loss_tags([store]))
    yield "Why it failed", list(_failure(story, columns))
    yield "Losses", _charts(store, losses, columns, ink)
    yield "Metrics", [_metric(one, columns, ink) for one in story.metrics]
    yield "Findings", [*_findings(story, columns)] or [nothing_found(story)]
    yield "What was changed, and what it did", list(_changes(story, columns))
    for section in story.sections:
        yield section.title, list(_section(section, columns))
    others = {title: tags for title, tags in story.charts.items() if title not in losses}
    yield "Curves", _charts(store, dict(list(others.items())[:_MOST_CHARTS]), columns, ink)
    yield "Warnings", [row for line in story.problems + story.notices for row in _wrapped(line, columns, "")]


def _metric(one: Metric, columns: int, ink: Ink) -> str:
    named = max(columns // 3, 10)
    name = shorten(one.tag, named, ink.ascii)
    return cut(f"{name}{' ' * (named - cells(name))} {one.last:>9}   {one.best}".rstrip(), columns, ink.ascii)


def _failure(story: Story, columns: int) -> Iterator[str]:
    if (failure := story.failure) is None:
        return
    yield from _wrapped(failure.error, columns, "")
    for place, code in failure.frames:
        yield from _wrapped(place, columns, "  ")
        yield from _wrapped(code, columns, "    ") if code else []
    yield loss_line(failure)
    yield from _wrapped(failure.advice, columns, "") if failure.advice else []


def _charts(store: Store, charts: dict[str, tuple[str, ...]], columns: int, ink: Ink) -> list[str]:
    rows: list[str] = []
    for title, tags in charts.items():
        look = Look(log=spans_decades([store[tag] for tag in tags]))
        rows += [*([""] if rows else []), *chart(title, {"": store}, tags, look, Size(columns, _CHART_ROWS), ink)]
    return rows


def _findings(story: Story, columns: int) -> Iterator[str]:
    for one in story.findings:
        yield from _wrapped(f"{_head(one)}: {one.text}", columns, "")
        for line in (one.meaning, *(f"measured: {part}" for part in one.evidence), *(f"try {part}" for part in one.remedies)):
            yield from _wrapped(line, columns, "    ") if line else []


def _head(one: Found) -> str:
    because = f", because of {one.because}" if one.because else ""
    return f"{one.severity if one.holds else 'over'}: {one.rule}, {one.when}{because}"


def _changes(story: Story, columns: int) -> Iterator[str]:
    for one in story.changes:
        by = f", by {one.by}" if one.by else ""
        yield from _wrapped(f"{one.number}. at step {one.step}{by}: {'; '.join(one.what)}", columns, "")
        yield from _wrapped(f"{one.verdict}: {one.grounds}", columns, "    ")


def _section(section: Section, columns: int) -> Iterator[str]:
    """Its rows; of settings that differ from a preset's, those alone."""
    differing = [fact for fact in section.facts if fact.preset is not None]
    shown = differing or section.facts[:_MOST_SETTINGS]
    for fact in shown:
        yield from _named(fact.name, fact.value + (f"  (preset: {fact.preset})" if fact.preset is not None else ""), columns)
    if len(shown) < len(section.facts):
        yield f"and {len(section.facts) - len(shown)} more{' as in the preset' if differing else ''}"


def _named(name: str, value: str, columns: int) -> list[str]:
    return _wrapped(f"{name:<{_NAMED}} {value}", columns, "", " " * (_NAMED + 1))


def _wrapped(text: str, columns: int, indent: str, rest: str | None = None) -> list[str]:
    later = indent + "  " if rest is None else rest
    return textwrap.wrap(text, columns, initial_indent=indent, subsequent_indent=later, break_on_hyphens=False)
