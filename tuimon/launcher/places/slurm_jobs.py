"""What Slurm says of the user's jobs and of its partitions: by its own commands, asked seldom. Any thread."""

from __future__ import annotations

import functools
import subprocess
import time
from pathlib import Path
from typing import Literal, NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.launcher.places.place import Held

_TIMEOUT_S = 10.0
_EVERY_S, _AFTER_SILENCE_S = 2.0, 30.0  # a list asks for each of its runs, and a screen ten times a second
_LONGEST_MINUTES = 7 * 1440  # where a partition has no limit
_WAITS = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
_RUNS = ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
_HOW: dict[str, tuple[Literal["stopped", "killed", "lost"], str]] = {
    "CANCELLED": ("stopped", "was cancelled"),
    "PREEMPTED": ("killed", "was preempted"),
    "TIMEOUT": ("killed", "came to its time limit"),
    "OUT_OF_MEMORY": ("killed", "ran out of memory"),
    "NODE_FAIL": ("lost", "ended with its node"),
    "BOOT_FAIL": ("lost", "ended with its node"),
}


class SlurmJob(NamedTuple):
    """One job: its state in Slurm's word, why it waits, and the folder that it was submitted for."""

    id: str
    state: str
    reason: str
    folder: str

    def is_of(self, run: Path) -> bool:
        """Whether it was submitted for this run, or for its study."""
        return self.folder in (str(run.absolute()), str(run.absolute().parent))

    def held(self) -> Held:
        """What that means for its run."""
        if self.state in _WAITS:
            why = f" ({self.reason})" if self.reason not in ("None", "") else ""
            return Held("waits", f"job {self.id}{why}")
        if self.state in _RUNS:
            return Held("runs", f"job {self.id}")
        how, text = _HOW.get(self.state, ("lost", "is over"))
        return Held("over", f"Slurm's job {self.id} {text}", how)


class _Jobs:
    """The user's jobs by id, or why they are not known; asked for once in a while."""

    def __init__(self) -> None:
        self._known: dict[str, SlurmJob] | str = {}
        self._until = 0.0
        self._gone: set[str] = set()  # of which an answer to a question about them said so

    def __call__(self) -> dict[str, SlurmJob] | str:
        if time.monotonic() >= self._until:
            self._known = _ask()
            self._until = time.monotonic() + (_AFTER_SILENCE_S if isinstance(self._known, str) else _EVERY_S)
        return self._known

    def find(self, job: str) -> SlurmJob | str | None:
        """A job, or why that is not known; None if there is none. An answer from before it was submitted says nothing of it."""
        found = self()
        if not isinstance(found, str) and job not in found and job not in self._gone:
            self.cache_clear()
            found = self()
            if not isinstance(found, str) and job not in found:
                self._gone.add(job)
        return found if isinstance(found, str) else found.get(job)

    def cache_clear(self) -> None:
        """Has the next call ask."""
        self._until = 0.0


jobs = _Jobs()


def _ask() -> dict[str, SlurmJob] | str:
    try:
        text = call("squeue", "--me", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%k")
    except TuimonError as error:
        return error.message
    found = (SlurmJob(*line.split("|", 3)) for line in text.splitlines() if line.count("|") >= 3)
    return {job.id: job for job in found}


@functools.cache
def longest_minutes(partition: str) -> int:
    """A partition's time limit in minutes; a week where it has none.

    Raises:
        TuimonError: there is no such partition, or Slurm does not answer.
    """
    lines = [line.split("|") for line in call("sinfo", "-h", "-o", "%R|%P|%l").splitlines() if line.count("|") == 2]
    found = [limit for name, shown, limit in lines if name == partition or (not partition and shown.endswith("*"))]
    if not found:
        names = ", ".join(name for name, _, _ in lines) or "none"
        what = f"partition {partition!r}" if partition else "default partition"
        raise TuimonError(f"Slurm has no {what} here.", f"It has {names}; `--on slurm:PARTITION` chooses one.")
    return minutes(found[0])


def minutes(limit: str) -> int:
    """Minutes of Slurm's `[DAYS-]HOURS:MINUTES:SECONDS` or `MINUTES:SECONDS`; a week for `infinite`."""
    days, _, rest = limit.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in parts) or (days and not days.isdecimal()):
        return _LONGEST_MINUTES
    hours, mins = (int(parts[0]), int(parts[1])) if len(parts) == 3 else (0, int(parts[0]))
    return max(1, int(days or 0) * 1440 + hours * 60 + mins)


@functools.cache
def partition_has_gpus(partition: str) -> bool:
    """Whether nodes of a partition have GPUs, as far as Slurm says."""
    text = call("sinfo", "-h", "-o", "%G", *(("-p", partition) if partition else ()))
    return any("gpu" in line for line in text.splitlines())


def call(*words: str) -> str:
    """Calls one of Slurm's commands, and returns what it printed.

    Raises:
        TuimonError: it fails, or does not answer.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise TuimonError(f"Slurm does not answer: {words[0]} took more than {_TIMEOUT_S:g} s.") from None
    except OSError as error:
        raise TuimonError(f"Cannot ask Slurm: {words[0]}: {error.strerror}.") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise TuimonError(f"Slurm's {words[0]} failed: {lines[-1].rpartition('error: ')[2]}")
    return done.stdout
