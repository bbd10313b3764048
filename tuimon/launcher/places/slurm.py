"""Slurm, by submitit: each run is a job, and runs that are started together are an array of jobs.

The runs folder has to be on a file system that the nodes share. A job is submitted on hold, until the run's log says which job
it is. Slurm's word counts for what the run's own log cannot say: that it still waits, that its node went down.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuimon.base.errors import TuimonError
from tuimon.launcher.places.in_job import in_job
from tuimon.launcher.places.place import Held, Job
from tuimon.launcher.places.slurm_jobs import call, jobs, longest_minutes, partition_has_gpus
from tuimon.launcher.places.spawn import importable
from tuimon.launcher.places.told import told_queued, told_stopped

_SIGNAL = "SUBMITIT_PREEMPT_SIGNAL"
_WARNED_S = 90  # before the time limit, so that a checkpoint can be saved
_GONE_WITHIN_S, _LOOK_S = 60.0, 0.2
_REQUEUES = 1000  # after as many time limits, a job is over
_KEYS = ("time", "cpus", "gpus", "account", "qos")
_HINT = "Write slurm[:PARTITION][,time=2h][,cpus=4][,gpus=1][,account=NAME][,qos=NAME]."
_MINUTES = {"m": 1, "min": 1, "h": 60, "d": 1440}


@dataclass(frozen=True)
class Slurm:
    """A partition of this cluster, or one of its jobs.

    Attributes:
        partition: empty: Slurm's default.
        settings: time, cpus, gpus, account, qos, as they are typed.
        memory_bytes: how much memory each run needs; 0: Slurm's default.
        job: the job that holds a run; empty for a place to start runs at.
    """

    partition: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    memory_bytes: int = 0
    job: str = ""

    queues = True
    elsewhere = True
    restarts = True

    def check(self, devices: Mapping[str, Mapping[str, str]]) -> None:
        """Raises TuimonError if there is no Slurm here, or no submitit."""
        if importlib.util.find_spec("submitit") is None:
            raise TuimonError("Cannot train on Slurm: submitit is not installed.", 'Install it: pip install "tuimon[slurm]"')
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise TuimonError("Cannot train on Slurm: there is no sbatch here.", "Call tuimon on a login node of the cluster.")
        _ = self._minutes()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submits the jobs, as an array if there are several, and says in each run's log which is its own."""
        executor = self._executor(jobs)
        try:
            with executor.batch():
                submitted = [executor.submit(in_job(job, "slurm")) for job in jobs]
        except Exception as error:  # submitit's own, Slurm's refusal, a full disk
            raise TuimonError(f"Cannot submit {_names(jobs)} to Slurm: {_last_line(error)}") from error
        first = str(submitted[0].job_id).partition("_")[0]
        wants = f"Slurm's partition {self.partition}" if self.partition else "Slurm"
        try:
            for job, one in zip(jobs, submitted, strict=True):
                told_queued(job, f"slurm/{one.job_id}", wants)
        except (OSError, TuimonError):
            call("scancel", first)
            raise
        call("scontrol", "release", first)

    def state(self, run: Path) -> Held:
        """What Slurm says of the job."""
        job = jobs.find(self.job)
        if isinstance(job, str):
            return Held("unknown", job)
        if job is None or not job.is_of(run):
            return Held("over", f"Slurm does not know its job {self.job} any more")
        return job.held()

    def cancel(self, run: Path) -> bool:
        """Cancels the job if it has not begun."""
        if not self._is_of(run) or self.state(run).phase != "waits":
            return False
        call("scancel", self.job)  # with --state=PENDING it would take its whole array
        if self._look_again(run).phase != "over":
            return False  # it has just begun, and is about to stop
        told_stopped(run)
        return True

    def end(self, run: Path) -> str:
        """Cancels the job, and waits until it is over."""
        if not self._is_of(run):
            raise TuimonError(f"Cannot end {run.name}: Slurm has no job {self.job} of yours for it.")
        call("scancel", self.job)
        deadline = time.monotonic() + _GONE_WITHIN_S
        while (held := self._look_again(run)).phase not in ("over", "unknown"):
            if time.monotonic() > deadline:
                raise TuimonError(f"Slurm's job {self.job} was cancelled, and is not over after {_GONE_WITHIN_S:g} s.")
        return f"cancelled Slurm's job {self.job}" + (f" ({held.detail})" if held.phase == "unknown" else "")

    def log(self, run: Path) -> Path:
        """Its own folder, on the file system that the nodes share."""
        return run

    def _is_of(self, run: Path) -> bool:
        job = jobs.find(self.job)
        return job is not None and not isinstance(job, str) and job.is_of(run)

    def _look_again(self, run: Path) -> Held:
        time.sleep(_LOOK_S)
        jobs.cache_clear()
        return self.state(run)

    def _minutes(self) -> int:
        text = dict(self.settings).get("time", "")
        if not text:
            return longest_minutes(self.partition)
        found = re.fullmatch(r"(\d{1,6})\s*(m|min|h|d)?", text)
        if not found:
            raise TuimonError(f"Cannot read the time limit {text!r}.", "Write 90m, 2h or 3d.")
        return max(1, int(found[1]) * _MINUTES[found[2] or "m"])

    def _executor(self, jobs: Sequence[Job]) -> Any:
        os.environ.setdefault(_SIGNAL, "USR1")  # before submitit is imported, here and in the job
        import submitit

        shared = jobs[0].run if len(jobs) == 1 else jobs[0].run.parent
        python = f"{shlex.quote(sys.executable)} -P"  # a `random.py` in the current folder must not shadow Python's own
        executor = submitit.SlurmExecutor(folder=jobs[0].run / "slurm", max_num_timeout=_REQUEUES, python=python)
        path = importable(dict(os.environ)).get("PYTHONPATH", "")
        settings = dict(self.settings)
        given: dict[str, Any] = {
            "job_name": f"tuimon-{shared.name}",
            "comment": str(shared.absolute()),  # proves whose job it is
            "partition": self.partition or None,
            "time": self._minutes(),
            "cpus_per_task": int(settings["cpus"]) if "cpus" in settings else None,
            "gpus_per_node": self._gpus(jobs) or None,
            "mem": f"{max(1, self.memory_bytes >> 20)}M" if self.memory_bytes else None,
            "account": settings.get("account"),
            "qos": settings.get("qos"),
            "signal_delay_s": _WARNED_S,
            "stderr_to_stdout": True,
            "setup": [f"export {_SIGNAL}={os.environ[_SIGNAL]}", *([f"export PYTHONPATH={shlex.quote(path)}"] if path else [])],
            "additional_parameters": {"hold": True, "requeue": True},
        }
        executor.update_parameters(**{name: value for name, value in given.items() if value is not None})
        return executor

    def _gpus(self, jobs: Sequence[Job]) -> int:
        """How many GPUs a job needs: as asked for; else one where it may use one."""
        asked = dict(self.settings).get("gpus")
        if asked is not None:
            return int(asked)
        devices = {job.details.get("device") or "" for job in jobs}
        return int("cuda" in devices or ("" in devices and partition_has_gpus(self.partition)))


