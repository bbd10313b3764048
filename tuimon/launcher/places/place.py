"""The interface of the engines that start runs: this machine's own queue, Slurm, Ray. A further engine is one more file.

An engine holds a run until its training begins, and knows whether its job still exists. All else is said and taken by the run's
own log and socket, or by its folder's inbox where no socket can be reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol


@dataclass(frozen=True)
class Job:
    """One run to start.

    Attributes:
        run: its folder, which exists.
        command: the training process.
        details: `name`, `device`, `spec` and `words` for the log; `stdin` and `apart` as in the supervisor.
        environment: environment variables to add to this process's.
        for_command: environment variables for the command only, not for its supervisor.
        devices: the devices that it may train on, by label, each with the environment variables that select it.
        cwd: where the command runs; None: here.
        descriptors: file descriptors that the supervisor inherits besides its standard streams.
        again: the command that goes on from the run's last checkpoint, for an engine that starts it anew; empty: `command`.
    """

    run: Path
    command: Sequence[str]
    details: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    for_command: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cwd: Path | None = None
    descriptors: Sequence[int] = ()
    again: Sequence[str] = ()


class Held(NamedTuple):
    """What an engine knows of a run's job.

    Attributes:
        phase: waits for its turn, runs, lives (it waits or runs: the log says which), is over, or the engine does not say.
        detail: what it waits for or how it ended, for the user.
        how: of a job that is over: how a run has ended whose own log does not say.
    """

    phase: Literal["waits", "runs", "lives", "over", "unknown"] = "unknown"
    detail: str = ""
    how: Literal["stopped", "killed", "lost"] = "lost"


class Place(Protocol):
    """Where runs train."""

    @property
    def queues(self) -> bool:
        """Whether a run may have to wait there."""

    @property
    def elsewhere(self) -> bool:
        """Whether its devices are not those of this machine, so that none can be chosen from here."""

    @property
    def restarts(self) -> bool:
        """Whether it may start a run once more whose end was logged, such as after a preemption."""

    def check(self, devices: Mapping[str, Mapping[str, str]]) -> None:
        """Raises TuimonError if a run that needs one of these devices could never start; called before its folder is made."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hands runs over; returns once the log of each says that it waits or runs.

        Raises:
            TuimonError: they cannot be started there.
        """

    def state(self, run: Path) -> Held:
        """What it knows of a run's job. Called often: it must be cheap, and never raises."""

    def cancel(self, run: Path) -> bool:
        """Keeps a waiting run from starting; False if it does not wait any more. Its log will say that it was stopped."""

    def end(self, run: Path) -> str:
        """Ends a run's job at once, wherever it runs; returns what was done, for the user.

        Raises:
            TuimonError: it cannot be ended from here.
        """

    def log(self, run: Path) -> Path:
        """The folder with its log, as seen from this machine."""


class Gathered:
    """Collects what is submitted, so that all of it is handed over together: to Slurm as one array."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._jobs: list[Job] = []
        self.queues, self.elsewhere, self.restarts = place.queues, place.elsewhere, place.restarts
        self.check, self.state, self.cancel, self.end, self.log = place.check, place.state, place.cancel, place.end, place.log

    def submit(self, jobs: Sequence[Job]) -> None:
        """Keeps them for `send`."""
        self._jobs += jobs

    def send(self) -> None:
        """Hands all of them over. Raises what `Place.submit` does."""
        jobs, self._jobs = self._jobs, []
        if jobs:
            self._place.submit(jobs)
