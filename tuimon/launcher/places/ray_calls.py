"""What is asked of Ray, in a process of its own: connecting takes seconds, and threads. Only this module knows Ray.

    python -m tuimon.launcher.places.ray_calls  (reads a JSON object from its stdin, and prints one)

It has `address` and `do`: `submit` (`actors`: each with `name`, `cpus`, `gpus`, `memory_bytes`, and `job` for `InJob`), `ask`
(answers with the `names` of the live actors) or `kill` (`name`). The answer has an `error` if that was not possible.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tuimon.base import given
from tuimon.launcher.places.in_job import InJob
from tuimon.launcher.places.spawn import supervise

ray: Any = importlib.import_module("ray")  # not typed: it need not be installed where types are checked

_NAMESPACE = "tuimon"
_KNOCK_S = 5.0
_HANDED_OVER_S = 30.0


class Trainer:
    """An actor that trains one run; it ends with the run. Detached: it lives without whoever made it.

    Args:
        name: the actor's.
        job: what `InJob` is made of.
    """

    def __init__(self, name: str, job: dict[str, Any]) -> None:
        run = InJob(**job)
        self._lifeline, theirs = socket.socketpair()
        threads = os.environ.get("OMP_NUM_THREADS", "1")  # Ray's: as many as CPUs were asked for
        more = {"on": f"ray/{name}", "lifeline": theirs.fileno(), "lost": "Ray has ended the run's actor"}
        with theirs:  # not a child of this process: Ray kills these when it ends
            supervise(
                Path(run.run),
                run.command,
                details={**run.details, **more},
                environment={"TUIMON_THREADS": threads, **run.environment, given.INBOX: "1"},
                for_command=run.details["environment"],
                cwd=Path(run.cwd),
                descriptors=[theirs.fileno()],
            )
        threading.Thread(target=self._end_with_it, daemon=True).start()

    def _end_with_it(self) -> None:
        self._lifeline.recv(1)  # until the supervisor has ended
        os._exit(0)  # an actor without a task to do would keep its GPUs


def main() -> int:
    """Does what is asked for; 0, also where the answer is an error."""
    asked = json.loads(sys.stdin.read())
    answer_to, sys.stdout = sys.stdout, sys.stderr
    try:
        _knock(asked["address"] or os.environ.get("RAY_ADDRESS", ""))
        ray.init(
            address=asked["address"] or "auto",
            namespace=_NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        answer = _DO[asked["do"]](asked)
    except Exception as error:  # whatever Ray raises is told to whoever asked
        answer = {"error": " ".join(str(error).split()) or type(error).__name__}
    print(json.dumps(answer), file=answer_to, flush=True)
    os._exit(0)  # Ray's threads may take seconds to end


def _knock(address: str) -> None:
    """Raises OSError where nobody listens, of which Ray itself would say nothing for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def _submit(asked: dict[str, Any]) -> dict[str, Any]:
    total: dict[str, float] = ray.cluster_resources()
    has_gpus = total.get("GPU", 0) > 0
    gpus_of = [int(has_gpus and one["may_use_gpu"]) if one["gpus"] is None else one["gpus"] for one in asked["actors"]]
    for one, gpus in zip(asked["actors"], gpus_of, strict=True):
        if gpus > total.get("GPU", 0) or one["cpus"] > total.get("CPU", 0):
            has = f"{total.get('CPU', 0):g} CPUs and {total.get('GPU', 0):g} GPUs"
            return {"error": f"its nodes have {has} in all, and the run needs {one['cpus']} and {gpus}"}
    made: list[str] = []
    for one, gpus in zip(asked["actors"], gpus_of, strict=True):
        actor = (
            ray.remote(Trainer)
            .options(
                name=one["name"],
                lifetime="detached",
                num_cpus=one["cpus"],
                num_gpus=gpus,
                memory=one["memory_bytes"] or None,
                max_restarts=0,
            )
            .remote(one["name"], one["job"])
        )
        made.append(actor._actor_id.hex())
    _await(made)
    return {}


def _await(actors: list[str]) -> None:
    """Waits until the cluster holds the actors: it forgets those that whoever made them has not handed over before its end.

    Raises:
        TimeoutError: it does not.
    """
    deadline = time.monotonic() + _HANDED_OVER_S
    while any(ray._private.state.actors(one).get("State") in (None, "DEPENDENCIES_UNREADY") for one in actors):
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not take the run's actor within {_HANDED_OVER_S:g} s")
        time.sleep(0.05)


def _ask(_asked: dict[str, Any]) -> dict[str, Any]:
    return {"names": ray.util.list_named_actors()}


def _kill(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        ray.kill(ray.get_actor(asked["name"]))
    except ValueError:  # it is gone
        return {"killed": False}
    return {"killed": True}


_DO = {"submit": _submit, "ask": _ask, "kill": _kill}

if __name__ == "__main__":
    sys.exit(main())
