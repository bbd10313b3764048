"""Trains presets and what their texts suggest to try, over several seeds, and judges what they claim.

The claims lie beside the texts, in models/presets/*.toml (see `tuimon.spec.claims`). Logs are kept in build/preset-runs, and a
run is trained again only when its preset, tuimon or torch has changed: an interrupted bench goes on where it was, and a new
claim about a run that is kept costs nothing. Prints what does not hold, writes models/presets/RESULTS.md, and prints what the
diagnosis says of each preset (see `preset_findings`).
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import preset_findings
from preset_runs import ARITHMETICS, Run, checked, store_of, train_all

from tuimon.diagnosis.judging import Verdict, judge, value_of
from tuimon.log.store import Store
from tuimon.spec.claims import Claim, Told, claims_of, in_words
from tuimon.spec.presets import PresetInfo, models_folder, presets

ROOT = Path(__file__).parent.parent.parent
RESULTS = models_folder() / "presets" / "RESULTS.md"
CACHE = ROOT / "build" / "preset-runs"
SHOWN = (
    ("loss train", Told("loss/train", "end")), ("loss val", Told("loss/val")), ("least val", Told("loss/val", "min")),
    ("accuracy train", Told("accuracy/train")), ("accuracy val", Told("accuracy/val")),
)  # fmt: skip


class Judged(NamedTuple):
    """A claim of a preset, and what came of it."""

    preset: str
    claim: Claim
    verdict: Verdict

    @property
    def mark(self) -> str:
        """`holds`, `does not hold`, or `not run` if runs are missing, for lists."""
        if self.verdict.runs < self.claim.seeds[1]:
            return "not run"
        return "holds" if self.verdict.passes(self.claim) else "**does not hold**"


def main() -> int:
    """Trains, judges, prints and writes; 0 unless a claim or a finding does not hold, or a run failed."""
    options = _parser().parse_args()
    known = {preset.name: preset for preset in presets()}
    chosen = [known[name] for name in options.only or known]
    runs = [run for arithmetic in options.arithmetic for run in needed(chosen, options.seeds, arithmetic)]
    wrong = [f"{run.preset}: {problem}" for run in runs if run.seed == 0 and (problem := checked(run, CACHE))]
    failed = wrong or ([] if options.judge else train_all(_short_first(runs), CACHE, options.jobs, options.timeout))
    judged = [
        one for preset in chosen for arithmetic in options.arithmetic for one in judge_preset(preset, options.seeds, arithmetic)
    ]
    if not options.only and not wrong:
        write(judged, options.seeds, options.arithmetic)
    told = _tell(judged, failed)
    return max(told, diagnosed(chosen, options.seeds, options.arithmetic[0]))


def needed(chosen: Iterable[PresetInfo], seeds: int, arithmetic: str) -> list[Run]:
    """The runs that the claims of some presets speak of, without repetition; each preset's own first."""
    own = [Run(preset.name, seed=seed, arithmetic=arithmetic) for preset in chosen for seed in range(seeds)]
    told = [
        run_of(preset.name, part, seed, arithmetic)
        for preset in chosen
        for claim in claims_of(preset.path)
        for part in (claim, claim.other)
        if part is not None
        for seed in range(seeds)
    ]
    return list(dict.fromkeys([*own, *told]))


def run_of(preset: str, told: Told, seed: int, arithmetic: str) -> Run:
    """The run that a claim of a preset speaks of."""
    return Run(told.preset or preset, told.settings or (), told.steer or (), seed, arithmetic)


def judge_preset(preset: PresetInfo, seeds: int, arithmetic: str) -> list[Judged]:
    """Every claim of a preset, over the seeds whose runs are kept."""
    return [
        Judged(preset.name, claim, judge(claim, _pairs(preset.name, claim, seeds, arithmetic)))
        for claim in claims_of(preset.path)
    ]


def _pairs(preset: str, claim: Claim, seeds: int, arithmetic: str) -> list[tuple[Store, Store | None]]:
    found: list[tuple[Store, Store | None]] = []
    for seed in range(seeds):
        own = _store(run_of(preset, claim, seed, arithmetic))
        other = _store(run_of(preset, claim.other, seed, arithmetic)) if claim.other else None
        if own is not None and (claim.other is None or other is not None):
            found.append((own, other))
    return found


