"""Runs a target over many generated inputs and holds it to what is promised of each: no error, no hang, no growth.

An input's time is the process's own processor time, and where it is too long, the least of three measurements: neither a busy
machine nor a pass of the garbage collector fails an input.
"""

from __future__ import annotations

import gc
import hashlib
import os
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzz import generators
from fuzz.targets import Target

CORPUS = Path(__file__).with_name("corpus")
LIMIT_S = 0.1  # for an input of up to 64 KiB
_PER_ROUND = 50_000  # inputs; hypothesis remembers what it drew in a round
_EXAMPLES = 200  # that hypothesis draws at a time
_GROWTH_BYTES = 64 << 20
_SHRINKS, _SHRINK_S = 400, 20.0  # runs and seconds that making a find smaller may take


class TooSlow(AssertionError):
    """An input took longer than it may."""


@dataclass
class Outcome:
    """What came of fuzzing one target. `found` holds the inputs that broke a promise, by what went wrong."""

    inputs: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    grown_bytes: int = 0
    found: dict[str, bytes] = field(default_factory=dict)


def fuzz(target: Target, inputs: int, start: int, tell: Callable[[str], None] = lambda text: None) -> Outcome:
    """Checks so many inputs, or a few more; the same ones for the same `start`."""
    outcome, began, used = Outcome(), time.monotonic(), time.process_time()
    warm, number = 0, 0
    while outcome.inputs < inputs:
        _round(target, min(_PER_ROUND, inputs - outcome.inputs), start + number, outcome)
        number += 1
        gc.collect()
        warm = warm or (_resident_bytes() if outcome.inputs >= inputs / 5 else 0)
        outcome.seconds = time.monotonic() - began
        took = f"{outcome.seconds:.0f} s, {time.process_time() - used:.0f} s of processor"
        slowest = f"slowest {outcome.slowest_s * 1e3:.1f} ms"
        tell(f"{outcome.inputs:,} inputs, {took}, {slowest}, found {len(outcome.found)}")
    outcome.grown_bytes = _resident_bytes() - warm
    if outcome.grown_bytes > _GROWTH_BYTES:
        outcome.found[f"memory grew by {outcome.grown_bytes >> 20} MiB"] = b""
    return outcome


def problem(target: Target, data: bytes) -> str:
    """What goes wrong with an input; empty when nothing does."""
    return _problem(target, data, Outcome())


def _round(target: Target, inputs: int, number: int, outcome: Outcome) -> None:
    done = 0

    def one(drawn: object, variant: int) -> None:
        nonlocal done
        for data in target.variants(drawn, random.Random(variant)):
            done += 1
            if what := _problem(target, data, outcome):
                _keep(target, what, data, outcome)

    examples = settings(
        max_examples=max(1, min(_EXAMPLES, inputs // generators.VARIANTS)),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    turn = 0
    while done < inputs:
        seed(number * 1_000_003 + turn)(examples(given(target.drawn, st.integers(0, (1 << 32) - 1))(one)))()
        turn += 1
    outcome.inputs += done


def _problem(target: Target, data: bytes, outcome: Outcome) -> str:
    try:
        spent = _seconds(target, data)
        if spent > LIMIT_S:
            spent = min(spent, _seconds(target, data), _seconds(target, data))
        outcome.slowest_s = max(outcome.slowest_s, spent)
        if spent > LIMIT_S:
            raise TooSlow("too slow")
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.name}"
    return ""


def _seconds(target: Target, data: bytes) -> float:
    began = time.process_time()
    target.check(data)
    return time.process_time() - began


def _keep(target: Target, what: str, data: bytes, outcome: Outcome) -> None:
    """Keeps one input for each thing that goes wrong, as small as it can quickly be made."""
    if what not in outcome.found:
        outcome.found[what] = shrunk(data, lambda smaller: problem(target, smaller) == what)


def shrunk(data: bytes, still: Callable[[bytes], bool]) -> bytes:
    """A part of the input that still does it: piece after piece is left out, in ever smaller pieces."""
    tries, size, until = 0, max(1, len(data) // 2), time.process_time() + _SHRINK_S
    while size and tries < _SHRINKS:
        place = 0
        while place < len(data) and tries < _SHRINKS and time.process_time() < until:
            tries += 1
            smaller = data[:place] + data[place + size :]
            if still(smaller):
                data = smaller
            else:
                place += size
        size //= 2
    return data


def save(name: str, data: bytes) -> Path:
    """Writes a find into the corpus, which the tests read from then on."""
    path = CORPUS / name / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def corpus(name: str) -> list[Path]:
    """The inputs that were once found for a target."""
    return sorted((CORPUS / name).glob("*"))


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
