"""The verb `search`: begins a study, goes on with one, or shows what it has found."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import signal
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.format import number
from tuimon.base.nearest import did_you_mean
from tuimon.base.plain import one_line
from tuimon.cli.tables import print_lines, print_table
from tuimon.cli.trusting import with_trust
from tuimon.launcher.places.places import place_named
from tuimon.launcher.runs.lines import StudyLine, TrialLine
from tuimon.launcher.runs.runs import runs_dir
from tuimon.launcher.start.devices import choose_device
from tuimon.launcher.start.program import is_spec
from tuimon.launcher.start.trust import require_trust, require_trust_in_program, require_trust_in_study
from tuimon.search import begin
from tuimon.search.flight import Slot
from tuimon.search.plan import BASE_FILE, JOURNAL_FILE, Plan, budget, read_plan
from tuimon.search.study_file import STUDY_FILE, is_study

if TYPE_CHECKING:
    from tuimon.search.study import Study, TrialInfo

_INTERRUPTED = 130
_MOST_ROWS = 10


def search(options: argparse.Namespace) -> int:
    """Searches until the budget is used up; prints each trial as it ends, and the best at the end.

    Returns:
        0; 1 if no trial has a value; 130 after Ctrl-C.
    """
    if importlib.util.find_spec("optuna") is None:
        raise TuimonError("Cannot search: Optuna is not installed.", 'Install it: pip install "tuimon[search]"')
    directory = runs_dir(options.runs_dir)
    folder = _known_study(options, directory)
    if folder is None and options.show:
        raise TuimonError(f"There is no study {options.source or (options.program or [''])[0]!r} in {directory}.")
    plan = _begun(options) if folder is None else _gone_on_with(options, folder)
    slots = _slots(options)
    if folder is None:
        folder = begin.make_study(plan, directory, options.name)
    elif not options.show:
        with_trust(options, partial(require_trust_in_study, folder, (STUDY_FILE, BASE_FILE, JOURNAL_FILE)))
    return _Searching(options, folder, plan).show() if options.show else _Searching(options, folder, plan).run(slots)


def _known_study(options: argparse.Namespace, directory: Path) -> Path | None:
    """The study that is named, if one is; a preset's or a file's name goes before a study's."""
    if options.program or options.source is None or is_spec(options.source):
        return None
    places = [directory / options.source, Path(os.path.expanduser(options.source)).absolute()]
    found = next((place for place in places if is_study(place)), None)
    changed = [word for word in options.settings if "=" in word]
    set_anew = [name for name in ("sampler", "rounds", "objective", "goal", "of", "seed", "name") if getattr(options, name)]
    if found and (changed or set_anew):
        hint = "Its trials could not be compared. Start a new study; budget, jobs, GPUs and pruner may change."
        raise TuimonError(f"Cannot change {', '.join([*changed, *set_anew])} of the study {found.name}.", hint)
    if found is None and not options.source.endswith(".toml"):
        studies = [path.parent.name for path in directory.glob(f"*/{STUDY_FILE}")]
        hint = f"Studies: {', '.join(sorted(studies)[:5])}." if studies else "`tuimon presets` lists the presets."
        near = did_you_mean(options.source, studies)
        raise TuimonError(f"{options.source}: no preset, file, program or study has this name{near}", hint)
    return found


def _begun(options: argparse.Namespace) -> Plan:
    """The plan of a new study."""
    objective = {"tag": options.objective or "loss/val", "of": options.of or "best"}
    goal = options.goal or ("max" if "acc" in objective["tag"].lower() else "min")
    chosen: dict[str, Any] = {name: getattr(options, name) for name in ("sampler", "pruner", "rounds", "seed", "budget")}
    keys = {name: value for name, value in chosen.items() if value is not None}
    if options.objective or options.goal or options.of:
        keys["objective"] = objective | {"goal": goal}
    if options.program:
        with_trust(options, partial(require_trust_in_program, options.program))
        return begin.plan_for_program(options.program, keys)
    if options.source is None:
        raise TuimonError("Name what to search: a preset, a spec file, a program, or a study.", "See `tuimon search --help`.")
    plan = begin.plan_for_spec(options.source, options.settings, keys)
    with_trust(options, partial(require_trust, begin.base_spec(plan), options.source))
    return plan


def _gone_on_with(options: argparse.Namespace, folder: Path) -> Plan:
    """The plan of a study that goes on; its pruner may be another one from now on."""
    plan = read_plan(folder)
    return msgspec.structs.replace(plan, pruner=options.pruner) if options.pruner else plan


