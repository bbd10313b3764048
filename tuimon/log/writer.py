"""Appends records to a run's event file.

Runs inside the training process (and the supervisor), on any of its threads. Records go to an unbuffered file, so what was
written survives `kill -9`. Scalars may be held back for a moment: in a training step, whose arrays have pushed everything
else out of the processor's caches, one record alone costs ten times what it costs in a row of them. For the same reason a
training step only appends its values to a list, which is code that the interpreter keeps in the caches. Everything else is done
by the thread that writes: converting times, and names to tags.

Whatever the disk does afterwards, nothing here raises. On a full disk scalars and samples are counted and dropped, structured
records (levers, checkpoints, the end) are kept, and one line goes to stderr. As soon as there is room, a record of the gap and
what was kept are written. Standard library, msgspec and crc32c only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tuimon.log import wire
from tuimon.log.appender import Appender
from tuimon.log.files import event_files
from tuimon.log.histogram import Histogram
from tuimon.log.records import Event, Gap, tag_of

_MAX_LAYOUTS = 256
_MOST_LATER = 4  # records that wait to be encoded; what they are made of may be large
_KEPT_BYTES = 1 << 18  # of structured records that wait for room on a full disk

# step, when by time.perf_counter, when by the wall's clock if that is known; names of scalars, their values, and others by name
_Held = tuple[int, float, float | None, tuple[Any, ...], tuple[float, ...], Mapping[Any, float]]


def jsonable(value: object) -> object:
    """A user's value as JSON can hold it: numbers of numpy and torch as numbers, everything else as text."""
    listed = getattr(value, "tolist", None)
    return listed() if callable(listed) else str(value)


_encode = msgspec.json.Encoder(enc_hook=jsonable).encode


def _json(event: Event) -> str:
    """An event as JSON. Characters that are not valid text, as in a file name in another encoding, become question marks."""
    try:
        return _encode(event).decode()
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(event, enc_hook=jsonable, str_keys=True), ensure_ascii=False)
        return _encode(json.loads(text.encode(errors="replace"))).decode()


