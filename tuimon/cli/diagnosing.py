"""The verb `diagnose`: what the rules find in logs, after the fact, for people, programs and CI."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.cli.tables import print_lines
from tuimon.diagnosis import RULES, Diagnosed, examine
from tuimon.launcher.runs.lines import DiagnosisLine, RuleLine
from tuimon.launcher.runs.runs import find_run, list_runs, run_name, runs_dir
from tuimon.launcher.steering.commands import value_text
from tuimon.log.reader import read_run
from tuimon.log.records import Finding, Severity

_WIDTH = 110
_MARKS = {"critical": "!!", "warning": "!", "hint": "i"}


def diagnose(options: argparse.Namespace) -> int:
    """Prints the findings of runs; returns 1 if one of them has a critical finding that holds."""
    if options.rules:
        return _print_rules(options.json)
    if not options.runs:
        raise TuimonError("There is nothing to diagnose.", "Name runs or folders of runs: `tuimon diagnose latest`.")
    directory = runs_dir(options.runs_dir)
    worst = 0
    for name, path in _named(options.runs, directory):
        found = examine(read_run(path), again=options.again)
        critical = any(one.severity == "critical" and one.cleared is None for one in found.findings)
        worst = max(worst, int(critical))
        if options.json:
            _print_json(name, found.findings)
        else:
            _print_run(name, found)
    return worst


def _named(words: Sequence[str], directory: Path) -> Iterator[tuple[str, Path]]:
    """The runs that are meant, with their names; a folder that is no run means all runs in it."""
    for word in words:
        folder = Path(word).expanduser()
        inside = list_runs(folder) if folder.is_dir() else []
        if inside and folder.resolve() not in [run.resolve() for run in inside]:
            yield from ((run_name(run, folder), run) for run in inside)
        else:
            run = find_run(word, directory)
            yield run_name(run, directory), run


def _print_json(name: str, findings: Sequence[Finding]) -> None:
    """One line a finding."""
    print_lines(
        DiagnosisLine(
            run=name,
            rule=one.rule,
            severity=cast(Severity, one.severity),
            layer=one.layer,
            text=one.text,
            since=one.step,
            raised=one.raised,
            cleared=one.cleared,
            evidence=dict(one.evidence),
            explained_by=one.explained_by,
            remedies=one.remedies,
        )
        for one in findings
    )


def _print_run(name: str, found: Diagnosed) -> None:
    holding = [one for one in found.findings if one.cleared is None]
    print(f"{one_line(name)}: {_count(holding) or _nothing(found)}")
    roots = {one.rule for one in holding}
    for one in found.findings:
        _print_finding(one, "    " if one.cleared is None and one.explained_by in roots else "  ")
    if found.abstentions:
        print("  not judged:")
        for rule, why in found.abstentions.items():
            _print_wrapped(f"{rule}: {why}", "    ")
    sys.stdout.flush()


def _count(holding: Sequence[Finding]) -> str:
    counts = {word: sum(one.severity == word for one in holding) for word in ("critical", "warning", "hint")}
    plural = {word: word if word == "critical" or number == 1 else f"{word}s" for word, number in counts.items()}
    return ", ".join(f"{number} {plural[word]}" for word, number in counts.items() if number)


def _nothing(found: Diagnosed) -> str:
    return "nothing could be judged" if len(found.abstentions) == len(RULES) else "no problems found"


def _print_finding(one: Finding, indent: str) -> None:
    if one.cleared is not None:
        where = f" at {one.layer}" if one.layer else ""
        _print_wrapped(f"over: {one.rule}{where}, from step {one.raised} to {one.cleared}: {one.text}", indent)
        return
    _print_wrapped(f"{_MARKS[one.severity]} {one.rule}, since step {one.step}: {one.text}", indent)
    for remedy in one.remedies:
        moves = " ".join(lever if value is None else f"{lever}={value_text(value)}" for lever, value in remedy.levers.items())
        _print_wrapped(f"try {moves}: {remedy.why}", indent + "   ")


def _print_wrapped(text: str, indent: str) -> None:
    print(textwrap.fill(one_line(text), _WIDTH, initial_indent=indent, subsequent_indent=indent + "  "))


def _print_rules(as_json: bool) -> int:
    """All rules with what each means, needs and cites."""
    if as_json:
        return print_lines(
            RuleLine(rule=rule.name, severity=rule.severity, meaning=rule.meaning, needs=rule.needs, cites=rule.cites)
            for rule in RULES
        )
    for rule in RULES:
        print(f"{rule.name} ({rule.severity})")
        for text in (rule.meaning, f"Needs: {', '.join(rule.needs)}.", f"See: {rule.cites}."):
            _print_wrapped(text, "    ")
        print()
    return 0
