"""The interface of the engines that start runs: this machine's own queue, and others. A further engine is one more file.

An engine holds a run until its training begins. From then on, the run's own log and socket say and take everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


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
    """

    run: Path
    command: Sequence[str]
    details: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    for_command: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cwd: Path | None = None
    descriptors: Sequence[int] = ()


class Place(Protocol):
    """Where runs train."""

    @property
    def queues(self) -> bool:
        """Whether a run may have to wait there."""

    def check(self, devices: Mapping[str, Mapping[str, str]]) -> None:
        """Raises TuimonError if a run that needs one of these devices could never start; called before its folder is made."""

    def submit(self, job: Job) -> None:
        """Hands a run over; returns once its log says that it waits or runs.

        Raises:
            TuimonError: it cannot be started there.
        """

    def state(self, run: Path) -> str:
        """What a run waits for, for the user: `2 of 3 in the queue`; empty if it does not wait there any more."""

    def cancel(self, run: Path) -> bool:
        """Keeps a waiting run from starting; False if it does not wait any more. Its log will say that it was stopped."""

    def log(self, run: Path) -> Path:
        """The folder with its log, as seen from this machine."""
