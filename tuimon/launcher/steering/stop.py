"""Stops a run: asks its training to end, waits until it has ended, and falls back to a signal if nobody answers.

A run that was asked to stop has not stopped yet: a step may take minutes, and a script may catch the interrupt and continue.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.format import count
from tuimon.base.process import host_name
from tuimon.launcher.places.places import holder
from tuimon.launcher.runs.glance import judge, lifecycle
from tuimon.launcher.runs.standing import COPY
from tuimon.launcher.runs.status import Lifecycle
from tuimon.launcher.steering.client import Answer, NoAnswer, check_live, client_of
from tuimon.launcher.steering.commands import describe, parse_setting
from tuimon.launcher.steering.stopping import stop_by_signal

TIMEOUT_S = 60.0
_SAY_AFTER_S = 1.0
_POLL_S = 0.05


def stop(run: Path, now: bool = False, timeout_s: float = TIMEOUT_S, say: Callable[[str], None] = lambda _: None) -> str:
    """Stops a run: gracefully (it finishes its step, validates and saves), or `now`, with whatever signal it takes.

    Args:
        run: the run's folder.
        now: end its process at once.
        timeout_s: how long to wait for the training to end, once it is asked to.
        say: takes one line before a wait that is longer than a moment.

    Returns:
        What was done, for the user: the training has ended.

    Raises:
        NoAnswer: it was asked to stop, and still trains.
        TuimonError: it does not run, or cannot be stopped from here.
    """
    life = lifecycle(run)
    check_live(run, life)
    if life.queued and holder(life.queued.on).cancel(run):
        return _left_queue(run, timeout_s)
    if now:
        return _end_at_once(run, life)
    deadline = time.monotonic() + timeout_s
    if life.training and life.training.socket and not life.ended:
        try:
            return describe(_ask(run, life, timeout_s, say))
        except NoAnswer:
            raise
        except TuimonError:  # nobody listens, or the process has ended
            if (told := _ended(run)) is not None:
                return told
    done = _end_at_once(run, life) if _is_hidden(life) else stop_by_signal(run, life)
    while (told := _ended(run)) is None:
        if time.monotonic() >= deadline:
            raise NoAnswer(f"{done}, and it is still running.", _end_it(run))
        time.sleep(_POLL_S)
    return f"{done}; {told}"


def _is_hidden(life: Lifecycle) -> bool:
    """Whether its processes are on another machine, so that only its engine can end them."""
    known = life.processes()
    return bool(life.engine) and (not known or known[0].host != host_name())


def _end_at_once(run: Path, life: Lifecycle) -> str:
    return holder(life.engine).end(run) if _is_hidden(life) else stop_by_signal(run, life, now=True)


def _left_queue(run: Path, timeout_s: float) -> str:
    """Waits until the supervisor of a run that was taken out of the queue has logged that."""
    deadline = time.monotonic() + timeout_s
    while judge(run)[1].live:
        if time.monotonic() >= deadline:
            raise NoAnswer(f"Took {run.name} out of the queue, and its supervisor is still there.", _end_it(run))
        time.sleep(_POLL_S)
    return "taken out of the queue"


def _ask(run: Path, life: Lifecycle, timeout_s: float, say: Callable[[str], None]) -> Answer:
    """Sends a stop and waits for its answer, which comes when the training has ended."""
    answers: queue.SimpleQueue[Answer | TuimonError] = queue.SimpleQueue()
    client = client_of(run, life)
    try:
        client.post(parse_setting("stop"), answers.put)
        answer = _within(min(timeout_s, _SAY_AFTER_S), answers)
        if answer is None and timeout_s > _SAY_AFTER_S:
            say(f"asked {run.name} to stop; waiting up to {timeout_s:g} s for its training to end")
            answer = _within(timeout_s - _SAY_AFTER_S, answers)
    finally:
        client.close()
    if answer is None:
        raise _still_training(run)
    if isinstance(answer, TuimonError):
        raise answer
    return answer


def _within(timeout_s: float, answers: queue.SimpleQueue[Answer | TuimonError]) -> Answer | TuimonError | None:
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return None


def _still_training(run: Path) -> NoAnswer:
    asked = lifecycle(run).stop_asked
    if asked is None:
        return NoAnswer(f"Asked {run.name} to stop, and it has not come to the end of its step yet.", _end_it(run))
    return NoAnswer(f"{run.name} was asked to stop at step {count(asked)} and is still training.", _end_it(run))


def _ended(run: Path) -> str | None:
    """How the run ended; None while it is live, or if its folder is a copy, which tells nothing."""
    life, status = judge(run)
    if life.ended:
        return "its training has ended"
    return None if status.live or status.detail.startswith(COPY) else f"it is {status.state}"


def _end_it(run: Path) -> str:
    return f"`tuimon stop --now {run.name}` ends it at once."