def _slots(options: argparse.Namespace) -> list[Slot]:
    """Where trials train: the GPUs, or the CPU with an equal share of its cores."""
    place = place_named(options.on, options.memory)
    if place.elsewhere:
        if options.gpus:
            raise TuimonError(f"--gpus chooses GPUs of this machine, not of {options.on}.", "Say --on slurm,gpus=1 --jobs N.")
        place.check({})
        return [Slot(options.device, 0, place)] * (options.jobs or 1)
    if options.gpus:
        devices = [f"cuda:{gpu}" for gpu in options.gpus]
        for device in devices:
            choose_device(device)
        jobs = options.jobs or len(devices)
        return [Slot(devices[i % len(devices)], place=place) for i in range(jobs)]
    jobs = options.jobs or 1
    on_cpu = choose_device(options.device or "auto").device == "cpu"
    share = max(1, len(os.sched_getaffinity(0)) // jobs) if on_cpu and hasattr(os, "sched_getaffinity") else 0
    return [Slot(options.device, share if jobs > 1 else 0, place)] * jobs


class _Searching:
    """What is printed of a study, for people or as JSON lines."""

    def __init__(self, options: argparse.Namespace, folder: Path, plan: Plan) -> None:
        from tuimon.search.study import Study

        self._options, self._folder, self._plan = options, folder, plan
        self._interrupts = 0
        self._budget = budget(options.budget, plan.objective) if options.budget else plan.limits()
        base = begin.base_text(plan, folder)
        give_up = lambda: self._interrupts > 0  # noqa: E731
        self._study: Study = Study(folder, plan, base, self._say, give_up, self._budget.trials)

    def show(self) -> int:
        """Prints what is known."""
        if self._options.json:
            print_lines(map(self._trial_line, self._study.trials()))
        return self._end()

    def run(self, slots: list[Slot]) -> int:
        """Searches, and prints what was found."""
        from tuimon.search.search import Search

        self._say(self._introduced(slots))
        doing = Search(self._folder, self._plan, self._study, self._budget, slots, self._say, self._tell)

        def interrupt(*_: object) -> None:
            self._interrupts += 1
            doing.interrupt()

        before = {one: signal.signal(one, interrupt) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            doing.run()
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
        code = self._end()
        return _INTERRUPTED if doing.interrupted else code

    def _introduced(self, slots: list[Slot]) -> str:
        plan, threads = self._plan, slots[0].threads
        space = "  ".join(f"{one.name}={one.text()}" for one in plan.dimensions)
        at_once = f"; {len(slots)} trials at a time" if len(slots) > 1 else ""
        share = f", {threads} thread{'s' if threads > 1 else ''} each" if threads else ""
        what = f"{plan.sampler} search, {self._wanted()}: {space}{at_once}{share}"
        return "\n".join(filter(None, (f"{self._folder.name}: {self._folder}", what, self._warning())))

    def _wanted(self) -> str:
        objective = self._plan.objective
        return f"{'lowest' if objective.goal == 'min' else 'highest'} {objective.tag} ({objective.of})"

    def _warning(self) -> str:
        ranges = [one for one in self._plan.dimensions if one.kind != "choice"]
        if self._plan.sampler != "grid" or not ranges or not self._study.trials_limit:
            return ""
        from tuimon.search.space import grid

        points = grid(self._plan.dimensions, self._plan.limits().trials or 1)
        each = len({point[ranges[0].name] for point in points})
        return f"a grid of {len(points)} trials tries {each} values of each range; random search would try {len(points)}"

    def _tell(self, trial: TrialInfo) -> None:
        if self._options.json:
            print_lines([self._trial_line(trial)])
            return
        best = self._study.best()
        told = f"{self._plan.objective.tag} {number(trial.value)}" if trial.outcome == "finished" else _outcome(trial)
        more = f"  best {number(best.value)} ({best.name})" if best else ""
        values = " ".join(f"{name}={value}" for name, value in trial.values.items())
        self._say(f"{trial.name}  {told}  {values}{more}  {self._progress()}")

    def _progress(self) -> str:
        done = sum(one.counts and one.outcome != "running" for one in self._study.trials())
        return f"{done}/{self._study.trials_limit}" if self._study.trials_limit else str(done)

    def _end(self) -> int:
        trials, ranked = self._study.trials(), self._study.ranked()
        counts: Counter[str] = Counter(one.outcome for one in trials)
        if self._options.json:
            print_lines([self._study_line(len(trials), ranked[0] if ranked else None, counts)])
        else:
            self._print_end(trials, ranked, counts)
        return 0 if ranked or not trials else 1

    def _trial_line(self, trial: TrialInfo) -> TrialLine:
        return TrialLine(
            run=f"{self._folder.name}/{trial.name}",
            outcome=trial.outcome,
            value=trial.value,
            values=trial.values,
            why=trial.why,
            round=trial.round,
        )

    def _study_line(self, trials: int, best: TrialInfo | None, counts: Counter[str]) -> StudyLine:
        objective = self._plan.objective
        return StudyLine(
            study=self._folder.name,
            path=str(self._folder),
            objective=objective.tag,
            goal=objective.goal,
            trials=trials,
            outcomes=dict(counts),
            best=f"{self._folder.name}/{best.name}" if best else "",
            value=best.value if best else None,
        )

    def _print_end(self, trials: list[TrialInfo], ranked: list[TrialInfo], counts: Counter[str]) -> None:
        names = [one.name for one in self._plan.dimensions]
        rounds = ("ROUND",) if self._plan.sampler == "fine" else ()
        if ranked:
            head = ("TRIAL", self._plan.objective.tag.upper(), *names, *rounds)
            rows = [
                (
                    one.name,
                    number(one.value),
                    *(one.values.get(name, "") for name in names),
                    *(f"{one.round + 1}",) * len(rounds),
                )
                for one in ranked[:_MOST_ROWS]
            ]
            print_table([head, *rows])
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        many = f"{len(trials)} trial{'' if len(trials) == 1 else 's'}"
        print(f"{self._folder.name}: {many}: {told or 'none yet'}", flush=True)
        failed = [one for one in trials if one.why and one.outcome in ("failed", "diverged", "broken", "killed")]
        if trials and not ranked and failed:
            print(one_line(f"no trial has a value; the last: {failed[-1].why}"), flush=True)
        if ranked and not self._options.show:
            best = self._folder / ranked[0].name
            print(f"the best again: tuimon run {best}    look at it: tuimon attach {best}", flush=True)

    def _say(self, text: str) -> None:
        stream = sys.stderr if self._options.json else sys.stdout
        for line in text.split("\n"):
            print(f"{time.strftime('%H:%M:%S')}  {one_line(line)}", file=stream, flush=True)


def _outcome(trial: TrialInfo) -> str:
    value = "" if math.isnan(trial.value) else f" at {number(trial.value)}"
    return f"{trial.outcome}{value}" + (f" ({trial.why})" if trial.why else "")
