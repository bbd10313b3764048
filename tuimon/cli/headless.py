"""Follows a run without a screen: prints lines, one line that rewrites itself, or JSON lines.

Uses the same feed and store as the screen. The feed's thread reads, the main thread prints; signal handlers only count.
Nothing here changes the run, unless the user asks to stop it.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from tuimon.base.errors import TuimonError, in_one_line
from tuimon.base.regular import open_regular
from tuimon.cli.passing import PassThrough, routes
from tuimon.cli.printing import Printer, outcome
from tuimon.diagnosis.following import Following
from tuimon.launcher.feed import Feed
from tuimon.launcher.runs import jsonl
from tuimon.launcher.runs.standing import COPY
from tuimon.launcher.runs.status import STOPPED_CODE, Status, exit_code
from tuimon.launcher.steering.stop import stop
from tuimon.launcher.supervisor.output import OUTPUT
from tuimon.log.batch import Batch, EventRecord
from tuimon.log.files import Damage
from tuimon.log.records import Finding
from tuimon.log.store import Store

_TICK_S = 0.2
_BACKLOG = 16  # batches: a slow reader of our output slows the feed down instead of filling memory
_OUTPUT_LINES = 20
_OUTPUT_BYTES = 1 << 16

_Item = Batch | Status | Damage | str


def follow(
    run: Path,
    *,
    json_lines: bool = False,
    owned: bool = True,
    quiet: bool = False,
    output: Sequence[int] = (),
    ascii: bool = False,
) -> int:
    """Prints a run until it ends.

    Args:
        run: its folder.
        json_lines: print JSON lines to stdout and text for people to stderr; otherwise print the text to stdout.
        owned: Ctrl-C (or SIGTERM) stops the run: the first gracefully, the second at once. If False, it only ends the printing.
        quiet: print no text for people.
        output: what the run itself prints, to be passed through, as `Streams.sources`; text for people goes to stderr then.
        ascii: draw with ASCII characters only.

    Returns:
        The run's own exit code, as `exit_code` of `tuimon.launcher.runs.status`; 130 also if the user stopped watching.
    """
    passing = PassThrough(routes(output, json_lines)) if output else None
    stream = _stream(passing, json_lines, quiet)
    printer = Printer(stream, shared=passing.between_lines if passing else None)
    follower = _Follower(run, json_lines, owned, printer, passing)
    if not (json_lines or quiet):
        follower.card_on(stream, ascii)
    with _signals(follower.interrupt):
        try:
            return follower.run()
        finally:
            follower.close()


def _stream(passing: PassThrough | None, json_lines: bool, quiet: bool) -> TextIO:
    """Where text for people goes."""
    if quiet:
        return open(os.devnull, "w")
    return sys.stderr if json_lines or passing else sys.stdout


class _Follower:
    """The main thread's loop and its state."""

    def __init__(self, run: Path, json_lines: bool, owned: bool, printer: Printer, passing: PassThrough | None) -> None:
        self._path, self._json, self._owned = run, json_lines, owned
        self._store = Store()
        self._diagnosis = Following(self._store)
        self._status = Status("unknown")
        self._items: queue.Queue[_Item] = queue.Queue(_BACKLOG)
        self._interrupts = self._served = 0
        self._unshown: set[str] = set()
        self._failures: set[str] = set()
        self._closed = threading.Event()
        self._printer, self._passing = printer, passing
        self._found: list[Finding] = []  # told here: a log may hold more
        self._card: Callable[[], None] | None = None
        self._feed = Feed(run, self._put, on_status=self._put, on_damage=self._put)

    def run(self) -> int:
        self._printer.line(f"{self._path.name}: {self._path}")
        while True:
            item = self._next()
            if self._passing:
                self._passing.check()
            if item is not None:
                self._take(item)
            if self._interrupts > self._served and not self._serve_interrupt():
                return STOPPED_CODE
            if self._has_ended():
                return self._end()
            self._safely(self._printer.progress, self._store, self._status)

    def card_on(self, stream: TextIO, ascii: bool) -> None:
        """Prints a card at the end of the run."""
        self._card = lambda: self._print_card(stream, ascii)

    def interrupt(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Counts one Ctrl-C, for the loop to act on. Safe in a signal handler."""
        self._interrupts += 1

    def close(self) -> None:
        self._closed.set()
        self._feed.close()
        self._printer.close()

    def _put(self, item: _Item) -> None:
        while not self._closed.is_set():
            try:
                return self._items.put(item, timeout=_TICK_S)
            except queue.Full:
                continue

    def _next(self) -> _Item | None:
        try:
            return self._items.get(timeout=_TICK_S)
        except queue.Empty:
            return None

    def _take(self, item: _Item) -> None:
        if isinstance(item, Batch):
            self._take_batch(item)
        elif isinstance(item, Status):
            self._status = item
        elif isinstance(item, Damage):
            self._take_damage(item)
        else:
            self._printer.line(item)

    def _take_damage(self, damage: Damage) -> None:
        """Prints each place once."""
        place = (damage.path, damage.offset)
        if not any((known.path, known.offset) == place for known in self._store.damage):
            self._printer.line(str(damage))
        self._store.damage = [known for known in self._store.damage if (known.path, known.offset) != place] + [damage]

    def _take_batch(self, batch: Batch) -> None:
        self._safely(self._store.apply, batch)
        for event in batch.events:
            self._safely(self._printer.event, event)
        for tag, kind in batch.unshown.items():
            if kind not in self._unshown:
                self._unshown.add(kind)
                self._printer.line(f"not shown: {kind}, in {tag}")
        self._safely(lambda: self._write_json(jsonl.records(batch._replace(histograms=(), texts=()))))
        self._safely(lambda: self._tell_findings(self._diagnosis.take(batch)))

    def _safely(self, work: Callable[..., object], *arguments: object) -> None:
        """Does a part of the telling. An error in it is said once, and the run is followed on: its exit code is ours."""
        try:
            work(*arguments)
        except OSError:  # nobody reads our output any more
            raise
        except Exception as error:
            text = f"error: something in the log cannot be shown: {in_one_line(error)}"
            if text not in self._failures:
                self._failures.add(text)
                self._printer.line(text)

    def _tell_findings(self, findings: Sequence[EventRecord]) -> None:
        """Tells what the rules find in a log that does not carry its findings itself."""
        for finding in findings:
            self._printer.event(finding)
        self._found += [record.event for record in findings if isinstance(record.event, Finding)]
        self._write_json(findings)

    def _write_json(self, records: Sequence[jsonl.Record]) -> None:
        if self._json and records:
            sys.stdout.buffer.writelines(jsonl.line(record) for record in records)
            sys.stdout.buffer.flush()

    def _serve_interrupt(self) -> bool:
        """Acts on one Ctrl-C; returns False to end the printing while the run continues."""
        self._served += 1
        if not self._owned:
            hint = f"; `tuimon stop {self._path.name}` stops it" if self._status.live else ""  # on this host
            self._printer.line(f"{self._path.name} continues{hint}")
            return False
        now = self._served > 1
        text = "stopping now" if now else "stopping: finishes its step, validates and saves (Ctrl-C again: stop now)"
        self._printer.line(text)
        threading.Thread(target=self._stop, args=(now,), name="tuimon-stop", daemon=True).start()
        return True

    def _stop(self, now: bool) -> None:
        try:
            stop(self._path, now)
        except TuimonError as error:
            self._put(error.message)

    def _has_ended(self) -> bool:
        if self._status.live or not self._items.empty():
            return False
        if self._status.state == "unknown":  # nobody writes to a copy; another framework's log does not record its end
            foreign = self._store.started is None and self._store.launched is None
            return self._status.detail.startswith(COPY) or (foreign and self._status.detail != "")
        return True

    def _end(self) -> int:
        code = self._code()
        if self._passing:
            self._passing.finish(give_up=lambda: self._interrupts > self._served)
        self._safely(lambda: self._tell_findings(self._diagnosis.finish()))
        self._safely(self._printer.progress, self._store, self._status, True)
        if self._status.state not in ("finished", "stopped", "unknown") and not self._passing:
            self._show_output()  # the run's own error comes first
        self._safely(lambda: self._printer.line(outcome(self._store, self._status)))
        if self._card:
            self._safely(self._card)
        if self._json:
            sys.stdout.buffer.write(jsonl.end_line(self._status, code, self._store))
            sys.stdout.buffer.flush()
        return code

    def _print_card(self, stream: TextIO, ascii: bool) -> None:
        from tuimon.paper.card import card  # takes a moment, which no run's beginning should wait for
        from tuimon.paper.ink import columns_for, ink_for

        findings = [record.event for record in self._store.findings if isinstance(record.event, Finding)] + self._found
        ink = ink_for(stream, ascii=ascii)
        rows = card(self._path, self._store, self._status, findings, columns_for(stream), ink)
        self._printer.block(rows)

    def _code(self) -> int:
        if self._owned and self._served and self._status.state == "killed":
            return STOPPED_CODE  # it took a signal to stop it
        return exit_code(self._status, self._store.exited)

    def _show_output(self) -> None:
        lines = last_lines(self._path / OUTPUT)
        if lines:
            self._printer.close()
            print(f"--- last lines of {self._path / OUTPUT}", *lines, sep="\n", file=sys.stderr)


def last_lines(path: Path, count: int = _OUTPUT_LINES) -> list[str]:
    """The last `count` lines of a run's output; empty if the file cannot be read."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _OUTPUT_BYTES))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []


@contextmanager
def _signals(handler: Callable[..., None]) -> Iterator[None]:
    """Handles SIGINT and SIGTERM alike. SIGHUP keeps its default: it ends this process, but no run."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
