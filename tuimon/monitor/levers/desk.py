"""The desk between those who steer and the training loop.

Commands come in from any thread; they are carried out on the training thread, between two steps, each id exactly once. The
answer goes out, to the log and to whoever asked, when the next step has shown what is really in force, or at once where no
step comes. A stop is answered when the run is closed: a script may go on training after it was asked.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

import msgspec

from tuimon.log.records import Applied, Command, Event, Planned, Refused, StopAsked
from tuimon.monitor.levers.levers import Change, Levers

Answer = Applied | Refused
Reply = Callable[[Answer], None]
_REMEMBERED = 4096
_LOOK_UP_S = 0.25
_PER_BOUNDARY = 64  # commands carried out between two steps; the others wait for the next boundary


class Desk:
    """Takes commands in and gives answers out.

    Args:
        levers: what the commands move.
        write: takes each answer to the log.
    """

    def __init__(self, levers: Levers, write: Callable[[Event], None]) -> None:
        self._levers = levers
        self._write = write
        self._queue: SimpleQueue[tuple[Command, Reply]] = SimpleQueue()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._open: list[tuple[Change, list[Reply]]] = []
        self._at_end: list[tuple[Change, list[Reply]]] = []
        self._plan: list[Planned] = []  # in the order in which they are due
        self._mid_step = False  # where the boundary that is served lies
        self.called = False  # whether something was handed in; to look at this is the whole cost of a boundary without

    def submit(self, command: Command, reply: Reply) -> None:
        """Hands a command in. Any thread; also safe in a signal handler."""
        self._queue.put((command, reply))
        self.called = True  # after it, for the other thread looks in the other order

    def submit_alone(self, command: Command) -> None:
        """Hands a command in whose answer nobody but the log gets. Any thread."""
        self.submit(command, lambda _: None)

    def plan(self, commands: Sequence[Planned]) -> None:
        """Schedules commands for their steps, in the given order."""
        self._plan = list(commands)
        self.called = bool(commands)

    def skip_to(self, step: int) -> None:
        """Drops what is planned for before a step, where a resumed run goes on: its checkpoint knows what came of it."""
        self._plan = [planned for planned in self._plan if (planned.step, planned.mid_step) > (step, False)]

    def serve(self, step: int, mid_step: bool, before_pause: Callable[[], None]) -> float:
        """Carries out what waits or is due, and stays while the run is paused. Training thread.

        Args:
            step: how many steps are complete.
            mid_step: whether the next one has begun.
            before_pause: called before each wait.

        Returns:
            Seconds spent paused.
        """
        self._mid_step = mid_step
        self._drain(step)
        if not self._levers["paused"]:
            return 0.0
        began = time.perf_counter()
        while self._levers["paused"]:
            before_pause()
            self.settle()
            self._take(*self._next(), step)
            self._drain(step)
        return time.perf_counter() - began

    def settle(self) -> None:
        """Answers every command that is still unanswered, with the values now in force."""
        waiting, self._open = self._open, []
        for change, replies in waiting:
            self._answer(change.told(), replies)

    @property
    def mid_step(self) -> bool:
        """Whether the boundary that is served lies within a step: its gradients are there already."""
        return self._mid_step

    @property
    def waiting(self) -> bool:
        """Whether commands were carried out that are not answered yet."""
        return bool(self._open)

    def close(self, step: int) -> None:
        """Answers all that waits when the run is over: what was asked for has been done, what was not looked at is refused."""
        self.settle()
        waiting, self._at_end = self._at_end, []
        for change, replies in waiting:
            self._answer(msgspec.structs.replace(change.told(), step=step, mid_step=False), replies)
        self._refuse_all(step, "the run is over")

    def _refuse_all(self, step: int, reason: str) -> None:
        while True:
            try:
                command, reply = self._queue.get_nowait()
            except Empty:
                return
            refused = Refused(step=step, lever=command.lever, value=command.value, reason=reason, by=command.by, id=command.id)
            self._answer(refused, [reply])

    def _next(self) -> tuple[Command, Reply]:
        """Waits for a command; looks up now and then, as a wait without end would miss a signal that came just before it."""
        while True:
            try:
                return self._queue.get(timeout=_LOOK_UP_S)
            except Empty:
                continue

    def _drain(self, step: int) -> None:
        while self._plan and (self._plan[0].step, self._plan[0].mid_step) <= (step, self._mid_step):
            self._take(self._plan.pop(0).command, lambda _: None, step)
        self.called = bool(self._plan)  # called at every step, then
        for _ in range(_PER_BOUNDARY):
            if self._queue.empty():
                return
            self._take(*self._queue.get_nowait(), step)
        self.called = True

    def _take(self, command: Command, reply: Reply, step: int) -> None:
        if self._is_known(command, reply):
            return
        self.settle()  # so that each answer tells of its own change alone
        result = self._levers.carry_out(command, step, self._mid_step)
        if isinstance(result, Refused):
            self._answer(result, [reply])
        elif result.at_end:
            self._at_end.append((result, [reply]))
            self._write(StopAsked(step, by=command.by, id=command.id))
        elif not result.in_step:
            self._answer(result.told(), [reply])
        else:
            self._open.append((result, [reply]))

    def _is_known(self, command: Command, reply: Reply) -> bool:
        """Repeats the first answer for a command that was sent again."""
        if not command.id:
            return False
        for change, replies in (*self._open, *self._at_end):
            if change.applied.id == command.id:
                replies.append(reply)
                return True
        answer = self._answers.get(command.id)
        if answer is None:
            return False
        reply(answer)
        return True

    def _answer(self, answer: Answer, replies: list[Reply]) -> None:
        self._write(answer)
        if answer.id:
            self._answers[answer.id] = answer
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        for reply in replies:
            reply(answer)