def slurm_named(text: str, memory_bytes: int = 0) -> Slurm:
    """The place that `slurm:PARTITION,key=value` names.

    Raises:
        TuimonError: it cannot be read.
    """
    partition, *words = text.removeprefix("slurm").removeprefix(":").split(",")
    if "=" in partition:
        partition, words = "", [partition, *words]
    settings = []
    for word in words:
        key, equals, value = word.partition("=")
        whole = key not in ("cpus", "gpus") or (value.isdecimal() and int(value) < 10_000)
        if key not in _KEYS or not equals or not re.fullmatch(r"[\w.@+-]+", value, re.ASCII) or not whole:
            raise TuimonError(f"Cannot read {word!r} of --on {text}.", _HINT)
        settings.append((key, value))
    if not re.fullmatch(r"[\w.@+-]*", partition, re.ASCII) or partition.startswith("-"):
        raise TuimonError(f"Cannot read the partition {partition!r}.", _HINT)
    return Slurm(partition, tuple(settings), memory_bytes)


def _names(jobs: Sequence[Job]) -> str:
    return jobs[0].run.name + (f" and {len(jobs) - 1} more" if len(jobs) > 1 else "")


def _last_line(error: Exception) -> str:
    """What sbatch said, which submitit wraps in several lines; without its own name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "error:" in line]
    return (told or lines or [type(error).__name__])[-1].rpartition("error: ")[2]
