"""The score as text, and as plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.diagnosis.score import Heard, Score

ROWS = (
    ("recall", "recall, all faulty runs", "{:.0%}"),
    ("macro_recall", "macro recall", "{:.2f}"),
    ("macro_precision", "macro precision", "{:.2f}"),
    ("critical_right", "first critical finding names the fault", "{:.0%}"),
    ("critical_fits", "… or what may be named beside it", "{:.0%}"),
    ("critical_right_of_said", "… names it, of the runs that have a critical one", "{:.0%}"),
    ("silent", "faulty runs without a word", "{}"),
    ("wrong", "wrong findings a faulty run", "{:.2f}"),
    ("wrong_hints", "wrong hints a faulty run", "{:.2f}"),
    ("healthy_critical", "healthy runs with a critical finding", "{:.1%}"),
    ("healthy_told", "healthy runs with any finding", "{:.1%}"),
    ("healthy_hints", "hints a healthy run", "{:.2f}"),
    ("at", "detected at, share of the run (median)", "{:.0%}"),
)


def table(scores: Mapping[str, Score]) -> str:
    """All tools side by side: totals, then the kinds."""
    names = list(scores)
    lines = [_line("", names)]
    for field, label, form in ROWS:
        lines.append(_line(label, [_number(getattr(score, field), form) for score in scores.values()]))
    lines += ["", _line("kind: found / runs, precision, detected at", names)]
    first = next(iter(scores.values()))
    for i, kind in enumerate(first.kinds):
        cells = []
        for score in scores.values():
            one = score.kinds[i]
            hinted = f"+{one.hinted - one.found}" if one.hinted > one.found else ""
            cells.append(
                f"{one.found}{hinted}/{one.cases} {_number(one.precision, '{:.2f}'):>4} {_number(one.at, '{:.0%}'):>4}"
            )
        lines.append(_line(kind.kind, cells))
    return "\n".join(lines)


def _line(label: str, cells: Sequence[str]) -> str:
    return f"{label:50}" + "".join(f"{cell:>19}" for cell in cells)


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else form.format(value)


def details(faulty: Sequence[Heard], healthy: Sequence[Heard]) -> str:
    """Each case that is missed or gets a wrong word, and each healthy run that gets a word."""
    lines = []
    for heard in faulty:
        missed = not math.isfinite(heard.found_at)
        wrong = sorted({s.rule for s in heard.told if not heard.fits(s)})
        if missed or wrong:
            said = ", ".join(f"{s.rule} ({s.severity}, {s.step / heard.steps:.0%})" for s in heard.said) or "nothing"
            lines.append(f"{'missed' if missed else 'found '} {'wrong' if wrong else '     '} {heard.case.name}: {said}")
    for heard in healthy:
        if heard.said:
            said = ", ".join(f"{s.rule} ({s.severity}, {s.step / heard.steps:.0%})" for s in heard.said)
            lines.append(f"healthy flagged {heard.case.name}: {said}")
    return "\n".join(lines)


def as_values(score: Score) -> dict[str, Any]:
    """A score for JSON; NaN is null."""
    plain = {field: _plain(value) for field, value in score._asdict().items() if field != "kinds"}
    return plain | {"kinds": [{key: _plain(value) for key, value in kind._asdict().items()} for kind in score.kinds]}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
