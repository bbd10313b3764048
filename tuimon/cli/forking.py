"""The verb `fork`: starts a run from another run's checkpoint."""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np

from tuimon.base.format import count, number
from tuimon.base.plain import one_line
from tuimon.cli.trusting import with_trust
from tuimon.diagnosis.proof import twins
from tuimon.launcher.places.places import place_named
from tuimon.launcher.runs.loss import VALIDATION
from tuimon.launcher.runs.runs import find_run, runs_dir
from tuimon.log.reader import read_run
from tuimon.log.store import Store


def fork(options: argparse.Namespace) -> int:
    """Forks a run and watches the fork; with a twin, watches both and prints what the change did."""
    from tuimon.cli.comparing import watch_together
    from tuimon.cli.running import watch_own
    from tuimon.launcher.start.fork import fork as start_fork
    from tuimon.launcher.start.fork import split_at

    directory = runs_dir(options.runs_dir)
    name, at = split_at(options.run)
    parent = find_run(name, directory)
    how = {"runs_dir": directory, "name": options.name, "device": options.device, "twin": options.twin, "say": _say}
    how["place"] = place_named(options.on, options.memory)
    started = with_trust(options, lambda trusted: start_fork(parent, at, options.settings, trusted=trusted, **how))
    if not options.quiet:
        changed = " ".join(options.settings) or "nothing changed"
        _say(f"{started.fork.name}: {parent.name} from step {count(started.point.step)} on, {changed}")
    if started.twin is None:
        return watch_own(options, started.fork)
    if options.detach:
        print(started.fork.name, started.twin.name, sep="\n")
        return 0
    code = watch_together(options, [started.fork, started.twin], directory, forks_told=False)
    if not options.json:
        told = what_it_did(read_run(started.fork), read_run(started.twin), " ".join(options.settings))
        print(*map(one_line, told), sep="\n")
    return code


def what_it_did(fork: Store, twin: Store, change: str) -> tuple[str, str]:
    """What a change did: the verdict, by the difference to the unchanged twin, and the lowest validation loss of both."""
    step = fork.forked.step if fork.forked else 0
    verdict = f"{change}: {twins(fork, twin, step).text}"
    with_it, without = lowest(fork, step), lowest(twin, step)
    if math.isnan(with_it) or math.isnan(without):
        return verdict, f"not both have a validation loss since step {count(step)}"
    far = f"{number(abs(with_it - without))} {'lower' if with_it < without else 'higher'}"
    told = f"lowest {VALIDATION} since step {count(step)} {number(with_it)}, without it {number(without)}"
    return verdict, f"{told}: {far if with_it != without else 'the same'}"


def lowest(store: Store, after: int) -> float:
    """The lowest finite validation loss after a step; NaN if there is none."""
    if VALIDATION not in store:
        return math.nan
    series = store[VALIDATION]
    values = series.values[(series.steps > after) & np.isfinite(series.values)]
    return float(values.min()) if len(values) else math.nan


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
