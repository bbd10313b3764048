"""Ray: each run is a detached actor with its CPUs and GPUs, which lives until the run has ended.

The runs folder has to be on a file system that the nodes share. Which cluster holds a run, the user's own state folder knows; a
log, which anybody may have written, names the actor only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.here import user_folder
from tuimon.base.outside import json_decoder
from tuimon.launcher.places.in_job import in_job
from tuimon.launcher.places.place import Held, Job
from tuimon.launcher.places.spawn import PYTHON, importable
from tuimon.launcher.places.told import told_queued, told_stopped

_KEYS = ("cpus", "gpus")
_HINT = "Write ray[:ADDRESS][,cpus=2][,gpus=1], such as ray:head:6379; without an address, $RAY_ADDRESS or this machine's own."
_TIMEOUT_S = 60.0
_EVERY_S = 20.0  # between two questions to a cluster, each of which costs a second of a core


class _Actor(msgspec.Struct, frozen=True):
    """What the state folder knows of an actor: its cluster, and its run's folder."""

    address: str
    run: str


_decode: Callable[[str | bytes], _Actor] = json_decoder(_Actor)


@dataclass(frozen=True)
class Ray:
    """A cluster of Ray, or one of its actors.

    Attributes:
        address: empty: $RAY_ADDRESS, or the cluster that runs on this machine.
        settings: cpus, gpus, as they are typed.
        memory_bytes: how much memory each run needs; 0: not known.
        actor: the actor that holds a run; empty for a place to start runs at.
    """

    address: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    memory_bytes: int = 0
    actor: str = ""

    queues = True
    elsewhere = True
    restarts = False

    def check(self, devices: Mapping[str, Mapping[str, str]]) -> None:
        """Raises TuimonError if Ray is not installed, or the cluster does not answer."""
        if importlib.util.find_spec("ray") is None:
            raise TuimonError("Cannot train on Ray: it is not installed.", 'Install it: pip install "tuimon[ray]"')
        _call(self.address, "ask")

    def submit(self, jobs: Sequence[Job]) -> None:
        """Makes an actor for each job, once each run's log says that it waits for it."""
        names = [f"tuimon-{uuid.uuid4().hex}" for _ in jobs]
        for name, job in zip(names, jobs, strict=True):
            told_queued(job, f"ray/{name}", f"Ray{f' at {self.address}' if self.address else ''}")
        try:
            _call(self.address, "submit", actors=[self._actor(*one) for one in zip(names, jobs, strict=True)])
        except TuimonError:
            for job in jobs:
                told_stopped(job.run)
            raise
        for name, job in zip(names, jobs, strict=True):
            _remember(name, _Actor(self.address, str(job.run.absolute())))

    def _actor(self, name: str, job: Job) -> dict[str, Any]:
        settings = dict(self.settings)
        device = job.details.get("device") or ""
        return {
            "name": name,
            "cpus": int(settings.get("cpus", 1)),
            "gpus": int(settings["gpus"]) if "gpus" in settings else 1 if device == "cuda" else None,
            "may_use_gpu": device != "cpu",
            "memory_bytes": self.memory_bytes,
            "job": asdict(in_job(job, "ray")),
        }

    def state(self, run: Path) -> Held:
        """Whether the actor lives: then its run waits, or trains, as its log says."""
        known = _remembered(self.actor, run)
        if known is None:
            return Held("unknown", "submitted by another user, or from another machine")
        lives = _clusters.lives(known.address, self.actor)
        if isinstance(lives, str):
            return Held("unknown", lives)
        return Held("lives") if lives else Held("over", "Ray has ended the run's actor")

    def cancel(self, run: Path) -> bool:
        """Kills the actor; its run has not begun, as its log says."""
        known = _remembered(self.actor, run)
        if known is None or not _call(known.address, "kill", name=self.actor).get("killed"):
            return False
        told_stopped(run)
        return True

    def end(self, run: Path) -> str:
        """Kills the actor, whose supervisor then ends the training."""
        known = _remembered(self.actor, run)
        if known is None:
            raise TuimonError(f"Cannot end {run.name}: it was not submitted to Ray by you, from this machine.")
        killed = _call(known.address, "kill", name=self.actor).get("killed")
        return "killed its actor of Ray" if killed else "its actor of Ray was gone already"

    def log(self, run: Path) -> Path:
        """Its own folder, on the file system that the nodes share."""
        return run


