"""What a run answers to a command, and how those who send one wait for it. For any thread."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Protocol

from tuimon.base.errors import TuimonError
from tuimon.log.records import Applied, Command, Refused

Answer = Applied | Refused
OnAnswer = Callable[[Answer | TuimonError], None]

ANSWER_TIMEOUT_S = 30.0


class NoAnswer(TuimonError):
    """A command was sent to the run, and its result is not known yet."""


class Steering(Protocol):
    """A way to a run's training process: its socket, or a file in its folder."""

    @property
    def closed(self) -> bool:
        """Whether it leads nowhere any more."""

    def post(self, command: Command, on_answer: OnAnswer) -> None:
        """Sends a command, which must have an id; `on_answer` is called once, on a thread of its own. Never raises."""

    def close(self) -> None:
        """Ends it; commands without an answer get a TuimonError."""


def ask(way: Steering, command: Command, timeout_s: float = ANSWER_TIMEOUT_S) -> Answer:
    """Sends a command and waits for its answer.

    Raises:
        NoAnswer: none came in time.
        TuimonError: the connection broke.
    """
    answers: queue.SimpleQueue[Answer | TuimonError] = queue.SimpleQueue()
    way.post(command, answers.put)
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        hint = "A command takes effect between two steps; the run's log will show it."
        raise NoAnswer(f"{command.lever}: no answer within {timeout_s:g} s.", hint) from None
    if isinstance(answer, TuimonError):
        raise answer
    return answer