class LogWriter:
    """One event file, open for appending, of a run's folder.

    Args:
        folder: the run's folder; made if it is missing.
        suffix: ends the file's name and tells who wrote it: `run` (training process) or `launch` (supervisor).
        hold_s: longest time, in seconds, that scalars wait for others to be written with them; 0 writes each at once. Those
            that come later than this after the last ones never wait, and all other records are written at once, in order.
        scalar_tag: turns a scalar's name into its tag in the log.

    Raises:
        TuimonError: the folder or the file cannot be made, or the disk is full already.
    """

    def __init__(self, folder: Path, suffix: str, hold_s: float = 0.0, scalar_tag: Callable[[Any], str] = str) -> None:
        self._lock = threading.RLock()  # a signal's handler that logs runs on the thread that may hold it
        self._hold_s = hold_s
        self._scalar_tag = scalar_tag
        self._held: list[_Held] = []  # appended to without the lock, by any thread
        self._later: list[Callable[[], bytes]] = []  # records that are still to be encoded
        self._encoding = threading.RLock()  # held while that is done; whoever holds it never waits for the other lock
        self._encoded: list[bytes] = []
        self._in_midst = False  # of writing what is held back
        self._flushed, self._flushed_step = -math.inf, 0  # when scalars were written last, and of which step
        self._roused, self._wake = False, threading.Event()
        self._flusher: threading.Thread | None = None
        self._layouts: dict[tuple[Any, ...], wire.ScalarLayout] = {}
        self._kept: list[bytes] = []
        self._gap: Gap | None = None
        self._told = False  # on stderr, that records are missing
        self._file = Appender(folder, suffix)
        _writers.add(self)

    @property
    def lost(self) -> int:
        """How many records could not be written and are not yet reported in the log."""
        return self._gap.records if self._gap else 0

    @property
    def wants_room(self) -> bool:
        """Whether something waits for room on the disk: `flush` tries again."""
        return self._file.torn or bool(self._gap or self._kept)

    @property
    def path(self) -> Path:
        """The event file that is written to."""
        return self._file.path

    @property
    def folder(self) -> Path:
        """The folder that holds the file, even after it was moved, if the system knows."""
        return self._file.folder

    def scalars(self, step: int, values: Mapping[str, float], wall_time: float | None = None) -> None:
        """Writes scalars of a step as one record, with the current time by default; `values` must not change afterwards.

        Raises:
            ValueError: the step is outside 0 … `wire.MAX_STEP`.
        """
        if not 0 <= step <= wire.MAX_STEP:
            raise ValueError(f"step {step} is outside 0 … {wire.MAX_STEP}")
        self._held.append((step, time.perf_counter(), wall_time, (), (), values))
        if not self._roused:  # asked after it, for the thread looks in the other order
            self._see_to_held()

    def step(self, step: int, at: float, names: tuple[str, ...], own: tuple[float, ...], values: Mapping[Any, float]) -> None:
        """Writes scalars of a training step as one record, as `scalars` does.

        Args:
            step: the number of the step.
            at: when it was logged, by `time.perf_counter`.
            names: of what the monitor measured; the same object at each step that has the same ones is encoded faster.
            own: what it measured.
            values: what the user logs; takes precedence if a name is in both. Must not change afterwards.
        """
        self._held.append((step, at, None, names, own, values))
        if not self._roused:
            self._see_to_held()

    def later(self, encode: Callable[[], bytes]) -> None:
        """Makes the writer's own thread encode whole records and write them, soon; scalars are not held back for that.

        Where it does not keep up, the caller encodes what waits.

        Args:
            encode: called once, on that thread or by `flush`; must not raise.
        """
        self._later.append(encode)
        if len(self._later) <= _MOST_LATER and self._has_thread():
            self._wake.set()
        else:
            self.flush()

    def flush(self) -> None:
        """Writes everything that is held back, still to be encoded, or waiting for room on the disk."""
        self._encode_later()
        with self._lock:
            self._write_held()
            if self.wants_room and not self._file.closed:
                with contextlib.suppress(OSError):
                    self._catch_up()

    def sample(
        self, step: int, scalars: Mapping[str, float], histograms: Mapping[str, Histogram], wall_time: float | None = None
    ) -> None:
        """Writes scalars and histograms of a step as one record."""
        summary = b"".join(
            [wire.scalar_value(tag, x) for tag, x in scalars.items()]
            + [wire.histogram_value(tag, h) for tag, h in histograms.items()]
        )
        self._write_summary(step, summary, wall_time)

    def text(self, step: int, tag: str, text: str) -> None:
        """Writes one text summary."""
        self._write_summary(step, wire.text_value(tag, text), None)

    def text_and_pictures(self, step: int, tag: str, text: str, pictures: bytes) -> None:
        """Writes a text summary and, in the same record, image summaries as `wire.image_value` makes them."""
        self._write_summary(step, wire.text_value(tag, text) + pictures, None)

    def event(self, event: Event, step: int = 0) -> None:
        """Writes a structured record, as JSON in a text summary."""
        self._write_summary(step, wire.text_value(tag_of(event), _json(event)), None, keep=True)

    def close(self) -> None:
        """Closes the file; later records are dropped. Can be called repeatedly."""
        self._encode_later()
        with self._lock:
            self._in_midst = False  # whoever a signal's handler has interrupted finds the file closed
            self._write_held()
            if not self._file.closed:
                with contextlib.suppress(OSError):
                    self._catch_up()
            self._close()
        self._wake.set()

    def last_words(self, write: Callable[[], None], within_s: float = 1.0) -> None:
        """Lets `write` write the last records, then closes, because the process is about to end. Any thread; never waits long.

        Args:
            write: calls this writer's methods.
            within_s: how many seconds to wait for another thread that is writing; after that, nothing is done.
        """
        self._encode_later(within_s)
        if not self._lock.acquire(timeout=within_s):
            return
        try:
            self._hold_s, self._in_midst = 0.0, False
            write()
            self.flush()
        finally:
            self._close()  # whatever other threads still write is dropped
            self._lock.release()

    def _close(self) -> None:
        self._roused = False
        self._file.close()

    def _layout(self, names: tuple[Any, ...]) -> wire.ScalarLayout:
        found = self._layouts.get(names)
        if found is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            found = self._layouts[names] = wire.ScalarLayout([self._scalar_tag(name) for name in names])
        return found

    def _see_to_held(self) -> None:
        if self._file.closed:
            self._held.clear()
        elif time.perf_counter() - self._flushed < self._hold_s and self._has_thread():
            self._roused = True
            self._wake.set()
        else:
            with self._lock:
                self._write_held()

    def _has_thread(self) -> bool:
        """Whether the writer's own thread runs, which writes what is held back, as the next record may come much later."""
        if self._flusher is None:
            try:
                self._flusher = threading.Thread(target=self._write_on, name="tuimon-log", daemon=True)
                self._flusher.start()
            except RuntimeError:  # no thread can be had, as at the interpreter's end
                self._flusher = None
                return False
        return True

    def _write_on(self) -> None:
        """Keeps writing as long as records come, because waking up costs more than writing."""
        while not self._file.closed:
            if self._later:
                self._encode_later()
            if self._encoded:
                with self._lock:
                    self._write_held()
            time.sleep(self._hold_s)
            if self._held:
                with self._lock:
                    self._write_held()
                continue
            self._roused = False
            if not (self._held or self._later):  # else it came before the word that nobody writes
                self._wake.wait()
                self._wake.clear()

    def _encode_later(self, within_s: float = -1.0) -> None:
        """Encodes what was left for later, or waits for whoever does. Without the lock: others need it meanwhile."""
        if not self._encoding.acquire(timeout=within_s):
            return
        try:
            while self._later:
                if records := self._later.pop(0)():
                    self._encoded.append(records)
        finally:
            self._encoding.release()

    def _write_summary(self, step: int, summary: bytes, wall_time: float | None, keep: bool = False) -> None:
        record = wire.frame(wire.event(time.time() if wall_time is None else wall_time, step, summary))
        with self._lock:
            self._write_held()
            self._write(record, 1, step, step, keep)

    def _write_held(self) -> None:
        """Writes what is held back. Under the lock.

        An interrupt while records are made loses none. A signal handler that gets here meanwhile leaves them to the code it
        interrupted; otherwise later records would be written first.
        """
        if self._in_midst or not (self._held or self._encoded):
            return
        self._in_midst = True
        try:
            if held := self._held[:]:
                self._flushed = time.perf_counter()  # of scalars alone: a slow step's never wait because of a sample
                frames, steps = self._framed(held)
                del self._held[: len(held)]
                if steps:
                    self._flushed_step = steps[-1]
                    self._write(b"".join(frames), len(frames), steps[0], steps[-1])
            while self._encoded:
                self._write(self._encoded.pop(0), 1, self._flushed_step, self._flushed_step)
        finally:
            self._in_midst = False

    def _framed(self, held: list[_Held]) -> tuple[list[bytes], list[int]]:
        """The records as bytes, and their steps."""
        offset = time.time() - self._flushed
        frames, steps = [], []
        known_names: tuple[str, ...] | None = None  # the last record's names: those of most are the same
        known_keys: list[Any] = []
        for step, at, wall_time, names, own, values in held:
            try:
                keys = [*values]
                if names is not known_names or keys != known_keys:
                    layout = self._layout(tuple(dict.fromkeys((*names, *keys))))
                    known_names, known_keys, shared = names, keys, not set(names).isdisjoint(keys)
                numbers = {**dict(zip(names, own, strict=True)), **values}.values() if shared else (*own, *values.values())
                frames.append(layout.frame(offset + at if wall_time is None else wall_time, step, numbers))
                steps.append(step)
            except Exception as error:  # this one cannot be written; the others can
                self._lose(1, f"{type(error).__name__}: {error}", self._flushed_step, self._flushed_step)
        return frames, steps

    def _write(self, data: bytes, records: int, first_step: int, last_step: int, keep: bool = False) -> None:
        """Writes whole records, if the disk has room. Under the lock."""
        if self._file.closed:
            return
        try:
            if self.wants_room:
                self._catch_up()
            self._file.put(data)
        except OSError as error:
            reason = error.strerror or str(error)
            if keep and sum(map(len, self._kept)) + len(data) <= _KEPT_BYTES:
                self._kept.append(data)
                self._say(first_step, reason)
            else:
                self._lose(records, reason, first_step, last_step)

    def _lose(self, records: int, reason: str, first_step: int, last_step: int) -> None:
        self._say(first_step, reason)
        gap = self._gap or Gap(records=0, reason=reason, first_step=first_step)
        self._gap = msgspec.structs.replace(gap, records=gap.records + records, last_step=last_step)

    def _say(self, step: int, reason: str) -> None:
        """Prints once on stderr that records are missing: the log itself may not be able to say so before the end."""
        if not self._told:
            self._told = True
            with contextlib.suppress(Exception):  # stderr may be closed, or a file on the same disk
                print(f"tuimon: the log misses what came after step {step}: {reason}: {self.path}", file=sys.stderr)

    def _catch_up(self) -> None:
        """Writes what waits for room: the rest of a torn record, the record of the gap, the kept records. Raises OSError."""
        self._file.finish()
        if gap := self._gap:
            summary = wire.text_value(tag_of(gap), _encode(gap).decode())
            self._file.put(wire.frame(wire.event(time.time(), gap.last_step, summary)))
            self._gap = None
            self._file.finish()
        while self._kept:
            self._file.put(self._kept[0])
            del self._kept[0]
            self._file.finish()


def add_event(folder: Path, event: Event) -> None:
    """Appends a structured record to the log of a run that another writer created and may still write to.

    Raises:
        OSError: the run has no log yet, or it cannot be written to.
    """
    found = [path for path in event_files(folder) if path.suffix == ".run"]
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    record = wire.frame(wire.event(time.time(), 0, wire.text_value(tag_of(event), _json(event))))
    fd = os.open(found[-1], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(fd, record)
    finally:
        os.close(fd)


_writers: weakref.WeakSet[LogWriter] = weakref.WeakSet()


def _silence_forked_child() -> None:
    """A forked DataLoader worker inherits the descriptor and, perhaps, a held lock: its copies must never write."""
    for writer in list(_writers):
        writer._lock, writer._encoding = threading.RLock(), threading.RLock()
        writer._later.clear()
        writer._encoded.clear()
        writer._held.clear()
        writer._close()


os.register_at_fork(after_in_child=_silence_forked_child)
