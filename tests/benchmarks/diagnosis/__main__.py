"""Trains the labelled set, makes sure that each fault is one, and scores what tuimon and others say of each run.

    cd tests && PYTHONPATH=.:.. python -m benchmarks.diagnosis          (or: make bench-diagnosis)

Logs are kept, so that scoring again after a change of the rules takes seconds. A fault whose run is not worse than its healthy
twin's is no fault: it is reported and left out of the scores, and the exit code is 1. Likewise a healthy run that has not
learned. `--holdout SEED` makes the same kinds with other seeds, sizes, rates and strengths, so that nobody tunes to cases.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.diagnosis.case import Case, drawn
from benchmarks.diagnosis.labelled import CASES
from benchmarks.diagnosis.logs import Logs, default_folder
from benchmarks.diagnosis.score import Heard, scored
from benchmarks.diagnosis.table import as_values, details, table
from benchmarks.diagnosis.tools import TOOLS, Tool, opinion
from benchmarks.diagnosis.worse import is_healthy, is_worse


def main() -> int:
    """Trains what is missing, verifies, scores, prints."""
    options = _parser().parse_args()
    logs = Logs(options.logs, options.stale)
    logs.forget_old()
    cases = [drawn(case, options.holdout) for case in chosen(options.only)]
    if not cases:
        print(f"no case and no kind is called {', '.join(options.only)}", file=sys.stderr)
        return 2
    failed = [] if options.kept else _train(logs, cases, options)
    kept, unfit = verified(logs, cases)
    if options.kept:
        kept = [case for case in kept if logs.has_log(case.faulty)]
    verdict = "\n".join(unfit) or "every fault is one, and every healthy run is healthy"
    print(verdict, file=sys.stderr if options.json else sys.stdout)
    if not options.verify:
        _score(logs, kept, options)
    return bool(failed or unfit)


def chosen(only: Sequence[str]) -> list[Case]:
    """The cases whose name or kind is asked for; all if none is."""
    return [case for case in CASES if not only or any(word == case.kind or case.name.startswith(word) for word in only)]


def _train(logs: Logs, cases: Sequence[Case], options: argparse.Namespace) -> list[str]:
    names = {case.recipe: f"twin of {case.name}" for case in reversed(cases)} | {case.faulty: case.name for case in cases}
    runs, twins = [case.faulty for case in cases], [case.recipe for case in cases]
    watched = [*runs, *twins] if options.twins else runs
    failed = []
    for i, done in enumerate(logs.make(watched, twins, options.jobs, options.rerun)):
        print(f"{i + 1}: {done.seconds:5.1f} s {names[done.recipe]} {done.error}", file=sys.stderr, flush=True)
        failed += [f"{names[done.recipe]}: {done.error}"] if done.error else []
    return failed


def verified(logs: Logs, cases: Sequence[Case]) -> tuple[list[Case], list[str]]:
    """The cases that are what they are labelled as, and a line for each that is not."""
    kept, unfit = [], []
    for case in cases:
        run, twin = logs.outcome(case.faulty), logs.outcome(case.recipe)
        if run is None or twin is None:
            unfit.append(f"not trained: {case.name}")
            continue
        twin_fine, twin_text = is_healthy(twin)
        fine, text = is_worse(case, run, twin) if case.kind else (twin_fine, twin_text)
        if not fine:
            unfit.append(f"unfit: {case.name}: {text}")
        elif case.kind and not twin_fine:
            unfit.append(f"twin unfit: {case.name}: {twin_text}")
        else:
            kept.append(case)
    return kept, unfit


def heard(logs: Logs, cases: Sequence[Case], tool: Tool) -> list[Heard]:
    """What a tool says of each case."""
    opinions = [opinion(logs, case.faulty, tool) for case in cases]
    return [Heard(case, one.said, one.steps) for case, one in zip(cases, opinions, strict=True)]


def twins_of(cases: Sequence[Case]) -> list[Case]:
    """The healthy twins of faults, as healthy cases, each once."""
    return [Case(f"twin of {name}", recipe) for recipe, name in {c.recipe: c.name for c in reversed(cases) if c.kind}.items()]


def _score(logs: Logs, cases: Sequence[Case], options: argparse.Namespace) -> None:
    faulty, fine = [c for c in cases if c.kind], [c for c in cases if not c.kind]
    twins = [twin for twin in twins_of(cases) if logs.has_log(twin.recipe)]
    scores, alarms, own = {}, {}, ""
    for tool in TOOLS:
        name = tool.name
        of_faulty, of_fine, of_twins = (heard(logs, group, tool) for group in (faulty, fine, twins))
        scores[name], alarms[name] = scored(of_faulty, of_fine), scored([], of_twins)
        if name == "tuimon":
            own = details(of_faulty, [*of_fine, *of_twins])
    if options.json:
        of_twins = {name: alarm.healthy_told for name, alarm in alarms.items()}
        print(json.dumps({n: as_values(score) | {"twins_told": of_twins[n] if twins else None} for n, score in scores.items()}))
        return
    print(f"\n{len(faulty)} faulty runs, {len(fine)} healthy ones that look odd, {len(twins)} healthy twins\n")
    print(table(scores))
    flagged = [f"{name} {a.healthy_critical:.0%} critical, {a.healthy_told:.0%} any" for name, a in alarms.items()]
    print("\ntwins flagged: " + "; ".join(flagged))
    print(f"\n{own}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME|KIND", help="these cases or kinds only")
    parser.add_argument("--jobs", type=int, default=1, help="processes that train at once")
    parser.add_argument("--rerun", action="store_true", help="train all anew")
    parser.add_argument("--holdout", type=int, metavar="SEED", help="other seeds, sizes, rates and strengths")
    parser.add_argument("--logs", type=Path, default=default_folder(), metavar="DIR", help="where logs are kept (%(default)s)")
    parser.add_argument("--stale", action="store_true", help="take logs of an earlier monitor where there are none of this one")
    parser.add_argument("--kept", action="store_true", help="train nothing: score the logs that there are")
    parser.add_argument("--twins", action="store_true", help="watch the healthy twins of the faults, too: more healthy runs")
    parser.add_argument("--verify", action="store_true", help="train and compare with the twins, score nothing")
    parser.add_argument("--json", action="store_true", help="the scores as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
