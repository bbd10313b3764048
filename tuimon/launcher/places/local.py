"""This machine: runs start at once, or wait until their device has room for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.format import gib
from tuimon.launcher.places.memory import memory_of
from tuimon.launcher.places.place import Held, Job
from tuimon.launcher.places.queue import Queue, no_queue, place_of
from tuimon.launcher.places.spawn import supervise


@dataclass(frozen=True)
class Local:
    """This machine.

    Attributes:
        slots: how many of the user's runs may train on the run's device, its own among them; 0: any number.
        memory_bytes: how much of its device's memory a run needs; 0: not known.
    """

    slots: int = 0
    memory_bytes: int = 0

    @property
    def queues(self) -> bool:
        """Whether runs may have to wait: without a limit, they start at once."""
        return bool(self.slots or self.memory_bytes)

    def check(self, devices: Mapping[str, Mapping[str, str]]) -> None:
        """Raises TuimonError if none of the devices has the memory that is wanted."""
        if not self.memory_bytes:
            return
        found = {label: memory_of(label, environment) for label, environment in devices.items()}
        known = {label: memory.total for label, memory in found.items() if memory}
        if not known:
            raise TuimonError(f"Cannot wait for memory on {', '.join(devices)}: its driver does not say how much it has.")
        if max(known.values()) < self.memory_bytes:
            has = ", ".join(f"{label} has {gib(total)}" for label, total in known.items())
            raise TuimonError(f"No device has {gib(self.memory_bytes)} of memory: {has}.")

    @property
    def elsewhere(self) -> bool:
        """It is this machine."""
        return False

    @property
    def restarts(self) -> bool:
        """What has ended is not started once more."""
        return False

    def submit(self, jobs: Sequence[Job]) -> None:
        """Starts each run's supervisor, which waits for the run's turn."""
        for job in jobs:
            self._submit(job)

    def _submit(self, job: Job) -> None:
        queue = {"slots": self.slots, "memory_bytes": self.memory_bytes, "devices": job.devices}
        supervise(
            job.run,
            job.command,
            details={**job.details, **({"queue": queue} if self.queues else {})},
            environment=job.environment,
            for_command=job.for_command,
            cwd=job.cwd,
            descriptors=job.descriptors,
        )

    def state(self, run: Path) -> Held:
        """A waiting run's place in the queue; of others, its log says all."""
        place = place_of(run)
        return Held("waits", place) if place else Held()

    def cancel(self, run: Path) -> bool:
        """Takes a run out of the queue; its supervisor then ends, too."""
        try:
            return Queue().cancel(run)
        except OSError as error:
            raise no_queue(error) from error

    def end(self, run: Path) -> str:
        """Raises TuimonError: a run here is ended by its processes, which are seen from here."""
        raise TuimonError(f"Cannot end {run.name}: none of its processes is seen on this machine.")

    def log(self, run: Path) -> Path:
        """Its own folder."""
        return run


HERE = Local()