def diagnosed(chosen: Iterable[PresetInfo], seeds: int, arithmetic: str) -> int:
    """Prints what the diagnosis says of the presets whose own runs are kept; 1 if it is not what their texts say."""
    found = []
    for preset in chosen:
        runs = [Run(preset.name, seed=seed, arithmetic=arithmetic) for seed in range(seeds)]
        if stores := [store for run in runs if (store := store_of(run, CACHE)) is not None]:
            found.append(preset_findings.judged(preset.name, stores))
    print(f"\n{preset_findings.table(found)}")
    return int(not all(one.holds for one in found))


_stores: dict[Run, Store | None] = {}


def _store(run: Run) -> Store | None:
    if run not in _stores:
        _stores[run] = store_of(run, CACHE)
    return _stores[run]


def _short_first(runs: list[Run]) -> list[Run]:
    """Presets' own runs before those with settings, and the long ones last."""
    long = ("text-transformer", "digits-cnn", "digits-softmax", "digits-mlp")
    return sorted(runs, key=lambda run: (run.preset in long, bool(run.settings or run.steer)))


def write(judged: Sequence[Judged], seeds: int, arithmetics: Sequence[str]) -> None:
    """Writes the results: by group and preset what its runs reached, and claim by claim what held."""
    counts = {mark: sum(one.mark == mark for one in judged) for mark in ("holds", "**does not hold**", "not run")}
    parts = [
        "# What every preset shows, claim by claim\n",
        f"Written by `make bench-presets`, on {_machine()}: {seeds} seeds, arithmetic {' and '.join(arithmetics)}.",
        "A claim says in how many of how many seeds it must hold. Numbers are those of the seeds, in their order; the training",
        "loss is the mean over the last 20th of the steps.\n",
        f"{counts['holds']} claims hold, {counts['**does not hold**']} do not, {counts['not run']} were not run.",
    ]
    for group in dict.fromkeys(preset.group for preset in presets()):
        parts.append(f"\n## {group[:1].upper()}{group[1:]}")
        for preset in (one for one in presets() if one.group == group):
            parts.append(_section(preset, [one for one in judged if one.preset == preset.name], seeds, arithmetics))
    RESULTS.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _section(preset: PresetInfo, judged: Sequence[Judged], seeds: int, arithmetics: Sequence[str]) -> str:
    lines = [f"\n### {preset.name}: {preset.title}\n", *preset.text, ""]
    for arithmetic in arithmetics:
        stores = [store for seed in range(seeds) if (store := _store(Run(preset.name, seed=seed, arithmetic=arithmetic)))]
        told = [(name, [value_of(what, store) for store in stores]) for name, what in SHOWN]
        reached = "; ".join(f"{name} {_numbers(values)}" for name, values in told if not all(map(math.isnan, values)))
        lines += [f"{arithmetic}: {reached}" if reached else f"{arithmetic}: not run", ""]
    lines += ["| claim | of seeds | held | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {in_words(one.claim).replace('|', '/')} | {one.claim.seeds[0]} of {one.claim.seeds[1]} "
        f"| {one.verdict.held} of {one.verdict.runs} | {one.mark} |"
        for one in judged
    ]
    return "\n".join(lines)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


def _tell(judged: Sequence[Judged], failed: Sequence[str]) -> int:
    broken = [one for one in judged if one.mark == "**does not hold**"]
    for one in broken:
        pairs = "  ".join(f"{left:.3g} {one.claim.relation} {right:.3g}" for left, right in one.verdict.pairs)
        print(f"{one.preset}: {in_words(one.claim)}\n    held {one.verdict.held} of {one.verdict.runs}: {pairs}")
    for line in failed:
        print(f"failed: {line}")
    missing = sum(one.mark == "not run" for one in judged)
    print(f"{len(judged)} claims: {len(judged) - len(broken) - missing} hold, {len(broken)} do not, {missing} were not run")
    return bool(broken or failed)


def _machine() -> str:
    import importlib.metadata

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    torch = importlib.metadata.version("torch")
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Trains every preset and what it suggests to try, and judges its claims.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="train and judge these presets; RESULTS.md stays as it is")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1), metavar="N", help="processes that train")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings of each preset (default: 5)")
    text = "how numbers are rounded: fast as this processor likes it, plain as another one may (default: fast)"
    parser.add_argument("--arithmetic", nargs="+", choices=tuple(ARITHMETICS), default=["fast"], help=text)
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="S", help="processor seconds for one run (default: 600)"
    )
    parser.add_argument("--judge", action="store_true", help="train nothing: judge what is kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