def ray_named(text: str, memory_bytes: int = 0) -> Ray:
    """The place that `ray:ADDRESS,key=value` names.

    Raises:
        TuimonError: it cannot be read.
    """
    address, *words = text.removeprefix("ray").removeprefix(":").split(",")
    settings = []
    for word in words:
        key, _, value = word.partition("=")
        if key not in _KEYS or not value.isdecimal() or int(value) > 9999:
            raise TuimonError(f"Cannot read {word!r} of --on {text}.", _HINT)
        settings.append((key, value))
    if not re.fullmatch(r"[\w.:/\[\]-]*", address, re.ASCII):
        raise TuimonError(f"Cannot read the address {address!r}.", _HINT)
    return Ray(address, tuple(settings), memory_bytes)


class _Clusters:
    """The live actors of each cluster, as it said last; asked again in the background, where somebody goes on asking."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, frozenset[str] | str]] = {}
        self._asking: set[str] = set()
        self._gone: set[str] = set()  # actors of which an answer to a question about them said so
        self._lock = threading.Lock()

    def lives(self, address: str, actor: str) -> bool | str:
        """Whether an actor lives, or why that is not known. An answer from before it was made says nothing of it."""
        if actor in self._gone:
            return False
        names = self.names(address)
        if not isinstance(names, str) and actor not in names:
            names = self._ask(address)
            if not isinstance(names, str) and actor not in names:
                self._gone.add(actor)
        return names if isinstance(names, str) else actor in names

    def names(self, address: str) -> frozenset[str] | str:
        """The names of its live actors, or why they are not known. Waits for the first answer only."""
        with self._lock:
            asked, names = self._known.get(address, (-1.0, ""))
            due = asked < 0 or time.monotonic() > asked + _EVERY_S
            begin = due and address not in self._asking
            if begin:
                self._asking.add(address)
        if asked < 0:
            return self._ask(address)
        if begin:
            threading.Thread(target=self._ask, args=(address,), name="tuimon-ray", daemon=True).start()
        return names

    def _ask(self, address: str) -> frozenset[str] | str:
        try:
            names: frozenset[str] | str = frozenset(map(str, _call(address, "ask")["names"]))
        except TuimonError as error:
            names = error.message
        with self._lock:
            self._known[address] = time.monotonic(), names
            self._asking.discard(address)
        return names


_clusters = _Clusters()


def _call(address: str, do: str, **more: Any) -> dict[str, Any]:
    """Has a process of its own ask Ray.

    Raises:
        TuimonError: it does not answer, or refuses.
    """
    where = f"Ray at {address}" if address else "Ray"
    try:
        done = subprocess.run(
            [*PYTHON, "tuimon.launcher.places.ray_calls"],
            input=json.dumps({"address": address, "do": do, **more}),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            env=importable(dict(os.environ)),
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise TuimonError(f"{where} does not answer within {_TIMEOUT_S:g} s.") from None
    except (OSError, ValueError) as error:
        raise TuimonError(f"{where} cannot be asked: {error}.") from error
    if "error" in answer:
        raise TuimonError(f"{where} does not take it: {answer['error'][:300]}" if do == "submit" else _no_answer(where, answer))
    return answer


def _no_answer(where: str, answer: dict[str, Any]) -> str:
    return f"{where} does not answer: {answer['error'][:200]}"


def _state_folder() -> Path:
    return user_folder("XDG_STATE_HOME", ".local/state") / "ray"


def _remember(name: str, actor: _Actor) -> None:
    try:
        _state_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        (_state_folder() / name).write_bytes(msgspec.json.encode(actor))
    except OSError as error:
        raise TuimonError(f"Cannot write to {_state_folder()}: {error.strerror}.") from error


def _remembered(name: str, run: Path) -> _Actor | None:
    """What is known of an actor, if it is this run's."""
    with contextlib.suppress(OSError, ValueError):
        found = _decode((_state_folder() / name).read_bytes())
        return found if found.run == str(run.absolute()) else None
    return None
