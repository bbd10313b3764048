"""The page of one finding: what was seen, what it means, what may help, and what that did before. Rows of text. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tuimon.viewer.draw.rows import Row, Span

STYLES = {"hint": "value", "warning": "warn", "critical": "bad"}
_LEAST_WIDTH = 20


@dataclass(frozen=True)
class Cure:
    """A remedy on the page: what it moves, why, why it cannot be applied (empty: it can), and what it did before."""

    moves: str
    why: str
    blocked: str = ""
    did: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A finding for its page; `numbers` are names with values, `changes` what else was changed since, with what it did."""

    text: str
    severity: str
    state: str
    numbers: tuple[tuple[str, str], ...] = ()
    meaning: str = ""
    causes: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    cures: tuple[Cure, ...] = ()
    changes: tuple[str, ...] = ()


class Line(NamedTuple):
    """A row of the page; `cure` is the number of the remedy that begins there, if one does."""

    row: Row
    cure: int | None = None


def lines(page: Page, width: int, ascii: bool = False) -> list[Line]:
    """The page at a width, from top to bottom."""
    width = max(width, _LEAST_WIDTH)
    found = [*_wrapped(page.text, width, STYLES.get(page.severity, "value")), *_wrapped(page.state, width, "dim")]
    if page.numbers:
        found += _wrapped(", ".join(f"{name} {value}" for name, value in page.numbers), width, "value")
    found += _section("what it means", _wrapped(page.meaning, width, ""))
    found += _section("explained by", [line for text in page.causes for line in _wrapped(text, width, "", "  ")])
    found += _section("what it explains", [line for text in page.effects for line in _wrapped(text, width, "", "  ")])
    found += _section("what may help", [line for i, cure in enumerate(page.cures) for line in _cure(i, cure, width)])
    if not page.cures:
        found += _section("what may help", _wrapped("No lever can: it says above what to change.", width, "dim"))
    found += _section("what was changed since", [line for text in page.changes for line in _wrapped(text, width, "", "  ")])
    return [Line([Span(_plain(span.text, ascii), span.style) for span in line.row], line.cure) for line in found]


def cures_at(all_lines: Sequence[Line]) -> list[int]:
    """The rows where a remedy begins."""
    return [i for i, line in enumerate(all_lines) if line.cure is not None]


def _section(title: str, body: list[Line]) -> list[Line]:
    return [Line([]), Line([Span(title, "title")]), *body] if body else []


def _cure(number: int, cure: Cure, width: int) -> list[Line]:
    head = _wrapped(f"{number + 1}  {cure.moves}", width, "dim" if cure.blocked else "key", "   ")
    told = [Line(head[0].row, number), *head[1:], *_wrapped(cure.why, width, "", "   ", "   ")]
    if cure.blocked:
        told += _wrapped(f"cannot be applied: {cure.blocked}", width, "warn", "   ", "   ")
    for one in cure.did:
        told += _wrapped(one, width, _verdict_style(one), "   ", "   ")
    return told


def _verdict_style(text: str) -> str:
    return "good" if "helped" in text else "bad" if "made it worse" in text else "dim"


def _wrapped(text: str, width: int, style: str, later: str = "", first: str = "") -> list[Line]:
    return [
        Line([Span(line, style)])
        for line in textwrap.wrap(text, width, initial_indent=first, subsequent_indent=later) or ([] if not text else [text])
    ]


def _plain(text: str, ascii: bool) -> str:
    return text.replace("→", "->").replace("…", "...") if ascii else text
